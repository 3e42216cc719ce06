//! One tree for both file formats, each node with its line and column, so that topology and scenario files are
//! reviewed by the same code and every problem names its place.
//!
//! The tree knows nothing of topologies or scenarios. Syntax errors end the reading; everything else is collected
//! by [`Review`].

use std::fmt;

use crate::Problem;

mod quote;
mod toml;
mod yaml;

pub(crate) use self::{toml::from_toml, yaml::from_yaml};

/// Line and column, both from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) line: u64,
    pub(crate) column: u64,
}

impl Place {
    /// The beginning of a file, for what is missing from the whole of it.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// Something and where it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Located<T> {
    pub(crate) at: Place,
    pub(crate) value: T,
}

/// A value of the file. What neither format needs here keeps only its type's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Value {
    Text(String),
    /// A whole number that is not negative.
    Whole(u64),
    List(Vec<Node>),
    Table(Vec<Entry>),
    Other(&'static str),
}

impl Value {
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Whole(_) => "a number",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
            Self::Other(kind) => kind,
        }
    }
}

/// A value with its place.
pub(crate) type Node = Located<Value>;

/// A key with its value, in the file's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) key: Located<String>,
    pub(crate) value: Node,
}

/// Finds the entry of that key.
pub(crate) fn entry<'n>(table: &'n [Entry], key: &str) -> Option<&'n Entry> {
    table.iter().find(|entry| entry.key.value == key)
}

/// Gathers the problems of one file.
pub(crate) struct Review<'f> {
    file: &'f str,
    /// What the problems quote, where they may.
    text: &'f str,
    found: Vec<(Place, Problem)>,
}

impl<'f> Review<'f> {
    pub(crate) fn new(file: &'f str) -> Self {
        Self { file, text: "", found: Vec::new() }
    }

    /// The same of a text that holds no secrets, of which each problem shows its line.
    pub(crate) fn quoting(file: &'f str, text: &'f str) -> Self {
        Self { file, text, found: Vec::new() }
    }

    /// The place as `file:line:column`.
    pub(crate) fn place(&self, at: Place) -> String {
        format!("{}:{}:{}", self.file, at.line, at.column)
    }

    /// How many problems there are so far.
    pub(crate) fn count(&self) -> usize {
        self.found.len()
    }

    pub(crate) fn add(&mut self, at: Place, what: impl Into<String>) {
        let problem = Problem::new(self.place(at), what);
        self.found.push((at, problem));
    }

    pub(crate) fn add_with_hint(&mut self, at: Place, what: impl Into<String>, hint: impl Into<String>) {
        let problem = Problem::new(self.place(at), what).hint(hint);
        self.found.push((at, problem));
    }

    /// Every problem, in the file's order.
    pub(crate) fn into_problems(mut self) -> Vec<Problem> {
        self.found.sort_by_key(|(at, _)| *at);
        let text = self.text;
        self.found.into_iter().map(|(at, problem)| problem.quoting(quote::quote(text, at))).collect()
    }

    /// Says that `word` is not one of `known`, and what to write instead.
    pub(crate) fn unknown<'k>(
        &mut self,
        at: Place,
        kind: &str,
        word: &str,
        known: impl IntoIterator<Item = &'k str>,
    ) {
        self.add_with_hint(at, format!("unknown {kind} `{}`", Shown(word)), instead(word, known));
    }

    /// Says so of every key that is not in `known`.
    pub(crate) fn known_keys<'n>(
        &mut self,
        table: impl IntoIterator<Item = &'n Entry>,
        of: &str,
        known: &[&str],
    ) {
        for Entry { key, .. } in table {
            if !known.contains(&key.value.as_str()) {
                self.unknown(key.at, &format!("key in {of}"), &key.value, known.iter().copied());
            }
        }
    }

    /// The value as a table.
    pub(crate) fn table<'n>(&mut self, node: &'n Node, name: &str, like: &str) -> Option<&'n [Entry]> {
        match &node.value {
            Value::Table(entries) => Some(entries),
            other => {
                self.add_with_hint(
                    node.at,
                    format!("`{name}` must be a table, not {}", other.kind()),
                    format!("write {like}"),
                );
                None
            }
        }
    }

    /// The value as text.
    pub(crate) fn text(&mut self, node: &Node, name: &str) -> Option<Located<String>> {
        match &node.value {
            Value::Text(text) => Some(Located { at: node.at, value: text.clone() }),
            other => {
                let hint = match other {
                    Value::List(_) | Value::Table(_) | Value::Text(_) => "write one text",
                    Value::Whole(_) | Value::Other(_) => {
                        "write text; what looks like something else needs quotation marks"
                    }
                };
                self.add_with_hint(node.at, format!("`{name}` must be text, not {}", other.kind()), hint);
                None
            }
        }
    }

    /// The value as a list of texts; what is no text in it is a problem and left out.
    pub(crate) fn texts(&mut self, node: &Node, name: &str) -> Vec<Located<String>> {
        match &node.value {
            Value::List(items) => items.iter().filter_map(|item| self.text(item, name)).collect(),
            other => {
                self.add_with_hint(
                    node.at,
                    format!("`{name}` must be a list of names, not {}", other.kind()),
                    format!("write `{name}: [one, two]`"),
                );
                Vec::new()
            }
        }
    }
}

