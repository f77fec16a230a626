//! Every option that a script of `scripts` documents is one that it takes and acts on.

use std::collections::BTreeSet;

use super::super::finding::Finding;
use super::super::tree::{TextFile, Tree};

/// An arm with this keeps the option's name and leaves it to the rest of the script to act.
const KEEPS_NAME: &str = "${1#--}";

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let scripts = tree.texts.iter().filter(|file| file.path.starts_with("scripts/"));
    scripts.flat_map(check_script).collect()
}

fn check_script(file: &TextFile) -> Vec<Finding> {
    let Some((_, rest)) = file.text.split_once("<<'TEXT'\n") else { return Vec::new() };
    let Some((usage, code)) = rest.split_once("\nTEXT\n") else { return Vec::new() };
    let arms: Vec<Arm<'_>> = code.split(";;").filter_map(Arm::read).collect();
    let first = file.text.lines().count() - rest.lines().count();
    let mut findings = Vec::new();
    let mut seen = BTreeSet::new();
    let synopsis = usage.lines().take_while(|line| !line.is_empty()).count();
    for (index, line) in usage.lines().enumerate() {
        let is_told = index < synopsis || line.trim_start().starts_with("--");
        for option in options(line).filter(|option| is_told && seen.insert(*option)) {
            if !is_handled(option, &arms, code) {
                let what = format!("'--{option}' is documented and does nothing; handle it");
                findings.push(Finding::new(&file.path, first + index + 1, what));
            }
        }
    }
    findings
}

/// The names of the options in a line.
fn options(line: &str) -> impl Iterator<Item = &str> {
    let words = line.split(|c: char| !c.is_ascii_lowercase() && c != '-');
    words.filter_map(|word| word.strip_prefix("--")).filter(|name| !name.is_empty())
}

/// An arm of a `case`.
struct Arm<'a> {
    /// What it is for.
    patterns: BTreeSet<&'a str>,
    body: &'a str,
}

impl<'a> Arm<'a> {
    /// From what stands before the `;;` that ends it.
    fn read(text: &'a str) -> Option<Self> {
        let text = text.rsplit_once(" in\n").map_or(text, |(_, text)| text);
        let (patterns, body) = text.split_once(')')?;
        let patterns = patterns.split('|').map(|one| one.trim_matches([' ', '\n', '\\']));
        Some(Self { patterns: patterns.collect(), body })
    }
}

fn is_handled(option: &str, arms: &[Arm<'_>], code: &str) -> bool {
    let flag = format!("--{option}");
    let Some(arm) = arms.iter().find(|arm| arm.patterns.contains(&*flag)) else { return false };
    if !arm.body.contains(KEEPS_NAME) {
        return true;
    }
    let is_chosen = arms.iter().any(|arm| arm.patterns.contains(option));
    is_chosen || code.contains(&format!("${option}")) || code.contains(&format!("${{{option}"))
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    const SCRIPT: &str = "\
usage() {
    cat <<'TEXT'
usage: scripts/a [--one | --two]

The program takes --others.

  --count N   how many
  --far N     how far
TEXT
}
while [ $# -gt 0 ]; do
    case $1 in
        --one \\
            | --two) what=${1#--}; shift ;;
        --count | --far) declare \"${1#--}=$2\"; shift 2 ;;
        *) usage ;;
    esac
done
case $what in
    one) first \"$count\" ;;
    two) second \"${far:-1}\" ;;
esac
";

    #[track_caller]
    fn check_script(text: &str, expected: &[usize]) {
        check_lines(check, "scripts/a", text, expected);
    }

    #[test]
    fn an_option_that_is_handled_passes() {
        check_script(SCRIPT, &[]);
        check_script("echo no usage\n", &[]);
    }

    #[test]
    fn a_choice_without_an_arm_is_refused() {
        check_script(&SCRIPT.replace("    two)", "    three)"), &[3]);
    }

    #[test]
    fn a_value_that_nobody_reads_is_refused() {
        check_script(&SCRIPT.replace("$count", "5"), &[7]);
    }

    #[test]
    fn an_option_that_is_not_taken_is_refused() {
        check_script(&SCRIPT.replace("--count | --far)", "--count)"), &[8]);
    }
}
