//! Where a value came from.

use std::fmt;
use std::sync::Arc;

/// Where a value came from; the later kinds win over the earlier.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// The program set it.
    Code,
    /// A line of a `.properties` file.
    File {
        /// The file, as the caller named it.
        name: Arc<str>,
        /// The line on which the entry begins, counted from 1.
        line: u32,
    },
    /// An environment variable.
    Environment {
        /// Name of the variable.
        variable: Arc<str>,
    },
    /// An argument of the program.
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::Code => f.write_str("code"),
            Self::File { name, line } => write!(f, "{name}:{line}"),
            Self::Environment { variable } => write!(f, "environment variable {variable}"),
            Self::CommandLine => f.write_str("command line"),
        }
    }
}
