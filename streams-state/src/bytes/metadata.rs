//! What is kept about a store beside its rows.

use streams_core::membership::TopicId;
use streams_core::store::{RowOrder, Segments, StoreIdentity, StoreKind};
use streams_core::time::Timestamp;

/// The format of the rows and of this record; raised when either changes.
const FORMAT_VERSION: u8 = 1;

/// What is known about a store on disk.
///
/// As bytes: version, kind, changelog position (8, -1 for none), cluster id (length in 2, then
/// text), changelog topic id (length in 1, then 0 or 16 bytes), for a store that expires the
/// milliseconds of a segment (8), and when it was in step with its changelog (8, -1 for never; not
/// there in older ones). Bytes after these are ignored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Metadata {
    /// Another kind of store of the same name starts empty.
    pub(crate) kind: StoreKind,
    /// All before this offset of the changelog is in the store.
    pub(crate) position: Option<i64>,
    /// Whose position that is, and of when.
    pub(crate) identity: StoreIdentity,
}

const fn kind_code(kind: StoreKind) -> u8 {
    match kind {
        StoreKind::KeyValue => 1,
        StoreKind::TimestampedKeyValue => 2,
        StoreKind::TimestampedKeyValueWithHeaders => 3,
        StoreKind::Window(segments) => 0x10 + order_code(segments.order),
        StoreKind::TimestampedWindow(segments) => 0x20 + order_code(segments.order),
        StoreKind::Session(segments) => 0x30 + order_code(segments.order),
        StoreKind::Versioned(segments) => 0x40 + order_code(segments.order),
        StoreKind::TimestampedWindowWithHeaders(segments) => 0x50 + order_code(segments.order),
        StoreKind::SessionWithHeaders(segments) => 0x60 + order_code(segments.order),
        _ => 0,
    }
}

const fn order_code(order: RowOrder) -> u8 {
    match order {
        RowOrder::KeyFirst => 0,
        RowOrder::TimeFirst => 1,
        RowOrder::TimeFirstIndexed => 2,
    }
}

const fn segments(kind: StoreKind) -> Option<Segments> {
    match kind {
        StoreKind::Window(segments)
        | StoreKind::TimestampedWindow(segments)
        | StoreKind::TimestampedWindowWithHeaders(segments)
        | StoreKind::Session(segments)
        | StoreKind::SessionWithHeaders(segments)
        | StoreKind::Versioned(segments) => Some(segments),
        _ => None,
    }
}

impl Metadata {
    /// An empty store.
    pub(crate) fn new(kind: StoreKind) -> Self {
        Self { kind, position: None, identity: StoreIdentity::default() }
    }

    /// The same store without rows.
    pub(crate) fn emptied(&self) -> Self {
        let identity = StoreIdentity { current_at: None, ..self.identity.clone() };
        Self { kind: self.kind, position: None, identity }
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = vec![FORMAT_VERSION, kind_code(self.kind)];
        out.extend_from_slice(&self.position.unwrap_or(-1).to_be_bytes());
        let cluster = self.identity.cluster_id.as_deref().unwrap_or_default().as_bytes();
        let cluster = cluster.get(..usize::from(u16::MAX).min(cluster.len())).unwrap_or_default();
        out.extend_from_slice(&u16::try_from(cluster.len()).unwrap_or_default().to_be_bytes());
        out.extend_from_slice(cluster);
        match &self.identity.topic_id {
            None => out.push(0),
            Some(id) => {
                out.push(16);
                out.extend_from_slice(&id.0);
            }
        }
        if let Some(segments) = segments(self.kind) {
            out.extend_from_slice(&segments.interval_ms.to_be_bytes());
        }
        let current_at = self.identity.current_at.unwrap_or(Timestamp::UNKNOWN);
        out.extend_from_slice(&current_at.millis().to_be_bytes());
        out
    }

    /// Reads the metadata of a store that is of this kind. `None` when it was written by another
    /// version or for another kind of store, or is not metadata at all.
    pub(crate) fn decode(kind: StoreKind, bytes: &[u8]) -> Option<Self> {
        Self::read(kind, bytes).map(|(metadata, _)| metadata)
    }

