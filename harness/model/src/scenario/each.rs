//! `for-each`: one file, many scenarios. Each variable takes each of its values; wherever `$NAME` stands alone as a
//! value, the variable's value stands in its place, be it a word, an amount or a whole fault.

use std::collections::BTreeSet;

use crate::document::{Entry, Node, Review, Shown, Value, entry};

/// The key.
pub(super) const KEY: &str = "for-each";

/// The most scenarios that one file may expand to.
pub(super) const MOST: usize = 256;

/// A file's tree with one choice of values, and what the choice is called: `fault=down, size=1KiB`; empty without any.
pub(super) type Variant = (String, Vec<Entry>);

/// A variable, what the value that it takes is called, and the value.
type Choice<'a> = (&'a str, &'a str, &'a Node);

/// A variable with its values and what each is called.
struct Variable<'a> {
    entry: &'a Entry,
    values: Vec<(String, &'a Node)>,
}

/// Every choice of values, in the file's order, the last variable changing first; none where something is wrong.
pub(super) fn variants(review: &mut Review<'_>, root: &[Entry]) -> Vec<Variant> {
    let before = review.count();
    let variables = variables(review, root);
    let rest: Vec<_> = root.iter().filter(|entry| entry.key.value != KEY).cloned().collect();
    let mut used = BTreeSet::new();
    rest.iter().for_each(|entry| {
        names(&entry.value, &mut |at, name| {
            if !variables.iter().any(|variable| variable.entry.key.value == name) {
                review.unknown(at, "variable", name, variables.iter().map(|v| v.entry.key.value.as_str()));
            }
            used.insert(name.to_owned());
        })
    });
    for Variable { entry: Entry { key, .. }, .. } in &variables {
        if !used.contains(&key.value) {
            let hint = format!("write `${}` where its values are to stand", key.value);
            review.add_with_hint(key.at, format!("`{}` is used nowhere", Shown(&key.value)), hint);
        }
    }
    let count = variables.iter().try_fold(1_usize, |all, variable| all.checked_mul(variable.values.len()));
    if count.is_none_or(|count| count > MOST) {
        let at = entry(root, KEY).map_or(crate::document::Place::START, |entry| entry.key.at);
        let hint = "make several files of it";
        review.add_with_hint(at, format!("`{KEY}` makes more than {MOST} scenarios of this file"), hint);
    }
    if review.count() > before {
        return Vec::new();
    }
    let mut choices: Vec<Vec<Choice<'_>>> = vec![Vec::new()];
    for Variable { entry, values } in &variables {
        let mut longer = Vec::new();
        for so_far in &choices {
            longer.extend(values.iter().map(|(called, value)| {
                let choice = (entry.key.value.as_str(), called.as_str(), *value);
                so_far.iter().copied().chain([choice]).collect()
            }));
        }
        choices = longer;
    }
    choices.iter().map(|chosen| one(chosen, &rest)).collect()
}

fn one(chosen: &[Choice<'_>], rest: &[Entry]) -> Variant {
    let called: Vec<_> = chosen.iter().map(|(name, called, _)| format!("{name}={called}")).collect();
    let mut tree = rest.to_vec();
    tree.iter_mut().for_each(|entry| fill(&mut entry.value, chosen));
    (called.join(", "), tree)
}

fn variables<'a>(review: &mut Review<'_>, root: &'a [Entry]) -> Vec<Variable<'a>> {
    let Some(Entry { value, .. }) = entry(root, KEY) else { return Vec::new() };
    let like = "`{ fault: [{ down: { service: redis, at: 1s } }, …] }`";
    let Some(entries) = review.table(value, KEY, like) else { return Vec::new() };
    let read = |entry: &'a Entry| match &entry.value.value {
        Value::List(items) if !items.is_empty() => Some(Variable { entry, values: called(items) }),
        _ => {
            let what = format!("`{}` needs a list of values", Shown(&entry.key.value));
            review.add_with_hint(entry.value.at, what, format!("write `{}: [one, two]`", entry.key.value));
            None
        }
    };
    entries.iter().filter_map(read).collect()
}

/// The values, each with a name of its own: what it is, its only key, or its parts' names, and a number where that is
/// not enough.
fn called(items: &[Node]) -> Vec<(String, &Node)> {
    let plain: Vec<_> = items.iter().map(word).collect();
    let number = |index: usize, name: &String| {
        let alone = plain.iter().filter(|other| *other == name).count() == 1;
        let earlier = plain.iter().take(index).filter(|other| *other == name).count();
        if alone { name.clone() } else { format!("{name} {}", earlier + 1) }
    };
    plain.iter().enumerate().map(|(index, name)| number(index, name)).zip(items).collect()
}

fn word(value: &Node) -> String {
    match &value.value {
        Value::Text(text) => text.clone(),
        Value::Whole(number) => number.to_string(),
        Value::Table(entries) => match entries.as_slice() {
            [only] => only.key.value.clone(),
            _ => String::from("value"),
        },
        Value::List(items) => {
            // The same on each service is one word.
            let mut words: Vec<_> = items.iter().map(word).collect();
            words.dedup();
            words.join("+")
        }
        Value::Other(_) => String::from("value"),
    }
}

/// Every `$NAME` below a value.
fn names(node: &Node, found: &mut impl FnMut(crate::document::Place, &str)) {
    match &node.value {
        Value::Text(text) => {
            if let Some(name) = variable(text) {
                found(node.at, name);
            }
        }
        Value::List(items) => items.iter().for_each(|item| names(item, found)),
        Value::Table(entries) => entries.iter().for_each(|entry| names(&entry.value, found)),
        Value::Whole(_) | Value::Other(_) => {}
    }
}

fn fill(node: &mut Node, values: &[Choice<'_>]) {
    let with = match &mut node.value {
        Value::Text(text) => variable(text).and_then(|name| values.iter().find(|(known, ..)| *known == name)),
        Value::List(items) => return items.iter_mut().for_each(|item| fill(item, values)),
        Value::Table(entries) => return entries.iter_mut().for_each(|entry| fill(&mut entry.value, values)),
        Value::Whole(_) | Value::Other(_) => None,
    };
    if let Some((.., value)) = with {
        *node = (*value).clone();
    }
}

fn variable(text: &str) -> Option<&str> {
    let name = text.strip_prefix('$')?;
    let fits =
        !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    fits.then_some(name)
}
