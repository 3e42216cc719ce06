//! Histories in which probes or items come in rounds: those that faults met, and the one when all were over. Where nothing
//! was broken there is one round, and it counts as the last.

use bulkhead_model::{
    ItemRecord, ProbeRecord, Verdict,
    history::{Event, EventKind},
};

use crate::isolated::judge_probe;

/// What happened until all was healed for the last time, and since.
fn rounds(history: &[Event]) -> (&[Event], &[Event]) {
    let healed = history.iter().rposition(|event| matches!(event.kind, EventKind::Healed));
    history.split_at(healed.unwrap_or(0))
}

/// The probes that count, in their order: all of the last round, and of those before it the ones that got through where
/// they should not have. What went unanswered under a fault says nothing, and need not.
pub(crate) fn probes(history: &[Event]) -> impl Iterator<Item = &ProbeRecord> {
    let (beset, last) = rounds(history);
    all_probes(beset).filter(|probe| has_failed(probe)).chain(all_probes(last))
}

/// The items of the last round, in their order.
pub(crate) fn items(history: &[Event]) -> impl Iterator<Item = &ItemRecord> {
    all_items(rounds(history).1)
}

/// How the items were that a fault may have met: `; until all was healed 3 of 6 more examinations found so`. Nothing where
/// there are none.
pub(crate) fn beset_items(history: &[Event]) -> String {
    let (held, all) = all_items(rounds(history).0)
        .fold((0_usize, 0_usize), |(held, all), item| (held + usize::from(item.done), all + 1));
    if all == 0 {
        String::new()
    } else {
        format!("; until all was healed {held} of {all} more examinations found so")
    }
}

/// How probes were that a fault may have met: `; until all was healed 0 of 40 more got through`. Nothing where there were
/// none.
pub(crate) fn beset_probes(history: &[Event]) -> String {
    let beset: Vec<_> = all_probes(rounds(history).0).collect();
    let through = beset.iter().filter(|probe| has_failed(probe)).count();
    match beset.len() {
        0 => String::new(),
        all => format!("; until all was healed {through} of {all} more got through"),
    }
}

/// Whether something got through that the server should have kept out. One that starts again answers much that means nothing
/// (RabbitMQ's API a 404 for what is not loaded yet): the neighbour's content tells, or that the probe's control held.
fn has_failed(probe: &ProbeRecord) -> bool {
    judge_probe(probe) == Verdict::Fail && (probe.canary_seen || probe.control.held)
}

fn all_probes(history: &[Event]) -> impl Iterator<Item = &ProbeRecord> {
    history.iter().filter_map(|event| match &event.kind {
        EventKind::Probe(probe) => Some(probe),
        _ => None,
    })
}

fn all_items(history: &[Event]) -> impl Iterator<Item = &ItemRecord> {
    history.iter().filter_map(|event| match &event.kind {
        EventKind::Item(item) => Some(item),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        FaultRecord, Item, Outcome, TenantName, report::InvariantReport, scenario::Expected,
    };
    use proptest::prelude::*;

    use super::*;
    use crate::{book::Book, generic_tests::probe, judge};

    /// What a probe or an item came to.
    #[derive(Clone, Copy, Debug)]
    enum Came {
        Kept,
        Unanswered,
        Through,
        Odd,
        Held,
        Open,
    }

    fn record(came: Came) -> EventKind {
        let mut row = probe("engine", "plane");
        match came {
            Came::Kept => {}
            Came::Unanswered => (row.control.held, row.outcome) = (false, Outcome::Unknown),
            Came::Through => row.outcome = Outcome::Allowed,
            Came::Odd => (row.control.held, row.outcome) = (false, Outcome::Allowed),
            Came::Held | Came::Open => {
                return EventKind::Item(ItemRecord {
                    tenant: TenantName::new("engine").unwrap(),
                    item: Item::VhostCreated,
                    done: matches!(came, Came::Held),
                    evidence: String::from("rabbitmq 3.10.8"),
                    fix: String::new(),
                });
            }
        }
        EventKind::Probe(row)
    }

    /// What the check says of rounds under a fault and of the last.
    fn judged(check: &str, beset: &[Came], last: &[Came]) -> InvariantReport {
        let mut book = Book::of(bulkhead_model::Service::Postgres, "postgres.ledger");
        let fault =
            FaultRecord { fault: 1, what: String::from("restart postgres"), touched: 3, links: Vec::new() };
        book.write(EventKind::FaultBegan(fault.clone()));
        beset.iter().for_each(|came| book.write(record(*came)));
        book.write(EventKind::FaultEnded(fault));
        book.write(EventKind::Healed);
        last.iter().for_each(|came| book.write(record(*came)));
        judge(&book.close(), &[Expected { name: check.to_owned(), bound: None }]).remove(0)
    }

    fn some(of: &'static [Came], least: usize) -> impl Strategy<Value = Vec<Came>> {
        prop::collection::vec(prop::sample::select(of), least..8)
    }

    proptest! {
        #[test]
        fn what_a_fault_leaves_unanswered_is_no_failure(
            beset in some(&[Came::Kept, Came::Unanswered, Came::Odd], 0), last in some(&[Came::Kept], 1),
        ) {
            let report = judged("isolated", &beset, &last);
            prop_assert_eq!(report.verdict, Verdict::Pass, "{}", report.evidence);
            let told = report.evidence.contains(&format!("0 of {} more got through", beset.len()));
            prop_assert_eq!(told, !beset.is_empty(), "{}", report.evidence);
        }

        #[test]
        fn what_gets_through_meanwhile_fails_though_the_last_round_is_sound(
            mut beset in some(&[Came::Kept, Came::Unanswered], 0), at in any::<prop::sample::Index>(),
        ) {
            beset.insert(at.index(beset.len() + 1), Came::Through);
            let report = judged("isolated", &beset, &[Came::Kept]);
            prop_assert_eq!(report.verdict, Verdict::Fail);
            prop_assert!(report.evidence.starts_with("1 of 2 probes got through"), "{}", report.evidence);
        }

        #[test]
        fn the_last_round_must_be_whole(beset in some(&[Came::Kept], 1), mut last in some(&[Came::Kept], 0)) {
            last.push(Came::Unanswered);
            prop_assert_eq!(judged("isolated", &beset, &last).verdict, Verdict::Unknown);
            prop_assert_eq!(judged("isolated", &beset, &[]).verdict, Verdict::Unknown);
            prop_assert_eq!(judged("isolated", &beset, &[Came::Through]).verdict, Verdict::Fail);
        }

        #[test]
        fn an_item_holds_when_it_does_in_the_last_round(
            beset in some(&[Came::Held, Came::Open], 1), last in some(&[Came::Held], 1),
        ) {
            let report = judged("checklist-done", &beset, &last);
            prop_assert_eq!(report.verdict, Verdict::Pass, "{}", report.evidence);
            let held = beset.iter().filter(|came| matches!(came, Came::Held)).count();
            let words = format!("until all was healed {held} of {} more", beset.len());
            prop_assert!(report.evidence.contains(&words), "{}", report.evidence);
            let open: Vec<_> = last.iter().copied().chain([Came::Open]).collect();
            prop_assert_eq!(judged("checklist-done", &beset, &open).verdict, Verdict::Fail);
            prop_assert_eq!(judged("checklist-done", &beset, &[]).verdict, Verdict::Unknown);
        }
    }
}
