//! The bytes of rows, one behind the other in chunks, so that a small row takes little more than its
//! bytes. Chunks that hold too little are emptied into others by their owner.

use super::row::{split_length, write_length};

/// Bits of the place of a row in a chunk.
const OFFSET_BITS: u32 = 18;

/// Bytes of a chunk. A row that is longer has one of its own.
const CHUNK_BYTES: usize = 1 << OFFSET_BITS;

/// Bytes that a chunk starts with.
const CHUNK_BYTES_MIN: usize = 1 << 10;

/// Bytes of the room that is kept when all rows are taken out.
const CHUNK_BYTES_KEPT: usize = 16 << 10;

/// What of the bytes of all rows may be holes before chunks are emptied: one part in so many.
const HOLES_PART: usize = 16;

/// Where a row is: in five bytes, as there may be millions. They suffice for 4 million chunks, which
/// no memory holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Place([u8; 5]);

impl Place {
    fn new(chunk: u32, offset: usize) -> Self {
        let number = (u64::from(chunk) << OFFSET_BITS) | offset as u64;
        let [_, _, _, bytes @ ..] = number.to_be_bytes();
        Self(bytes)
    }

    fn chunk_and_offset(self) -> (usize, usize) {
        let Self([a, b, c, d, e]) = self;
        let number = u64::from_be_bytes([0, 0, 0, a, b, c, d, e]) as usize;
        (number >> OFFSET_BITS, number & (CHUNK_BYTES - 1))
    }
}

/// Rows, each with its length before it.
#[derive(Debug, Default, Clone)]
struct Chunk {
    bytes: Vec<u8>,
    /// Of them, those of rows that are still there.
    live: usize,
}

/// See the module.
#[derive(Debug, Default, Clone)]
pub(super) struct Arena {
    chunks: Vec<Chunk>,
    /// Chunks without bytes.
    free: Vec<u32>,
    /// The chunk that takes the next row.
    current: Option<u32>,
    /// Bytes of rows that are there, and of those that were.
    live: usize,
    holes: usize,
}

impl Arena {
    /// Bytes that the rows take in memory.
    pub(super) const fn bytes(&self) -> usize {
        self.live + self.holes
    }

    /// What is allocated for them, used or not.
    #[cfg(test)]
    pub(super) fn allocated_bytes(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.capacity() + size_of::<Chunk>()).sum()
    }

    pub(super) fn get(&self, place: Place) -> &[u8] {
        let (chunk, offset) = place.chunk_and_offset();
        let rest = self.chunks.get(chunk).and_then(|chunk| chunk.bytes.get(offset..));
        split_length(rest.unwrap_or_default()).0
    }

    fn chunk(&mut self, bytes: usize) -> u32 {
        let has_room =
            |chunk: &Chunk| chunk.bytes.is_empty() || chunk.bytes.len() + bytes <= CHUNK_BYTES;
        let current = self.current.filter(|at| self.chunks.get(*at as usize).is_some_and(has_room));
        let at = current.or_else(|| self.free.pop()).unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            u32::try_from(self.chunks.len() - 1).unwrap_or(u32::MAX)
        });
        self.current = Some(at);
        at
    }

    /// Puts a row into the chunk that is filled.
    pub(super) fn add(&mut self, row: &[u8]) -> Place {
        self.add_joined(&[], row)
    }

    /// Puts a row of two parts into the chunk that is filled.
    pub(super) fn add_joined(&mut self, head: &[u8], tail: &[u8]) -> Place {
        let length = head.len() + tail.len();
        let at = self.chunk(length + LENGTH_BYTES_MAX);
        let Some(chunk) = self.chunks.get_mut(at as usize) else { return Place::default() };
        let before = chunk.bytes.len();
        if chunk.bytes.capacity() - before < length + LENGTH_BYTES_MAX {
            // Twice as much, up to a chunk, which is then not moved while it grows.
            let more = before.max(CHUNK_BYTES_MIN).min(CHUNK_BYTES - before.min(CHUNK_BYTES));
            chunk.bytes.reserve_exact(more.max(length + LENGTH_BYTES_MAX));
        }
        write_length(length, &mut chunk.bytes);
        chunk.bytes.extend_from_slice(head);
        chunk.bytes.extend_from_slice(tail);
        let added = chunk.bytes.len() - before;
        chunk.live += added;
        self.live += added;
        Place::new(at, before)
    }

    /// All rows: in the order in which they were added, when none was taken out.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Place, &[u8])> {
        (0..).zip(&self.chunks).flat_map(|(at, chunk)| rows_of(at, &chunk.bytes))
    }

    /// Takes out all rows, and keeps room for some.
    pub(super) fn clear(&mut self) {
        let mut bytes = self.chunks.first_mut().map(|chunk| std::mem::take(&mut chunk.bytes));
        if let Some(bytes) = &mut bytes {
            bytes.clear();
            bytes.shrink_to(CHUNK_BYTES_KEPT);
        }
        let chunks = bytes.map(|bytes| Chunk { bytes, live: 0 }).into_iter().collect();
        *self = Self { chunks, current: Some(0), ..Self::default() };
    }

    /// Leaves a hole where the row is.
    pub(super) fn remove(&mut self, place: Place) {
        let (at, offset) = place.chunk_and_offset();
        let Some(chunk) = self.chunks.get_mut(at) else { return };
        let rest = chunk.bytes.get(offset..).unwrap_or_default();
        let bytes = rest.len() - split_length(rest).1.len();
        chunk.live -= bytes;
        self.live -= bytes;
        self.holes += bytes;
        if chunk.live == 0 {
            self.give_back(u32::try_from(at).unwrap_or(u32::MAX));
        }
    }

    fn give_back(&mut self, at: u32) {
        let Some(chunk) = self.chunks.get_mut(at as usize) else { return };
        self.holes -= chunk.bytes.len() - chunk.live;
        self.live -= chunk.live;
        *chunk = Chunk::default();
        self.free.push(at);
        if self.current == Some(at) {
            self.current = None;
        }
    }

    /// Gives up the chunk with the largest holes, when there are too many. Those of its rows that are
    /// still there are to be added again.
    pub(super) fn chunk_to_empty(&mut self) -> Option<Emptying> {
        if self.holes <= self.live / HOLES_PART + CHUNK_BYTES {
            return None;
        }
        let current = self.current;
        let chunks = (0_u32..).zip(&self.chunks);
        let chunks = chunks.filter(|(at, _)| Some(*at) != current);
        let holes = chunks.map(|(at, chunk)| (chunk.bytes.len() - chunk.live, at));
        let (_, at) = holes.max().filter(|(holes, _)| *holes > 0)?;
        let chunk = self.chunks.get_mut(at as usize)?;
        let bytes = std::mem::take(&mut chunk.bytes);
        let live = std::mem::take(&mut chunk.live);
        self.live -= live;
        self.holes -= bytes.len() - live;
        Some(Emptying { chunk: at, bytes })
    }

    /// The rows of the chunk are elsewhere.
    pub(super) fn emptied(&mut self, emptying: &Emptying) {
        self.free.push(emptying.chunk);
    }
}

