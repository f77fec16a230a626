//! How RocksDB is set up: one block cache and one bound of write buffers for the process, and
//! little memory for a store that is not used.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, Cache, DBCompressionType, DataBlockIndexType, LogLevel,
    LruCacheOptions, Options, WriteBufferManager, WriteOptions,
};

use crate::backend::MemoryBudget;

/// Bytes by which the write buffer of a store grows; small, so that thousands of stores that are
/// hardly written need no more than they hold.
const ARENA_BLOCK_BYTES: usize = 16 << 10;
/// Bytes of a store's write buffer at most.
const WRITE_BUFFER_BYTES_MAX: usize = 4 << 20;
/// Bytes of a store's write buffer at least.
const WRITE_BUFFER_BYTES_MIN: usize = 1 << 20;
/// Files that one database keeps open at most.
const OPEN_FILES_MAX: i32 = 128;
/// Log files of RocksDB that one database keeps at most, and bytes of each.
const LOG_FILES_MAX: usize = 2;
const LOG_FILE_BYTES_MAX: usize = 1 << 20;
/// Disk that is reserved for a manifest before it is needed.
const MANIFEST_PREALLOCATION_BYTES: usize = 64 << 10;
/// Bits of the bloom filters for each key: about one key in a hundred that is not there is
/// searched.
const BLOOM_BITS: f64 = 10.0;
const BLOCK_BYTES: usize = 4 << 10;
/// The cache is locked in 2 to the power of this many parts. A part must hold many blocks.
const CACHE_SHARD_BITS: i32 = 4;

/// What all databases of the process share.
pub(crate) struct RocksShared {
    cache: Cache,
    write_buffers: WriteBufferManager,
    write_buffer_bytes: usize,
    /// Bytes of rows that are being restored.
    restoring_bytes: Arc<AtomicUsize>,
}

impl std::fmt::Debug for RocksShared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksShared").finish_non_exhaustive()
    }
}

impl RocksShared {
    pub(crate) fn new(budget: MemoryBudget) -> Self {
        // Write buffers are charged to the cache, so that both stay within one bound.
        let mut lru = LruCacheOptions::default();
        lru.set_capacity(budget.cache_bytes());
        lru.set_num_shard_bits(CACHE_SHARD_BITS);
        let cache = Cache::new_lru_cache_opts(&lru);
        let write_buffers = WriteBufferManager::new_write_buffer_manager_with_cache(
            budget.write_buffer_bytes(),
            false,
            cache.clone(),
        );
        let write_buffer_bytes = budget.write_buffer_bytes() / 4;
        let write_buffer_bytes =
            write_buffer_bytes.clamp(WRITE_BUFFER_BYTES_MIN, WRITE_BUFFER_BYTES_MAX);
        Self { cache, write_buffers, write_buffer_bytes, restoring_bytes: Arc::default() }
    }

    /// Counts the bytes of rows that are being restored.
    pub(crate) fn restoring_bytes(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.restoring_bytes)
    }

    /// The settings of a database.
    pub(crate) fn database_options(&self) -> Options {
        let mut options = Options::default();
        options.create_if_missing(true);
        options.create_missing_column_families(true);
        options.set_write_buffer_manager(&self.write_buffers);
        options.set_max_total_wal_size(self.write_buffer_bytes as u64 * 4);
        options.set_max_open_files(OPEN_FILES_MAX);
        options.set_table_cache_num_shard_bits(2);
        options.set_max_background_jobs(2);
        options.set_log_level(LogLevel::Warn);
        options.set_keep_log_file_num(LOG_FILES_MAX);
        options.set_max_log_file_size(LOG_FILE_BYTES_MAX);
        options.set_manifest_preallocation_size(MANIFEST_PREALLOCATION_BYTES);
        options.set_stats_dump_period_sec(0);
        options.set_stats_persist_period_sec(0);
        options.set_skip_stats_update_on_db_open(true);
        // A log file that is missing at the next start is noticed.
        options.set_track_and_verify_wals_in_manifest(true);
        options
    }

    /// The settings of a store's column family.
    pub(crate) fn store_options(&self) -> Options {
        let mut blocks = BlockBasedOptions::default();
        blocks.set_block_cache(&self.cache);
        blocks.set_cache_index_and_filter_blocks(true);
        blocks.set_cache_index_and_filter_blocks_with_high_priority(true);
        blocks.set_pin_l0_filter_and_index_blocks_in_cache(true);
        // Filters and indexes in parts: those of a large file as a whole would be read again and
        // again where the cache cannot hold them.
        blocks.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
        blocks.set_partition_filters(true);
        blocks.set_metadata_block_size(BLOCK_BYTES);
        blocks.set_pin_top_level_index_and_filter(true);
        blocks.set_bloom_filter(BLOOM_BITS, false);
        blocks.set_block_size(BLOCK_BYTES);
        blocks.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
        let mut options = Options::default();
        options.set_block_based_table_factory(&blocks);
        options.set_arena_block_size(ARENA_BLOCK_BYTES);
        options.set_write_buffer_size(self.write_buffer_bytes);
        options.set_max_write_buffer_number(3);
        options.set_compression_type(DBCompressionType::Lz4);
        options.set_level_compaction_dynamic_level_bytes(true);
        options
    }

    /// The settings of the column family that holds the stores' metadata: a few rows.
    pub(crate) fn metadata_options(&self) -> Options {
        let mut options = self.store_options();
        options.set_write_buffer_size(WRITE_BUFFER_BYTES_MIN);
        options
    }
}

/// Further settings of a store that is written much: its write buffer gets a bloom filter, so that
/// keys that are not in it are not searched there. It is allocated as a whole, too much for a store
/// that is hardly written.
pub(crate) const BUSY_STORE_OPTIONS: [(&str, &str); 2] =
    [("memtable_prefix_bloom_size_ratio", "0.05"), ("memtable_whole_key_filtering", "true")];

/// Bytes written by one commit that make a store a busy one.
pub(crate) const BUSY_STORE_BYTES: usize = 256 << 10;

/// Logged, not synced: a killed process loses nothing, and a machine that loses its power finds an
/// older commit.
pub(crate) fn write_options() -> WriteOptions {
    let mut options = WriteOptions::default();
    options.set_sync(false);
    options
}
