//! The fuzzer finds what it must: faults that are planted here.

use std::time::Duration;

use crate::engine::{Check, Target, minimised, processor_time};
use crate::mutate::{LARGEST, Random, mutated};
use crate::parsers::RUNS;

/// So that a slow input costs little.
const LIMIT: Duration = Duration::from_millis(20);

fn found(name: &'static str, check: Check) -> crate::engine::Failure {
    let seeds = vec![b"Name: notes\nVersion: 1.0\n".to_vec(), b"[a]\nb = c\n".to_vec()];
    let target = Target { name, seeds, check, limit: LIMIT };
    // No more than each parser gets in `make check`.
    *target.run(RUNS, None).expect_err("the planted fault is found")
}

#[test]
fn a_panic_is_found_and_its_input_made_small() {
    let failure = found("planted panic", |input| {
        assert!(!input.windows(3).any(|three| three == b"../"), "planted");
        Ok(())
    });
    assert!(failure.why.contains("planted"), "{}", failure.why);
    assert_eq!(failure.input, b"../");
    assert!(failure.report().contains("FUZZ_SEED"));
}

#[test]
fn a_property_that_does_not_hold_is_found() {
    let failure = found("planted property", |input| match String::from_utf8_lossy(input).contains('\u{202e}') {
        true => Err("a mark that turns text".to_owned()),
        false => Ok(()),
    });
    assert_eq!(failure.input, "\u{202e}".as_bytes());
}

#[test]
fn what_grows_faster_than_its_input_is_found() {
    let failure = found("planted slowness", |input| {
        // A microsecond for each pair of lines.
        let lines = input.iter().filter(|byte| **byte == b'\n').count().min(200);
        let until = processor_time() + Duration::from_micros(u64::try_from(lines.pow(2)).unwrap_or_default());
        while processor_time() < until {}
        Ok(())
    });
    assert!(failure.why.starts_with("it takes"), "{}", failure.why);
    let lines = failure.input.iter().filter(|byte| **byte == b'\n').count();
    assert!((100..=300).contains(&lines), "{lines}");
}

#[test]
fn the_same_seed_gives_the_same_inputs() {
    let seeds = vec![b"a = b\n".to_vec(), b"Name: x\n".to_vec()];
    let inputs = |seed| {
        let mut random = Random::new(seed, "x");
        (0..200).map(|_| mutated(&mut random, &seeds)).collect::<Vec<_>>()
    };
    assert_eq!(inputs(1), inputs(1));
    assert_ne!(inputs(1), inputs(2));
    assert!(inputs(3).iter().all(|input| input.len() <= LARGEST));
}

#[test]
fn halving_leaves_what_fails() {
    let check: Check = |input| match input.contains(&7) && input.contains(&9) {
        true => Err("both".to_owned()),
        false => Ok(()),
    };
    let mut input = vec![0; 1000];
    (input[3], input[900]) = (7, 9);
    assert_eq!(minimised(&check, &input, "both", LIMIT).0, [7, 9]);
}
