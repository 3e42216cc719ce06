//! What a file's `workload`, `run-for` and `faults` say: names with settings, whose shapes other rooms know.

use std::{collections::BTreeMap, fmt, ops::RangeInclusive, time::Duration};

use super::{Known, Whose};
use crate::{
    Amount, Service, Unit,
    document::{Entry, Located, Node, Place, Review, Shown, Value, entry},
};

/// What a rate is that follows the answers: a closed loop, in which a client does one operation after another.
const MAX: &str = "max";

/// The longest and the shortest that a workload may run.
const RUN_FOR: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);

/// A workload or a fault with what a file sets of it, and the rest as usual.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    /// `rabbitmq.tasks`, `down`.
    pub name: String,
    /// Every setting of its shape that has a value.
    pub settings: BTreeMap<String, Setting>,
}

/// One setting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Setting {
    /// So much.
    Amount(Amount),
    /// On this service.
    Service(Service),
    /// One of its kind's words.
    Word(&'static str),
}

/// What a workload or a fault may be told.
#[derive(Clone, Copy, Debug)]
pub struct Shape<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it does, in a sentence.
    pub about: &'a str,
    /// Its settings.
    pub settings: &'a [Wanted<'a>],
}

/// One setting of a shape.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it may be.
    pub kind: Kind,
    /// What it is where a file does not say, as a file would; nothing where a file must.
    pub usual: Option<&'a str>,
}

/// What a setting may be.
#[derive(Clone, Debug)]
pub enum Kind {
    /// An amount of that unit within these bounds, in the smallest unit.
    Amount(Unit, RangeInclusive<u64>),
    /// So many a minute within these bounds, whether the answers keep up or not, or `max`: as fast as they come.
    Rate(RangeInclusive<u64>),
    /// The name of one of these services.
    Service(&'static [Service]),
    /// One of these words.
    Word(&'static [&'static str]),
}

impl Chosen {
    /// The amount of that setting in its smallest unit; 0 for one that the shape does not have.
    pub fn amount(&self, name: &str) -> u64 {
        match self.settings.get(name) {
            Some(Setting::Amount(amount)) => amount.value,
            _ => 0,
        }
    }

    /// The time of that setting.
    pub fn time(&self, name: &str) -> Duration {
        match self.settings.get(name) {
            Some(Setting::Amount(amount)) => amount.time(),
            _ => Duration::ZERO,
        }
    }

    /// How many a minute its `rate` is; none for `max`.
    pub fn rate(&self) -> Option<u64> {
        (self.word("rate") != MAX).then(|| self.amount("rate"))
    }

    /// The word of that setting; empty for one that the shape does not have.
    pub fn word(&self, name: &str) -> &'static str {
        match self.settings.get(name) {
            Some(Setting::Word(word)) => word,
            _ => "",
        }
    }

    /// The service of that setting.
    pub fn service(&self, name: &str) -> Option<Service> {
        match self.settings.get(name) {
            Some(Setting::Service(service)) => Some(*service),
            _ => None,
        }
    }
}

impl fmt::Display for Chosen {
    /// As a scenario file has it, with every setting: `down: { at: 500ms, for: 1s, service: rabbitmq }`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        let settings = self.settings.iter().map(|(name, setting)| format!("{name}: {setting}"));
        match settings.collect::<Vec<_>>().join(", ") {
            none if none.is_empty() => Ok(()),
            settings => write!(f, ": {{ {settings} }}"),
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amount(amount) => amount.fmt(f),
            Self::Service(service) => service.fmt(f),
            Self::Word(word) => word.fmt(f),
        }
    }
}

