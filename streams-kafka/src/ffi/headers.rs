//! Headers of a record, in librdkafka's own form: those of a fetched record can be produced again
//! without being taken apart.

use super::error::{ClientError, raw};
use rdkafka::bindings as rd;
use std::ffi::{CStr, c_void};
use std::marker::PhantomData;
use std::ptr::NonNull;

/// Headers that somebody else owns: a fetched message, or [`Headers`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct HeadersRef<'a> {
    raw: NonNull<rd::rd_kafka_headers_t>,
    owner: PhantomData<&'a rd::rd_kafka_headers_t>,
}

impl<'a> HeadersRef<'a> {
    /// # Safety
    /// `raw` is live and unchanged for `'a`.
    pub(super) unsafe fn lend(raw: NonNull<rd::rd_kafka_headers_t>) -> Self {
        Self { raw, owner: PhantomData }
    }

    pub(crate) fn len(self) -> usize {
        // SAFETY: live for `'a`.
        unsafe { rd::rd_kafka_header_cnt(self.raw.as_ptr()) }
    }

    /// The header at `index`, in the record's order: its name (any bytes save zero) and value,
    /// which may be null.
    pub(crate) fn get(self, index: usize) -> Option<(&'a [u8], Option<&'a [u8]>)> {
        let (mut name, mut value, mut size) = (std::ptr::null(), std::ptr::null(), 0);
        // SAFETY: live for `'a`; on success the three describe memory of the headers, which stays
        // where it is for `'a`.
        unsafe {
            let headers = self.raw.as_ptr();
            match raw::rd_kafka_header_get_all(
                headers,
                index,
                &raw mut name,
                &raw mut value,
                &raw mut size,
            ) {
                0 => Some((CStr::from_ptr(name).to_bytes(), bytes(value, size))),
                _ => None,
            }
        }
    }

    pub(crate) fn iter(self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> {
        (0..self.len()).map_while(move |index| self.get(index))
    }

    /// A copy for librdkafka to keep.
    pub(super) fn copy(self) -> *mut rd::rd_kafka_headers_t {
        // SAFETY: live for `'a`.
        unsafe { rd::rd_kafka_headers_copy(self.raw.as_ptr()) }
    }
}

/// Headers made here.
#[derive(Debug)]
pub(crate) struct Headers(NonNull<rd::rd_kafka_headers_t>);

// SAFETY: plain memory with one owner, tied to no thread and no client.
unsafe impl Send for Headers {}

impl Headers {
    /// An empty list with room for `count`.
    ///
    /// # Errors
    /// Out of memory.
    pub(crate) fn with_capacity(count: usize) -> Result<Self, ClientError> {
        // SAFETY: makes a list that `Self` owns.
        NonNull::new(unsafe { rd::rd_kafka_headers_new(count) })
            .map(Self)
            .ok_or_else(|| ClientError::Create { reason: "out of memory".to_owned() })
    }

    /// Appends a header, copying both.
    ///
    /// # Errors
    /// Sizes beyond what librdkafka can hold.
    pub(crate) fn add(&mut self, name: &[u8], value: Option<&[u8]>) -> Result<(), ClientError> {
        let (value, value_size) = pointer(value);
        // SAFETY: live; name and value are read within the given sizes (a slice is never longer
        // than isize::MAX).
        let code = unsafe {
            raw::rd_kafka_header_add(
                self.0.as_ptr(),
                name.as_ptr().cast(),
                name.len().cast_signed(),
                value,
                value_size.cast_signed(),
            )
        };
        ClientError::check("add header", code)
    }

    pub(crate) fn as_ref(&self) -> HeadersRef<'_> {
        // SAFETY: live while `self` is borrowed, which also keeps `add` away.
        unsafe { HeadersRef::lend(self.0) }
    }
}

impl Drop for Headers {
    fn drop(&mut self) {
        // SAFETY: live and ours.
        unsafe { rd::rd_kafka_headers_destroy(self.0.as_ptr()) }
    }
}

/// A slice from C; null is `None`, which differs from the empty slice.
///
/// # Safety
/// `pointer` is null, or `size` bytes at it may be read for `'a`.
#[inline]
pub(super) unsafe fn bytes<'a>(pointer: *const c_void, size: usize) -> Option<&'a [u8]> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: by this function's contract.
    Some(unsafe { std::slice::from_raw_parts(pointer.cast::<u8>(), size) })
}

/// A slice for C; `None` is null. The pointer of an empty slice is not null.
#[inline]
pub(super) fn pointer(bytes: Option<&[u8]>) -> (*const c_void, usize) {
    bytes.map_or((std::ptr::null(), 0), |bytes| (bytes.as_ptr().cast(), bytes.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_duplicates_nulls_and_empty_values_are_kept() {
        let given: [(&[u8], Option<&[u8]>); 4] =
            [(b"a", Some(b"1")), (b"b", None), (b"a", Some(b"")), (b"", Some(b"2"))];
        let mut headers = Headers::with_capacity(4).unwrap();
        for (name, value) in given {
            headers.add(name, value).unwrap();
        }
        assert_eq!(headers.as_ref().iter().collect::<Vec<_>>(), given);
        assert!(headers.as_ref().get(4).is_none());
    }
}
