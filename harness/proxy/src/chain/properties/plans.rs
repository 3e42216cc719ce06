//! Random plans: which toxics there are, and what happens on the line. What must hold of them is said where they are
//! used.

use std::time::Duration;

use proptest::prelude::*;

use crate::{
    toxics::{self, Attributes, Field, Kind, Value},
    trigger::Trigger,
};

/// A toxic to be.
#[derive(Clone, Debug)]
pub(super) struct Toxin {
    pub(super) kind: &'static dyn Kind,
    pub(super) attributes: Attributes,
    pub(super) toxicity: f32,
    pub(super) trigger: Trigger,
}

/// What happens on the line, one after the other.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// The source has more bytes.
    Send(usize),
    /// So many microseconds pass.
    Pass(u64),
    Add(Toxin),
    /// Another version of one of the toxics there are, by its place modulo their number.
    Update(usize, Toxin),
    Toss(usize, f32),
    Remove(usize),
}

#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) toxins: Vec<Toxin>,
    pub(super) steps: Vec<Step>,
    /// How many microseconds after a chain's due time it is asked.
    pub(super) late: u64,
}

pub(super) fn attributes(kind: &'static dyn Kind, wild: bool) -> BoxedStrategy<Attributes> {
    let value = move |field: &Field| -> BoxedStrategy<(&'static str, Value)> {
        let name = field.name;
        let number = if wild {
            prop_oneof![any::<i64>(), -2..300_i64, Just(i64::MIN), Just(i64::MAX)].boxed()
        } else {
            (0..60_i64).boxed()
        };
        match field.default {
            Value::Integer(_) => number.prop_map(move |number| (name, Value::Integer(number))).boxed(),
            Value::Number(_) => prop_oneof![any::<f64>(), 0.0..1.0]
                .prop_map(move |number| (name, Value::Number(number)))
                .boxed(),
            Value::Word(_) => {
                let words = if wild { field.words } else { &field.words[..1] };
                prop::sample::select(words).prop_map(move |word| (name, Value::Word(word))).boxed()
            }
        }
    };
    let values: Vec<_> = kind.fields().iter().map(value).collect();
    let set = move |values: Vec<(&'static str, Value)>| {
        let mut attributes = Attributes::of(kind.fields());
        for (name, value) in values {
            attributes.set(name, value);
        }
        attributes
    };
    values.prop_map(set).boxed()
}

pub(super) fn trigger() -> impl Strategy<Value = Trigger> {
    let time = || prop::option::of((0..200_u64).prop_map(Duration::from_millis));
    let some = (
        prop::option::of(1..3_u64),
        prop::option::of(1..3_u64),
        prop::option::of(0..500_u64),
        time(),
        time(),
    );
    let trigger = some.prop_map(|(from_connection, connections, after_bytes, after, window)| Trigger {
        from_connection,
        connections,
        after_bytes,
        after,
        window,
    });
    prop_oneof![2 => Just(Trigger::default()), 1 => trigger]
}

pub(super) fn toxicity() -> impl Strategy<Value = f32> {
    prop_oneof![4 => Just(1.0_f32), 1 => Just(0.5), 1 => any::<f32>()]
}

pub(super) fn toxin(kinds: Kinds, wild: bool) -> BoxedStrategy<Toxin> {
    let kind = prop::sample::select(such(kinds));
    let attributes = kind.prop_flat_map(move |kind| (Just(kind), attributes(kind, wild)));
    if wild {
        (attributes, toxicity(), trigger())
            .prop_map(|((kind, attributes), toxicity, trigger)| Toxin { kind, attributes, toxicity, trigger })
            .boxed()
    } else {
        let trigger = Trigger::default();
        attributes
            .prop_map(move |(kind, attributes)| Toxin { kind, attributes, toxicity: 1.0, trigger })
            .boxed()
    }
}

