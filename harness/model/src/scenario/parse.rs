//! One file's text into a [`Scenario`]. A new key is a line in [`KEYS`], a field in `schema` and its reading here.

use super::{Chosen, Known, Scenario, each, expect::expected, selects, tags, work};
use crate::{
    Class, Item, Problem, Problems, Service, TenantName,
    document::{Entry, Located, Place, Review, Shown, Value, entry, from_yaml},
};

/// Every key of a scenario file.
pub(super) const KEYS: [&str; 11] = [
    "for-each",
    "title",
    "why",
    "tags",
    "tenants",
    "probes",
    "checklist",
    "workload",
    "run-for",
    "faults",
    "expect",
];

/// The keys of which a file has exactly one: what it does.
const SUBJECTS: [&str; 3] = ["probes", "checklist", "workload"];

impl Scenario {
    /// Reads and checks one file, of which `for-each` makes several scenarios. `name` is its path below `scenarios/` without `.yaml`, `file` what the problems'
    /// places begin with.
    ///
    /// # Errors
    /// Every problem at once, in the file's order; where the YAML itself is broken, only that.
    pub fn parse(name: &str, text: &str, file: &str, known: &Known<'_>) -> Result<Vec<Self>, Problems> {
        let root = from_yaml(text, file)?;
        let mut review = Review::quoting(file, text);
        review.known_keys(&root, "a scenario", &KEYS);
        let variants = each::variants(&mut review, &root);
        let read = |(variant, root): (String, Vec<Entry>)| Self {
            variant,
            ..Self::of(name, &root, &mut review, known)
        };
        let scenarios = variants.into_iter().map(read).collect();
        let mut problems: Vec<Problem> = Vec::new();
        for problem in review.into_problems() {
            // What does not depend on a variable is wrong in each.
            if !problems.contains(&problem) {
                problems.push(problem);
            }
        }
        Problems::unless(problems, scenarios)
    }

    fn of(name: &str, root: &[Entry], review: &mut Review<'_>, known: &Known<'_>) -> Self {
        let title = sentence(review, root, "title");
        if title.contains('\n') {
            review.add(place(root, "title"), "`title` must be one line");
        }
        let run_for = work::run_for(review, root);
        let workload = work::workload(review, root, known);
        let (probes, checklist) = (values(probes(review, root, known)), checklist(review, root));
        let reached = reached(&workload, &probes, &checklist);
        let scenario = Self {
            name: name.to_owned(),
            variant: String::new(),
            title,
            why: sentence(review, root, "why"),
            tags: values(tagged(review, root)),
            tenants: tenants(review, root),
            probes,
            checklist,
            faults: work::faults(review, root, known, &reached, run_for),
            workload,
            run_for,
            expect: expected(review, root, known),
        };
        one_subject(review, root);
        scenario
    }
}

/// Reads a file that holds `faults` alone, written as in a scenario, for a program that is no workload.
///
/// # Errors
/// Every problem at once, as [`Scenario::parse`].
pub fn faults(text: &str, file: &str, known: &Known<'_>) -> Result<Vec<Chosen>, Problems> {
    let root = from_yaml(text, file)?;
    let mut review = Review::quoting(file, text);
    review.known_keys(&root, "a file of faults", &["faults"]);
    if entry(&root, "faults").is_none() {
        let hint = "write `faults:` with a line `- down: { service: redis, at: 1s, for: 2s }` below it";
        review.add_with_hint(Place::START, "the file has no `faults`", hint);
    }
    let faults = work::faults_alone(&mut review, &root, known);
    Problems::unless(review.into_problems(), faults)
}

fn place(root: &[Entry], key: &str) -> Place {
    entry(root, key).map_or(Place::START, |entry| entry.key.at)
}

fn values(list: Vec<Located<String>>) -> Vec<String> {
    list.into_iter().map(|item| item.value).collect()
}

/// A required text with something in it.
fn sentence(review: &mut Review<'_>, root: &[Entry], key: &str) -> String {
    let Some(Entry { value, .. }) = entry(root, key) else {
        review.add_with_hint(
            Place::START,
            format!("the scenario has no `{key}`"),
            format!("write `{key}: …`"),
        );
        return String::new();
    };
    let Some(text) = review.text(value, key) else { return String::new() };
    let trimmed = text.value.trim();
    if trimmed.is_empty() {
        review.add(text.at, format!("`{key}` is empty"));
    }
    trimmed.to_owned()
}

/// The items of a list, none of them twice. An absent list is empty, a present one must not be.
fn list(review: &mut Review<'_>, root: &[Entry], key: &str) -> Vec<Located<String>> {
    let Some(Entry { key: at, value }) = entry(root, key) else { return Vec::new() };
    let before = review.count();
    let items = review.texts(value, key);
    if items.is_empty() && review.count() == before {
        review.add_with_hint(
            at.at,
            format!("`{key}` is empty"),
            format!("name something in it or remove `{key}`"),
        );
    }
    let mut unique: Vec<Located<String>> = Vec::new();
    for item in items {
        match unique.iter().find(|earlier| earlier.value == item.value) {
            Some(earlier) => {
                let first = review.place(earlier.at);
                review.add(item.at, format!("`{}` stands in `{key}` already ({first})", Shown(&item.value)));
            }
            None => unique.push(item),
        }
    }
    unique
}

