//! What happened in runs.

/// What a run did.
#[derive(Debug, Clone, Default)]
pub(crate) struct Report {
    pub(crate) ticks: u64,
    pub(crate) crashes: u64,
    pub(crate) zombies: u64,
    /// Failures of the application's code, and workers whose threads ended.
    pub(crate) failures: u64,
    /// Static members that found their tasks again, and processes that lost their names to others.
    pub(crate) returns: u64,
    pub(crate) fenced: u64,
    /// Processes that were out of the group until a late worker was back.
    pub(crate) late: u64,
    /// Processes that closed because all were asked to.
    pub(crate) ordered: u64,
    pub(crate) records: u64,
    pub(crate) repeated: u64,
    pub(crate) tainted: u64,
    /// Times that all brokers were gone, and that a disk was full.
    pub(crate) blackouts: u64,
    pub(crate) full_disks: u64,
    /// Panics of the application's code, and stores that it found damaged.
    pub(crate) panics: u64,
    pub(crate) damages: u64,
    /// Stores that were found damaged when they were opened.
    pub(crate) set_aside: u64,
    /// Networks that failed, and records that nobody can read.
    pub(crate) outages: u64,
    pub(crate) left_out: u64,
    /// Changelogs that were cut, deleted or made again, and those that were refused.
    pub(crate) spoilt: u64,
    pub(crate) refused: u64,
    /// Questions to brokers that were not answered, and calls of the application's code by the clock.
    pub(crate) unanswered: u64,
    pub(crate) punctuations: u64,
    /// Workers that programs added and removed, and times that they paused their processes.
    pub(crate) workers_added: u64,
    pub(crate) workers_removed: u64,
    pub(crate) breaks: u64,
    /// Processes of older versions.
    pub(crate) older: u64,
}

impl Report {
    pub(crate) fn add(&mut self, other: &Self) {
        self.ticks += other.ticks;
        self.crashes += other.crashes;
        self.zombies += other.zombies;
        self.failures += other.failures;
        self.returns += other.returns;
        self.fenced += other.fenced;
        self.late += other.late;
        self.ordered += other.ordered;
        self.records += other.records;
        self.repeated += other.repeated;
        self.tainted += other.tainted;
        self.blackouts += other.blackouts;
        self.full_disks += other.full_disks;
        self.panics += other.panics;
        self.damages += other.damages;
        self.set_aside += other.set_aside;
        self.outages += other.outages;
        self.left_out += other.left_out;
        self.spoilt += other.spoilt;
        self.refused += other.refused;
        self.unanswered += other.unanswered;
        self.punctuations += other.punctuations;
        self.workers_added += other.workers_added;
        self.workers_removed += other.workers_removed;
        self.breaks += other.breaks;
        self.older += other.older;
    }
}
