//! Reading a message, with every length checked.

use super::api::{Encoding, Version};

/// Bytes of memory that a list may take beyond twice the bytes that are left for it.
const LIST_BYTES_FREE: usize = 64 * 1024;

/// Why bytes are not the message that they should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end inside a field.
    #[error("a field of {needed} bytes has only {left} left in its frame")]
    Truncated {
        /// Bytes that the field takes.
        needed: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A list says that it has more elements than the rest of the frame could hold.
    #[error("a list of {count} elements cannot be in the {left} bytes left in its frame")]
    CountBeyondFrame {
        /// Elements announced.
        count: usize,
        /// Bytes that are left.
        left: usize,
    },
    /// A list says that it has more elements than its bytes justify the memory for: nobody writes so
    /// many that are almost empty.
    #[error("a list of {count} elements in {left} bytes would take {bytes} bytes of memory")]
    MemoryBeyondFrame {
        /// Elements announced.
        count: usize,
        /// Bytes that are left.
        left: usize,
        /// Bytes of memory.
        bytes: usize,
    },
    /// A length is negative where null is not allowed.
    #[error("a length of {length} stands where null is not allowed")]
    NegativeLength {
        /// The length.
        length: i64,
    },
    /// A variable-size integer does not end.
    #[error("a variable-size integer is longer than five bytes")]
    VarintTooLong,
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    NotUtf8,
    /// Bytes are left over after the message.
    #[error("{count} bytes are left over after the message")]
    TrailingBytes {
        /// Bytes left over.
        count: usize,
    },
    /// A frame is larger than the limit.
    #[error("a frame of {length} bytes is outside the limit of {max}")]
    FrameLength {
        /// The frame's length as announced.
        length: i64,
        /// The largest that is taken.
        max: usize,
    },
    /// What came is a record of TLS, and not a frame.
    #[error("what came is TLS; set `security.protocol` to SSL or SASL_SSL")]
    Tls,
    /// A response answers another request than the oldest one in flight.
    #[error("a response with correlation id {found} came where {expected} was due")]
    Correlation {
        /// The id due.
        expected: i32,
        /// The id found.
        found: i32,
    },
    /// A value is outside what the format allows.
    #[error("the value {value} of field '{field}' is not allowed")]
    InvalidValue {
        /// The field.
        field: &'static str,
        /// Its value.
        value: i64,
    },
}

/// Reads fields from the bytes of one message.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
    version: Version,
}

impl<'a> Reader<'a> {
    /// Reads `bytes` as a message of this version.
    #[must_use]
    pub const fn new(bytes: &'a [u8], version: Version) -> Self {
        Self { rest: bytes, version }
    }

    /// The message's version number.
    #[must_use]
    pub const fn version(&self) -> i16 {
        self.version.number
    }

