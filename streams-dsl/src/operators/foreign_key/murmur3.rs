//! Murmur3's 128-bit hash for 64-bit machines, with the seed that Kafka Streams uses.

use super::RowHash;

const SEED: u64 = 104_729;
const C1: u64 = 0x87c3_7b91_1142_53d5;
const C2: u64 = 0x4cf5_ad43_2745_937f;

const fn mix_low(word: u64) -> u64 {
    word.wrapping_mul(C1).rotate_left(31).wrapping_mul(C2)
}

const fn mix_high(word: u64) -> u64 {
    word.wrapping_mul(C2).rotate_left(33).wrapping_mul(C1)
}

const fn finish(word: u64) -> u64 {
    let word = (word ^ (word >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let word = (word ^ (word >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    word ^ (word >> 33)
}

/// Up to 8 bytes as a little-endian number; absent ones are 0.
fn word(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |word, byte| (word << 8) | u64::from(*byte))
}

/// The hash of these bytes.
pub(super) fn hash128(bytes: &[u8]) -> RowHash {
    let (mut low, mut high) = (SEED, SEED);
    let (blocks, tail) = bytes.as_chunks::<16>();
    for block in blocks {
        let (first, second) = block.split_at(8);
        low = (low ^ mix_low(word(first))).rotate_left(27).wrapping_add(high);
        low = low.wrapping_mul(5).wrapping_add(0x52dc_e729);
        high = (high ^ mix_high(word(second))).rotate_left(31).wrapping_add(low);
        high = high.wrapping_mul(5).wrapping_add(0x3849_5ab5);
    }
    let (first, second) = tail.split_at(tail.len().min(8));
    // Absent bytes are zero, and zero changes nothing.
    high ^= mix_high(word(second));
    low ^= mix_low(word(first));
    let length = bytes.len() as u64;
    low ^= length;
    high ^= length;
    low = low.wrapping_add(high);
    high = high.wrapping_add(low);
    low = finish(low);
    high = finish(high);
    low = low.wrapping_add(high);
    [low, high.wrapping_add(low)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafka_streams() {
        // Taken from subscription topics of Kafka Streams 4.3.1.
        let table: [(&str, RowHash); 5] = [
            ("", [0x9d27_64a0_18e3_2942, 0x8c3c_f3b0_3593_8518]),
            ("hello world", [0xbd69_9b58_e468_9408, 0x7d50_ce87_a7f2_0429]),
            ("b:1", [0xb3c8_348d_98ac_599f, 0xa388_93aa_0064_9a2a]),
            ("a:foo", [0x1c92_dc8f_c856_3eb9, 0xc4a4_0abd_070a_37a8]),
            ("d:d:d", [0x2045_a37e_399c_eb39, 0x139c_6df9_05d6_3b1c]),
        ];
        for (text, hash) in table {
            assert_eq!(hash128(text.as_bytes()), hash, "{text:?}");
        }
        // More than a block, by another implementation.
        assert_eq!(hash128(&[b'x'; 40]), [0x25e1_e031_60aa_6712, 0xfd28_8789_d661_0c75]);
    }
}