/// How long the workload runs; only where there is one.
pub(super) fn run_for(review: &mut Review<'_>, root: &[Entry]) -> Duration {
    let (workload, written) = (entry(root, "workload"), entry(root, "run-for"));
    let Some(Entry { key, value }) = written else {
        if let Some(workload) = workload {
            review.add_with_hint(workload.key.at, "a workload needs `run-for`", "write `run-for: 8s`");
        }
        return Duration::ZERO;
    };
    if workload.is_none() {
        review.add_with_hint(key.at, "`run-for` is for a workload, and there is none", "remove it");
    }
    let kind = Kind::Amount(Unit::Time, millis(*RUN_FOR.start())..=millis(*RUN_FOR.end()));
    match setting(review, value, "run-for", &kind) {
        Some(Setting::Amount(amount)) => amount.time(),
        _ => Duration::ZERO,
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) fn workload(review: &mut Review<'_>, root: &[Entry], known: &Known<'_>) -> Vec<Chosen> {
    chosen(review, root, "workload", known.workloads).into_iter().map(|(_, chosen)| chosen).collect()
}

/// The faults, each of which must be over when the workload is, on services that the scenario reaches.
pub(super) fn faults(
    review: &mut Review<'_>,
    root: &[Entry],
    known: &Known<'_>,
    reached: &[Service],
    run_for: Duration,
) -> Vec<Chosen> {
    let faults = chosen(review, root, "faults", known.faults);
    for (at, fault) in &faults {
        if let Some(service) = fault.service("service") {
            unmet(review, *at, fault, service, reached);
        }
        if entry(root, "workload").is_none() {
            unaccompanied(review, *at, fault, "that works, and there is no workload here");
        }
        let over = fault.time("at").saturating_add(fault.time("for"));
        if over > run_for && run_for > Duration::ZERO {
            let what =
                format!("`{}` is over {over:?} after the start, when the workload has ended", fault.name);
            review.add_with_hint(*at, what, "let `at` and `for` end before `run-for`");
        }
    }
    faults.into_iter().map(|(_, fault)| fault).collect()
}

/// The faults of a file that says nothing else.
pub(super) fn faults_alone(review: &mut Review<'_>, root: &[Entry], known: &Known<'_>) -> Vec<Chosen> {
    let faults = chosen(review, root, "faults", known.faults);
    for (at, fault) in &faults {
        unaccompanied(review, *at, fault, "of a scenario's workload, and there is none beside a program");
    }
    faults.into_iter().map(|(_, fault)| fault).collect()
}

/// A fault on others' links takes a neighbour, who does what the case's own workload does.
fn unaccompanied(review: &mut Review<'_>, at: Place, fault: &Chosen, why: &str) {
    if Whose::of(fault).takes_a_neighbour() {
        let what =
            format!("`{}` with `tenants: {}` takes a neighbour {why}", fault.name, fault.word(Whose::NAME));
        review.add_with_hint(at, what, "write `tenants: one`, or leave it out");
    }
}

/// A fault on a service that nobody works on would touch nothing. What reaches none was refused for what it is.
fn unmet(review: &mut Review<'_>, at: Place, fault: &Chosen, service: Service, reached: &[Service]) {
    if !reached.is_empty() && !reached.contains(&service) {
        let what = format!("nothing here works on {service}, so `{}` would touch nothing", fault.name);
        review.add_with_hint(
            at,
            what,
            format!("name a workload, a probe or an item of {service}, or a fault on another service"),
        );
    }
}

/// The entries of a list of names with settings: `- rabbitmq.tasks`, or `- rabbitmq.tasks: { publishers: 2 }`.
fn chosen(review: &mut Review<'_>, root: &[Entry], key: &str, shapes: &[Shape<'_>]) -> Vec<(Place, Chosen)> {
    let Some(Entry { key: at, value }) = entry(root, key) else { return Vec::new() };
    let like =
        format!("`{key}:` with a line `- {}` below it", shapes.first().map_or("NAME", |shape| shape.name));
    let items = match &value.value {
        Value::List(items) if !items.is_empty() => items,
        Value::List(_) => {
            review.add_with_hint(at.at, format!("`{key}` is empty"), format!("write {like}"));
            return Vec::new();
        }
        _ => {
            review.add_with_hint(value.at, format!("`{key}` must be a list"), format!("write {like}"));
            return Vec::new();
        }
    };
    items.iter().filter_map(|item| Some((item.at, one(review, item, key, shapes)?))).collect()
}

