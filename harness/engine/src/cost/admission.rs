//! Which cases a run's budget holds. Those without a workload must fit in all, or nothing is begun; those with one come in
//! turn, as long as the rest of the budget holds what each may spend.

use bulkhead_model::scenario::Case;

use super::{Budget, Cost, LOOK, Tenants, Unit, number};

/// What a run may spend, and the cases that are left out for that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Admission {
    /// What all that are admitted cost at most.
    pub cost: Cost,
    /// The others: the case's id and why.
    pub refused: Vec<(String, String)>,
    /// Whether all of Redis is looked at before the cases and after them; none where nothing asks for that.
    pub look: Option<Result<(), String>>,
}

impl Admission {
    /// Why the case is left out, if it is.
    pub fn refusal(&self, case: &Case) -> Option<&str> {
        self.refused.iter().find(|(id, _)| *id == case.id).map(|(_, why)| why.as_str())
    }

    /// Admits what takes so much, where the budget still holds it; else why not, and what to allow for `all`.
    fn take(&mut self, takes: Cost, budget: &Budget, all: &Cost) -> Result<(), String> {
        let with = self.cost.plus(takes);
        let exceeded = budget.exceeded(&with);
        if exceeded.is_empty() {
            self.cost = with;
            return Ok(());
        }
        let short = exceeded.into_iter().map(|(unit, ..)| {
            let left = budget.limit(unit).saturating_sub(self.cost.amount(unit));
            format!("it may take {} of `{}`, of which {left} are left", takes.amount(unit), unit.name())
        });
        Err(format!("{}; {}", short.collect::<Vec<_>>().join(", "), hint(budget, all)))
    }
}

/// Holds the cases, each run so many times at most, and a look at all keys on so many servers against the budget. The look
/// comes before those with a workload, which it is about.
///
/// # Errors
/// Every unit of which those without a workload cost more than there is: the unit, the cost, the limit.
pub fn admit(
    (cases, attempts): (&[&Case], u64),
    tenants: Tenants,
    looks: usize,
    budget: &Budget,
) -> Result<Admission, Vec<(Unit, u64, u64)>> {
    let cost = |case: &Case| Cost::of(case, tenants).times(attempts);
    let (working, probing): (Vec<&Case>, Vec<&Case>) =
        cases.iter().copied().partition(|case| !case.scenario.workload.is_empty());
    let needed = probing.iter().map(|case| cost(case)).fold(Cost::opening(tenants), Cost::plus);
    let exceeded = budget.exceeded(&needed);
    if !exceeded.is_empty() {
        return Err(exceeded);
    }
    let look = LOOK.times(number(looks));
    let all = working.iter().map(|case| cost(case)).fold(needed.plus(look), Cost::plus);
    let mut admission = Admission { cost: needed, ..Admission::default() };
    admission.look = (looks > 0).then(|| admission.take(look, budget, &all));
    for case in working {
        if let Err(why) = admission.take(cost(case), budget, &all) {
            admission.refused.push((case.id.clone(), why));
        }
    }
    Ok(admission)
}

