//! streams-core
pub mod config;
