//! What a stock server leaks by itself and no control has to open: where a setting keeps it in after all, at a price that
//! most do not pay, the probe is seen not to leak.

use bulkhead_checks::judge_probe;
use bulkhead_model::{Enforcement, ProbeRecord, Verdict};

use super::{Grant, Rig, Sharing, controls, tried};

/// How a server is closed to a probe that gets through on every other.
#[derive(Clone, Copy)]
pub(super) struct Shut {
    /// The probe.
    pub(super) probe: &'static str,
    /// What closes it, in the service's own words.
    pub(super) by: &'static str,
    /// The ways of sharing in which it is closed.
    pub(super) sharing: &'static [Sharing],
    /// Closes it to the first tenant, in what goes with the slices.
    pub(super) apply: Grant,
}

/// What leaks by its nature is seen both ways: promised to be kept apart, the same answer is a failure; and where something
/// keeps it in, the probe says so, with its control held.
pub(super) async fn is_seen_both_ways(rig: &mut Rig, sound: &[ProbeRecord]) {
    for mut record in tried(sound).filter(|record| record.leaked()).cloned() {
        record.inherent.clear();
        assert_eq!(judge_probe(&record), Verdict::Fail, "were it no limit of the server: {record:#?}");
        assert!(!record.fix.is_empty(), "{record:#?}");
    }
    let sharing = rig.sharing;
    let shut = controls::shut(rig.service).iter().filter(|shut| shut.sharing.contains(&sharing));
    for (index, shut) in shut.enumerate() {
        let before = sound.iter().find(|record| record.probe == shut.probe);
        assert!(before.is_some_and(ProbeRecord::leaked), "{} needs nothing that shuts it", shut.probe);
        let [from, to] = rig.slices(&format!("s{index}"), Enforcement::Enforced).await;
        (shut.apply)(rig, &from, &to).await;
        let records =
            rig.probe_some(&from, &to, Enforcement::Enforced, &|about| about.name == shut.probe).await;
        let record = &records[0];
        assert!(record.control.held && !record.leaked(), "after {}: {record:#?}", shut.by);
    }
}
