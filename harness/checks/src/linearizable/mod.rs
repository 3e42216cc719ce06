//! `linearizable`: each register behaves as if its operations took effect one after another, each at some moment between
//! its beginning and its end.
//!
//! This is what Jepsen checks with Knossos (`jepsen.checker/linearizable` over `knossos.model/cas-register`), with Porcupine's
//! search. Registers do not touch one another, so each is judged apart (Herlihy and Wing's locality, Porcupine's
//! partitions). A register begins as not there. What failed did not happen; a read that nobody knows the fate of says
//! nothing; such a write or swap may take effect at any later moment or never.
//!
//! The search is exponential in how many operations overlap, at worst. What it may remember is bounded; a register that
//! would take more is `unknown`.

use bulkhead_model::{
    Act, Ending, Found, Verdict,
    bench::Wrong,
    history::{Event, EventKind},
};

use self::{
    explain::{Explanation, explain},
    search::{Allowance, Call, Finding, Step, Value, search},
};
use crate::{
    Check, Culprit, Judgement,
    ops::{Op, Use, grouped, ops},
    tables::Table,
    words::{during_any, held, moment, worst_of},
};

#[cfg(test)]
mod brute;
mod explain;
#[cfg(test)]
mod properties;
mod search;

/// The check.
pub(crate) struct Linearizable;

/// What all registers of a history together may take, in words of 8 bytes: 256 MiB.
const ALLOWANCE: usize = 32 << 20;

/// How many values that could have been found are told.
const SHOWN: usize = 3;

impl Check for Linearizable {
    fn name(&self) -> &'static str {
        "linearizable"
    }

    fn sentence(&self) -> &'static str {
        "Each register behaves as if its reads, writes and swaps took effect one at a time, each between its beginning \
         and its end."
    }

    fn concerns(&self, event: &EventKind) -> bool {
        matches!(event, EventKind::Invoked(op) if register(&op.act).is_some())
    }

    fn judge(&self, history: &[Event], _: u64) -> Judgement {
        let mut allowance = Allowance(ALLOWANCE);
        let ops = ops(history).into_iter().filter(|op| register(&op.invoked.act).is_some());
        let judged: Vec<_> = grouped(ops, Use::with_service)
            .into_iter()
            .map(|(of, ops)| (of, judge_use(history, ops, &mut allowance)))
            .collect();
        worst_of(&judged, "no operation was on a register")
    }
}

/// The register that an operation is on.
fn register(act: &Act) -> Option<&str> {
    match act {
        Act::Read { register } | Act::Write { register, .. } | Act::Swap { register, .. } => Some(register),
        _ => None,
    }
}

/// One register's calls, with the operations that they are and its values by number.
#[derive(Default)]
struct Register<'h> {
    calls: Vec<Call>,
    ops: Vec<Op<'h>>,
    values: Vec<Option<&'h str>>,
    numbers: Table<Option<&'h str>, Value>,
}

impl<'h> Register<'h> {
    fn of(ops: Vec<Op<'h>>) -> Self {
        let mut register = Self {
            calls: Vec::with_capacity(ops.len()),
            ops: Vec::with_capacity(ops.len()),
            ..Self::default()
        };
        // A register begins as not there, which is 0.
        register.number(None);
        for op in ops {
            let unknown = match op.outcome() {
                Ending::Ok => false,
                Ending::Unknown => true,
                Ending::Failed => continue,
            };
            let step = match (&op.invoked.act, op.found()) {
                (Act::Read { .. }, Some(Found::Value(value))) if !unknown => {
                    Step::Read(register.number(value.as_deref()))
                }
                (Act::Write { value, .. }, _) => Step::Write(register.number(Some(value))),
                (Act::Swap { from, to, .. }, _) => {
                    Step::Swap(register.number(from.as_deref()), register.number(Some(to)))
                }
                _ => continue,
            };
            register.calls.push(Call { step, place: op.place, over: (!unknown).then_some(op.over) });
            register.ops.push(op);
        }
        register
    }

    fn number(&mut self, value: Option<&'h str>) -> Value {
        let next = Value::try_from(self.values.len()).unwrap_or(Value::MAX);
        let number = *self.numbers.entry(value).or_insert(next);
        if number == next {
            self.values.push(value);
        }
        number
    }

