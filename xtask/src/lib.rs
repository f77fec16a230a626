//! The checks of this workspace that the compiler and clippy cannot make.

#![forbid(unsafe_code)]

pub mod dependencies;
pub mod tidy;
