//! The state directory: whose it is, who may see it, and what is removed of it.

use std::fs::File;
use std::time::{Duration, SystemTime};

use streams_core::names::TaskId;

use crate::StateDirectory;
use crate::testing::ScratchDirectory;

#[test]
fn state_that_nothing_was_written_to_for_long_is_removed() {
    let scratch = ScratchDirectory::new("old-state");
    let directory = StateDirectory::open(scratch.path(), &"app".into()).unwrap();
    let long_ago = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
    let [old, written] = [TaskId::new(0, 0), TaskId::new(0, 1)];
    for task in [old, written] {
        let path = directory.task_directory(task).unwrap();
        let file = File::create(path.join("rows")).unwrap();
        // What lies in a directory may be younger than the directory.
        if task == old {
            file.set_modified(long_ago).unwrap();
        }
        File::open(&path).unwrap().set_modified(long_ago).unwrap();
    }
    std::fs::write(directory.path().join("notes"), "not a task's").unwrap();
    assert_eq!(directory.remove_older(long_ago).unwrap(), []);
    assert_eq!(directory.remove_older(long_ago + Duration::from_secs(1)).unwrap(), [old]);
    assert_eq!(directory.tasks().unwrap(), [written]);
    assert!(directory.path().join("notes").exists());
}
