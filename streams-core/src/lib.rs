//! streams-core
pub mod assign;
pub mod membership;
