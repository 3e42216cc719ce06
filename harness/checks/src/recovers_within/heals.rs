//! The moments at which nothing was wrong any more.

use bulkhead_model::history::{Event, EventKind};

use crate::words::moment;

/// The last open fault ended.
pub(super) struct Heal<'h> {
    /// Its place among the history's events.
    pub(super) place: usize,
    /// When it was.
    pub(super) at: u64,
    /// The place of the next fault's beginning, or behind all events.
    pub(super) next: usize,
    /// When that was; nothing where none came.
    pub(super) next_at: Option<u64>,
    /// Up to where operations must succeed: the next fault, or the end of the work.
    pub(super) steady_until: usize,
    /// What had been wrong.
    faults: Vec<&'h str>,
}

impl Heal<'_> {
    /// `after `down redis` ended at 4.000 s`.
    pub(super) fn told(&self) -> String {
        format!("after `{}` ended at {}", self.faults.join("` and `"), moment(self.at))
    }
}

/// All of them, as they came.
pub(super) fn heals(history: &[Event]) -> Vec<Heal<'_>> {
    let (mut heals, mut open, mut faults): (Vec<Heal<'_>>, Vec<usize>, Vec<&str>) =
        (Vec::new(), Vec::new(), Vec::new());
    for (place, Event { at, kind }) in history.iter().enumerate() {
        match kind {
            EventKind::FaultBegan(fault) => {
                if let Some(heal) = heals.last_mut().filter(|heal| heal.next_at.is_none()) {
                    (heal.next, heal.next_at) = (place, Some(*at));
                    heal.steady_until = heal.steady_until.min(place);
                }
                open.push(fault.fault);
                faults.push(&fault.what);
            }
            EventKind::FaultEnded(fault) => {
                let before = open.len();
                open.retain(|number| *number != fault.fault);
                if open.is_empty() && before > 0 {
                    let (next, steady_until) = (usize::MAX, usize::MAX);
                    let faults = std::mem::take(&mut faults);
                    heals.push(Heal { place, at: *at, next, next_at: None, steady_until, faults });
                }
            }
            EventKind::Healed => {
                if let Some(heal) = heals.last_mut() {
                    heal.steady_until = heal.steady_until.min(place);
                }
            }
            _ => {}
        }
    }
    heals
}
