//! What a file's `expect` says: invariants by name, some with a bound.

use super::{Expected, Known, work::written};
use crate::{
    Amount, Unit,
    document::{Entry, Located, Node, Place, Review, Value, entry},
};

/// The invariants that must hold; a file without any could not fail.
pub(super) fn expected(review: &mut Review<'_>, root: &[Entry], known: &Known<'_>) -> Vec<Expected> {
    let names = || known.invariants.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let Some(Entry { key, value }) = entry(root, "expect") else {
        let hint = format!("name what must hold: {}", names());
        review.add_with_hint(Place::START, "the scenario has no `expect`: nothing in it could fail", hint);
        return Vec::new();
    };
    let items = match &value.value {
        Value::List(items) => items,
        other => {
            let what = format!("`expect` must be a list of names, not {}", other.kind());
            review.add_with_hint(value.at, what, "write `expect: [one, two]`");
            return Vec::new();
        }
    };
    if items.is_empty() {
        review.add_with_hint(key.at, "`expect` is empty", "name something in it or remove `expect`");
    }
    let mut found: Vec<(Place, Expected)> = Vec::new();
    for item in items {
        let (at, Some(expected)) = (item.at, one(review, item, known)) else { continue };
        match found.iter().find(|(_, earlier)| earlier.name == expected.name) {
            Some((earlier, _)) => {
                let earlier = review.place(*earlier);
                review.add(at, format!("`{}` stands in `expect` already ({earlier})", expected.name));
            }
            None => found.push((at, expected)),
        }
    }
    found.into_iter().map(|(_, expected)| expected).collect()
}

/// `nothing-lost`, or `recovers-within: 5s`.
fn one(review: &mut Review<'_>, item: &Node, known: &Known<'_>) -> Option<Expected> {
    let (name, bound): (Located<&str>, Option<&Node>) = match &item.value {
        Value::Text(name) => (Located { at: item.at, value: name }, None),
        Value::Table(entries) => match entries.as_slice() {
            [only] => (Located { at: only.key.at, value: &only.key.value }, Some(&only.value)),
            _ => {
                review.add_with_hint(
                    item.at,
                    "one entry of `expect` has several names",
                    "begin a line with `-` for each",
                );
                return None;
            }
        },
        _ => {
            review.add_with_hint(item.at, "`expect` holds names", "write `- NAME` or `- NAME: BOUND`");
            return None;
        }
    };
    let Some((_, unit)) = known.invariants.iter().find(|(known, _)| *known == name.value) else {
        review.unknown(name.at, "invariant", name.value, known.invariants.iter().map(|(name, _)| *name));
        return None;
    };
    let plain = |bound| Some(Expected { name: name.value.to_owned(), bound });
    match (unit, bound) {
        (None, None) => plain(None),
        (None, Some(bound)) => {
            review.add(bound.at, format!("`{}` has no bound", name.value));
            None
        }
        (Some(unit), None) => {
            let hint = format!("write `- {}: …`, {}", name.value, unit.like());
            review.add_with_hint(name.at, format!("`{}` needs a bound", name.value), hint);
            None
        }
        (Some(unit), Some(bound)) => plain(Some(amount(review, bound, name.value, *unit)?)),
    }
}

fn amount(review: &mut Review<'_>, node: &Node, name: &str, unit: Unit) -> Option<Amount> {
    written(review, node, name, unit.like(), |text| match Amount::parse(text, unit)? {
        Amount { value: 0, .. } => Err(String::from("nothing is within it")),
        Amount { value: 101.., unit: Unit::Share } => Err(String::from("nothing is more than all of it")),
        amount => Ok(amount),
    })
}
