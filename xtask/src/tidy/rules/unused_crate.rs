//! Every dependency is named by the code that declares it, and every version by a member.

use super::super::finding::Finding;
use super::super::lexer::Token;
use super::super::manifest::{Dependency, Manifest, Section};
use super::super::source::Source;
use super::super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for manifest in &tree.manifests {
        let folder = manifest.path.rsplit_once('/').map_or(".", |(folder, _)| folder);
        let own = own_sources(tree, folder);
        for found in &manifest.dependencies {
            let what = match found.section {
                Section::Workspace if is_chosen(tree, found) => continue,
                Section::Workspace => "no member depends on",
                Section::Normal if own.iter().any(|source| is_in_code(source, found)) => continue,
                Section::Normal => "no code outside of tests names",
                _ if own.iter().any(|source| is_in_text(source, found)) => continue,
                _ => "no source names",
            };
            let what = format!("{what} '{}'; remove it", found.name);
            findings.push(Finding::new(&manifest.path, found.line, what));
        }
    }
    findings
}

/// The files in the folder of a crate, and those that it compiles from elsewhere by `#[path]`.
fn own_sources<'a>(tree: &'a Tree, folder: &str) -> Vec<&'a Source> {
    let inside = |source: &&Source| source.crate_folder() == folder;
    let borrowed: Vec<String> = tree.sources.iter().filter(inside).flat_map(borrowed).collect();
    let is_own = |source: &&Source| {
        inside(source) || borrowed.iter().any(|start| source.path.starts_with(start))
    };
    tree.sources.iter().filter(is_own).collect()
}

/// What the paths begin with of the modules that a file names by `#[path]`.
fn borrowed(source: &Source) -> Vec<String> {
    let named = source.text.lines().filter_map(|line| line.strip_prefix("#[path = \""));
    let resolved = named.filter_map(|rest| {
        let mut folders: Vec<&str> = source.path.split('/').collect();
        folders.pop();
        for part in rest.split('"').next()?.split('/') {
            match part {
                ".." => drop(folders.pop()?),
                // The module's own files lie beside it.
                "mod.rs" => folders.push(""),
                part => folders.push(part),
            }
        }
        Some(folders.join("/"))
    });
    resolved.collect()
}

fn is_chosen(tree: &Tree, version: &Dependency) -> bool {
    let chosen = |manifest: &Manifest| {
        let mut all = manifest.dependencies.iter();
        all.any(|found| found.section != Section::Workspace && found.name == version.name)
    };
    tree.manifests.iter().any(chosen)
}

/// Whether code that is part of the crate itself names it.
fn is_in_code(source: &Source, found: &Dependency) -> bool {
    let name = found.name.replace('-', "_");
    let path = source.path.as_str();
    let is_beside =
        ["benches", "examples", "tests"].iter().any(|one| path.split('/').any(|part| part == *one));
    let names = |token: Token<'_>| token.text == name && !source.is_test_at(token.at);
    !is_beside && source.code.contains(&name) && source.tokens().into_iter().any(names)
}

/// Whether code or a comment names it: examples in the documentation are code too.
fn is_in_text(source: &Source, found: &Dependency) -> bool {
    let name = found.name.replace('-', "_");
    let is_name = |c: char| c.is_alphanumeric() || c == '_';
    source.text.split(|c| !is_name(c)).any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::super::super::tree::Tree;
    use super::check;

    #[track_caller]
    fn check_crate(dependencies: &str, sources: &[(&str, &str)], expected: &[usize]) {
        let manifest = format!("[package]\nname = \"a\"\n{dependencies}\n");
        let files = [&[("a/Cargo.toml", manifest.as_str())], sources].concat();
        let lines: Vec<usize> =
            check(&Tree::of(&files)).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, expected, "{dependencies}");
    }

    const ON_B: &str = "[dependencies]\nb-c.workspace = true";

    #[test]
    fn a_dependency_that_no_code_names_is_refused() {
        check_crate(ON_B, &[("a/src/lib.rs", "use b_c::D;\n")], &[]);
        check_crate(ON_B, &[("a/src/lib.rs", "// b_c\n")], &[4]);
        check_crate(ON_B, &[("b/src/lib.rs", "use b_c::D;\n")], &[4]);
    }

    #[test]
    fn what_tests_alone_name_is_no_dependency_of_the_crate() {
        check_crate(ON_B, &[("a/tests/it.rs", "use b_c::D;\n")], &[4]);
        let inline = "#[cfg(test)]\nmod tests {\n    use b_c::D;\n}\n";
        check_crate(ON_B, &[("a/src/lib.rs", inline)], &[4]);
        let for_tests = "[dev-dependencies]\nb-c.workspace = true";
        check_crate(for_tests, &[("a/src/lib.rs", inline)], &[]);
        check_crate(for_tests, &[("a/src/lib.rs", "/// use b_c::D;\n")], &[]);
        check_crate(for_tests, &[("a/src/lib.rs", "")], &[4]);
    }

    #[test]
    fn what_is_compiled_from_another_crate_is_the_crates_too() {
        let main = "#[path = \"../../b/src/part/mod.rs\"]\nmod part;\n";
        let part = ("b/src/part/deep.rs", "use b_c::D;\n");
        check_crate(ON_B, &[("a/src/main.rs", main), part], &[]);
        check_crate(ON_B, &[("a/src/main.rs", main), ("b/src/other.rs", "use b_c::D;\n")], &[4]);
    }

    #[test]
    fn a_version_that_no_member_chooses_is_refused() {
        let versions = "[workspace.dependencies]\nb = \"1\"\nc = \"1\"";
        let files =
            [("Cargo.toml", versions), ("a/Cargo.toml", "[dependencies]\nb.workspace = true")];
        let files = [&files[..], &[("a/src/lib.rs", "use b::D;\n")]].concat();
        let lines: Vec<usize> =
            check(&Tree::of(&files)).iter().map(|finding| finding.line).collect();
        assert_eq!(lines, [3]);
    }
}
