//! The check `linearizable` and Porcupine come to the same verdict on the same histories: on Jepsen's own logs of etcd and
//! on small ones that are made up, sound and broken. They and the way to ask are those of `benches/checks`.

use std::{collections::BTreeMap, path::Path};

use bulkhead_model::{
    Verdict,
    history::{Event, read, to_line},
    scenario::Expected,
};

use crate::tools::skipped;

#[path = "../../benches/checks/histories.rs"]
mod histories;
#[path = "../../benches/checks/jepsen.rs"]
mod jepsen;
#[path = "../../benches/checks/peer.rs"]
mod peer;

use histories::{ETCD, KEY_VALUE, Shape, history};
use peer::Porcupine;

/// Histories of each shape; every other one has reads of what was overwritten.
const EACH: usize = 20;

/// Small enough that Porcupine never takes long: with more operations of unknown outcome it may take for ever.
const SHAPES: [(Shape, u64); 4] = [
    (ETCD, 8),
    (Shape { clients: 10, unknown: 120, ..ETCD }, 8),
    (KEY_VALUE, 3),
    (Shape { clients: 8, registers: 2, operations: 120, unknown: 100, swaps: 30, ..KEY_VALUE }, 2),
];

#[test]
fn both_come_to_the_same_verdict() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let Some(program) = Porcupine::build(folder).unwrap_or_else(|error| panic!("{error:#}")) else {
        return skipped("no Go; `apt-get install golang-go` or go.dev/dl brings it");
    };
    let logs = jepsen::logs().unwrap_or_else(|error| panic!("{error:#}"));
    // As Porcupine's own tests have it: of 102 logs 23 linearise.
    let expected = BTreeMap::from([(Verdict::Pass, 23), (Verdict::Fail, 79)]);
    assert_eq!(compare(&program, &logs), expected);

    let made = SHAPES.iter().flat_map(|(shape, stale)| {
        (0_u64..).take(EACH).map(move |seed| {
            let shape = Shape { stale: seed % 2 * stale, ..*shape };
            (format!("seed {seed} of {shape:?}"), history(&shape, seed).unwrap())
        })
    });
    let counts = compare(&program, &made.collect::<Vec<_>>());
    // Half are sound, and in the others what is told as stale may be there again.
    let half = SHAPES.len() * EACH / 2;
    assert!(counts[&Verdict::Pass] >= half && counts[&Verdict::Fail] >= half * 3 / 4, "{counts:?}");
}

/// How often both came to which verdict. Fails where they differ.
fn compare(program: &Path, histories: &[(String, Vec<Event>)]) -> BTreeMap<Verdict, usize> {
    let files = tempfile::tempdir().unwrap();
    let written = histories.iter().enumerate().map(|(number, (_, events))| {
        let path = files.path().join(format!("{number}.jsonl"));
        std::fs::write(&path, events.iter().map(to_line).collect::<String>()).unwrap();
        path
    });
    let paths: Vec<_> = written.collect();
    let mut porcupine = Porcupine::start(program, &paths).unwrap();
    let mut counts = BTreeMap::new();
    for (number, (name, _)) in histories.iter().enumerate() {
        // What Porcupine read is what is judged here, too.
        let history = read(std::fs::read(&paths[number]).unwrap(), name).unwrap();
        let reports = bulkhead_checks::judge(&history.events, &[Expected::plain("linearizable")]);
        let (theirs, _) = porcupine.judge(number).unwrap();
        assert_eq!(reports[0].verdict, theirs, "{name}: {}", reports[0].evidence);
        *counts.entry(theirs).or_insert(0) += 1;
    }
    counts
}