fn tagged(review: &mut Review<'_>, root: &[Entry]) -> Vec<Located<String>> {
    let list = list(review, root, "tags");
    for tag in &list {
        if !tags().any(|known| known == tag.value) {
            review.unknown(tag.at, "tag", &tag.value, tags());
        }
    }
    list
}

fn tenants(review: &mut Review<'_>, root: &[Entry]) -> Option<Vec<TenantName>> {
    let list = list(review, root, "tenants");
    if let ([only], true) = (list.as_slice(), entry(root, "probes").is_some()) {
        review.add_with_hint(
            only.at,
            "a scenario with `probes` needs two tenants, one to try and one to be tried",
            "name another, or remove `tenants` for all",
        );
    }
    let names = list.iter().filter_map(|item| match TenantName::new(&item.value) {
        Ok(name) => Some(name),
        Err(rule) => {
            review.add(item.at, format!("`{}`: {rule}", Shown(&item.value)));
            None
        }
    });
    let names: Vec<TenantName> = names.collect();
    entry(root, "tenants").map(|_| names)
}

fn probes(review: &mut Review<'_>, root: &[Entry], known: &Known<'_>) -> Vec<Located<String>> {
    let list = list(review, root, "probes");
    for selector in &list {
        if known
            .probes
            .iter()
            .any(|(probe, service, class)| selects(&selector.value, probe, *service, *class))
        {
            continue;
        }
        match class_selector(&selector.value) {
            Some((service, class)) => {
                let classes = classes(known, service);
                let what = format!("no probe of {service} is of the class `{class}`");
                let hint = match classes.is_empty() {
                    true => format!("there are no probes of {service} yet"),
                    false => format!("its classes with probes: {}", classes.join(", ")),
                };
                review.add_with_hint(selector.at, what, hint);
            }
            None => unknown_probe(review, selector, known),
        }
    }
    list
}

fn class_selector(selector: &str) -> Option<(Service, Class)> {
    let (service, class) = selector.split_once('.')?;
    let service = Service::ALL.into_iter().find(|s| s.name() == service)?;
    Some((service, Class::ALL.into_iter().find(|c| c.name() == class)?))
}

fn classes(known: &Known<'_>, wanted: Service) -> Vec<&'static str> {
    let has = |wanted_class: &Class| known.probes.iter().any(|(_, s, c)| *s == wanted && c == wanted_class);
    Class::ALL.into_iter().filter(has).map(Class::name).collect()
}

fn unknown_probe(review: &mut Review<'_>, selector: &Located<String>, known: &Known<'_>) {
    let mut all: Vec<String> = known.probes.iter().map(|(name, _, _)| (*name).to_owned()).collect();
    for (_, service, class) in known.probes {
        let selector = format!("{service}.{class}");
        if !all.contains(&selector) {
            all.push(selector);
        }
    }
    review.unknown(selector.at, "probe", &selector.value, all.iter().map(String::as_str));
}

/// The services on which any of these is.
fn reached(workload: &[Chosen], probes: &[String], checklist: &[Item]) -> Vec<Service> {
    let names = workload.iter().map(|chosen| &chosen.name).chain(probes);
    let on = |name: &String| {
        Service::ALL.into_iter().find(|service| name.split('.').next() == Some(service.name()))
    };
    let items = checklist.iter().map(|item| item.service());
    let items = items.flat_map(|service| service.map_or_else(|| Service::ALL.to_vec(), |one| vec![one]));
    names.filter_map(on).chain(items).collect()
}

fn checklist(review: &mut Review<'_>, root: &[Entry]) -> Vec<Item> {
    if let Some(Entry { value, .. }) = entry(root, "checklist")
        && matches!(&value.value, Value::Text(word) if word == "all")
    {
        return Item::ALL.to_vec();
    }
    let list = list(review, root, "checklist");
    let items = list.iter().filter_map(|item| {
        let found = Item::ALL.into_iter().find(|known| known.name() == item.value);
        if found.is_none() {
            review.unknown(item.at, "checklist item", &item.value, Item::ALL.map(Item::name));
        }
        found
    });
    items.collect()
}

fn one_subject(review: &mut Review<'_>, root: &[Entry]) {
    let mut subjects: Vec<_> = SUBJECTS.iter().filter_map(|key| entry(root, key)).collect();
    subjects.sort_by_key(|entry| entry.key.at);
    match subjects.as_slice() {
        [] => review.add_with_hint(
            Place::START,
            "the scenario does nothing: it has neither `probes` nor `checklist` nor `workload`",
            "name probes, `probes: [postgres.read]`, items, `checklist: [database-created]`, or a workload, \
             `workload: [rabbitmq.tasks]`",
        ),
        [_] => {}
        [first, others @ ..] => {
            for other in others {
                let what = format!(
                    "the scenario has `{}` ({}) and `{}`",
                    first.key.value,
                    review.place(first.key.at),
                    other.key.value
                );
                review.add_with_hint(other.key.at, what, "make two files of it");
            }
        }
    }
}
