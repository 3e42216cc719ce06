//! The words of evidence: moments, spans, the faults that were on, and many uses' judgements as one.

use bulkhead_model::{
    Act, Amount, Unit, Verdict,
    history::{Event, EventKind},
};

use crate::{Judgement, ops::Use};

/// A moment of the run for a sentence.
pub(crate) fn moment(nanoseconds: u64) -> String {
    let milliseconds = nanoseconds / 1_000_000;
    format!("{}.{:03} s", milliseconds / 1000, milliseconds % 1000)
}

/// How long something took, for a sentence: `0.4 ms`, `340 ms`, `2.045 s`.
pub(crate) fn span(nanoseconds: u64) -> String {
    match nanoseconds {
        0..10_000_000 => format!("{}.{} ms", nanoseconds / 1_000_000, nanoseconds / 100_000 % 10),
        10_000_000..1_000_000_000 => format!("{} ms", nanoseconds / 1_000_000),
        _ => moment(nanoseconds),
    }
}

/// A bound as the scenario has it, of milliseconds: `5s`.
pub(crate) fn bound(milliseconds: u64) -> String {
    Amount { unit: Unit::Time, value: milliseconds }.to_string()
}

/// The faults that were on at that moment, as the end of a sentence; nothing where none was.
pub(crate) fn during(history: &[Event], moment: u64) -> String {
    during_any(history, moment, moment)
}

/// The same for the faults that were on at any moment from one to another.
pub(crate) fn during_any(history: &[Event], from: u64, to: u64) -> String {
    let mut on: Vec<(usize, &str)> = Vec::new();
    for event in history.iter().filter(|event| event.at <= to) {
        match &event.kind {
            EventKind::FaultBegan(fault) => on.push((fault.fault, fault.what.as_str())),
            EventKind::FaultEnded(fault) if event.at <= from => {
                on.retain(|(number, _)| *number != fault.fault);
            }
            _ => {}
        }
    }
    let mut names: Vec<_> = on.into_iter().map(|(_, what)| what).collect();
    names.dedup();
    if names.is_empty() { String::new() } else { format!(", during {}", names.join(" and ")) }
}

/// What an operation does, in words.
pub(crate) fn deed(act: &Act) -> String {
    match act {
        Act::Hand { element } => format!("handing over `{element}`"),
        Act::Announce { element, .. } => format!("announcing `{element}`"),
        Act::Pass { element, .. } => format!("passing on `{element}`"),
        Act::Take { element, .. } => format!("taking `{element}`"),
        Act::Call { request } => format!("calling `{request}`"),
        Act::Answer { request, .. } => format!("answering `{request}`"),
        Act::Unasked { reply } => format!("receiving `{reply}` unasked"),
        Act::Broadcast { element } => format!("sending `{element}`"),
        Act::Subscribe { .. } => String::from("subscribing"),
        Act::Attend { .. } => String::from("asking whether it is still connected"),
        Act::Hear { element } => format!("hearing `{element}`"),
        Act::Add { element } => format!("adding `{element}`"),
        Act::ReadAll => String::from("reading all"),
        Act::Read { register } => format!("reading `{register}`"),
        Act::Write { register, value } => format!("writing `{value}` to `{register}`"),
        Act::Swap { register, from, to } => {
            format!("swapping {} for `{to}` in `{register}`", held(from.as_deref()))
        }
        Act::Admit { window, .. } => format!("asking to be let through in `{window}`"),
        Act::Keep { key, value, .. } => format!("keeping `{value}` under `{key}`"),
        Act::Look { key } => format!("looking at `{key}`"),
        Act::Touch { key, .. } => format!("touching `{key}`"),
        Act::Forget { key } => format!("forgetting `{key}`"),
        Act::Transfer { transfer, from, to, amount } => {
            format!("moving {amount} from `{from}` to `{to}` as `{transfer}`")
        }
        Act::ReadBooks { .. } => String::from("reading the books"),
        Act::Upload { object, .. } => format!("sending the parts of `{object}`"),
        Act::Complete { object } => format!("completing `{object}`"),
        Act::Abort { object } => format!("giving up `{object}`"),
        Act::Fetch { object, range: Some([first, last]), .. } => {
            format!("reading bytes {first} to {last} of `{object}`")
        }
        Act::Fetch { object, .. } => format!("reading `{object}`"),
        Act::Trespass { what } => format!("trying {what}"),
    }
}

/// What a register holds, in words.
pub(crate) fn held(value: Option<&str>) -> String {
    value.map_or_else(|| String::from("nothing"), |value| format!("`{value}`"))
}

/// Many uses' judgements as one: the worst wins, and its evidence is what is shown, with the use's name where there
/// are several.
pub(crate) fn worst_of(judged: &[(Use<'_>, Judgement)], none: &str) -> Judgement {
    let verdict = Verdict::worst(judged.iter().map(|(_, judgement)| judgement.verdict));
    let shown = judged.iter().filter(|(_, judgement)| judgement.verdict == verdict);
    let texts: Vec<_> = shown
        .map(|(of, judgement)| {
            if judged.len() == 1 {
                judgement.evidence.clone()
            } else {
                format!("{of}: {}", judgement.evidence)
            }
        })
        .collect();
    let text = if texts.is_empty() { none.to_owned() } else { texts.join("; ") };
    let culprits = judged.iter().flat_map(|(_, judgement)| &judgement.culprits);
    Judgement::new(verdict, text).naming(culprits.copied())
}

/// Several judgements as one: the worst wins, with the evidence of all that are as bad.
pub(crate) fn worst(judged: Vec<Judgement>) -> Judgement {
    let verdict = Verdict::worst(judged.iter().map(|judgement| judgement.verdict));
    let shown = judged.into_iter().filter(|judgement| judgement.verdict == verdict);
    Judgement::new(verdict, shown.map(|judgement| judgement.evidence).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use bulkhead_model::FaultRecord;

    use super::{during, during_any, moment, span};
    use crate::{Event, EventKind};

    #[test]
    fn spans_are_as_exact_as_they_are_short() {
        assert_eq!(
            [0, 440_000, 9_999_999, 10_000_000, 999_999_999, 2_045_600_000].map(span),
            ["0.0 ms", "0.4 ms", "9.9 ms", "10 ms", "999 ms", "2.045 s"]
        );
        assert_eq!(moment(30_000_000), "0.030 s");
    }

    #[test]
    fn a_fault_is_named_from_its_beginning_until_its_end() {
        let fault = |what: &str| FaultRecord {
            fault: what.len(),
            what: what.to_owned(),
            touched: 1,
            links: Vec::new(),
        };
        let events = [
            (10, EventKind::FaultBegan(fault("down redis"))),
            (20, EventKind::FaultBegan(fault("down s3"))),
            (30, EventKind::FaultEnded(fault("down redis"))),
            (40, EventKind::FaultEnded(fault("down s3"))),
        ];
        let history = events.map(|(at, kind)| Event { at, kind });
        assert_eq!(
            [9, 10, 25, 30, 40].map(|at| during(&history, at)),
            ["", ", during down redis", ", during down redis and down s3", ", during down s3", ""]
        );
        assert_eq!(during_any(&history, 5, 15), ", during down redis");
        assert_eq!(during_any(&history, 35, 90), ", during down s3");
    }
}
