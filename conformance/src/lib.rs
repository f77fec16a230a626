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

pub use crate::run::{run_case, run_case_with};

/// Why a case has no result.
struct Failure(String);

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        let (mut text, mut cause) = (error.to_string(), error.source());
        while let Some(error) = cause {
            text = format!("{text}: {error}");
            cause = error.source();
        }
        Self(text)
    }
}
