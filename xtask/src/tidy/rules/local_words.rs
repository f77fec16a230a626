//! Nothing in the tree speaks of the machine or the way on which it was written.

use super::super::finding::Finding;
use super::super::lexer::is_word_char;
use super::super::tree::Tree;

/// Absolute folders of one machine; in pieces, so that this file passes.
const FOLDERS: [&str; 4] =
    [concat!("/ro", "ot"), concat!("/wo", "rk"), concat!("/ho", "me"), concat!("/Us", "ers")];
/// Words about who wrote what, compared in lower case.
const WORDS: [&str; 4] = [
    concat!("sub", "agent"),
    concat!("sub-", "agent"),
    concat!("helper ", "agent"),
    concat!("coding ", "agent"),
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in &tree.texts {
        for (index, line) in file.text.lines().enumerate() {
            let lower = line.to_lowercase();
            let word = WORDS.into_iter().find(|word| lower.contains(word));
            let folder = FOLDERS.into_iter().find(|folder| names_folder(line, folder));
            if let Some(found) = word.or(folder) {
                let what = format!("'{found}' means nothing to a reader elsewhere; leave it out");
                findings.push(Finding::new(&file.path, index + 1, what));
            }
        }
    }
    findings
}

/// Whether `line` holds the absolute path `folder`, and not a longer path with such a part.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        let after = line[at + folder.len()..].chars().next();
        !before.is_some_and(|c| is_word_char(c) || ".-/}*$~)".contains(c))
            && !after.is_some_and(|c| is_word_char(c) || c == '-')
    })
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::{FOLDERS, WORDS, check};

    #[test]
    fn every_listed_word_is_refused() {
        for word in WORDS.iter().chain(&FOLDERS) {
            check_lines(check, "README.md", &format!("Fine.\nSee {word}/x.\n"), &[2]);
        }
    }

    #[test]
    fn such_a_part_of_another_path_passes() {
        for folder in FOLDERS {
            let text = format!("https://a.org{folder}/x\nstreams{folder}\n$HOME{folder}er\n");
            check_lines(check, "README.md", &text, &[]);
        }
    }
}
