//! The state directory of an application: `<state.dir>/<application.id>/`.
//!
//! ```text
//! .lock                            held by the process that uses the directory; its number
//! kafka-streams-process-metadata   {"processId":"..."}, as Kafka Streams has it
//! .member                          the last member id in the consumer group
//! .positions                       how far the state of each task was, a line each: 0_3 1700
//! 0_3/rocksdb/                     the database of task 0_3
//! 0_3/rocksdb.corrupt-1/           a damaged one, set aside
//! global/rocksdb/                  the database of the global stores
//! .removed-.../                    what was a task's, about to be removed
//! ```

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use streams_core::error::StoreError;
use streams_core::names::{ApplicationId, TaskId};
use uuid::Uuid;

use super::private::{self, Owners};

const LOCK: &str = ".lock";
const PROCESS: &str = "kafka-streams-process-metadata";
const MEMBER: &str = ".member";
const POSITIONS: &str = ".positions";
const GLOBAL: &str = "global";
const REMOVED: &str = ".removed-";
/// Bytes of a small file that are read at most.
const SMALL_FILE_BYTES_MAX: u64 = 64 << 10;

/// The state directory of an application, locked for this process.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    process_id: Uuid,
    /// The lock goes with the file.
    _lock: File,
}

impl StateDirectory {
    /// Makes and locks the directory of an application below `state.dir`. Directories are made for
    /// the owner only (0700), which guards RocksDB's files in them, and its own files too (0600);
    /// that of the application is closed to others where it is not.
    ///
    /// # Errors
    /// [`StoreError::Directory`] when the application's name cannot be a directory's, the directory
    /// is another user's, another process uses it, or it cannot be written.
    pub fn open(state_dir: &Path, application: &ApplicationId) -> Result<Self, StoreError> {
        let path = state_dir.join(application.as_str());
        application.check().map_err(|error| unusable(&path, error.to_string()))?;
        private::create_directory(&path).map_err(|error| not_written(&path, &error))?;
        refuse_link(&path)?;
        refuse_other_owner(&path)?;
        if let Err(error) = private::close_to_others(&path) {
            tracing::warn!(path = %path.display(), %error, "others may have access to the state directory");
        }
        let lock = lock(&path)?;
        let process_id = process_id(&path)?;
        Ok(Self { path, process_id, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The process's id, which stays with the directory.
    #[must_use]
    pub const fn process_id(&self) -> Uuid {
        self.process_id
    }

    /// The member id that the last process of this directory had in its consumer group, if it did
    /// not leave.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn last_member_id(&self) -> Result<Option<String>, StoreError> {
        let text = read_small(&self.path.join(MEMBER));
        let text = text.map_err(|error| not_written(&self.path, &error))?;
        Ok(text.map(|text| text.trim().to_owned()).filter(|id| !id.is_empty()))
    }

    /// Keeps the member id, for the next process.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_member_id(&self, member_id: &str) -> Result<(), StoreError> {
        let written = private::write_file(&self.path.join(MEMBER), member_id.as_bytes());
        written.map_err(|error| not_written(&self.path, &error))
    }

    /// Forgets the member id, once the member has left.
    ///
    /// # Errors
    /// When the file cannot be removed.
    pub fn forget_member_id(&self) -> Result<(), StoreError> {
        match std::fs::remove_file(self.path.join(MEMBER)) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(not_written(&self.path, &error))
            }
            _ => Ok(()),
        }
    }

    /// How far the states of the tasks that have a directory were, as it was kept last: for each
    /// the sum of its changelogs' offsets. A hint for the assignment; the stores know better.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn state_positions(&self) -> Result<BTreeMap<TaskId, i64>, StoreError> {
        let text = read_small(&self.path.join(POSITIONS));
        let text = text.map_err(|error| not_written(&self.path, &error))?.unwrap_or_default();
        let line = |line: &str| {
            let (task, position) = line.split_once(' ')?;
            Some((task_named(task)?, position.parse().ok()?))
        };
        let mut positions: BTreeMap<TaskId, i64> = text.lines().filter_map(line).collect();
        let tasks = self.tasks()?;
        positions.retain(|task, _| tasks.contains(task));
        Ok(positions)
    }

    /// Keeps how far states are, for the next process.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn keep_state_positions(
        &self,
        positions: &BTreeMap<TaskId, i64>,
    ) -> Result<(), StoreError> {
        let lines = positions.iter().map(|(task, position)| format!("{task} {position}\n"));
        let written =
            private::write_file(&self.path.join(POSITIONS), lines.collect::<String>().as_bytes());
        written.map_err(|error| not_written(&self.path, &error))
    }

    /// The directory of a task, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or is a symbolic link.
    pub fn task_directory(&self, task: TaskId) -> Result<PathBuf, StoreError> {
        self.directory_of(&task.to_string())
    }

    /// The directory of the global stores, made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made, or is a symbolic link.
    pub fn global_directory(&self) -> Result<PathBuf, StoreError> {
        self.directory_of(GLOBAL)
    }

    fn directory_of(&self, name: &str) -> Result<PathBuf, StoreError> {
        let path = self.path.join(name);
        refuse_link(&path)?;
        private::create_directory(&path).map_err(|error| not_made(&path, error))?;
        Ok(path)
    }

    /// Takes the directory of a task out of use at once, to be removed by
    /// [`remove_set_aside`](Self::remove_set_aside). Nobody may have the task open.
    ///
    /// # Errors
    /// When it cannot be moved.
    pub fn set_task_aside(&self, task: TaskId) -> Result<(), StoreError> {
        let path = self.path.join(task.to_string());
        refuse_link(&path)?;
        let aside = self.path.join(format!("{REMOVED}{}", Uuid::new_v4()));
        match std::fs::rename(&path, &aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(not_written(&path, &error)),
            _ => Ok(()),
        }
    }

    /// Removes what was set aside, also by an earlier process. May take long.
    ///
    /// # Errors
    /// When something cannot be removed.
    pub fn remove_set_aside(&self) -> Result<(), StoreError> {
        let failed = |error| not_written(&self.path, &error);
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_aside = entry.file_name().to_str().is_some_and(|one| one.starts_with(REMOVED));
            if is_aside && entry.file_type().map_err(failed)?.is_dir() {
                std::fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Removes the directories of tasks in which nothing was written since that time; they are told.
    /// Nobody may have a task open. May take long.
    ///
    /// # Errors
    /// When a directory cannot be read or removed.
    pub fn remove_older(&self, than: SystemTime) -> Result<Vec<TaskId>, StoreError> {
        let mut old = Vec::new();
        for task in self.tasks()? {
            let path = self.path.join(task.to_string());
            if last_written(&path).map_err(|error| not_written(&path, &error))? < than {
                self.set_task_aside(task)?;
                old.push(task);
            }
        }
        if !old.is_empty() {
            self.remove_set_aside()?;
        }
        Ok(old)
    }

    /// The tasks that have a directory, in their order. Other names are left alone.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn tasks(&self) -> Result<Vec<TaskId>, StoreError> {
        let failed = |error| not_written(&self.path, &error);
        let mut tasks = Vec::new();
        for entry in std::fs::read_dir(&self.path).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let is_directory = entry.file_type().map_err(failed)?.is_dir();
            let name = entry.file_name();
            tasks.extend(name.to_str().filter(|_| is_directory).and_then(task_named));
        }
        tasks.sort();
        Ok(tasks)
    }
}

