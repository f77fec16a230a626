//! Frames to which something happened: refused, or read as what can be written again.

use std::fmt::Debug;

use proptest::prelude::*;

use super::super::{
    Request, Version, decode_request_header, decode_response, encode_request, encode_response,
};
use crate::damage::rubbish;

const CORRELATION: i32 = 9;

/// Frames of the request `R` that are damaged forms of this one.
pub(super) fn requests_come_back<R: Request + PartialEq + Debug>(frame: &[u8], version: Version) {
    proptest!(|(bytes in rubbish(vec![frame.to_vec()]))| {
        request_comes_back::<R>(&bytes, version)?;
    });
}

fn request_comes_back<R: Request + PartialEq + Debug>(
    bytes: &[u8],
    version: Version,
) -> Result<(), TestCaseError> {
    let Ok((header, mut body)) = decode_request_header(bytes) else { return Ok(()) };
    // Another version may have no room for what this one reads.
    if (header.api, header.version) != (R::API, version) {
        return Ok(());
    }
    if let Ok(read) = R::decode(&mut body) {
        let written = encode_request(&read, version, CORRELATION, "client").unwrap();
        let (_, mut body) = decode_request_header(&written[4..]).unwrap();
        prop_assert_eq!(R::decode(&mut body), Ok(read));
    }
    Ok(())
}

/// Frames of the response to `R` that are damaged forms of this one, which has the correlation id 9.
pub(super) fn responses_come_back<R: Request>(frame: &[u8], version: Version)
where
    R::Response: PartialEq + Debug,
{
    proptest!(|(bytes in rubbish(vec![frame.to_vec()]))| {
        response_comes_back::<R>(&bytes, version)?;
    });
}

fn response_comes_back<R: Request>(bytes: &[u8], version: Version) -> Result<(), TestCaseError>
where
    R::Response: PartialEq + Debug,
{
    if let Ok(read) = decode_response::<R>(bytes, version, CORRELATION) {
        let written = encode_response::<R>(&read, version, CORRELATION).unwrap();
        prop_assert_eq!(decode_response::<R>(&written[4..], version, CORRELATION), Ok(read));
    }
    Ok(())
}
