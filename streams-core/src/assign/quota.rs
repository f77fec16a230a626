//! How many tasks each member gets.

/// The quotas of members in their order; they add up to the number of tasks.
pub(super) struct Quotas(std::vec::IntoIter<usize>);

struct Share {
    whole: usize,
    /// What the division left over, in units of one over the sum of the weights.
    remainder: u64,
    owned: usize,
}

impl Quotas {
    /// Divides `tasks` in proportion to `(workers, tasks owned)`. What the division leaves over
    /// goes first to members that own more than their whole share, so that fewer tasks move.
    pub(super) fn new(tasks: usize, members: impl Iterator<Item = (u16, usize)>) -> Self {
        let members: Vec<(u64, usize)> =
            members.map(|(workers, owned)| (u64::from(workers.max(1)), owned)).collect();
        let sum: u64 = members.iter().map(|(weight, _)| weight).sum::<u64>().max(1);
        let shares = members.iter().map(|(weight, owned)| {
            let scaled = tasks as u64 * weight;
            Share { whole: (scaled / sum) as usize, remainder: scaled % sum, owned: *owned }
        });
        let shares: Vec<Share> = shares.collect();
        let left_over = tasks.saturating_sub(shares.iter().map(|share| share.whole).sum());
        let mut order: Vec<(usize, &Share)> =
            shares.iter().enumerate().filter(|(_, share)| share.remainder > 0).collect();
        order.sort_by_key(|(index, share)| {
            (share.owned <= share.whole, u64::MAX - share.remainder, *index)
        });
        let mut quotas: Vec<usize> = shares.iter().map(|share| share.whole).collect();
        for (index, _) in order.into_iter().take(left_over) {
            if let Some(quota) = quotas.get_mut(index) {
                *quota += 1;
            }
        }
        Self(quotas.into_iter())
    }
}

impl Iterator for Quotas {
    type Item = usize;

    fn next(&mut self) -> Option<usize> {
        self.0.next()
    }
}
