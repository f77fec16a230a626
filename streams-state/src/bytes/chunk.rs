//! A part of a scan: rows in one buffer.

/// Bytes of a scan's first chunk; each further one is twice as large, up to [`BYTES_MAX`].
const BYTES_FIRST: usize = 4 << 10;
/// Bytes of the largest chunk.
const BYTES_MAX: usize = 256 << 10;

/// Rows of a scan, in its order.
#[derive(Debug)]
pub(crate) struct Chunk {
    data: Vec<u8>,
    /// Where key and value of each row end.
    ends: Vec<(usize, usize)>,
    next: usize,
    bytes_max: usize,
}

impl Default for Chunk {
    fn default() -> Self {
        Self { data: Vec::new(), ends: Vec::new(), next: 0, bytes_max: BYTES_FIRST }
    }
}

impl Chunk {
    /// Empties the chunk for the next part, which may be larger.
    pub(crate) fn renew(&mut self) {
        self.bytes_max = BYTES_MAX.min(self.bytes_max * 2);
        self.data.clear();
        self.ends.clear();
        self.next = 0;
    }

    /// Whether no more rows should be added. A chunk takes at least one row.
    pub(crate) fn is_full(&self) -> bool {
        self.data.len() >= self.bytes_max
    }

    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.data.extend_from_slice(key);
        let key_end = self.data.len();
        self.data.extend_from_slice(value);
        self.ends.push((key_end, self.data.len()));
    }

    fn row(&self, at: usize) -> Option<(&[u8], &[u8])> {
        let (key_end, end) = *self.ends.get(at)?;
        let start = if at == 0 { 0 } else { self.ends.get(at - 1)?.1 };
        Some((self.data.get(start..key_end)?, self.data.get(key_end..end)?))
    }

    /// The row to be taken next.
    pub(crate) fn peek(&self) -> Option<(&[u8], &[u8])> {
        self.row(self.next)
    }

    /// Passes the row to be taken next.
    pub(crate) const fn advance(&mut self) {
        self.next += 1;
    }

    /// The row that was passed last.
    pub(crate) fn passed(&self) -> Option<(&[u8], &[u8])> {
        self.row(self.next.checked_sub(1)?)
    }

    /// The key of the last row.
    pub(crate) fn last_key(&self) -> Option<&[u8]> {
        self.row(self.ends.len().checked_sub(1)?).map(|(key, _)| key)
    }
}
