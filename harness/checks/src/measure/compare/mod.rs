//! Whether two sides that were measured in turns differ by more than the noise.
//!
//! A round plays A, A again and B. What a change costs is a factor, so figures are compared by the logarithms of their ratios
//! (Fleming and Wallace, How not to lie with statistics, CACM 29:3, 1986), each within its round: what drifts from round to
//! round hits all three alike and cancels out, as in Bulej et al., Duet Benchmarking, ICPE 2020. For each figure there are
//! two measures of the noise, and the greater one counts: what A differs from itself, and what B's difference from A varies
//! by from round to round, for a B that is noisier than A. Student's quantile makes a threshold of it. With several figures
//! each has its part of the 1 in 20 that a comparison of one thing with itself may err in (Bonferroni's inequality: Dunn,
//! Multiple Comparisons Among Means, JASA 56, 1961), however much they depend on one another.
//!
//! B is worse or better where it differs by more than the threshold and by more than what matters; the same where it does not
//! and the threshold is no greater than what matters; else it cannot be told. So what is `Same` was looked at closely enough
//! (as in Schuirmann's tests of equivalence, J. Pharmacokinetics and Biopharmaceutics 15, 1987, though its bound is on
//! what is seen: a difference of twice what matters is found nearly always, one just as great in half of all cases).
//!
//! How many rounds there are depends on the noise alone, never on the difference that is seen: a comparison that went on until
//! it found one would find one. The mean and the scatter of normal observations are independent, which is why stopping by the
//! scatter leaves the error where it was, nearly (Stein, Annals of Mathematical Statistics 16, 1945; Chow and Robbins, ibid.
//! 36, 1965); the properties beside count it.

use std::collections::{BTreeMap, BTreeSet};

use bulkhead_model::{
    TenantName,
    bench::{
        BenchCase, Load, Measure,
        compare::{Change, Compared, Figure},
    },
};

#[cfg(test)]
mod properties;
mod student;

/// In how many comparisons of one thing with itself any figure may be called worse or better.
const ERROR: f64 = 0.05;

/// Rounds after which the noise is first asked whether they are enough; fewer make the threshold a matter of luck.
pub const FIRST_LOOK: usize = 6;

/// Rounds from one look to the next: in three, B is once the first, once the second and once the last.
pub const BLOCK: usize = 3;

/// The difference of B from the mean of two of A has so many times the variance of one run.
const CONTRAST: f64 = 1.5;

/// So many operations must be slower than a percentile, in every run, for it to be more than a matter of a few.
const BEYOND: u64 = 10;

/// What a kind of operation is found by; none for the whole workload.
type Kind = (TenantName, String, Option<String>);

/// What one run came to.
#[derive(Clone, Debug, Default)]
pub struct Sample {
    figures: BTreeMap<(Kind, Figure), f64>,
    tried: BTreeSet<Kind>,
    succeeded: BTreeSet<Kind>,
}

/// One round: A, A again and B.
#[derive(Clone, Debug, Default)]
pub struct Round {
    /// The first side.
    pub a: Sample,
    /// The first side once more.
    pub again: Sample,
    /// The second side.
    pub b: Sample,
}

impl Round {
    fn arms(&self) -> [&Sample; 3] {
        [&self.a, &self.again, &self.b]
    }
}

/// The figures of a run that are wanted and of which it has enough operations.
pub fn sample(cases: &[BenchCase], wanted: &[Figure]) -> Sample {
    let mut sample = Sample::default();
    for (case, load) in cases.iter().flat_map(|case| case.loads.iter().map(move |load| (case, load))) {
        let kind = |act: Option<&str>| (case.tenant.clone(), load.workload.clone(), act.map(str::to_owned));
        if let Some(share) = share(load).filter(|_| wanted.contains(&Figure::Share)) {
            sample.figures.insert((kind(None), Figure::Share), share);
        }
        for measure in &load.acts {
            let of = kind(Some(&measure.act));
            sample.tried.insert(of.clone());
            if measure.ok == 0 {
                continue;
            }
            for &figure in wanted {
                if let Some(value) = value(figure, load, measure) {
                    sample.figures.insert((of.clone(), figure), value);
                }
            }
            sample.succeeded.insert(of);
        }
    }
    sample
}

/// Which share of what was begun, or due and never begun, succeeded.
fn share(load: &Load) -> Option<f64> {
    let sum = |of: fn(&Measure) -> u64| load.acts.iter().map(of).sum::<u64>();
    let ok = sum(|act| act.ok);
    let all = ok + sum(|act| act.failed) + sum(|act| act.unknown) + load.skipped;
    (ok > 0).then(|| float(ok) / float(all))
}

fn value(figure: Figure, load: &Load, measure: &Measure) -> Option<f64> {
    let latency = measure.latency;
    let (needed, value) = match figure {
        // An open loop does what it is told.
        Figure::Rate => (load.rate.is_none().then_some(2 * BEYOND)?, measure.per_second),
        Figure::Share => return None,
        Figure::P50 => (2 * BEYOND, float(latency.p50)),
        Figure::P90 => (10 * BEYOND, float(latency.p90)),
        Figure::P99 => (100 * BEYOND, float(latency.p99)),
        Figure::P999 => (1_000 * BEYOND, float(latency.p999)),
    };
    (measure.ok >= needed && value > 0.0).then_some(value)
}

