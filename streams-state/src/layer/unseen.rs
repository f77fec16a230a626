//! What a view without headers does not show of rows that have them, because the settings say so
//! (`dsl.store.format`).

use streams_core::processor::TaskContext;
use streams_core::serde::SerdeError;

use super::changelog::{TIMESTAMP_BYTES, split_timestamp};
use super::headers_row::{split_headers, write_headers};

/// What stands in a row before that which a view shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// Nothing.
    Nothing,
    /// Headers, of which there are none in what the view writes.
    NoHeaders,
    /// The headers of the record being processed.
    HeadersOfRecord,
    /// Those, and the record's time.
    HeadersAndTimeOfRecord,
}

impl Unseen {
    /// Appends it.
    #[inline]
    pub(crate) fn write(self, context: &TaskContext, row: &mut Vec<u8>) {
        match self {
            Self::Nothing => {}
            Self::NoHeaders => row.push(0),
            Self::HeadersOfRecord => write_headers(&context.headers(), row),
            Self::HeadersAndTimeOfRecord => {
                write_headers(&context.headers(), row);
                row.extend_from_slice(&context.timestamp().millis().to_be_bytes());
            }
        }
    }

    /// What follows it.
    #[inline]
    pub(crate) fn behind(self, row: &[u8]) -> Result<&[u8], SerdeError> {
        if self == Self::Nothing {
            return Ok(row);
        }
        let no_headers =
            || SerdeError::Invalid { expected: "headers before a value", source: "none".into() };
        let (_, row) = split_headers(row).ok_or_else(no_headers)?;
        if self != Self::HeadersAndTimeOfRecord {
            return Ok(row);
        }
        let (_, row) = split_timestamp(row).ok_or(SerdeError::Width {
            expected: "timestamp before a value",
            width: TIMESTAMP_BYTES,
            actual: row.len(),
        })?;
        Ok(row)
    }
}
