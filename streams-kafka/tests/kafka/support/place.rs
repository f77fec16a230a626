//! What a test has to itself: names and a directory.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::broker;
use super::cluster::Cluster;

/// Names that no other test uses, and a directory that is removed with it.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) cluster: Cluster,
    pub(crate) application: String,
    pub(crate) input: String,
    pub(crate) output: String,
    directory: PathBuf,
}

impl Place {
    /// On the shared broker, with input and output of so many partitions.
    pub(crate) fn new(name: &str, partitions: i32) -> Self {
        Self::on(broker::shared(), name, partitions)
    }

    pub(crate) fn on(cluster: Cluster, name: &str, partitions: i32) -> Self {
        let place = Self::without_topics(cluster, name);
        place.cluster.create(&place.input, partitions);
        place.cluster.create(&place.output, partitions);
        place
    }

    pub(crate) fn without_topics(cluster: Cluster, name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        super::app::show_logs();
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let application = format!("{name}-{:x}-{number}", since.as_micros());
        // Cargo names it to tests, and not to the example that is built from this file too.
        let folder = option_env!("CARGO_TARGET_TMPDIR").map_or_else(std::env::temp_dir, Into::into);
        let directory = folder.join(&application);
        std::fs::create_dir_all(&directory).unwrap();
        Self {
            cluster,
            input: format!("{application}-in"),
            output: format!("{application}-out"),
            application,
            directory,
        }
    }

    pub(crate) fn changelog(&self, store: &str) -> String {
        format!("{}-{store}-changelog", self.application)
    }

    /// A state directory of this test.
    pub(crate) fn state(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = std::fs::remove_dir_all(&self.directory);
        }
    }
}
