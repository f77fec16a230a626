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

#[cfg(unix)]
#[test]
fn the_directory_of_an_application_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;

    let scratch = ScratchDirectory::new("opened");
    let path = scratch.path().join("app");
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let directory = StateDirectory::open(scratch.path(), &"app".into()).unwrap();
    let mode = std::fs::metadata(directory.path()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let left: Vec<_> =
        std::fs::read_dir(&path).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "the lock and the process id: {left:?}");
    let lock = std::fs::read_to_string(path.join(".lock")).unwrap();
    assert_eq!(lock.trim(), std::process::id().to_string());
}

#[cfg(unix)]
#[test]
fn a_directory_of_another_user_is_refused() {
    let scratch = ScratchDirectory::new("owned");
    let path = scratch.path().join("app");
    std::fs::create_dir(&path).unwrap();
    // Only root gives a directory away, and all others have none in "/".
    let (state, application) = match std::os::unix::fs::chown(&path, Some(12_345), None) {
        Ok(()) => (scratch.path(), "app"),
        Err(_) => (std::path::Path::new("/"), "usr"),
    };
    let error = StateDirectory::open(state, &application.into()).unwrap_err().to_string();
    for part in ["it belongs to user", "run it as that user", "state.dir"] {
        assert!(error.contains(part), "\"{part}\" is not in: {error}");
    }
}
