//! The workers of a process while some are added and removed (KIP-663): which numbers are taken,
//! and who goes first.

/// What a worker is meant to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It has tasks, or will have.
    Working,
    /// It commits and closes its tasks, then it is gone.
    Leaving,
}

/// Workers by number, in the order in which they came. A number is free again once its worker is
/// gone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Crew(Vec<(usize, Standing)>);

impl Crew {
    /// So many workers, numbered from 0.
    #[must_use]
    pub fn new(workers: usize) -> Self {
        Self((0..workers).map(|number| (number, Standing::Working)).collect())
    }

    /// Another worker, under the lowest free number, as in Kafka.
    pub fn add(&mut self) -> usize {
        let is_free = |number: &usize| self.standing(*number).is_none();
        let number = (0..=self.0.len()).find(is_free).unwrap_or(self.0.len());
        self.0.push((number, Standing::Working));
        number
    }

    /// The worker that leaves when one is to: as in Kafka the eldest, and the one that asks for it only
    /// where there is no other. `None` when none works.
    pub fn dismiss(&mut self, asking: Option<usize>) -> Option<usize> {
        let is_other =
            |worker: &(usize, Standing)| worker.1 == Standing::Working && asking != Some(worker.0);
        let other = self.0.iter().position(is_other);
        let at = other.or_else(|| self.0.iter().position(|one| one.1 == Standing::Working))?;
        let (number, standing) = self.0.get_mut(at)?;
        *standing = Standing::Leaving;
        Some(*number)
    }

    /// The worker has ended.
    pub fn gone(&mut self, worker: usize) {
        self.0.retain(|(number, _)| *number != worker);
    }

    /// What the worker of this number is meant to do; `None` when there is none.
    #[must_use]
    pub fn standing(&self, worker: usize) -> Option<Standing> {
        self.0.iter().find(|(number, _)| *number == worker).map(|(_, standing)| *standing)
    }

    /// The numbers of those with this standing, in the order in which they came.
    pub fn that_are(&self, standing: Standing) -> impl Iterator<Item = usize> {
        self.0.iter().filter(move |one| one.1 == standing).map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn working(crew: &Crew) -> Vec<usize> {
        crew.that_are(Standing::Working).collect()
    }

    #[test]
    fn a_new_worker_has_the_lowest_free_number() {
        let mut crew = Crew::new(2);
        assert_eq!(crew.add(), 2);
        assert_eq!(crew.dismiss(None), Some(0));
        assert_eq!(crew.add(), 3, "the number of one that is leaving is taken");
        crew.gone(0);
        assert_eq!((crew.add(), working(&crew)), (0, vec![1, 2, 3, 0]));
    }

    #[test]
    fn the_eldest_leaves_but_not_the_one_that_asks() {
        let mut crew = Crew::new(3);
        assert_eq!(crew.dismiss(Some(0)), Some(1));
        assert_eq!(crew.dismiss(None), Some(0));
        assert_eq!(crew.dismiss(Some(2)), Some(2), "it is the last");
        assert_eq!(crew.dismiss(None), None);
        assert_eq!(crew.that_are(Standing::Leaving).count(), 3);
    }
}
