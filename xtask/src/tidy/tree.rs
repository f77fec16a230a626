//! The files of the workspace that the rules look at.

use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;

use super::manifest::Manifest;
use super::source::Source;

/// A file that is read as plain lines.
#[derive(Debug)]
pub struct TextFile {
    /// Path relative to the root of the workspace, with forward slashes.
    pub path: String,
    /// The whole text.
    pub text: String,
}

/// Every text file of the workspace; Rust files and manifests are parsed besides.
#[derive(Debug, Default)]
pub struct Tree {
    /// All text files, Rust files among them.
    pub texts: Vec<TextFile>,
    /// The Rust files.
    pub sources: Vec<Source>,
    /// The `Cargo.toml` files.
    pub manifests: Vec<Manifest>,
}

impl Tree {
    /// Reads what git tracks below `root`, and new files that it does not ignore.
    ///
    /// Files that are not UTF-8 are left out.
    ///
    /// # Errors
    /// When git cannot be run there, or a file cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let listed = Command::new("git")
            .args(["-c", "safe.directory=*", "ls-files", "-z"])
            .args(["--cached", "--others", "--exclude-standard"])
            .current_dir(root)
            .output()?;
        if !listed.status.success() {
            let why = String::from_utf8_lossy(&listed.stderr).into_owned();
            return Err(io::Error::other(format!("git cannot list '{}': {why}", root.display())));
        }
        let mut files = Vec::new();
        for path in String::from_utf8_lossy(&listed.stdout).split('\0') {
            let full = root.join(path);
            // A file deleted but not yet committed is still listed.
            if path.is_empty() || !full.is_file() {
                continue;
            }
            if let Ok(text) = String::from_utf8(fs::read(full)?) {
                files.push((path.to_owned(), text));
            }
        }
        Ok(Self::from_files(files))
    }

    /// A tree of the given paths and texts.
    #[must_use]
    pub fn from_files(files: Vec<(String, String)>) -> Self {
        let mut tree = Self::default();
        for (path, text) in files {
            if path.ends_with(".rs") {
                tree.sources.push(Source::new(&path, &text));
            }
            if path.rsplit('/').next() == Some("Cargo.toml") {
                tree.manifests.push(Manifest::parse(&path, &text));
            }
            tree.texts.push(TextFile { path, text });
        }
        tree
    }

    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self::from_files(files.iter().map(owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_sorted_by_what_they_are() {
        let tree = Tree::of(&[("a/Cargo.toml", ""), ("a/src/lib.rs", ""), ("README.md", "")]);
        assert_eq!((tree.texts.len(), tree.sources.len(), tree.manifests.len()), (3, 1, 1));
    }

    #[test]
    fn a_folder_without_git_is_an_error() {
        assert!(Tree::read(Path::new("/")).is_err());
    }
}
