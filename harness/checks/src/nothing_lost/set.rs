//! A set: what was added and acknowledged is in what is read in the end.
//!
//! This is Jepsen's `set-full` (`jepsen.checker/set-full`). An element is known from its acknowledgement, or from the end
//! of the first read that has it. Of a known element, the last read to begin that has it and the last that lacks it
//! decide: it is stable where the former came later, lost where the latter did and began after the element was known,
//! and never read else. A stable element that a read lacked which began after it was known was stale until then: the
//! time from one to the other is its time to stable, and that from when a lost one was known to the last read that has it
//! its time to lost. Never read is only what was never known, once a read began after the last acknowledgement.
//!
//! Two things are stricter than there, as in Jepsen's plain `set`: an element that nobody tried to add fails; so does one
//! that a single read has twice. Nothing is called lost before a read begins after the last acknowledgement. Linear in
//! the history.

use bulkhead_model::{Act, Ending, Found, Verdict, bench::Wrong, history::Event};

use super::NOTHING;
use crate::{
    Culprit, Judgement,
    culprit::{Fault, failure},
    ops::Op,
    tables::Table,
    words::{during, moment, span},
};

/// What became of one element. There may be millions, hence no copies of operations.
#[derive(Default)]
struct Fate<'o, 'h> {
    /// How adding it came out, at best; nothing where nobody tried.
    added: Option<&'o Op<'h>>,
    /// Since when it is known: its place in the history and the moment.
    known: Option<(usize, u64)>,
    /// The reads that have it and lack none in between, up to the last that has it.
    run: Option<(usize, usize)>,
    /// The first read that has it.
    reader: Option<&'o Op<'h>>,
    /// The first read that has it more than once, and how often.
    twice: Option<(&'o Op<'h>, usize)>,
}

type Fates<'o, 'h> = Table<&'h str, Fate<'o, 'h>>;

/// What the reads say of a known element.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// The last read has it; for how long reads lacked it after it was known.
    Stable(Option<u64>),
    /// The last reads lack it.
    Lost,
    /// No read says.
    NeverRead,
}

impl<'o, 'h> Fate<'o, 'h> {
    fn acknowledged(&self) -> bool {
        self.added.is_some_and(|op| op.outcome() == Ending::Ok)
    }

    fn known_since(&mut self, place: usize, at: u64) {
        if self.known.is_none_or(|(known, _)| place < known) {
            self.known = Some((place, at));
        }
    }

    /// A read has it; reads come in the order in which they began.
    fn seen(&mut self, index: usize, read: &'o Op<'h>) {
        match &mut self.run {
            Some((_, last)) if *last == index => match &mut self.twice {
                Some((known, times)) if known.place == read.place => *times += 1,
                Some(_) => {}
                None => self.twice = Some((read, 2)),
            },
            Some((_, last)) if *last + 1 == index => *last = index,
            run => *run = Some((index, index)),
        }
        self.reader.get_or_insert(read);
        self.known_since(read.over, read.ended_at().unwrap_or(read.began));
    }

