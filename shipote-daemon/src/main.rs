//! The `shipote` program.

fn main() {}
