//! The look at all of a Redis that others use, before a run's cases and after them, as one more case of the run.

use std::time::Instant;

use bulkhead_engine::audit::Watch;
use bulkhead_model::{RunAudit, RunReport, Service, Verdict, report::CaseReport, scenario::Case};
use bulkhead_target::Target;

use crate::{drive::INTERRUPTION, interrupt::Interrupt, plan::Plan};

/// A look that is due.
pub(crate) struct Audit<'a> {
    plan: &'a Plan,
    watch: Result<Watch, String>,
}

impl<'a> Audit<'a> {
    /// Notes what is there before the cases; none where no look is due, which `look` says as the budget has it.
    pub(crate) async fn begin(
        plan: &'a Plan,
        look: Option<Result<(), String>>,
        target: &dyn Target,
        interrupt: &mut Interrupt,
    ) -> Option<Self> {
        let cases: Vec<&Case> = plan.cases.iter().map(|planned| &planned.case).collect();
        let watch = match look? {
            Err(why) => Err(why),
            Ok(()) => tokio::select! {
                begun = Watch::begin(target, plan.seed, &cases) => begun?,
                () = interrupt.asked() => Err(INTERRUPTION.to_owned()),
            },
        };
        Some(Self { plan, watch })
    }

    /// Looks again, unless the run was interrupted, and says what came of it.
    pub(crate) async fn end(self, interrupt: &mut Interrupt) -> CaseReport {
        let begun = Instant::now();
        let found = match self.watch {
            Err(why) => Err(why),
            Ok(watch) => tokio::select! {
                biased;
                () = interrupt.asked() => Err(INTERRUPTION.to_owned()),
                found = watch.end() => found,
            },
        };
        let duration_ms = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        CaseReport { duration_ms, ..report(self.plan, found) }
    }
}

/// What was found, or why no look was made.
fn report(plan: &Plan, found: Result<RunAudit, String>) -> CaseReport {
    let (skipped, invariants) = match found {
        Ok(audit) => (None, vec![bulkhead_checks::judge_run(&audit)]),
        Err(why) => (Some(format!("not made: {why}")), Vec::new()),
    };
    let verdict = invariants.first().map_or(Verdict::Unknown, |invariant| invariant.verdict);
    let outside = verdict == Verdict::Fail;
    CaseReport {
        id: RunReport::audit_id(Service::Redis),
        title: String::from("Nothing of the run lies outside its own names on redis"),
        why: String::from(
            "Where apps keep to prefixes by convention, the server does not notice who leaves its own.",
        ),
        verdict,
        skipped,
        duration_ms: 0,
        faults: Vec::new(),
        invariants,
        attempts: Vec::new(),
        likely: outside.then(|| {
            String::from(
                "something wrote without its tenant's prefix; it is left as it is, so remove it by hand",
            )
        }),
        diagnoses: Vec::new(),
        repro: plan.repro.clone(),
        logs: Vec::new(),
    }
}
