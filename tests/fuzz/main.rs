//! Fuzzing: parsers and programs on mutated inputs.
//!
//! Seeds are the inputs of the golden cases and the examples. The same FUZZ_SEED
//! gives the same inputs; it is printed with a failure, whose input is made small
//! and kept in `target/tmp/fuzz/`. FUZZ_RUNS says how many times as much is run as in
//! `make check`, FUZZ_SECONDS bounds each test. Where a whole process ends (a stack
//! that overflows), `target/tmp/fuzz/*.running` have what was being tried.
#![allow(clippy::disallowed_methods, reason = "tests read, write and start processes")]
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a test tells what it did")]

mod corpus;
mod engine;
mod mutate;
mod parsers;
mod programs;
mod selftest;
