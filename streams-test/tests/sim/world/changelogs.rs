//! What happens to changelogs, and who puts them right.

use streams_core::names::TaskId;

use super::{PARTITIONS, Verdict, World};

const PARTS: u32 = 2;
/// Longer than a session, so that nobody is remembered.
const FORGOTTEN_MS: u64 = 7_000;

impl World {
    /// A changelog is cut, deleted, or made again with as many partitions or with others.
    pub(super) fn spoil_a_changelog(&mut self) {
        let part = u32::try_from(self.dice.below(PARTS.into())).unwrap();
        match self.checks.changelogs.count(part) {
            Some(PARTITIONS) => {}
            // One that nobody has refused yet stays as it is.
            Some(_) => return,
            None => return self.make_changelog(part, PARTITIONS),
        }
        self.report.spoilt += 1;
        match self.dice.below(8) {
            0..4 => self.cut_a_changelog(part),
            4 => self.delete_changelog(part),
            5 | 6 => {
                self.delete_changelog(part);
                self.make_changelog(part, PARTITIONS);
            }
            _ => {
                self.delete_changelog(part);
                let others = [1, 2, PARTITIONS + 1];
                let partitions = others[self.dice.index(others.len())];
                self.make_changelog(part, partitions);
                self.start_process();
            }
        }
    }

    fn cut_a_changelog(&mut self, part: u32) {
        let partition = i32::try_from(self.dice.below(3)).unwrap();
        let task = TaskId::new(part, partition);
        let (_, end) = self.checks.changelogs.left(task);
        let before = self.dice.below(end.unsigned_abs() + 1).cast_signed();
        self.note(format!("the changelog of {task} is cut: {before} of {end}"));
        self.checks.changelogs.cut(task, before);
        self.checks.forget_taints();
    }

    fn delete_changelog(&mut self, part: u32) {
        self.note(format!("changelog {part} is deleted"));
        self.checks.changelogs.delete(part);
        self.checks.forget_taints();
    }

    fn make_changelog(&mut self, part: u32, partitions: i32) {
        self.note(format!("changelog {part} is made with {partitions} partitions"));
        self.checks.changelogs.create(part, partitions);
    }

    /// Whoever is told that a changelog has other partitions than it must have makes it anew.
    pub(super) fn mend_what_was_refused(&mut self) {
        let refused = std::mem::take(&mut *self.setting.refused.lock().unwrap());
        for part in refused {
            self.report.refused += 1;
            if self.checks.changelogs.count(part) != Some(PARTITIONS) {
                self.delete_changelog(part);
                self.make_changelog(part, PARTITIONS);
            }
        }
    }

    /// Changelogs that are missing are made. Of others somebody has to say what is wrong with them, so
    /// the application is started again.
    pub(super) fn put_changelogs_right(&mut self) -> Verdict {
        for part in 0..PARTS {
            match self.checks.changelogs.count(part) {
                Some(PARTITIONS) => {}
                None => self.make_changelog(part, PARTITIONS),
                Some(_) => {
                    self.close_all()?;
                    self.pass(FORGOTTEN_MS)?;
                }
            }
        }
        Ok(())
    }
}
