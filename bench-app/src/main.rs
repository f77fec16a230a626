//! bench-app

fn main() {}