/// What to write in place of an unknown word: the nearest known one or, where none is near, which there are.
pub(crate) fn instead<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> String {
    const LISTED: usize = 16;
    let known: Vec<&str> = known.into_iter().collect();
    if let Some(near) = nearest(word, known.iter().copied()) {
        return format!("did you mean `{near}`?");
    }
    match known.len() {
        0 => "there is none".to_owned(),
        1..=LISTED => format!("known: {}", known.join(", ")),
        many => format!(
            "known: {} and {} more",
            known.iter().take(LISTED).copied().collect::<Vec<_>>().join(", "),
            many - LISTED
        ),
    }
}

/// The known name that a reader most likely meant, when one is near enough to be worth naming.
fn nearest<'k>(word: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let lower = word.to_lowercase();
    let allowed = (word.chars().count() / 3).clamp(1, 6);
    known
        .into_iter()
        .map(|name| (strsim::osa_distance(&lower, &name.to_lowercase()), name))
        .filter(|(distance, _)| *distance <= allowed)
        .min()
        .map(|(_, name)| name)
}

/// A stranger's text inside a message: control characters escaped and the length bounded.
pub(crate) struct Shown<'t>(pub(crate) &'t str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LONGEST: usize = 80;
        for c in self.0.chars().take(LONGEST) {
            if c.is_control() { write!(f, "{}", c.escape_default())? } else { write!(f, "{c}")? }
        }
        if self.0.chars().nth(LONGEST).is_some() { f.write_str("…") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Entry, Located, Node, Place, Review, Shown, Value, from_toml, from_yaml, nearest};

    fn text(line: u64, column: u64, text: &str) -> Node {
        Located { at: Place { line, column }, value: Value::Text(text.to_owned()) }
    }

    fn key(line: u64, column: u64, name: &str) -> Located<String> {
        Located { at: Place { line, column }, value: name.to_owned() }
    }

    #[test]
    fn toml_keeps_order_and_places() {
        let tree = from_toml("z = \"é\"\n[a.b]\n  list = [\"x\", 1]", "f").unwrap();
        assert_eq!(tree[0], Entry { key: key(1, 1, "z"), value: text(1, 5, "é") });
        let Value::Table(a) = &tree[1].value.value else { panic!("no table: {tree:?}") };
        assert_eq!(a[0].key, key(2, 4, "b"));
        let Value::Table(b) = &a[0].value.value else { panic!("no table: {a:?}") };
        let Value::List(list) = &b[0].value.value else { panic!("no list: {b:?}") };
        assert_eq!(list[0], text(3, 11, "x"));
        assert_eq!(list[1].value, Value::Other("an integer"));
    }

    #[test]
    fn yaml_keeps_order_and_places() {
        let tree = from_yaml("z: é\nlist:\n  - x\n  - 1\n  - {k: yes}\nnone:\n", "f").unwrap();
        assert_eq!(tree[0], Entry { key: key(1, 1, "z"), value: text(1, 4, "é") });
        let Value::List(list) = &tree[1].value.value else { panic!("no list: {tree:?}") };
        assert_eq!(list[0], text(3, 5, "x"));
        assert_eq!(list[1].at, Place { line: 4, column: 5 });
        assert_eq!(list[1].value, Value::Whole(1));
        let Value::Table(table) = &list[2].value else { panic!("no table: {list:?}") };
        assert_eq!(table[0].key, key(5, 6, "k"));
        assert_eq!(tree[2].value.value, Value::Other("nothing"));
    }

    #[test]
    fn broken_syntax_has_its_place() {
        let toml = from_toml("a = 1\nb = \n", "f.toml").unwrap_err();
        assert!(toml.place.starts_with("f.toml:2:"), "{toml}");
        let yaml = from_yaml("a: 1\nb: [1, 2\n", "f.yaml").unwrap_err();
        assert!(yaml.place.starts_with("f.yaml:"), "{yaml}");
        let twice = from_yaml("a: 1\nb: 2\na: 3\n", "f.yaml").unwrap_err();
        assert!(twice.place.starts_with("f.yaml:3:1"), "{twice}");
        let twice = from_toml("a = 1\n[t]\n[t]\n", "f.toml").unwrap_err();
        assert!(twice.place.starts_with("f.toml:3:2"), "{twice}");
    }

    #[test]
    fn the_nearest_name_is_named_only_when_near() {
        let known = ["postgres", "redis", "rabbitmq", "s3"];
        assert_eq!(nearest("postgre", known), Some("postgres"));
        assert_eq!(nearest("Redis", known), Some("redis"));
        assert_eq!(nearest("rabitmq", known), Some("rabbitmq"));
        assert_eq!(nearest("kafka", known), None);
    }

    #[test]
    fn unknown_names_get_a_hint_either_way() {
        let mut review = Review::new("f");
        review.unknown(Place::START, "service", "reddis", ["redis", "s3"]);
        review.unknown(Place::START, "service", "kafka", ["redis", "s3"]);
        let problems: Vec<String> = review.into_problems().iter().map(ToString::to_string).collect();
        assert_eq!(problems[0], "f:1:1: unknown service `reddis`\n  hint: did you mean `redis`?");
        assert_eq!(problems[1], "f:1:1: unknown service `kafka`\n  hint: known: redis, s3");
    }

    #[test]
    fn shown_text_is_harmless() {
        assert_eq!(Shown("a\u{1b}[2J\n").to_string(), "a\\u{1b}[2J\\n");
        assert_eq!(Shown(&"x".repeat(500)).to_string().chars().count(), 81);
    }
}