    /// Bytes that have not been read.
    #[must_use]
    pub const fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`] if there are fewer.
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], DecodeError> {
        let Some((taken, rest)) = self.rest.split_at_checked(count) else {
            return Err(DecodeError::Truncated { needed: count, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(taken)
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((taken, rest)) = self.rest.split_first_chunk::<N>() else {
            return Err(DecodeError::Truncated { needed: N, left: self.rest.len() });
        };
        self.rest = rest;
        Ok(*taken)
    }

    /// An 8-bit integer.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn i8(&mut self) -> Result<i8, DecodeError> {
        self.fixed().map(i8::from_be_bytes)
    }

    /// A 16-bit integer.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn i16(&mut self) -> Result<i16, DecodeError> {
        self.fixed().map(i16::from_be_bytes)
    }

    /// A 32-bit integer.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn i32(&mut self) -> Result<i32, DecodeError> {
        self.fixed().map(i32::from_be_bytes)
    }

    /// A 64-bit integer.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.fixed().map(i64::from_be_bytes)
    }

    /// A UUID.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn uuid(&mut self) -> Result<[u8; 16], DecodeError> {
        self.fixed()
    }

    /// A truth value.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn boolean(&mut self) -> Result<bool, DecodeError> {
        self.i8().map(|byte| byte != 0)
    }

    fn uvarint(&mut self) -> Result<u32, DecodeError> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let [byte] = self.fixed::<1>()?;
            if shift == 28 && byte > 0x0f {
                return Err(DecodeError::VarintTooLong);
            }
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(DecodeError::VarintTooLong)
    }

    /// A length in the message's encoding, `None` for null. Text has 16 bits in the classic one.
    fn length(&mut self, classic: ClassicLength) -> Result<Option<usize>, DecodeError> {
        let length = match (self.version.encoding, classic) {
            (Encoding::Flexible, _) => i64::from(self.uvarint()?) - 1,
            (Encoding::Classic, ClassicLength::Short) => i64::from(self.i16()?),
            (Encoding::Classic, ClassicLength::Long) => i64::from(self.i32()?),
        };
        match length {
            -1 => Ok(None),
            length => match usize::try_from(length) {
                Ok(length) => Ok(Some(length)),
                Err(_) => Err(DecodeError::NegativeLength { length }),
            },
        }
    }

    /// Text, or null.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before or are not UTF-8.
    pub fn nullable_string(&mut self) -> Result<Option<String>, DecodeError> {
        let Some(length) = self.length(ClassicLength::Short)? else { return Ok(None) };
        let bytes = self.take(length)?;
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::NotUtf8)?;
        Ok(Some(text.to_owned()))
    }

    /// Text.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before, are null or are not UTF-8.
    pub fn string(&mut self) -> Result<String, DecodeError> {
        self.nullable_string()?.ok_or(DecodeError::NegativeLength { length: -1 })
    }

    /// Bytes, or null.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn nullable_bytes(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        let Some(length) = self.length(ClassicLength::Long)? else { return Ok(None) };
        self.take(length).map(Some)
    }

    /// Bytes.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before or are null.
    pub fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        self.nullable_bytes()?.ok_or(DecodeError::NegativeLength { length: -1 })
    }

    /// A list whose elements take at least `bytes_min` bytes each, or null.
    ///
    /// # Errors
    /// [`DecodeError`] if the list cannot be in the bytes, or from `element`.
    pub fn nullable_list<T>(
        &mut self,
        bytes_min: usize,
        mut element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<Vec<T>>, DecodeError> {
        let Some(count) = self.count(bytes_min)? else { return Ok(None) };
        let (left, bytes) = (self.rest.len(), count.saturating_mul(size_of::<T>()));
        if bytes > left.saturating_mul(2).saturating_add(LIST_BYTES_FREE) {
            return Err(DecodeError::MemoryBeyondFrame { count, left, bytes });
        }
        let mut list = Vec::with_capacity(count);
        for _ in 0..count {
            list.push(element(self)?);
        }
        Ok(Some(list))
    }

    /// Lets `element` read the elements of a list, which take at least `bytes_min` bytes each, where
    /// no list is made of them.
    ///
    /// # Errors
    /// As of [`list`](Self::list).
    pub fn each(
        &mut self,
        bytes_min: usize,
        mut element: impl FnMut(&mut Self) -> Result<(), DecodeError>,
    ) -> Result<(), DecodeError> {
        let count = self.count(bytes_min)?;
        for _ in 0..count.ok_or(DecodeError::NegativeLength { length: -1 })? {
            element(self)?;
        }
        Ok(())
    }

    /// How many elements of at least `bytes_min` bytes each a list has, or null.
    fn count(&mut self, bytes_min: usize) -> Result<Option<usize>, DecodeError> {
        let Some(count) = self.length(ClassicLength::Long)? else { return Ok(None) };
        let left = self.rest.len();
        if count.saturating_mul(bytes_min.max(1)) > left {
            return Err(DecodeError::CountBeyondFrame { count, left });
        }
        Ok(Some(count))
    }

    /// A list whose elements take at least `bytes_min` bytes each.
    ///
    /// # Errors
    /// [`DecodeError`] if the list is null or cannot be in the bytes, or from `element`.
    pub fn list<T>(
        &mut self,
        bytes_min: usize,
        element: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let list = self.nullable_list(bytes_min, element)?;
        list.ok_or(DecodeError::NegativeLength { length: -1 })
    }

    /// Passes over the tagged fields that end a structure of the flexible encoding.
    ///
    /// # Errors
    /// [`DecodeError`] if the bytes end before.
    pub fn tags(&mut self) -> Result<(), DecodeError> {
        if self.version.encoding == Encoding::Classic {
            return Ok(());
        }
        for _ in 0..self.uvarint()? {
            self.uvarint()?;
            let size = self.uvarint()? as usize;
            self.take(size)?;
        }
        Ok(())
    }

    /// Ends the message.
    ///
    /// # Errors
    /// [`DecodeError::TrailingBytes`] if something is left.
    pub const fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DecodeError::TrailingBytes { count }),
        }
    }
}

/// How the classic encoding writes a length.
#[derive(Debug, Clone, Copy)]
enum ClassicLength {
    /// 16 bits: text.
    Short,
    /// 32 bits: bytes and lists.
    Long,
}
