//! Types are erased while a task is linked, and nowhere else.

use super::super::finding::Finding;
use super::super::tree::Tree;

/// The files that plan and link tasks and stores; the last one reads what a panic carries.
const PLACES: [&str; 11] = [
    "streams-core/src/processor/link.rs",
    "streams-core/src/store.rs",
    "streams-dsl/src/plan/node.rs",
    "streams-dsl/src/plan/table.rs",
    "streams-state/src/buffer/spec.rs",
    "streams-state/src/builder/factory.rs",
    "streams-state/src/builder/stores.rs",
    "streams-state/src/process.rs",
    "streams-state/src/task.rs",
    "streams-test/src/driver/global.rs",
    "streams-kafka/src/worker_thread.rs",
];

pub(super) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    let others = tree.sources.iter().filter(|source| {
        let in_library = source.path.starts_with("streams-") && source.path.contains("/src/");
        in_library && !PLACES.contains(&source.path.as_str())
    });
    for source in others {
        let tokens = source.tokens();
        let erased = tokens.iter().filter(|t| t.text == "Any" && !source.is_test_at(t.at));
        findings.extend(erased.map(|token| {
            let what = "`Any` outside linking; keep the type, or erase it where tasks are linked";
            Finding::new(&source.path, source.line_at(token.at), what)
        }));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::super::check_lines;
    use super::check;

    #[test]
    fn an_erased_type_is_refused_outside_linking() {
        let text = "\nfn f(a: &dyn Any) {}\n";
        check_lines(check, "streams-dsl/src/operators/map.rs", text, &[2]);
        check_lines(check, "streams-core/src/processor/link.rs", text, &[]);
        check_lines(check, "streams-core/tests/it.rs", text, &[]);
    }
}
