//! `linearizable` beside Porcupine: the same histories, judged in turns, and the same verdict on each.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use bulkhead_model::{
    Verdict,
    history::{self, Event},
    scenario::Expected,
};

use crate::{
    Plan,
    histories::{self, ETCD, KEY_VALUE, Shape},
    jepsen,
    peer::Porcupine,
    table::{Table, median, middle},
};

/// Histories of one shape: half of them sound, half with reads of what was overwritten.
struct Row {
    name: &'static str,
    shape: Shape,
    /// Reads of what was overwritten, in the other half.
    stale: u64,
    histories: usize,
    turns: usize,
}

const MANY_KEYS: Shape = Shape { registers: 100, operations: 10_000, unknown: 10, ..KEY_VALUE };

/// Jepsen's own logs of etcd, and turns.
const JEPSEN: (&str, usize) = ("etcd, Jepsen's own logs", 15);

/// A history that has taken Porcupine so long in all its turns has no further one.
const ENOUGH: Duration = Duration::from_secs(1);

/// In the order of the table. Jepsen's logs of etcd are 102, those of the key-value store one of each kind. On one key
/// every answer comes: with a hundred that do not, Porcupine is not done in a minute.
const ROWS: [Row; 9] = [
    row("etcd, 5 clients", ETCD, 8, 102, 15),
    row("etcd, 10 clients", Shape { clients: 10, operations: 170, unknown: 80, ..ETCD }, 8, 40, 15),
    row("key-value, 1 client", Shape { clients: 1, operations: 75, ..KEY_VALUE }, 3, 60, 15),
    row("key-value, 10 clients", KEY_VALUE, 3, 60, 15),
    row("key-value, 50 clients", Shape { clients: 50, operations: 1_850, ..KEY_VALUE }, 3, 20, 15),
    row("1 000 on 10 keys", Shape { registers: 10, operations: 1_000, ..MANY_KEYS }, 1, 20, 15),
    row("10 000 on 100 keys", MANY_KEYS, 1, 10, 9),
    row("100 000 on 1 000 keys", Shape { registers: 1_000, operations: 100_000, ..MANY_KEYS }, 1, 4, 7),
    row("10 000 on one key", Shape { registers: 1, unknown: 0, ..MANY_KEYS }, 1, 4, 5),
];

const fn row(name: &'static str, shape: Shape, stale: u64, histories: usize, turns: usize) -> Row {
    Row { name, shape, stale, histories, turns }
}

/// A history with what it is called.
type Named = (String, Vec<Event>);

/// What one history came to on both sides.
struct Judged {
    name: String,
    verdicts: (Verdict, Verdict),
    ours: Vec<Duration>,
    theirs: Vec<Duration>,
}

/// Measures all rows. Whether both came to the same verdict on every history.
pub(crate) fn measure(plan: Plan, table: &mut Table) -> Result<bool> {
    let Some(program) = Porcupine::build(Path::new(env!("CARGO_TARGET_TMPDIR")))? else {
        table.note("no Go, so no Porcupine; `apt-get install golang-go` or go.dev/dl brings it");
        return Ok(true);
    };
    let (name, turns) = JEPSEN;
    let mut agree = compare(name, &jepsen::logs()?, turns / plan.fewer, &program, table)?;
    for row in &ROWS {
        let named = |seed| {
            let shape = Shape { stale: seed % 2 * row.stale, ..row.shape };
            Ok((format!("seed {seed}"), histories::history(&shape, seed)?))
        };
        let seeds = (0..).take((row.histories / plan.fewer).max(2));
        let made: Vec<Named> = seeds.map(named).collect::<Result<_>>()?;
        agree &= compare(row.name, &made, (row.turns / plan.fewer).max(3), &program, table)?;
    }
    Ok(agree)
}

/// Whether both came to the same verdict on each of these histories, and two lines of the table.
fn compare(name: &str, histories: &[Named], turns: usize, program: &Path, table: &mut Table) -> Result<bool> {
    let mut agree = true;
    let judged = judge(histories, turns, program)?;
    for Judged { name: history, verdicts: (ours, theirs), .. } in &judged {
        if *theirs == Verdict::Unknown {
            table.note(format!("{name}, {history}: Porcupine gave up, ours {ours}"));
        } else if ours != theirs {
            agree = false;
            table.note(format!("DIFFERENT VERDICTS on {name}, {history}: {ours}, Porcupine's {theirs}"));
        }
    }
    report(name, &judged, table);
    Ok(agree)
}

fn judge(histories: &[Named], turns: usize, program: &Path) -> Result<Vec<Judged>> {
    let folder = tempfile::tempdir()?;
    let written = histories.iter().map(|(name, events)| write(folder.path(), name, events));
    let paths = written.collect::<Result<Vec<_>>>()?;
    let expect = [Expected::plain("linearizable")];
    let mut porcupine = Porcupine::start(program, &paths)?;
    let mut judged = Vec::new();
    for (index, (name, events)) in histories.iter().enumerate() {
        let (mut ours, mut theirs, mut verdicts) = (Vec::new(), Vec::new(), None);
        for _ in 0..turns {
            let start = Instant::now();
            let reports = bulkhead_checks::judge(events, &expect);
            ours.push(start.elapsed());
            let (verdict, time) = porcupine.judge(index)?;
            theirs.push(time);
            verdicts = Some((reports.first().context("no verdict")?.verdict, verdict));
            if theirs.iter().sum::<Duration>() > ENOUGH {
                break;
            }
        }
        let verdicts = verdicts.context("no turn")?;
        judged.push(Judged { name: name.clone(), verdicts, ours, theirs });
    }
    Ok(judged)
}

fn write(folder: &Path, name: &str, events: &[Event]) -> Result<PathBuf> {
    let path = folder.join(format!("{name}.jsonl"));
    fs::write(&path, events.iter().map(history::to_line).collect::<String>())
        .with_context(|| format!("cannot write `{}`", path.display()))?;
    Ok(path)
}

/// Two lines: the sound histories and the others. A time is the median history's, each at its median turn; the ratio is
/// the median of the histories' ratios, and the worst of them follows.
fn report(name: &str, judged: &[Judged], table: &mut Table) {
    for verdict in [Verdict::Pass, Verdict::Fail] {
        let alike: Vec<_> = judged.iter().filter(|one| one.verdicts == (verdict, verdict)).collect();
        if alike.is_empty() {
            continue;
        }
        let (mut ours, mut theirs, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
        for one in &alike {
            let (mine, peers) = (median(&one.ours), median(&one.theirs));
            ratios.push(mine.as_secs_f64() / peers.as_secs_f64());
            ours.push(mine);
            theirs.push(peers);
        }
        let name = format!("{name}, {} {verdict}", alike.len());
        table.beside(
            name,
            median(&ours),
            median(&theirs),
            middle(&ratios),
            ratios.iter().copied().fold(0.0, f64::max),
        );
    }
}