/// The task whose directory has this name.
fn task_named(name: &str) -> Option<TaskId> {
    let (subtopology, partition) = name.split_once('_')?;
    let task = TaskId::new(subtopology.parse().ok()?, partition.parse().ok()?);
    (task.to_string() == name).then_some(task)
}

fn unusable(path: &Path, problem: String) -> StoreError {
    StoreError::Directory { path: path.to_owned(), problem }
}

/// That of a task, whose disk may have space again later.
fn not_made(path: &Path, error: io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            StoreError::DirectoryFull { path: path.to_owned(), source: error }
        }
        _ => not_written(path, &error),
    }
}

fn not_written(path: &Path, error: &io::Error) -> StoreError {
    unusable(path, format!("{error}; make it writable for this user, or choose another state.dir"))
}

/// Holds the lock of a directory, with the number of this process in it.
fn lock(directory: &Path) -> Result<File, StoreError> {
    let path = directory.join(LOCK);
    refuse_link(&path)?;
    let mut lock = private::open_file(&path).map_err(|error| not_written(directory, &error))?;
    lock.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => unusable(directory, in_use(&path)),
        TryLockError::Error(error) => not_written(directory, &error),
    })?;
    // Only a message to the next one; on a full disk it is left out.
    let noted = lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id()));
    if let Err(error) = noted {
        tracing::warn!(path = %path.display(), %error, "the lock does not name this process");
    }
    Ok(lock)
}