    fn state(&self, reads: &[(&Op<'h>, &[String])]) -> State {
        let Some((known, since)) = self.known else { return State::NeverRead };
        let last = reads.len().checked_sub(1);
        let (has, lacks) = match self.run {
            Some((first, end)) if Some(end) == last => (true, first.checked_sub(1)),
            _ => (false, last),
        };
        let after = lacks.and_then(|index| reads.get(index)).filter(|(read, _)| read.place > known);
        match (has, after) {
            (true, after) => State::Stable(after.map(|(read, _)| read.began.saturating_sub(since))),
            (false, Some(_)) => State::Lost,
            (false, None) => State::NeverRead,
        }
    }
}

/// Judges one workload's operations.
pub(super) fn judge<'h>(history: &[Event], ops: &[Op<'h>]) -> Judgement {
    let reads: Vec<(&Op<'h>, &[String])> = ops.iter().filter_map(read).collect();
    let fates = fates(ops, &reads);
    let total = fates.values().filter(|fate| fate.acknowledged()).count();
    let acknowledged = |op: &&Op<'_>| matches!(op.invoked.act, Act::Add { .. }) && op.outcome() == Ending::Ok;
    let last = ops.iter().filter(acknowledged).map(|op| op.over).max();
    let complete = last.is_some_and(|last| reads.iter().any(|(read, _)| read.place > last));
    let states: Vec<_> = fates.iter().map(|(element, fate)| (*element, fate, fate.state(&reads))).collect();
    let lost = complete.then(|| lost(history, &states, &reads, total)).flatten();
    if let Some(failed) = failure([lost, unexpected(history, &fates), twice(history, &fates)]) {
        return failed;
    }
    if total == 0 {
        return Judgement::new(Verdict::Unknown, NOTHING);
    }
    if !complete {
        let text = format!(
            "no read of all began after the last of {total} acknowledgements came, so nobody knows what was lost"
        );
        return Judgement::new(Verdict::Unknown, text);
    }
    Judgement::new(Verdict::Pass, kept(&states, total, reads.len()))
}

/// A read that came back, with what it has.
fn read<'o, 'h>(op: &'o Op<'h>) -> Option<(&'o Op<'h>, &'h [String])> {
    match (&op.invoked.act, op.outcome(), op.found()) {
        (Act::ReadAll, Ending::Ok, Some(Found::Elements(elements))) => Some((op, elements)),
        _ => None,
    }
}

fn fates<'o, 'h>(ops: &'o [Op<'h>], reads: &[(&'o Op<'h>, &'h [String])]) -> Fates<'o, 'h> {
    let added = ops.iter().filter(|op| matches!(op.invoked.act, Act::Add { .. }));
    let mut fates = Fates::with_capacity_and_hasher(added.count(), Default::default());
    for op in ops {
        if let Act::Add { element } = &op.invoked.act {
            let fate = fates.entry(element).or_default();
            // Tried again after an unknown outcome, it is added if either was acknowledged.
            if fate.added.is_none_or(|known| op.outcome() < known.outcome()) {
                fate.added = Some(op);
            }
            if let (Ending::Ok, Some(at)) = (op.outcome(), op.ended_at()) {
                fate.known_since(op.over, at);
            }
        }
    }
    for (index, (read, elements)) in reads.iter().enumerate() {
        for element in *elements {
            fates.entry(element).or_default().seen(index, read);
        }
    }
    fates
}

type Judged<'f, 'o, 'h> = (&'h str, &'f Fate<'o, 'h>, State);

fn lost(
    history: &[Event],
    states: &[Judged<'_, '_, '_>],
    reads: &[(&Op<'_>, &[String])],
    total: usize,
) -> Option<Fault> {
    // Whoever is no more and nobody added is unexpected.
    let lost = || {
        states.iter().filter_map(|(element, fate, state)| {
            Some((element, *fate, fate.added.filter(|_| *state == State::Lost)?))
        })
    };
    let (element, fate, op) = lost().min_by_key(|(.., op)| op.place)?;
    let seen = match fate.run.and_then(|(_, last)| reads.get(last)) {
        Some((read, _)) => {
            let since = fate.known.map_or(read.began, |(_, since)| since);
            let time = span(read.began.saturating_sub(since));
            format!("last seen by {} at {}, {time} to lost", read.client(), moment(read.began))
        }
        None => String::from("never seen, lost at once"),
    };
    let (count, recovered) = (lost().count(), lost().filter(|(_, fate, _)| !fate.acknowledged()).count());
    let mut text = match recovered {
        0 => format!("{count} of {total} acknowledged elements are lost"),
        _ => format!("{count} elements are lost, {recovered} of them read before and never acknowledged"),
    };
    text.push_str(&format!(
        ", at most 0 may be: `{element}` first, added by {} at {}{}, {seen}",
        op.client(),
        moment(op.began),
        during(history, op.began)
    ));
    Some(Fault { text, culprits: lost().map(|(.., op)| Culprit::of(Wrong::Lost, op)).collect() })
}

fn unexpected(history: &[Event], fates: &Fates<'_, '_>) -> Option<Fault> {
    let unexpected = || fates.iter().filter(|(_, fate)| fate.added.is_none());
    let (element, read) = unexpected()
        .filter_map(|(element, fate)| Some((*element, fate.reader?)))
        .min_by_key(|(element, read)| (read.place, *element))?;
    let at = read.ended_at().unwrap_or(read.began);
    let text = format!(
        "{} elements were read that nobody added, at most 0 may be: `{element}` first, by {} at {}{}",
        unexpected().count(),
        read.client(),
        moment(at),
        during(history, at)
    );
    let readers = unexpected().filter_map(|(_, fate)| fate.reader);
    Some(Fault { text, culprits: readers.map(|read| Culprit::of(Wrong::Foreign, read)).collect() })
}

fn twice(history: &[Event], fates: &Fates<'_, '_>) -> Option<Fault> {
    let twice = || fates.iter().filter_map(|(element, fate)| Some((*element, fate.twice?)));
    let (element, (read, times)) = twice().min_by_key(|(element, (read, _))| (read.place, *element))?;
    let at = read.ended_at().unwrap_or(read.began);
    let text = format!(
        "{} elements were there more than once in one read, at most 0 may be: `{element}` first, {times} times by {} at \
         {}{}",
        twice().count(),
        read.client(),
        moment(at),
        during(history, at)
    );
    // Whoever added it knows when; a reading of all has many.
    let added = fates.values().filter_map(|fate| fate.twice.map(|(read, _)| fate.added.unwrap_or(read)));
    Some(Fault { text, culprits: added.map(|op| Culprit::of(Wrong::Duplicated, op)).collect() })
}

fn kept(states: &[Judged<'_, '_, '_>], total: usize, reads: usize) -> String {
    let recovered =
        states.iter().filter(|(_, fate, _)| !fate.acknowledged() && fate.reader.is_some()).count();
    let never =
        states.iter().filter(|(_, fate, state)| fate.added.is_some() && *state == State::NeverRead).count();
    let stale = || {
        states.iter().filter_map(|(element, _, state)| match state {
            State::Stable(Some(time)) => Some((*time, *element)),
            _ => None,
        })
    };
    let stable = match stale().max_by_key(|(time, element)| (*time, std::cmp::Reverse(*element))) {
        Some((time, element)) => format!(
            "{} were missing from a read at first, `{element}` the longest: {} to stable",
            stale().count(),
            span(time)
        ),
        None => String::from("each stable at once"),
    };
    format!(
        "0 of {total} acknowledged elements lost in {reads} reads; {recovered} read without their acknowledgement, {never} \
         never read; {stable}"
    )
}
