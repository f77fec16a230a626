//! conformance

fn main() {}
