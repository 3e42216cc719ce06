//! What each part used between two moments of a history.
//!
//! Processor time is what its readings have at both ends, as if it were used evenly from one reading to the next; where there
//! is none before or after, from the first or up to the last. Memory is that of the readings in between, or of all where none
//! is.

use bulkhead_model::{
    bench::{Counted, Figures, Part, Reading, Usage, UsageRecord},
    history::{Event, EventKind},
};

/// What was read of a part at a moment.
#[derive(Clone, Copy)]
struct Read {
    at: u64,
    cpu_ns: u64,
    memory: u64,
    counted: Counted,
}

/// Each part that was looked at, from one moment to the other, in which so many operations succeeded.
pub(super) fn usage(history: &[Event], window: (u64, u64), succeeded: u64) -> Vec<Usage> {
    let records = || {
        history.iter().filter_map(|event| match &event.kind {
            EventKind::Usage(record) => Some((event.at, record)),
            _ => None,
        })
    };
    let of_part = |part: Part| {
        let (mut reads, mut refused) = (Vec::new(), None);
        for (at, UsageRecord { reading, .. }) in records().filter(|(_, record)| record.part == part) {
            match reading {
                Reading::Used { cpu_ns, memory, counted } => {
                    reads.push(Read { at, cpu_ns: *cpu_ns, memory: *memory, counted: *counted });
                }
                Reading::NotMeasured(why) => refused = Some(why.clone()),
            }
        }
        // So they are, but in a file that somebody changed.
        reads.sort_by_key(|read| read.at);
        match (figures(&reads, window, succeeded), refused) {
            (Some(figures), _) => Some(Usage { part, figures: Some(figures), not_measured: String::new() }),
            (None, Some(not_measured)) => Some(Usage { part, figures: None, not_measured }),
            (None, None) if reads.is_empty() => None,
            (None, None) => {
                let not_measured = String::from("it was not there for long enough to be read twice");
                Some(Usage { part, figures: None, not_measured })
            }
        }
    };
    Part::ALL.into_iter().filter_map(of_part).collect()
}

/// What readings come to; nothing where no two of them are apart.
fn figures(reads: &[Read], (from, to): (u64, u64), succeeded: u64) -> Option<Figures> {
    let (first, last) = (reads.first()?, reads.last()?);
    let (from, to) = (from.clamp(first.at, last.at), to.clamp(first.at, last.at));
    let took = to.checked_sub(from).filter(|took| *took > 0)?;
    let cpu_ns = had(reads, to).saturating_sub(had(reads, from));
    let mut meant: Vec<_> = reads.iter().filter(|read| (from..=to).contains(&read.at)).collect();
    if meant.is_empty() {
        meant = reads.iter().collect();
    }
    let memory = meant.iter().map(|read| u128::from(read.memory)).sum::<u128>();
    let counts = |read: &&Read| read.counted == Counted::Rss;
    Some(Figures {
        cpu_ns,
        cores: share(cpu_ns, took),
        per_ok_ns: cpu_ns.checked_div(succeeded),
        memory_mean: u64::try_from(memory / meant.len().max(1) as u128).unwrap_or(u64::MAX),
        memory_peak: meant.iter().map(|read| read.memory).max().unwrap_or_default(),
        // What could be shared out only now and then is not.
        counted: if reads.iter().any(|read| counts(&read)) { Counted::Rss } else { Counted::Pss },
    })
}

/// What had been used at that moment, which is not before the first reading.
fn had(reads: &[Read], at: u64) -> u64 {
    let after = reads.partition_point(|read| read.at <= at);
    let before = after.checked_sub(1).and_then(|place| reads.get(place));
    match (before, reads.get(after)) {
        (Some(before), Some(after)) => {
            let used = u128::from(after.cpu_ns.saturating_sub(before.cpu_ns));
            let part = used * u128::from(at - before.at) / u128::from((after.at - before.at).max(1));
            before.cpu_ns.saturating_add(u64::try_from(part).unwrap_or(u64::MAX))
        }
        (Some(only), None) | (None, Some(only)) => only.cpu_ns,
        (None, None) => 0,
    }
}

#[expect(clippy::cast_precision_loss, reason = "it is told to two digits")]
fn share(cpu: u64, took: u64) -> f64 {
    if took == 0 { 0.0 } else { cpu as f64 / took as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn read(at: u64, part: Part, reading: Reading) -> Event {
        Event { at, kind: EventKind::Usage(UsageRecord { part, reading }) }
    }

    fn used(at: u64, cpu_ns: u64, memory: u64, counted: Counted) -> Event {
        read(at, Part::Postgres, Reading::Used { cpu_ns, memory, counted })
    }

    #[test]
    fn processor_time_is_that_between_the_two_moments_and_memory_that_of_what_was_read_then() {
        let history = [
            used(0, 0, 900, Counted::Pss),
            used(2 * S, S, 100, Counted::Pss),
            used(4 * S, 2 * S, 300, Counted::Pss),
            used(6 * S, 6 * S, 800, Counted::Pss),
        ];
        // Half a second of the first two, one of the next, and a half of the last four.
        let figures = usage(&history, (S, 5 * S), 70)[0].figures.unwrap();
        let wanted = Figures {
            cpu_ns: S / 2 + S + 2 * S,
            cores: 0.875,
            per_ok_ns: Some(50_000_000),
            memory_mean: 200,
            memory_peak: 300,
            counted: Counted::Pss,
        };
        assert_eq!(figures, wanted);
        // Readings that do not reach as far.
        let figures = usage(&history[1..3], (0, 9 * S), 0)[0].figures.unwrap();
        assert_eq!((figures.cpu_ns, figures.cores, figures.per_ok_ns), (S, 0.5, None));
        let figures = usage(&history, (2 * S + 1, 3 * S), 1)[0].figures.unwrap();
        assert_eq!(
            (figures.memory_mean, figures.memory_peak),
            (525, 900),
            "of all, where none is in between"
        );
    }

    #[test]
    fn what_could_not_be_read_is_said_and_never_nothing() {
        let refused = |part| read(0, part, Reading::NotMeasured(String::from("it is somebody else's")));
        let history = [
            refused(Part::S3),
            refused(Part::Postgres),
            used(0, 0, 5, Counted::Pss),
            used(S, S, 5, Counted::Rss),
            read(0, Part::Redis, Reading::Used { cpu_ns: 0, memory: 5, counted: Counted::Pss }),
        ];
        let found = usage(&history, (0, S), 1);
        let told: Vec<_> =
            found.iter().map(|usage| (usage.part, usage.figures.map(|figures| figures.counted))).collect();
        assert_eq!(told, [(Part::Postgres, Some(Counted::Rss)), (Part::Redis, None), (Part::S3, None)]);
        assert!(found[1..].iter().all(|usage| !usage.not_measured.is_empty()), "{found:?}");
        assert_eq!(usage(&[], (0, S), 1), []);
    }
}
