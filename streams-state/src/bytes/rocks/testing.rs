//! What tests do to a database beside what tasks do.

use super::{BytesError, COMMITTED_AT, METADATA, RocksDatabase, failed, family_name};

impl RocksDatabase {
    /// Writes a store's metadata as they were before stores kept a time.
    pub(crate) fn make_older(&self, at: usize, committed_at: Option<i64>) {
        let family = self.family(METADATA).unwrap();
        let mut bytes = self.metadata.borrow()[at].encode();
        bytes.truncate(bytes.len() - 8);
        let name = family_name(&self.stores[at].name);
        self.files.database.put_cf(&family, name, bytes).unwrap();
        if let Some(time) = committed_at {
            self.files.database.put_cf(&family, COMMITTED_AT, time.to_be_bytes()).unwrap();
        }
    }

    /// Puts all rows into sorted files.
    pub(crate) fn flush(&self) -> Result<(), BytesError> {
        self.stores.iter().try_for_each(|store| {
            let family = self.family(&family_name(&store.name))?;
            let flushed = self.files.database.flush_cf(&family);
            flushed.map_err(|error| failed("be flushed", error))
        })
    }

    /// From now on [`compact`](Self::compact) alone makes few files of many.
    pub(crate) fn compact_when_told(&self) {
        for store in &self.stores {
            let family = self.family(&family_name(&store.name)).unwrap();
            let options = [("disable_auto_compactions", "true")];
            self.files.database.set_options_cf(&family, &options).unwrap();
        }
    }

    /// Puts all rows into sorted files, few of them.
    pub(crate) fn compact(&self) {
        for store in &self.stores {
            let family = self.family(&family_name(&store.name)).unwrap();
            self.files.database.compact_range_cf(&family, None::<&[u8]>, None::<&[u8]>);
        }
    }

    /// How often it failed to flush or to compact.
    pub(crate) fn background_errors(&self) -> u64 {
        let errors = self.files.database.property_int_value(rocksdb::properties::BACKGROUND_ERRORS);
        errors.unwrap().unwrap()
    }
}
