//! `within-limit`: a limiter lets as many through as its limit says, no more and, while there is room, no fewer.
//!
//! Jepsen has no checker for this; it is its `counter` (`jepsen.checker/counter`) with a ceiling: what was acknowledged has
//! certainly counted, what nobody knows the fate of may have. So a window is over its limit when more were admitted and
//! acknowledged than it lets through, and a refusal is right when those that were admitted and those that nobody knows of,
//! as far as they began before it was over, can have filled the window. Which of two that overlap came first, nobody
//! knows; so only such bounds are certain. Linear in the history but for a sort.

use bulkhead_model::{
    Act, Ending, Found, Verdict,
    history::{Event, EventKind},
};

use crate::{
    Check, Judgement,
    ops::{Op, Use, grouped, ops},
    words::{during, during_any, moment, worst_of},
};

#[cfg(test)]
mod properties;

/// The check.
pub(crate) struct WithinLimit;

impl Check for WithinLimit {
    fn name(&self) -> &'static str {
        "within-limit"
    }

    fn sentence(&self) -> &'static str {
        "No window admits more than its limit, and none refuses before it can be full."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if window(&op.act).is_some())
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let asked = ops(history).into_iter().filter(|op| window(&op.invoked.act).is_some());
        let judged: Vec<_> =
            grouped(asked, Use::of).into_iter().map(|(of, ops)| (of, judge_use(history, ops))).collect();
        worst_of(&judged, "nobody asked a limiter")
    }
}

/// What an operation is counted in, and how many that lets through.
fn window(act: &Act) -> Option<(&str, u64)> {
    match act {
        Act::Admit { window, limit } => Some((window, *limit)),
        _ => None,
    }
}

/// What was asked in one window, in the order in which it began.
struct Window<'h> {
    name: &'h str,
    limit: u64,
    admitted: Vec<Op<'h>>,
    refused: Vec<Op<'h>>,
    /// Those that may have been admitted.
    unknown: Vec<Op<'h>>,
}

impl<'h> Window<'h> {
    fn of(name: &'h str, ops: Vec<Op<'h>>) -> Self {
        // Where askers disagree about the limit, the highest is what may be admitted.
        let limit = ops.iter().filter_map(|op| window(&op.invoked.act)).map(|(_, limit)| limit).max();
        let (admitted, refused, unknown) = (Vec::new(), Vec::new(), Vec::new());
        let mut window = Self { name, limit: limit.unwrap_or_default(), admitted, refused, unknown };
        for op in ops {
            match (op.outcome(), op.found()) {
                (Ending::Ok, Some(Found::Admitted(true))) => window.admitted.push(op),
                (Ending::Ok, Some(Found::Admitted(false))) => window.refused.push(op),
                (Ending::Ok | Ending::Unknown, _) => window.unknown.push(op),
                (Ending::Failed, _) => {}
            }
        }
        window
    }

    /// Whether it was full for all that is known.
    fn was_reached(&self) -> bool {
        let full = !self.admitted.is_empty() && count(self.admitted.len()) >= self.limit;
        full || !self.refused.is_empty()
    }

    /// The first that was acknowledged although the window was full, in the order of the acknowledgements.
    fn first_over(&self) -> Option<Op<'h>> {
        let mut admitted = self.admitted.clone();
        admitted.sort_unstable_by_key(|op| op.over);
        admitted.get(usize::try_from(self.limit).ok()?).copied()
    }

    /// The refusals that came while there was certainly room, each with how many can have been admitted by then.
    fn too_early(&self) -> Vec<(Op<'h>, u64)> {
        let before = |ops: &[Op<'_>], place: usize| ops.partition_point(|op| op.place < place);
        let early = self.refused.iter().filter_map(|refused| {
            let certain = before(&self.admitted, refused.over);
            let possible = count(certain.saturating_add(before(&self.unknown, refused.over)));
            (possible < limit_of(refused, self)).then_some((*refused, possible))
        });
        early.collect()
    }
}

/// What the asker was refused by.
fn limit_of(op: &Op<'_>, asked: &Window<'_>) -> u64 {
    window(&op.invoked.act).map_or(asked.limit, |(_, limit)| limit)
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

/// All windows of one use.
fn judge_use(history: &[Event], ops: Vec<Op<'_>>) -> Judgement {
    let windows = grouped(ops, |invoked| window(&invoked.act).unwrap_or_default().0);
    let windows: Vec<_> = windows.into_iter().map(|(name, ops)| Window::of(name, ops)).collect();
    let failed: Vec<_> = [over(history, &windows), early(history, &windows)].into_iter().flatten().collect();
    if !failed.is_empty() {
        return Judgement::new(Verdict::Fail, failed.join("; "));
    }
    let total = |counted: fn(&Window<'_>) -> usize| windows.iter().map(counted).sum::<usize>();
    let (admitted, refused) = (total(|window| window.admitted.len()), total(|window| window.refused.len()));
    let unknown = total(|window| window.unknown.len());
    let count = windows.len();
    match windows.iter().filter(|window| window.was_reached()).count() {
        0 => Judgement::new(
            Verdict::Unknown,
            format!(
                "{admitted} admitted in {count} windows, none of which reached its limit: nothing was limited"
            ),
        ),
        reached => Judgement::new(
            Verdict::Pass,
            format!(
                "{admitted} admitted and {refused} refused in {count} windows, none over its limit and none refused with \
                 room left; {reached} reached it, of {unknown} nobody knows whether they were admitted"
            ),
        ),
    }
}

/// The windows that admitted too many.
fn over(history: &[Event], windows: &[Window<'_>]) -> Option<String> {
    let over = || windows.iter().filter_map(|window| Some((window, window.first_over()?)));
    let (window, op) = over().min_by_key(|(_, op)| op.over)?;
    let at = op.ended_at().unwrap_or(op.began);
    Some(format!(
        "{} of {} windows admitted more than their limit: `{}` first, {} of at most {}, the first over it {} at {}{}",
        over().count(),
        windows.len(),
        window.name,
        window.admitted.len(),
        window.limit,
        op.client(),
        moment(at),
        during_any(history, op.began, at)
    ))
}

/// The windows that refused with room left.
fn early(history: &[Event], windows: &[Window<'_>]) -> Option<String> {
    let early: Vec<_> = windows
        .iter()
        .flat_map(|window| window.too_early().into_iter().map(move |(op, possible)| (window, op, possible)))
        .collect();
    let (window, op, possible) = early.iter().min_by_key(|(_, op, _)| op.place)?;
    Some(format!(
        "{} refused with room left, at most 0 may be: in `{}` first, {} at {}{}, refused although only {possible} of {} \
         can have been admitted",
        early.len(),
        window.name,
        op.client(),
        moment(op.began),
        during(history, op.began),
        limit_of(op, window)
    ))
}
