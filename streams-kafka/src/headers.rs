//! Headers between librdkafka's form and ours.

use bytes::Bytes;
use streams_core::record::{Header, Headers};

use crate::ffi::error::ClientError;
use crate::ffi::headers::{Headers as HeaderList, HeadersRef};

/// Copies what a fetched message carries. Names that are not UTF-8 are read as nearly as possible.
pub(crate) fn from_librdkafka(headers: HeadersRef<'_>) -> Headers {
    headers
        .iter()
        .map(|(name, value)| Header {
            name: String::from_utf8_lossy(name).into(),
            value: value.map(Bytes::copy_from_slice),
        })
        .collect()
}

/// Makes a list that a record can be produced with.
pub(crate) fn to_librdkafka(headers: &Headers) -> Result<HeaderList, ClientError> {
    let mut list = HeaderList::with_capacity(headers.len())?;
    for header in headers.iter() {
        list.add(header.name.as_bytes(), header.value.as_deref())?;
    }
    Ok(list)
}