/// What to allow so that all cases are run.
fn hint(budget: &Budget, all: &Cost) -> String {
    let enough =
        Unit::ALL.map(|unit| format!("{}={}", unit.name(), all.amount(unit).max(budget.limit(unit))));
    format!("`--budget {}` is enough for every case", enough.join(","))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bulkhead_model::{
        Amount, Unit as Of,
        scenario::{Chosen, Scenario, Setting, Subject},
    };

    use super::*;

    const TENANTS: Tenants = Tenants { acting: 1, known: 1 };

    fn case(number: usize, workload: Vec<Chosen>) -> Case {
        let probes = if workload.is_empty() { vec![String::from("redis.read")] } else { Vec::new() };
        let run_for = std::time::Duration::from_secs(1);
        let scenario = Scenario { probes, workload, run_for, ..Scenario::default() };
        let subject = Subject::Tenant(bulkhead_model::TenantName::new("engine").unwrap());
        Case { id: format!("case {number}"), scenario: Arc::new(scenario), subject }
    }

    fn working(number: usize) -> Case {
        let amount = |unit, value| Setting::Amount(Amount { unit, value });
        let settings = [
            ("clients", amount(Of::Count, 2)),
            ("limit", amount(Of::Count, 9)),
            ("rate", amount(Of::Rate, 600)),
        ];
        let settings = settings.into_iter().map(|(name, setting)| (name.to_owned(), setting)).collect();
        case(number, vec![Chosen { name: String::from("redis.rate-limit"), settings }])
    }

    fn budget(commands: u64) -> Budget {
        format!("redis={commands}").parse().unwrap()
    }

    #[test]
    fn those_with_workloads_are_admitted_in_turn_while_the_budget_holds_them() {
        let (probing, cases) = (case(0, Vec::new()), [1, 2, 3].map(working));
        let all = [&cases[0], &probing, &cases[1], &cases[2]];
        let commands = |cost: Cost| cost.amount(Unit::RedisCommands);
        let admitted = admit((&all, 1), TENANTS, 0, &Budget::default()).unwrap();
        assert_eq!((admitted.refused.len(), admitted.refusal(&cases[2])), (0, None));
        let one = commands(Cost::of(&cases[0], TENANTS));
        let probes = commands(admitted.cost) - 3 * one;
        assert!(one > 60 && probes > 40, "{one}, {probes}");

        let two = admit((&all, 1), TENANTS, 0, &budget(probes + 2 * one)).unwrap();
        assert_eq!(commands(two.cost), probes + 2 * one);
        assert_eq!((two.refusal(&cases[1]), two.refused.len()), (None, 1));
        let why = two.refusal(&cases[2]).unwrap();
        assert!(why.starts_with(&format!("it may take {one} of `redis`, of which 0 are left; ")), "{why}");
        assert!(why.contains(&format!("`--budget redis={},", probes + 3 * one)), "{why}");
        let enough = why.split("--budget ").nth(1).unwrap().split('`').next().unwrap();
        let enough = admit((&all, 1), TENANTS, 0, &enough.parse().unwrap()).unwrap();
        assert_eq!(enough, admitted);

        let twice = admit((&all, 2), TENANTS, 0, &budget(2 * (probes + 2 * one))).unwrap();
        assert_eq!(twice.refused.len(), 1, "a case that is tried again is paid again");
    }

    #[test]
    fn those_without_must_fit_in_all() {
        let cases = [case(0, Vec::new()), working(1)];
        let exceeded = admit((&[&cases[0], &cases[1]], 1), TENANTS, 0, &budget(9)).unwrap_err();
        let [(Unit::RedisCommands, cost, 9)] = exceeded[..] else { panic!("{exceeded:?}") };
        assert!(cost > 9);
        let without = admit((&[&cases[1]], 1), TENANTS, 0, &budget(20)).unwrap();
        assert_eq!(without.refused.len(), 1, "alone it is left out, and nothing else goes wrong");
    }

    #[test]
    fn the_look_comes_before_those_with_workloads_and_never_costs_one_without() {
        let cases = [case(0, Vec::new()), working(1)];
        let all = [&cases[0], &cases[1]];
        let commands = |cost: Cost| cost.amount(Unit::RedisCommands);
        let needed = commands(admit((&all[..1], 1), TENANTS, 0, &Budget::default()).unwrap().cost);
        let enough = budget(needed + 2 * commands(LOOK));
        let admitted = admit((&all, 1), TENANTS, 2, &enough).unwrap();
        assert_eq!((admitted.look, commands(admitted.cost)), (Some(Ok(())), needed + 2 * commands(LOOK)));
        assert_eq!(admitted.refused.len(), 1);
        let admitted = admit((&all[..1], 2), TENANTS, 1, &budget(2 * needed)).unwrap();
        let why = admitted.look.unwrap().unwrap_err();
        assert!(why.starts_with(&format!("it may take {} of `redis`, of which ", commands(LOOK))), "{why}");
        assert!(why.contains("` is enough for every case"), "{why}");
    }
}
