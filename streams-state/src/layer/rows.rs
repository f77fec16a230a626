//! Scans: cached and staged rows, copied when the scan starts, merged over the byte store's, which
//! are read in chunks.

use std::rc::Rc;

use streams_core::error::StoreError;

use super::Layers;
use crate::bytes::{Chunk, Direction, KeyRange, OwnedRow, Progress};
use crate::staging::Version;

/// A key and its value.
pub(crate) type Row<'a> = (&'a [u8], &'a [u8]);

/// Where a row above the byte store comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Above {
    Cached,
    /// Cached when the scan started.
    Evicted,
    Staged,
}

/// The rows of a range as they were when the scan started. Owns its snapshot.
#[derive(Debug)]
pub(crate) struct Rows {
    layers: Rc<Layers>,
    version: Version,
    direction: Direction,
    /// What is left to be read of the byte store.
    range: KeyRange,
    progress: Progress,
    chunk: Chunk,
    /// Next last.
    above: Vec<(OwnedRow, Above)>,
    /// How many of them, the last to come, the search for cached ones has not come to.
    ahead: usize,
    /// Which of them is the next cached one that is wanted, once it was found and used.
    next_cached: Option<usize>,
    current: Option<(OwnedRow, Above)>,
}

/// Which side has the next row.
enum Next {
    Above,
    Below,
    Both,
}

impl Rows {
    pub(super) fn new(layers: Rc<Layers>, range: KeyRange, direction: Direction) -> Self {
        Self::with_known(layers, (range, direction), None, None)
    }

    /// As [`new`](Self::new), with cached rows of another range, which has that of the others, and
    /// with all rows below the cache where they are known.
    pub(super) fn with_known(
        layers: Rc<Layers>,
        (range, direction): (KeyRange, Direction),
        cached: Option<&KeyRange>,
        known: Option<Vec<OwnedRow>>,
    ) -> Self {
        let cached = layers.cache().map(|cache| cache.range(cached.unwrap_or(&range), direction));
        Self::over(layers, (range, direction), cached.unwrap_or_default(), known)
    }

    /// The rows below the cache.
    pub(super) fn below(layers: Rc<Layers>, range: KeyRange, direction: Direction) -> Self {
        Self::over(layers, (range, direction), Vec::new(), None)
    }

    fn over(
        layers: Rc<Layers>,
        (range, direction): (KeyRange, Direction),
        cached: Vec<OwnedRow>,
        known: Option<Vec<OwnedRow>>,
    ) -> Self {
        let is_read = known.is_none() && !range.is_empty();
        let progress = if is_read { Progress::More } else { Progress::Done };
        let version = layers.staged().version();
        let staged = known.unwrap_or_else(|| layers.staged().staged_range(&range, direction));
        let mut above = merge(cached, staged, direction);
        above.reverse();
        Self {
            layers,
            version,
            direction,
            range,
            progress,
            chunk: Chunk::default(),
            ahead: above.len(),
            above,
            next_cached: None,
            current: None,
        }
    }

    /// The next key and value; `None` at the end.
    pub(crate) fn next_row(&mut self) -> Result<Option<Row<'_>>, StoreError> {
        self.layers.check(self.version)?;
        loop {
            self.fill()?;
            self.use_next_cached(|_| true);
            let Some(next) = self.next() else { return Ok(None) };
            match next {
                Next::Below => {
                    self.chunk.advance();
                    self.current = None;
                    break;
                }
                Next::Both => self.chunk.advance(),
                Next::Above => {}
            }
            if self.take_above() {
                break;
            }
        }
        Ok(match &self.current {
            None => self.chunk.passed(),
            Some((row, _)) => row.value.as_deref().map(|value| (&*row.key, value)),
        })
    }

    /// Whether the row given last comes from the cache.
    pub(super) fn is_cached(&self) -> bool {
        matches!(self.current, Some((_, Above::Cached)))
    }

    /// As in Kafka, the next cached row that is wanted is used as soon as the one before is passed, though
    /// rows of the byte store may come before it, and so are those on the way to it that are not. Whether
    /// there is one.
    // DIFFERENCE(cached-scans): what was evicted since the scan started is given as it was then.
    pub(super) fn use_next_cached(&mut self, is_wanted: impl Fn(&[u8]) -> bool) -> bool {
        let Some(cache) = self.layers.cache() else { return false };
        while self.next_cached.is_none() && self.ahead > 0 {
            self.ahead -= 1;
            let Some((row, from)) = self.above.get_mut(self.ahead) else { break };
            if *from != Above::Cached {
                continue;
            }
            if !cache.use_if_cached(self.layers.hash(&row.key), &row.key) {
                *from = Above::Evicted;
            } else if is_wanted(&row.key) {
                self.next_cached = Some(self.ahead);
            }
        }
        self.next_cached.is_some()
    }

    /// Takes the next row above the byte store; `false` when it says that its key is deleted.
    fn take_above(&mut self) -> bool {
        let Some((row, from)) = self.above.pop() else { return false };
        self.next_cached = self.next_cached.filter(|at| *at < self.above.len());
        let found = row.value.is_some();
        self.current = Some((row, from));
        found
    }

    fn fill(&mut self) -> Result<(), StoreError> {
        while self.chunk.peek().is_none() && self.progress == Progress::More {
            if let Some(key) = self.chunk.last_key() {
                self.range.pass(key, self.direction);
            }
            self.chunk.renew();
            let into = (self.direction, &mut self.chunk);
            self.progress = self.layers.scan(self.version, &self.range, into)?;
        }
        Ok(())
    }

    fn next(&self) -> Option<Next> {
        let (above, below) = (self.above.last(), self.chunk.peek());
        let order = match (above, below) {
            (None, None) => return None,
            (Some(_), None) => return Some(Next::Above),
            (None, Some(_)) => return Some(Next::Below),
            (Some((above, _)), Some((below, _))) => compare(&above.key, below, self.direction),
        };
        Some(match order {
            std::cmp::Ordering::Less => Next::Above,
            std::cmp::Ordering::Greater => Next::Below,
            std::cmp::Ordering::Equal => Next::Both,
        })
    }
}

fn compare(a: &[u8], b: &[u8], direction: Direction) -> std::cmp::Ordering {
    match direction {
        Direction::Forward => a.cmp(b),
        Direction::Backward => b.cmp(a),
    }
}

/// One list of both; a cached row hides a staged one.
// DIFFERENCE(deleted-backwards): in Kafka a scan backwards may show a row that only the record cache
// knows to be deleted.
fn merge(
    cached: Vec<OwnedRow>,
    staged: Vec<OwnedRow>,
    direction: Direction,
) -> Vec<(OwnedRow, Above)> {
    let mut merged = Vec::with_capacity(cached.len() + staged.len());
    let mut cached = cached.into_iter().peekable();
    for row in staged {
        let before = |other: &OwnedRow| compare(&other.key, &row.key, direction).is_lt();
        while let Some(other) = cached.next_if(before) {
            merged.push((other, Above::Cached));
        }
        if cached.peek().is_none_or(|other| other.key != row.key) {
            merged.push((row, Above::Staged));
        }
    }
    merged.extend(cached.map(|row| (row, Above::Cached)));
    merged
}
