//! Tests of whole stores, over both byte stores.

mod again;
mod corruption;
mod directories;
mod duplicates;
mod full_disk;
mod globals;
mod identity;
mod lru;
mod model;
mod own;
mod stores;
mod versions;
mod windows;
mod with_headers;
