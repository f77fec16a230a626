//! Rows that are sent to the changelog once more, since another writer's records lie behind theirs.

use streams_core::error::StoreError;
use streams_core::time::Timestamp;

use super::Layers;
use super::changelog::Changelog;

impl Layers {
    /// Sends what lies below the cache of a changelog's key, a deletion where there is nothing.
    /// `time` is that of the other writer's record.
    pub(crate) fn log_again(&self, key: &[u8], time: Timestamp) -> Result<(), StoreError> {
        let Some(changelog) = self.changelog() else { return Ok(()) };
        if self.kept_versions().is_some() {
            return self.log_version_again(changelog, key, time);
        }
        let mut buffer = Vec::new();
        let row_key = match self.retention() {
            None => key,
            Some(retention) => {
                let Some(row) = retention.keys.read_changelog(key) else { return Ok(()) };
                retention.keys.write_row(row, &mut buffer);
                if !retention.shows(&buffer) {
                    return Ok(());
                }
                buffer.as_slice()
            }
        };
        let read = self.staged().read_with(self.hash(row_key), row_key, |row| {
            changelog.send_again(key, row, time, self.context())
        });
        let (sent, _) = read.map_err(|error| self.failed(error))?;
        sent.map_err(|source| StoreError::Changelog { store: self.name().clone(), source })
    }

    /// A version of the very time of the other one, which replaced it; or a deletion where there is
    /// none up to that time. Where an earlier one holds, the other's version is one that is to come.
    fn log_version_again(
        &self,
        changelog: &Changelog,
        key: &[u8],
        time: Timestamp,
    ) -> Result<(), StoreError> {
        let sent = self.read_version(key, Some(time.millis()), |version| {
            let value = match version {
                Some((from, _)) if from != time => return Ok(()),
                found => found.map(|(_, value)| value),
            };
            changelog.send_again(key, value, time, self.context())
        })?;
        sent.map_err(|source| StoreError::Changelog { store: self.name().clone(), source })
    }
}