fn in_use(lock: &Path) -> String {
    let text = read_small(lock).ok().flatten().unwrap_or_default();
    match text.trim().parse::<u32>() {
        Ok(process) if process == std::process::id() => {
            "this process uses it already; close the other application, or give this one its own application.id or state.dir".to_owned()
        }
        Ok(process) => format!(
            "another process ({process}) uses it; stop that process, or give this one its own state.dir"
        ),
        Err(_) => "another process uses it; stop that process, or give this one its own state.dir"
            .to_owned(),
    }
}

/// State that two users write is of use to neither: what the one makes, the other may not read.
fn refuse_other_owner(path: &Path) -> Result<(), StoreError> {
    match private::owners(path).and_then(|owners| other_owner(owners, path)) {
        Some(problem) => Err(unusable(path, problem)),
        None => Ok(()),
    }
}

fn other_owner(owners: Owners, path: &Path) -> Option<String> {
    let Owners { directory, own } = owners;
    if own == Some(directory) {
        return None;
    }
    let Some(own) = own else {
        return Some(format!(
            "it belongs to user {directory}, and this process may not write to it; run it as that user, make it writable for this one, or choose another state.dir"
        ));
    };
    Some(format!(
        "it belongs to user {directory}, and this process writes as user {own}; run it as that user, give it the directory (chown -R {own} {}), or choose another state.dir",
        path.display()
    ))
}

/// A link would lead writes, and the removal of damaged databases, to another place.
pub(super) fn refuse_link(path: &Path) -> Result<(), StoreError> {
    match std::fs::symlink_metadata(path) {
        Ok(metadata) if metadata.file_type().is_symlink() => {
            Err(unusable(path, "it is a symbolic link; put a directory in its place".to_owned()))
        }
        _ => Ok(()),
    }
}

/// When something at a path, or below it, was written last.
fn last_written(path: &Path) -> io::Result<SystemTime> {
    let metadata = std::fs::symlink_metadata(path)?;
    let mut last = metadata.modified()?;
    if metadata.is_dir() {
        for entry in std::fs::read_dir(path)? {
            last = last.max(last_written(&entry?.path())?);
        }
    }
    Ok(last)
}

fn read_small(path: &Path) -> io::Result<Option<String>> {
    let metadata = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        metadata => metadata?,
    };
    if !metadata.is_file() || metadata.len() > SMALL_FILE_BYTES_MAX {
        return Ok(None);
    }
    Ok(Some(String::from_utf8_lossy(&std::fs::read(path)?).into_owned()))
}

/// The id in the directory, or a new one that is written there.
fn process_id(directory: &Path) -> Result<Uuid, StoreError> {
    let path = directory.join(PROCESS);
    let text = read_small(&path).map_err(|error| not_written(directory, &error))?;
    if let Some(id) = text.as_deref().and_then(process_id_in) {
        return Ok(id);
    }
    if text.is_some() {
        tracing::warn!(path = %path.display(), "the process id cannot be read; a new one is made");
    }
    let id = Uuid::new_v4();
    let written = private::write_file(&path, format!("{{\"processId\":\"{id}\"}}").as_bytes());
    written.map_err(|error| not_written(directory, &error))?;
    Ok(id)
}

/// The value of `processId` in a small JSON object.
fn process_id_in(text: &str) -> Option<Uuid> {
    let (_, rest) = text.split_once("\"processId\"")?;
    let rest = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    let (id, _) = rest.split_once('"')?;
    Uuid::parse_str(id).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_finds_no_space_is_waited_for_and_one_that_is_refused_is_not() {
        let path = Path::new("state/app/0_0");
        let made = |kind: ErrorKind| not_made(path, kind.into());
        for kind in [ErrorKind::StorageFull, ErrorKind::QuotaExceeded] {
            let full = made(kind);
            assert!(full.is_passing() && full.to_string().contains("state/app/0_0"), "{full}");
        }
        assert!(!made(ErrorKind::PermissionDenied).is_passing());
    }
}
