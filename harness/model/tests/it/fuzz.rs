//! Fuzz targets of what reads people's files: scenarios, files of faults, the topology.
//!
//! `cargo test` runs a bounded number of random inputs; `cargo bolero test fuzz::texts_that_are_nearly_right` goes on for as
//! long as it is let. Nothing may panic, run away, or expand past the stated limit, and what is refused names its place.

use bulkhead_model::{
    Problems, Topology,
    scenario::{Scenario, expand, faults},
};

use crate::scenario::KNOWN;

/// Inputs in a run of `cargo test`.
const INPUTS: usize = 2048;

/// The most scenarios that a file may come to, as the README of the scenarios states it.
const MOST: usize = 256;

/// What is nearly right begins as one of these.
const CORPUS: [&str; 4] = [
    "title: T\nwhy: W\nchecklist: [vhost-created]\nexpect: [checklist-done]\n",
    "title: T\nwhy: W\nprobes: [postgres.read, redis.get-foreign-key]\nexpect: [isolated]\n",
    "title: T\nwhy: >-\n  W\nfor-each:\n  rate: [10/s, 20/s]\n  faults:\n    - [{ down: { service: rabbitmq, at: 1s } }]\n    \
     - [{ down: { service: rabbitmq, at: 2s, for: 500ms } }]\nworkload:\n  - rabbitmq.tasks: { publishers: 2, rate: $rate }\n\
     run-for: 5s\nfaults: $faults\nexpect: [nothing-lost]\n",
    "faults:\n  - down: { service: redis, at: 1s, for: 2s }\n  - read-only: { service: postgres, at: 0s }\n",
];

/// What edits put in: words, and what YAML trips over.
const WORDS: [&str; 24] = [
    "$faults",
    "$rate",
    "$",
    "for-each",
    "[]",
    "{}",
    "null",
    "~",
    "- ",
    "  ",
    ": ",
    "\n",
    "\t",
    "&a ",
    "*a",
    "!!str ",
    "|\n",
    "'",
    "\"",
    "9999999999999999999s",
    "[[[[[[[[",
    "{a: {a: {a: ",
    "title: T\n",
    "\u{2028}",
];

/// Where, what to do there, and with which word.
type Edit = (u16, u8, u8);

fn edited(mut text: String, edits: &[Edit]) -> String {
    for &(at, how, word) in edits {
        let word = WORDS[usize::from(word) % WORDS.len()];
        let mut at = usize::from(at) % (text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        match how % 5 {
            0 => text.insert_str(at, word),
            1 => text.insert_str(at, &word.repeat(40)),
            2 => text.truncate(at),
            3 => {
                let line = text[at..].find('\n').map_or(text.len(), |end| at + end);
                text.replace_range(at..line, word);
            }
            // A line again, whole.
            _ => {
                let from = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
                let to = text[at..].find('\n').map_or(text.len(), |end| at + end + 1);
                let line = text[from..to].to_owned();
                text.insert_str(from, &line);
            }
        }
    }
    text
}

fn refused(problems: &Problems) {
    assert!(problems.iter().next().is_some(), "refused for nothing");
    for problem in problems.iter() {
        assert!(problem.place.starts_with("f:"), "{problem}");
    }
}

/// Everything that reads a text; how many scenarios it came to.
fn read(text: &str) -> usize {
    if let Err(problems) = Topology::parse(text, "f") {
        refused(&problems);
    }
    if let Err(problems) = faults(text, "f", &KNOWN) {
        refused(&problems);
    }
    match Scenario::parse("area/name", text, "f", &KNOWN) {
        Err(problems) => {
            refused(&problems);
            0
        }
        Ok(scenarios) => {
            assert!((1..=MOST).contains(&scenarios.len()), "{} scenarios", scenarios.len());
            // Tenants that it names may not be there.
            let _cases = expand(&scenarios, &Topology::builtin());
            scenarios.len()
        }
    }
}

#[test]
fn texts_that_are_nearly_right() {
    bolero::check!().with_type::<(u8, Vec<Edit>)>().with_iterations(INPUTS).for_each(|(first, edits)| {
        // A few, so that some of what is read is right.
        let few = &edits[..edits.len().min(4)];
        read(&edited(CORPUS[usize::from(*first) % CORPUS.len()].to_owned(), few));
    });
}

#[test]
fn any_bytes() {
    bolero::check!().with_iterations(INPUTS).for_each(|bytes: &[u8]| {
        read(&String::from_utf8_lossy(bytes));
    });
}

/// So that the targets are known to reach what they are for.
#[test]
fn the_corpus_is_read_and_some_of_it_expands() {
    assert_eq!(CORPUS.map(read), [1, 1, 4, 0]);
}

#[test]
fn a_file_never_comes_to_more_than_the_limit() {
    let values = |count: usize| (1..=count).map(|rate| format!("{rate}/s")).collect::<Vec<_>>().join(", ");
    let file = |count: usize| CORPUS[2].replace("10/s, 20/s", &values(count));
    assert_eq!(read(&file(MOST / 2)), MOST);
    assert_eq!(read(&file(MOST / 2 + 1)), 0);
}
