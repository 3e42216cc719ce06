//! Listing in key order: one step for every key or common prefix that is shown, whatever lies below the prefixes.

use std::{
    borrow::Borrow,
    collections::BTreeMap,
    ops::{Bound, ControlFlow},
    sync::Arc,
};

/// An object's key. Ordered by its bytes, as listings are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key(Arc<str>);

impl Key {
    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Key {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

// Sound because `str` and `[u8]` have the same order and equality.
impl Borrow<[u8]> for Key {
    fn borrow(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// What to list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Query<'a> {
    /// What every key starts with.
    pub prefix: &'a str,
    /// Where keys fold into common prefixes; empty for nowhere.
    pub delimiter: &'a str,
    /// The last key or common prefix that was listed before; empty for the start.
    pub after: &'a str,
    /// Whether `after` itself comes again, having been listed in part.
    pub again: bool,
}

/// One line of a listing.
pub(crate) enum Step<'a, V> {
    /// A key with what belongs to it.
    Key(&'a Key, &'a V),
    /// All keys that go on like this after the prefix.
    Prefix(&'a str),
}

/// Calls `visit` for every line in order until it breaks.
///
/// A common prefix that `after` lies in, or that sorts before it, was listed before and does not come again.
pub(crate) fn walk<'a, V>(
    map: &'a BTreeMap<Key, V>,
    query: &Query<'_>,
    mut visit: impl FnMut(Step<'a, V>) -> ControlFlow<()>,
) {
    let after = query.after.as_bytes();
    let mut from = if query.after.is_empty() || query.after < query.prefix {
        Bound::Included(query.prefix.as_bytes().to_vec())
    } else if query.again {
        Bound::Included(after.to_vec())
    } else {
        Bound::Excluded(after.to_vec())
    };
    'jump: loop {
        for (key, value) in map.range::<[u8], _>((from.as_ref().map(Vec::as_slice), Bound::Unbounded)) {
            let Some(rest) = key.as_str().strip_prefix(query.prefix) else { return };
            let folded = if query.delimiter.is_empty() { None } else { rest.find(query.delimiter) };
            let Some(at) = folded else {
                if visit(Step::Key(key, value)).is_break() {
                    return;
                }
                continue;
            };
            let end = query.prefix.len() + at + query.delimiter.len();
            let Some(prefix) = key.as_str().get(..end) else { return };
            if prefix.as_bytes() > after && visit(Step::Prefix(prefix)).is_break() {
                return;
            }
            let Some(next) = successor(prefix.as_bytes()) else { return };
            from = Bound::Included(next);
            continue 'jump;
        }
        return;
    }
}

/// The smallest byte string above everything that starts with `prefix`; none when there is none.
fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut next = prefix.to_vec();
    while let Some(last) = next.pop() {
        if let Some(higher) = last.checked_add(1) {
            next.push(higher);
            return Some(next);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, ops::ControlFlow};

    use proptest::prelude::*;

    use super::{Key, Query, Step, walk};

    /// What a page of at most `max` lines holds, and how many keys the walk looked at.
    fn page(map: &BTreeMap<Key, ()>, query: &Query<'_>, max: usize) -> Vec<String> {
        let mut lines = Vec::new();
        walk(map, query, |step| {
            if lines.len() == max {
                return ControlFlow::Break(());
            }
            lines.push(match step {
                Step::Key(key, ()) => key.as_str().to_owned(),
                Step::Prefix(prefix) => prefix.to_owned(),
            });
            ControlFlow::Continue(())
        });
        lines
    }

    /// The same by the definition: every key, folded, each once, above `after`.
    fn by_definition(keys: &[String], query: &Query<'_>) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        let mut sorted = keys.to_vec();
        sorted.sort();
        for key in sorted.iter().filter(|key| key.starts_with(query.prefix)) {
            let rest = &key[query.prefix.len()..];
            let cut = if query.delimiter.is_empty() { None } else { rest.find(query.delimiter) };
            let line = cut.map_or(key.as_str(), |at| &key[..query.prefix.len() + at + query.delimiter.len()]);
            if line > query.after && !lines.iter().any(|seen| seen == line) {
                lines.push(line.to_owned());
            }
        }
        lines
    }

    proptest! {
        #[test]
        fn pages_laid_end_to_end_are_the_whole_listing(
            keys in prop::collection::vec("[a/é\u{ff}]{1,6}", 0..40),
            prefix in "[a/é]{0,2}",
            delimiter in prop::sample::select(vec!["", "/", "a", "//", "é"]),
            after in "[a/é]{0,3}",
            max in 1_usize..5,
        ) {
            let map = keys.iter().map(|key| (Key::from(key.as_str()), ())).collect();
            let query = Query { prefix: &prefix, delimiter, after: &after, again: false };
            let expected = by_definition(&keys, &query);
            let mut found = Vec::new();
            let mut last = after.clone();
            loop {
                let lines = page(&map, &Query { after: &last, ..query }, max);
                found.extend(lines.iter().cloned());
                match lines.last() {
                    Some(line) if lines.len() == max => last = line.clone(),
                    _ => break,
                }
            }
            prop_assert_eq!(found, expected);
        }
    }

    #[test]
    fn a_common_prefix_costs_one_step_however_much_lies_below() {
        let map: BTreeMap<Key, ()> =
            (0..100_000).map(|n| (Key::from(format!("{}/{n}", n % 10).as_str()), ())).collect();
        let query = Query { prefix: "", delimiter: "/", after: "", again: false };
        let mut steps = 0;
        walk(&map, &query, |_| {
            steps += 1;
            ControlFlow::Continue(())
        });
        assert_eq!(steps, 10);
    }
}