    /// The call that cannot follow, as what went wrong: with what nobody put there, or with what was there at another time.
    fn culprit(&self, stuck: usize) -> Option<Culprit> {
        let (call, op) = (self.calls.get(stuck)?, self.ops.get(stuck)?);
        let found = call.step.finds().filter(|value| *value != 0);
        let put = |value: Value| self.calls.iter().any(|call| call.step.leaves() == Some(value));
        let wrong = if found.is_some_and(|value| !put(value)) { Wrong::Foreign } else { Wrong::Reordered };
        Some(Culprit::of(wrong, op))
    }

    /// What the register holds by that number, and who put it there last before that moment.
    fn described(&self, value: Value, before: usize) -> String {
        let text = held(self.values.get(value as usize).copied().flatten());
        let mut writers = self.calls.iter().zip(&self.ops).rev();
        match writers.find(|(call, _)| call.step.leaves() == Some(value) && call.place < before) {
            Some((_, op)) => format!("{text} (put there by {} at {})", op.client(), moment(op.began)),
            // Where it is not there, nobody has to have put it there.
            None if value == 0 => text,
            None => format!("{text} (which nobody put there)"),
        }
    }
}

/// All registers of one use.
fn judge_use(history: &[Event], ops: Vec<Op<'_>>, allowance: &mut Allowance) -> Judgement {
    let registers = grouped(ops, |invoked| register(&invoked.act).unwrap_or_default());
    let (count, mut broken, mut first) = (registers.len(), Vec::<Culprit>::new(), None);
    let (mut total, mut unknown, mut looked, mut too_many) = (0, 0, 0, Vec::new());
    for (name, ops) in registers {
        let register = Register::of(ops);
        total += register.calls.len();
        unknown += register.calls.iter().filter(|call| call.over.is_none()).count();
        let finds = |call: &&Call| call.over.is_some() && call.step.finds().is_some();
        looked += register.calls.iter().filter(finds).count();
        match search(&register.calls, None, allowance).0 {
            Finding::Linearises => {}
            Finding::TooMany => too_many.push(name),
            Finding::Stuck(stuck) => {
                broken.extend(register.culprit(stuck));
                if first.is_none() {
                    let explanation = explain(&register.calls, stuck, allowance);
                    first = Some(format!("`{name}` first: {}", why(history, &register, stuck, &explanation)));
                }
            }
        }
    }
    if let Some(first) = first {
        let text = format!("{} of {count} registers do not linearise, at most 0 may: {first}", broken.len());
        return Judgement::new(Verdict::Fail, text).naming(broken);
    }
    if let Some(name) = too_many.first() {
        let text = format!(
            "{} of {count} registers, `{name}` first, have more overlapping operations than the search has room for",
            too_many.len()
        );
        return Judgement::new(Verdict::Unknown, text);
    }
    if looked == 0 {
        return Judgement::new(Verdict::Unknown, "nothing that a register held was found by any operation");
    }
    let text = format!(
        "{total} operations on {count} registers linearise; {looked} of them found what was held, of {unknown} nobody \
         knows whether they happened"
    );
    Judgement::new(Verdict::Pass, text)
}

/// The call that cannot follow, in words.
fn why(history: &[Event], register: &Register<'_>, stuck: usize, explanation: &Explanation) -> String {
    let (Some(call), Some(op)) = (register.calls.get(stuck), register.ops.get(stuck)) else {
        return String::from("no order was found");
    };
    let Explanation { before, instead } = explanation;
    let until = call.over.unwrap_or(usize::MAX);
    let end = op.ended_at().unwrap_or(op.began);
    let found = call.step.finds().map_or_else(|| held(None), |value| register.described(value, until));
    let deed = match op.invoked.act {
        Act::Swap { .. } => format!("swaps {found} away"),
        _ => format!("reads {found}"),
    };
    let mut text = format!(
        "{before} operations linearise, then {} {deed} between {} and {}{}",
        op.client(),
        moment(op.began),
        moment(end),
        during_any(history, op.began, end)
    );
    let mut shown: Vec<_> =
        instead.iter().take(SHOWN).map(|value| register.described(*value, until)).collect();
    if instead.len() > SHOWN {
        shown.push(format!("{} others", instead.len() - SHOWN));
    }
    if !shown.is_empty() {
        text.push_str(&format!("; it could have held {}", shown.join(" or ")));
    }
    text
}