/// Bytes that a length takes at most.
const LENGTH_BYTES_MAX: usize = 5;

/// The rows of a chunk, some of which are gone.
#[derive(Debug)]
pub(super) struct Emptying {
    chunk: u32,
    bytes: Vec<u8>,
}

impl Emptying {
    /// The rows, and where they were.
    pub(super) fn rows(&self) -> impl Iterator<Item = (Place, &[u8])> {
        rows_of(self.chunk, &self.bytes)
    }
}

/// The rows of a chunk, those that are gone too.
fn rows_of(chunk: u32, bytes: &[u8]) -> impl Iterator<Item = (Place, &[u8])> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let offset = bytes.len() - rest.len();
        let (row, behind) = split_length(rest);
        rest = behind;
        Some((Place::new(chunk, offset), row))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_stay_while_chunks_are_emptied_and_memory_is_given_back() {
        let mut arena = Arena::default();
        let row = |number: u32| number.to_be_bytes().repeat(100);
        let mut places: Vec<(u32, Place)> =
            (0..10_000).map(|number| (number, arena.add(&row(number)))).collect();
        let whole = arena.bytes();
        let mut emptied = 0;
        for round in [2, 3, 5] {
            let (kept, gone) = places.into_iter().partition(|(number, _)| number % round == 0);
            places = kept;
            let gone: Vec<(u32, Place)> = gone;
            gone.into_iter().for_each(|(_, place)| arena.remove(place));
            while let Some(emptying) = arena.chunk_to_empty() {
                emptied += 1;
                for (place, row) in emptying.rows() {
                    if let Some((_, known)) = places.iter_mut().find(|(_, known)| *known == place) {
                        *known = arena.add(row);
                    }
                }
                arena.emptied(&emptying);
            }
            for (number, place) in &places {
                assert_eq!(arena.get(*place), row(*number));
            }
        }
        assert!(emptied > 0);
        assert!(arena.bytes() < whole / 10, "{} of {whole}", arena.bytes());
        places.into_iter().for_each(|(_, place)| arena.remove(place));
        assert_eq!((arena.live, arena.holes), (0, 0));
    }

    #[test]
    fn a_row_may_be_larger_than_a_chunk() {
        let mut arena = Arena::default();
        let small = arena.add(b"small");
        let large = arena.add(&vec![1; 3 * CHUNK_BYTES]);
        let empty = arena.add(b"");
        assert_eq!(arena.get(small), b"small");
        assert_eq!(arena.get(large).len(), 3 * CHUNK_BYTES);
        assert_eq!(arena.get(empty), b"");
        assert_ne!(large.chunk_and_offset().0, small.chunk_and_offset().0);
    }

    #[test]
    fn all_rows_are_told_in_their_order_until_they_are_cleared() {
        let mut arena = Arena::default();
        let row = |number: u32| number.to_be_bytes().repeat(50);
        for round in 0..2 {
            let places: Vec<Place> =
                (0..5000).map(|number| arena.add_joined(&[round], &row(number))).collect();
            let told: Vec<(Place, Vec<u8>)> =
                arena.rows().map(|(place, row)| (place, row.to_vec())).collect();
            let added = (0..).map(|number| [vec![round], row(number)].concat());
            assert_eq!(told, places.into_iter().zip(added).collect::<Vec<_>>());
            arena.clear();
            assert_eq!((arena.rows().count(), arena.bytes()), (0, 0));
            assert!(arena.allocated_bytes() < 2 * CHUNK_BYTES_KEPT);
        }
    }
}
