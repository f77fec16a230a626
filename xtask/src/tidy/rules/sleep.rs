//! A test waits for an event with a deadline, never for time to pass.

use super::super::finding::Finding;
use super::super::source::Source;
use super::super::tree::Tree;

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    tree.sources.iter().flat_map(check_source).collect()
}

fn check_source(source: &Source) -> Vec<Finding> {
    let tokens = source.tokens();
    let calls = tokens.windows(2).filter(|pair| pair[0].text == "sleep" && pair[1].text == "(");
    let in_tests = calls.filter(|pair| source.is_test_at(pair[0].at));
    let what = "a test sleeps; advance its clock or wait for the event with a deadline";
    in_tests.map(|pair| Finding::new(&source.path, source.line_at(pair[0].at), what)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn a_sleeping_test_is_refused() {
        check_lines(check, "tests/a.rs", "\nfn f() { thread::sleep(SECOND); }\n", &[2]);
        let inline =
            "fn g() { sleep(1); }\n#[cfg(test)]\nmod tests {\n    fn f() { sleep(1); }\n}\n";
        check_lines(check, "a/src/a.rs", inline, &[4]);
    }
}
