//! Runs conformance cases: each is built by the public DSL, run by the test driver, and its result
//! written as the reference writes it.

mod build;
mod functions;
mod node;
mod processors;
mod result;
mod run;
mod stream;
mod table;
mod value;

use std::fmt;

pub use crate::run::{Commits, run_case, run_case_with};

/// Why a case has no result.
struct Failure(String);

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut cause = error.source();
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self(text)
    }
}
