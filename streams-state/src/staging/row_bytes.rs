//! The bytes of a row: inside its slot when there are few, so that most rows need no allocation and
//! are found with one look at memory less.

/// Bytes that a row holds in place; a slot then takes 64.
const INLINE_BYTES: usize = 46;

/// The bytes of a row.
#[derive(Debug)]
pub(crate) enum RowBytes {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Allocated(Vec<u8>),
}

impl Default for RowBytes {
    fn default() -> Self {
        Self::Inline { len: 0, bytes: [0; INLINE_BYTES] }
    }
}

impl RowBytes {
    /// These bytes, with room for more.
    pub(crate) fn new(bytes: &[u8], room: usize) -> Self {
        let capacity = bytes.len() + room;
        let mut row = if capacity <= INLINE_BYTES {
            Self::default()
        } else {
            Self::Allocated(Vec::with_capacity(capacity))
        };
        row.replace_tail(0, bytes);
        row
    }

    pub(crate) fn as_slice(&self) -> &[u8] {
        match self {
            Self::Inline { len, bytes } => bytes.get(..usize::from(*len)).unwrap_or_default(),
            Self::Allocated(bytes) => bytes,
        }
    }

    /// Bytes that are allocated outside, with the allocator's share.
    pub(crate) const fn allocated(&self) -> usize {
        match self {
            Self::Inline { .. } => 0,
            Self::Allocated(bytes) => bytes.capacity() + 16,
        }
    }

    /// Replaces what follows the first `head` bytes.
    pub(crate) fn replace_tail(&mut self, head: usize, tail: &[u8]) {
        match self {
            Self::Inline { len, bytes } => {
                let end = head + tail.len();
                if let (Some(place), Ok(new_len)) = (bytes.get_mut(head..end), u8::try_from(end)) {
                    place.copy_from_slice(tail);
                    *len = new_len;
                    return;
                }
                let mut moved = Vec::with_capacity(end);
                moved.extend_from_slice(bytes.get(..head).unwrap_or_default());
                moved.extend_from_slice(tail);
                *self = Self::Allocated(moved);
            }
            Self::Allocated(bytes) => {
                bytes.truncate(head);
                bytes.reserve_exact(tail.len());
                bytes.extend_from_slice(tail);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_row_holds_what_was_put_into_it(
            head in prop::collection::vec(any::<u8>(), 0..60),
            room in 0..60_usize,
            tails in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..60), 0..6),
        ) {
            let mut row = RowBytes::new(&head, room);
            prop_assert_eq!(row.as_slice(), &head);
            for tail in tails {
                row.replace_tail(head.len(), &tail);
                prop_assert_eq!(row.as_slice(), &[&head[..], &tail[..]].concat());
            }
        }
    }
}
