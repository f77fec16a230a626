//! Waits after failures.

use std::time::Duration;

use super::config::Waits;

/// A reproducible source of jitter.
#[derive(Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number of the splitmix64 sequence.
    pub(super) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// How many failures there were in a row, of one kind.
#[derive(Debug, Default)]
pub(super) struct Backoff(u32);

impl Backoff {
    /// The wait after another failure: doubled each time up to the bound, give or take a fifth.
    pub(super) fn next(&mut self, waits: Waits, jitter: &mut Jitter) -> Duration {
        let doubled = waits.first.saturating_mul(1_u32.checked_shl(self.0).unwrap_or(u32::MAX));
        self.0 = (self.0 + 1).min(u32::BITS);
        let percent = 80 + (jitter.next() % 41) as u32;
        (doubled.min(waits.longest) / 100).saturating_mul(percent)
    }

    pub(super) const fn reset(&mut self) {
        self.0 = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::membership::config::MembershipConfig;

    #[test]
    fn waits_double_up_to_the_bound() {
        let waits = MembershipConfig::new("g", Vec::new()).retry_waits();
        let (mut backoff, mut jitter) = (Backoff::default(), Jitter::new(1));
        for nominal in [100, 200, 400, 800, 1000, 1000] {
            let wait = backoff.next(waits, &mut jitter).as_millis();
            assert!((nominal * 8 / 10..=nominal * 12 / 10).contains(&wait), "{wait} for {nominal}");
        }
        (0..100).for_each(|_| assert!(backoff.next(waits, &mut jitter).as_millis() <= 1200));
        backoff.reset();
        assert!(backoff.next(waits, &mut jitter).as_millis() <= 120);
    }
}
