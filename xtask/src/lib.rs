//! The checks of this workspace that the compiler and clippy cannot make.

pub mod tidy;