/// Compares what the rounds came to. `least` is the smallest difference that matters, as a share. What is tried on both sides and
/// never succeeds on one is worse there, what is tried on one alone cannot be told, and a figure that some run has too few
/// operations for is left out.
pub fn compare(rounds: &[Round], least: f64) -> Vec<Compared> {
    let Some(first) = rounds.first() else { return Vec::new() };
    let all = || rounds.iter().flat_map(Round::arms);
    let common: Vec<_> =
        first.a.figures.keys().filter(|key| all().all(|sample| sample.figures.contains_key(*key))).collect();
    let alpha = ERROR / count(common.len().max(1));
    let quantile = student::two_sided(alpha, degrees(rounds.len() - 1));
    let mut compared: Vec<_> = common.iter().map(|key| one(rounds, key, quantile, least)).collect();
    compared.extend(lopsided(rounds));
    compared
}

/// Whether no more rounds are needed: every threshold that more of them would lower is below what matters.
pub fn is_settled(compared: &[Compared], least: f64) -> bool {
    !compared.is_empty() && compared.iter().all(|of| of.noise <= least || !of.why.is_empty())
}

/// One figure.
fn one(rounds: &[Round], key: &(Kind, Figure), quantile: f64, least: f64) -> Compared {
    let log = |sample: &Sample| sample.figures.get(key).map_or(0.0, |value| value.ln());
    let logs: Vec<_> = rounds.iter().map(|round| round.arms().map(log)).collect();
    let of_a: Vec<_> = logs.iter().map(|[a, again, _]| f64::midpoint(*a, *again)).collect();
    let of_b: Vec<_> = logs.iter().map(|[.., b]| *b).collect();
    let itself: Vec<_> = logs.iter().map(|[a, again, _]| a - again).collect();
    let differences: Vec<_> = of_b.iter().zip(&of_a).map(|(b, a)| b - a).collect();
    let difference = mean(&differences);
    let limit = threshold(&itself, &differences, quantile);
    let matters = least.ln_1p();
    let ((tenant, workload, act), figure) = key;
    let more_is_worse = figure.is_latency();
    let change = if difference.abs() > limit.max(matters) {
        if (difference > 0.0) == more_is_worse { Change::Worse } else { Change::Better }
    } else if limit <= matters {
        Change::Same
    } else {
        Change::Unknown
    };
    Compared {
        tenant: tenant.clone(),
        workload: workload.clone(),
        act: act.clone(),
        figure: *figure,
        a: mean(&of_a).exp(),
        b: mean(&of_b).exp(),
        ratio: difference.exp(),
        between: [(difference - limit).exp(), (difference + limit).exp().min(f64::MAX)],
        noise: limit.exp_m1().min(f64::MAX),
        change,
        why: String::new(),
    }
}

/// The difference of logarithms that noise alone does not make, but in this figure's part of 1 in 20.
fn threshold(itself: &[f64], differences: &[f64], quantile: f64) -> f64 {
    let rounds = count(itself.len());
    if itself.len() < 2 {
        return f64::MAX.ln();
    }
    // What A differs from itself is none in the mean, since chance decides which of both is which.
    let squares = itself.iter().map(|difference| difference * difference).sum::<f64>();
    let of_a = CONTRAST * squares / (2.0 * rounds);
    let about = mean(differences);
    let spread = differences.iter().map(|difference| (difference - about).powi(2)).sum::<f64>();
    let of_b = spread / (rounds - 1.0);
    (quantile * (of_a.max(of_b) / rounds).sqrt()).min(f64::MAX.ln())
}

/// The kinds of operation that succeeded in every run of one side and in none of the other: of those there is no ratio.
fn lopsided(rounds: &[Round]) -> Vec<Compared> {
    let of_a: Vec<_> = rounds.iter().flat_map(|round| [&round.a, &round.again]).collect();
    let of_b: Vec<_> = rounds.iter().map(|round| &round.b).collect();
    let kinds: BTreeSet<_> = of_a.iter().chain(&of_b).flat_map(|sample| &sample.succeeded).collect();
    let always = |side: &[&Sample], kind: &Kind| side.iter().all(|sample| sample.succeeded.contains(kind));
    let never = |side: &[&Sample], kind: &Kind| !side.iter().any(|sample| sample.succeeded.contains(kind));
    let tried = |side: &[&Sample], kind: &Kind| side.iter().all(|sample| sample.tried.contains(kind));
    let alone = |kind: &Kind| {
        let (with, without, change, never_there, untried) = if always(&of_a, kind) {
            (&of_a, &of_b, Change::Worse, "it never succeeds with B", "A alone tries it")
        } else {
            (&of_b, &of_a, Change::Better, "it never succeeds with A", "B alone tries it")
        };
        (always(with, kind) && never(without, kind))
            .then(|| if tried(without, kind) { (change, never_there) } else { (Change::Unknown, untried) })
    };
    let missing = kinds.into_iter().filter_map(|kind| Some((kind, alone(kind)?)));
    let missing = missing.map(|((tenant, workload, act), (change, why))| Compared {
        tenant: tenant.clone(),
        workload: workload.clone(),
        act: act.clone(),
        figure: Figure::Share,
        a: 0.0,
        b: 0.0,
        ratio: 1.0,
        between: [0.0, f64::MAX],
        noise: f64::MAX,
        change,
        why: why.to_owned(),
    });
    missing.collect()
}

fn mean(numbers: &[f64]) -> f64 {
    numbers.iter().sum::<f64>() / count(numbers.len().max(1))
}

fn count(number: usize) -> f64 {
    f64::from(degrees(number))
}

fn degrees(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "a ratio is told to a thousandth")]
fn float(number: u64) -> f64 {
    number as f64
}