    /// As [`decode`](Self::decode), with the bytes behind it.
    pub(crate) fn read(kind: StoreKind, bytes: &[u8]) -> Option<(Self, &[u8])> {
        let ([version, code], rest) = bytes.split_first_chunk::<2>()?;
        if *version != FORMAT_VERSION || *code != kind_code(kind) {
            return None;
        }
        let (position, rest) = rest.split_first_chunk::<8>()?;
        let position = i64::from_be_bytes(*position);
        let (cluster_len, rest) = rest.split_first_chunk::<2>()?;
        let (cluster, rest) = rest.split_at_checked(u16::from_be_bytes(*cluster_len).into())?;
        let cluster = std::str::from_utf8(cluster).ok()?;
        let (id_len, rest) = rest.split_first()?;
        let (topic_id, mut rest) = match id_len {
            0 => (None, rest),
            16 => rest.split_first_chunk::<16>().map(|(id, rest)| (Some(TopicId(*id)), rest))?,
            _ => return None,
        };
        if let Some(segments) = segments(kind) {
            let (interval_ms, behind) = rest.split_first_chunk()?;
            if i64::from_be_bytes(*interval_ms) != segments.interval_ms {
                return None;
            }
            rest = behind;
        }
        let (current_at, rest) = match rest.split_first_chunk() {
            Some((at, rest)) => (Some(Timestamp::from_millis(i64::from_be_bytes(*at))), rest),
            None => (None, rest),
        };
        let cluster_id = (!cluster.is_empty()).then(|| cluster.into());
        let current_at = current_at.filter(|at| at.is_known());
        let identity = StoreIdentity { cluster_id, topic_id, current_at };
        Some((Self { kind, position: (position >= 0).then_some(position), identity }, rest))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::damage::rubbish;

    #[test]
    fn a_store_with_other_segments_is_another_store() {
        let kind = |interval_ms, order| StoreKind::Session(Segments { interval_ms, order });
        let bytes = Metadata::new(kind(60_000, RowOrder::KeyFirst)).encode();
        let read = |kind| Metadata::decode(kind, &bytes).is_some();
        assert!(read(kind(60_000, RowOrder::KeyFirst)));
        assert!(!read(kind(60_001, RowOrder::KeyFirst)));
        assert!(!read(kind(60_000, RowOrder::TimeFirst)));
    }

    #[test]
    fn metadata_is_read_as_written_and_other_bytes_are_refused() {
        let segments = Segments { interval_ms: 60_000, order: RowOrder::TimeFirstIndexed };
        for kind in [StoreKind::TimestampedKeyValue, StoreKind::TimestampedWindow(segments)] {
            metadata_of(kind);
        }
    }

    fn full(kind: StoreKind) -> Metadata {
        let identity = StoreIdentity {
            cluster_id: Some("abc".into()),
            topic_id: Some(TopicId([7; 16])),
            current_at: Some(Timestamp::from_millis(99)),
        };
        Metadata { kind, position: Some(17), identity }
    }

    fn metadata_of(kind: StoreKind) {
        for metadata in [Metadata::new(kind), full(kind)] {
            let mut bytes = metadata.encode();
            assert_eq!(Metadata::decode(kind, &bytes), Some(metadata.clone()));
            assert_eq!(Metadata::decode(StoreKind::KeyValue, &bytes), None);
            let older = bytes.len() - 8;
            for end in 0..older {
                assert_eq!(Metadata::decode(kind, &bytes[..end]), None);
            }
            // Without the time, as it was written before there was one.
            let without = Metadata::decode(kind, &bytes[..older]).unwrap();
            assert_eq!(without.position, metadata.position);
            assert_eq!(without.identity.current_at, None);
            bytes.push(9);
            assert_eq!(Metadata::decode(kind, &bytes), Some(metadata));
            bytes[0] += 1;
            assert_eq!(Metadata::decode(kind, &bytes), None);
        }
    }

    proptest! {
        #[test]
        fn damaged_metadata_are_refused_or_come_back(
            bytes in rubbish(vec![full(StoreKind::KeyValue).encode()]),
        ) {
            if let Some(read) = Metadata::decode(StoreKind::KeyValue, &bytes) {
                let written = read.encode();
                prop_assert_eq!(Metadata::decode(StoreKind::KeyValue, &written), Some(read));
            }
        }
    }
}
