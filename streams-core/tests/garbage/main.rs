//! How much memory decoders take for bytes that are not what they should be.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod damage;
mod decoders;
mod spoilt;

use crate::decoders::{Decoder, decoders, full_user_data, responses};
use crate::spoilt::{BYTES_FREE, allocated_by, spoilt};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// Bytes of a frame that is all one list.
const DENSE_BYTES: usize = 1 << 20;

impl Decoder {
    /// Decodes, and sees that all that is allocated meanwhile is at most so many times the bytes.
    #[track_caller]
    fn check(&self, bytes: &[u8], times: usize) {
        let taken = allocated_by(|| (self.decode)(bytes));
        let max = times * bytes.len() + BYTES_FREE;
        let head = &bytes[..bytes.len().min(100)];
        assert!(taken <= max as u64, "{}: {taken} B for {} B: {head:?}", self.name, bytes.len());
    }

    /// What never was an encoding, or is none any more.
    fn garbage(&self) -> Vec<Vec<u8>> {
        spoilt(&self.valid).into_iter().map(self.travel).collect()
    }
}

/// Frames of a list whose elements take three to twelve bytes each, wherever its count may be.
fn check_dense_lists() {
    for decoder in responses() {
        for element_bytes in [3, 6, 8, 12] {
            let count = u32::try_from(DENSE_BYTES / element_bytes).unwrap();
            for (number, fill) in [(count.to_be_bytes(), 0_u8), (flexible(count), 1)] {
                let mut frame = vec![fill; DENSE_BYTES];
                for at in 0..40 {
                    frame[at..at + number.len()].copy_from_slice(&number);
                    decoder.check(&frame, 2);
                    frame[at..at + number.len()].fill(fill);
                }
            }
        }
    }
}

/// The length of a list in the flexible encoding, with a byte behind it.
fn flexible(count: u32) -> [u8; 4] {
    let [low, middle, high] = [0_u32, 7, 14].map(|shift| ((count + 1) >> shift).to_le_bytes()[0]);
    [low | 0x80, middle | 0x80, high & 0x7f, 1]
}

#[test]
fn no_garbage_takes_more_memory_than_its_bytes_justify() {
    let decoders = decoders();
    let garbage: Vec<_> = decoders.iter().map(Decoder::garbage).collect();
    let _profiler = dhat::Profiler::builder().testing().build();
    for (decoder, garbage) in decoders.iter().zip(garbage) {
        garbage.iter().for_each(|bytes| decoder.check(bytes, 2));
    }
    check_dense_lists();
    // What is read of these is larger than they are, in small pieces: trees that are half full.
    for (decoder, bytes) in full_user_data() {
        decoder.check(&bytes, 4);
    }
}
