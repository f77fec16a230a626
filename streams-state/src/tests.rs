//! Tests of whole stores, over both byte stores.

mod corruption;
mod duplicates;
mod identity;
mod model;
mod stores;
mod versions;
mod windows;
