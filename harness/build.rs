//! Turns every scenario file into a test of its own name.
fn main() {}