fn one(review: &mut Review<'_>, item: &Node, key: &str, shapes: &[Shape<'_>]) -> Option<Chosen> {
    let (name, settings): (Located<&str>, &[Entry]) = match &item.value {
        Value::Text(name) => (Located { at: item.at, value: name }, &[]),
        Value::Table(entries) => {
            let [only] = entries.as_slice() else {
                let hint = "begin a line with `-` for each";
                review.add_with_hint(item.at, format!("one entry of `{key}` has several names"), hint);
                return None;
            };
            let settings = match &only.value.value {
                Value::Other("nothing") => &[],
                _ => review.table(&only.value, &only.key.value, "its settings as `{ name: value }`")?,
            };
            (Located { at: only.key.at, value: &only.key.value }, settings)
        }
        _ => {
            review.add_with_hint(
                item.at,
                format!("`{key}` holds names"),
                "write `- NAME: { setting: value }`",
            );
            return None;
        }
    };
    let Some(shape) = shapes.iter().find(|shape| shape.name == name.value) else {
        let kind = if key == "faults" { "fault" } else { key };
        review.unknown(name.at, kind, name.value, shapes.iter().map(|shape| shape.name));
        return None;
    };
    let (misplaced, mine): (Vec<_>, Vec<_>) =
        settings.iter().partition(|entry| is_misplaced(entry, shape, shapes));
    for entry in misplaced {
        let those = shapes.iter().filter(|shape| has_tenants(shape)).map(|shape| format!("`{}`", shape.name));
        let hint = format!("remove it; on others' links can be {}", those.collect::<Vec<_>>().join(", "));
        review.add_with_hint(entry.key.at, format!("`{}` has no `{}`", shape.name, Whose::NAME), hint);
    }
    let names: Vec<_> = shape.settings.iter().map(|wanted| wanted.name).collect();
    review.known_keys(mine, &format!("`{}`", shape.name), &names);
    let mut set = BTreeMap::new();
    for wanted in shape.settings {
        let found = match (entry(settings, wanted.name), wanted.usual) {
            (Some(entry), _) => setting(review, &entry.value, wanted.name, &wanted.kind),
            (None, Some(usual)) => read(usual, &wanted.kind).ok(),
            (None, None) => {
                let hint = format!("write `{}: …`, {}", wanted.name, wanted.kind.like());
                review.add_with_hint(name.at, format!("`{}` needs `{}`", shape.name, wanted.name), hint);
                None
            }
        };
        set.extend(found.map(|found| (wanted.name.to_owned(), found)));
    }
    Some(Chosen { name: shape.name.to_owned(), settings: set })
}

/// Whether it is `tenants`, which others of these have and this one has not.
fn is_misplaced(entry: &Entry, of: &Shape<'_>, all: &[Shape<'_>]) -> bool {
    entry.key.value == Whose::NAME && !has_tenants(of) && all.iter().any(has_tenants)
}

fn has_tenants(shape: &Shape<'_>) -> bool {
    shape.settings.iter().any(|wanted| wanted.name == Whose::NAME)
}

fn setting(review: &mut Review<'_>, node: &Node, name: &str, kind: &Kind) -> Option<Setting> {
    written(review, node, name, &kind.like(), |text| read(text, kind))
}

/// What `read` makes of a text or a number; anything else must be as `like` says.
pub(super) fn written<T>(
    review: &mut Review<'_>,
    node: &Node,
    name: &str,
    like: &str,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = match &node.value {
        Value::Text(text) => text.clone(),
        Value::Whole(number) => number.to_string(),
        _ => {
            review.add(node.at, format!("`{name}` must be {like}"));
            return None;
        }
    };
    let read = read(&text);
    if let Err(why) = &read {
        review.add(node.at, format!("`{name}` is `{}`: {why}", Shown(&text)));
    }
    read.ok()
}

fn read(text: &str, kind: &Kind) -> Result<Setting, String> {
    match kind {
        Kind::Amount(unit, bounds) => within(Amount::parse(text, *unit)?, bounds),
        Kind::Rate(_) if text == MAX => Ok(Setting::Word(MAX)),
        Kind::Rate(bounds) => {
            let rate = Amount::parse(text, Unit::Rate);
            within(rate.map_err(|_| format!("it must be {}", kind.like()))?, bounds)
        }
        Kind::Service(services) => {
            let service = Service::ALL.into_iter().find(|service| service.name() == text);
            match service {
                Some(service) if services.contains(&service) => Ok(Setting::Service(service)),
                Some(service) => Err(format!("{service} has no such fault; it must be {}", kind.like())),
                None => Err(format!("it must be {}", kind.like())),
            }
        }
        Kind::Word(words) => {
            let word = words.iter().find(|word| **word == text);
            word.map(|word| Setting::Word(word)).ok_or_else(|| format!("it must be {}", kind.like()))
        }
    }
}

fn within(amount: Amount, bounds: &RangeInclusive<u64>) -> Result<Setting, String> {
    let shown = |value: &u64| Amount { value: *value, ..amount };
    match bounds.contains(&amount.value) {
        true => Ok(Setting::Amount(amount)),
        false => Err(format!("it must be from {} to {}", shown(bounds.start()), shown(bounds.end()))),
    }
}

impl Kind {
    /// How such a setting is written.
    pub fn like(&self) -> String {
        match self {
            Self::Amount(unit, _) => unit.like().to_owned(),
            Self::Rate(_) => format!("{}, or `{MAX}`", Unit::Rate.like()),
            Self::Service([only]) => format!("`{only}`"),
            Self::Service(services) => {
                let names: Vec<_> = services.iter().map(|service| format!("`{service}`")).collect();
                format!("one of {}", names.join(", "))
            }
            Self::Word(words) => format!("one of `{}`", words.join("`, `")),
        }
    }
}
