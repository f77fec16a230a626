//! The hash by which Kafka's producers choose the partition of a key.

/// Murmur2, 32 bits, with Kafka's seed.
///
/// ```
/// # use streams_core::murmur2::murmur2;
/// assert_eq!(murmur2(b"21").cast_signed(), -973_932_308);
/// ```
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    const SEED: u32 = 0x9747_b28c;
    const M: u32 = 0x5bd1_e995;
    const R: u32 = 24;
    let mut hash = SEED ^ u32::try_from(data.len()).unwrap_or(u32::MAX);
    let (words, tail) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !tail.is_empty() {
        for (i, byte) in tail.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * i);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

/// The partition that Kafka's default partitioner gives a key, among `partitions` (at least 1).
///
/// ```
/// # use streams_core::murmur2::{murmur2, partition_for_key};
/// let hash = murmur2(b"21") & 0x7fff_ffff;
/// assert_eq!(partition_for_key(b"21", 10), (hash % 10) as i32);
/// ```
#[must_use]
pub fn partition_for_key(key: &[u8], partitions: i32) -> i32 {
    let positive = i32::try_from(murmur2(key) & 0x7fff_ffff).unwrap_or(0);
    positive % partitions.max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Kafka's own test of its hash.
    #[test]
    fn the_hash_is_kafkas() {
        let signed = |key: &str| murmur2(key.as_bytes()).cast_signed();
        assert_eq!(signed("21"), -973_932_308);
        assert_eq!(signed("foobar"), -790_332_482);
        assert_eq!(signed("a-little-bit-long-string"), -985_981_536);
        assert_eq!(signed("a-little-bit-longer-string"), -1_486_304_829);
        assert_eq!(signed("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58_897_971);
        assert_eq!(signed("abc"), 479_470_107);
    }
}