pub(super) fn plan(kinds: Kinds, wild: bool) -> impl Strategy<Value = Plan> {
    let step = prop_oneof![
        4 => (1..3000_usize).prop_map(Step::Send),
        4 => (0..300_000_u64).prop_map(Step::Pass),
        1 => toxin(kinds, wild).prop_map(Step::Add),
        1 => (any::<usize>(), toxin(kinds, wild)).prop_map(|(at, toxin)| Step::Update(at, toxin)),
        1 => (any::<usize>(), toxicity()).prop_map(|(at, toxicity)| Step::Toss(at, toxicity)),
        1 => any::<usize>().prop_map(Step::Remove),
    ];
    let late = prop_oneof![Just(0_u64), 0..5000_u64];
    (any::<u64>(), prop::collection::vec(toxin(kinds, wild), 0..5), prop::collection::vec(step, 0..24), late)
        .prop_map(|(seed, toxins, steps, late)| Plan { seed, toxins, steps, late })
}

/// What a kind may do to the bytes of a connection that it meets or to their times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Does {
    /// It changes bytes or leaves a hole in the stream.
    Spoils,
    /// It ends the stream early.
    Cuts,
    /// How long it holds bytes follows from its attributes.
    Waits,
    /// It chooses at random.
    Chooses,
}

/// The one list. A kind that is not in it lets everything pass once a connection is open.
const DOES: &[(&str, &[Does])] = &[
    ("latency", &[Does::Waits, Does::Chooses]),
    ("bandwidth", &[Does::Waits]),
    ("slow_close", &[Does::Waits]),
    ("timeout", &[Does::Cuts]),
    ("reset_peer", &[Does::Cuts]),
    ("slicer", &[Does::Waits, Does::Chooses]),
    ("limit_data", &[Does::Cuts]),
    ("packet_loss", &[Does::Spoils, Does::Chooses]),
    ("corrupt", &[Does::Spoils, Does::Chooses]),
    ("blackhole", &[Does::Cuts]),
    ("noop", &[Does::Waits]),
];

/// Which of all kinds, by what they do.
pub(super) type Kinds = fn(&[Does]) -> bool;

/// Those that never leave a hole in the stream.
pub(super) const WHOLE: Kinds = |does| !does.contains(&Does::Spoils);

/// Those that neither cut nor drop.
pub(super) const GENTLE: Kinds = |does| !HARMFUL(does);

/// Those whose time follows from their attributes.
pub(super) const TIMED: Kinds = |does| does.contains(&Does::Waits);

pub(super) const ALL: Kinds = |_| true;

/// Those that take bytes away or change them.
pub(super) const HARMFUL: Kinds = |does| does.contains(&Does::Spoils) || does.contains(&Does::Cuts);

/// Those that choose at random.
pub(super) const CHOOSING: Kinds = |does| does.contains(&Does::Chooses);

/// The kinds that are such.
fn such(kinds: Kinds) -> Vec<&'static dyn Kind> {
    for (name, _) in DOES {
        assert!(toxics::find(name).is_some(), "there is no {name}");
    }
    let does = |kind: &&dyn Kind| DOES.iter().find(|(name, _)| *name == kind.name()).map(|(_, does)| *does);
    toxics::ALL.iter().copied().filter(|kind| kinds(does(kind).unwrap_or_default())).collect()
}

/// A plan with one toxic from the start.
pub(super) fn one(kinds: Kinds, wild: bool) -> impl Strategy<Value = Plan> {
    (plan(kinds, wild), toxin(kinds, wild)).prop_map(|(mut plan, toxin)| {
        plan.toxins = vec![toxin];
        plan
    })
}

/// A bandwidth of 0 stalls for ever, so a plan about time has none.
pub(super) fn timed() -> impl Strategy<Value = Plan> {
    plan(TIMED, false).prop_map(|mut plan| {
        for toxin in &mut plan.toxins {
            if toxin.attributes.integer("rate") == 0 {
                toxin.attributes.set("rate", Value::Integer(1));
            }
        }
        plan.late = 0;
        plan
    })
}
