//! What a task is doing, small enough to go with every record that it sends.

/// What a task is doing: an [`Origin`](crate::error::Origin) whose names have not been looked up,
/// which [`TaskContext::origin_of`](super::TaskContext::origin_of) does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Activity {
    /// It processes a record.
    Record {
        /// The number of the partition that the record was read from.
        input: u32,
        /// The record's offset.
        offset: i64,
    },
    /// It runs a punctuation.
    Punctuation,
    /// It opens or restores its stores.
    #[default]
    Restoration,
    /// It starts its processors.
    Start,
    /// It commits: caches and stores are written out.
    Commit,
    /// It closes its processors.
    Close,
}

impl Activity {
    /// The record's place: the number of its partition, and its offset.
    pub(crate) const fn place(self) -> Option<(u32, i64)> {
        match self {
            Self::Record { input, offset } => Some((input, offset)),
            _ => None,
        }
    }

    /// What a record was made on that was made at this place; in a punctuation where there is none.
    pub(crate) fn at(place: Option<(u32, i64)>) -> Self {
        place.map_or(Self::Punctuation, |(input, offset)| Self::Record { input, offset })
    }
}
