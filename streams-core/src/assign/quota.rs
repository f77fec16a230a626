//! How many tasks each member gets.

/// What a member brings to a division.
#[derive(Debug, Clone, Copy)]
pub(super) struct Claimant {
    pub(super) workers: u16,
    /// Tasks that it has already.
    pub(super) owned: usize,
    /// Tasks that it gets in any case.
    pub(super) at_least: usize,
}

struct Share {
    whole: usize,
    /// What the division left over, in units of one over the sum of the weights.
    remainder: u64,
    /// Whether it has a task beyond its whole share already.
    has_extra: bool,
    owned: usize,
}

impl Share {
    fn of(tasks: usize, claimant: &Claimant, weights: u64) -> Self {
        let scaled = tasks as u64 * u64::from(claimant.workers.max(1));
        let whole = (scaled / weights) as usize;
        Self {
            whole: whole.max(claimant.at_least),
            remainder: scaled % weights,
            has_extra: claimant.at_least > whole,
            owned: claimant.owned,
        }
    }
}

/// Divides `tasks` in proportion to the workers. What the division leaves over goes first to
/// members that own more than their whole share, so that fewer tasks move, then to those that own
/// the least.
pub(super) fn quotas(tasks: usize, claimants: &[Claimant]) -> Vec<usize> {
    let weights = claimants.iter().map(|one| u64::from(one.workers.max(1))).sum::<u64>().max(1);
    let shares = claimants.iter().map(|claimant| Share::of(tasks, claimant, weights));
    let shares: Vec<Share> = shares.collect();
    let left_over = tasks.saturating_sub(shares.iter().map(|share| share.whole).sum());
    let mut order: Vec<(usize, &Share)> = shares
        .iter()
        .enumerate()
        .filter(|(_, share)| share.remainder > 0 && !share.has_extra)
        .collect();
    order.sort_by_key(|(index, share)| {
        (share.owned <= share.whole, u64::MAX - share.remainder, share.owned, *index)
    });
    let mut quotas: Vec<usize> = shares.iter().map(|share| share.whole).collect();
    for (index, _) in order.into_iter().take(left_over) {
        if let Some(quota) = quotas.get_mut(index) {
            *quota += 1;
        }
    }
    quotas
}
