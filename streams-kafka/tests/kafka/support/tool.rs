//! Kafka's own tools, as they come with the broker.

use std::collections::BTreeMap;
use std::process::Command;

use super::broker;
use super::cluster::Cluster;

/// A row of a table, by the titles of its columns.
pub(crate) type Row = BTreeMap<String, String>;

/// What a tool prints about a cluster below the titles of its columns, of which this is one. It may
/// be more than rows.
pub(crate) fn printed(cluster: &Cluster, tool: &str, words: &[&str], title: &str) -> Vec<Row> {
    let mut java = Command::new("docker");
    java.args([
        "run",
        "--rm",
        "--network",
        "host",
        "--entrypoint",
        "java",
        broker::image().as_str(),
    ]);
    java.args(["-Xmx256m", "-cp", "/opt/kafka/libs/*", tool]);
    java.args(["--bootstrap-server", cluster.servers()]).args(words);
    let output = java.output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{text} {}", String::from_utf8_lossy(&output.stderr));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let mut lines = text.lines().map(words).skip_while(|row| !row.iter().any(|w| w == title));
    let titles = lines.next();
    let titles = titles.unwrap_or_else(|| panic!("nothing is called {title}: {text}"));
    lines.map(|row| titles.iter().cloned().zip(row).collect()).collect()
}
