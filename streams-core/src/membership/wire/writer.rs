//! Writing a message.

use super::api::{Encoding, Version};

/// Why a message cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// A text, a list or the frame is longer than its length field can say.
    #[error("a field of {length} bytes or elements is over the protocol's limit of {max}")]
    TooLong {
        /// The length.
        length: usize,
        /// The largest possible.
        max: usize,
    },
}

/// Appends the fields of one message to a buffer.
///
/// A field that is too long is remembered and reported by [`Writer::finish`].
#[derive(Debug)]
pub struct Writer {
    out: Vec<u8>,
    version: Version,
    fault: Option<EncodeError>,
}

impl Writer {
    /// Writes a message of this version after what `out` holds.
    #[must_use]
    pub const fn new(out: Vec<u8>, version: Version) -> Self {
        Self { out, version, fault: None }
    }

    /// The message's version number.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.version.number
    }

    /// An 8-bit integer.
    pub fn i8(&mut self, value: i8) {
        self.out.extend(value.to_be_bytes());
    }

    /// A 16-bit integer.
    pub fn i16(&mut self, value: i16) {
        self.out.extend(value.to_be_bytes());
    }

    /// A 32-bit integer.
    pub fn i32(&mut self, value: i32) {
        self.out.extend(value.to_be_bytes());
    }

    /// A 64-bit integer.
    pub fn i64(&mut self, value: i64) {
        self.out.extend(value.to_be_bytes());
    }

    /// Bytes as they are, without a length.
    pub fn raw(&mut self, bytes: &[u8]) {
        self.out.extend(bytes);
    }

    fn uvarint(&mut self, mut value: u32) {
        while value >= 0x80 {
            self.out.push((value & 0x7f) as u8 | 0x80);
            value >>= 7;
        }
        self.out.push(value as u8);
    }

    fn too_long(&mut self, length: usize, max: usize) {
        self.fault.get_or_insert(EncodeError::TooLong { length, max });
    }

    fn short_length(&mut self, length: Option<usize>) {
        if self.version.encoding == Encoding::Flexible {
            return self.length(length);
        }
        match length.map(i16::try_from) {
            None => self.i16(-1),
            Some(Ok(length)) => self.i16(length),
            Some(Err(_)) => self.too_long(length.unwrap_or_default(), i16::MAX as usize),
        }
    }

    fn length(&mut self, length: Option<usize>) {
        match (length.map(i32::try_from), self.version.encoding) {
            (None, Encoding::Flexible) => self.uvarint(0),
            (None, Encoding::Classic) => self.i32(-1),
            (Some(Ok(length)), Encoding::Flexible) => self.uvarint(length.unsigned_abs() + 1),
            (Some(Ok(length)), Encoding::Classic) => self.i32(length),
            (Some(Err(_)), _) => self.too_long(length.unwrap_or_default(), i32::MAX as usize),
        }
    }

    /// Text, or null.
    pub fn nullable_string(&mut self, text: Option<&str>) {
        self.short_length(text.map(str::len));
        self.raw(text.unwrap_or_default().as_bytes());
    }

    /// Text.
    pub fn string(&mut self, text: &str) {
        self.nullable_string(Some(text));
    }

    /// Bytes, or null.
    pub fn nullable_bytes(&mut self, bytes: Option<&[u8]>) {
        self.length(bytes.map(<[u8]>::len));
        self.raw(bytes.unwrap_or_default());
    }

    /// Bytes.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.nullable_bytes(Some(bytes));
    }

    /// A list, or null.
    pub fn nullable_list<T>(&mut self, list: Option<&[T]>, mut element: impl FnMut(&mut Self, &T)) {
        self.length(list.map(<[T]>::len));
        for one in list.unwrap_or_default() {
            element(self, one);
        }
    }

    /// A list.
    pub fn list<T>(&mut self, list: &[T], element: impl FnMut(&mut Self, &T)) {
        self.nullable_list(Some(list), element);
    }

    /// Ends a structure: no tagged fields.
    pub fn tags(&mut self) {
        if self.version.encoding == Encoding::Flexible {
            self.out.push(0);
        }
    }

    /// The bytes written.
    ///
    /// # Errors
    /// [`EncodeError`] if a field was too long.
    pub fn finish(self) -> Result<Vec<u8>, EncodeError> {
        match self.fault {
            None => Ok(self.out),
            Some(fault) => Err(fault),
        }
    }
}
