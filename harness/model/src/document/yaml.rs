//! YAML into the located tree.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::{Location, Spanned};

use super::{Entry, Located, Node, Place, Value, quote::quote};
use crate::Problem;

/// Levels of lists and tables in one another. Scenario files have three.
const DEEPEST: usize = 16;

/// Reads a YAML document whose root is a mapping.
///
/// # Errors
/// The first place where the syntax breaks, a key given twice among them, or a root of another kind.
pub(crate) fn from_yaml(text: &str, file: &str) -> Result<Vec<Entry>, Problem> {
    // The library's own bound of 64 levels overflows a thread's 2 MiB in a debug build (35 KiB a level, measured).
    // `yes` and `no` are words, as YAML 1.2 has it.
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! { max_depth: DEEPEST },
        strict_booleans: true,
    };
    let root: Spanned<Tree> = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let error = error.without_snippet();
        let at = error.location().map_or(Place::START, place);
        let shown = error.to_string();
        // The library adds the place, which `Problem` shows in front, and advice on calling it.
        let what = shown.lines().next().unwrap_or("").split(';').next().unwrap_or("");
        let what = what.split(" at line ").next().unwrap_or("").trim_end();
        Problem::new(format!("{file}:{}:{}", at.line, at.column), format!("not valid YAML: {what}"))
            .quoting(quote(text, at))
    })?;
    match root.value.0 {
        Value::Table(entries) => Ok(entries),
        other => {
            Err(Problem::new(format!("{file}:1:1"), format!("the file holds {}, not keys", other.kind()))
                .hint("begin with `title: …`"))
        }
    }
}

fn place(location: Location) -> Place {
    Place { line: location.line().max(1), column: location.column().max(1) }
}

fn node(tree: Spanned<Tree>) -> Node {
    Located { at: place(tree.referenced), value: tree.value.0 }
}

/// Any YAML value.
struct Tree(Value);

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor).map(Self)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Other("a boolean"))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(u64::try_from(number).map_or(Value::Other("a number"), Value::Whole))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Whole(number))
    }

    fn visit_i128<E>(self, _: i128) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_u128<E>(self, _: u128) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Other("a number"))
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Value, E> {
        Ok(Value::Other("bytes"))
    }

    fn visit_none<E>(self) -> Result<Value, E> {
        Ok(Value::Other("nothing"))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Other("nothing"))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Tree>>()? {
            list.push(node(item));
        }
        Ok(Value::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            let value = node(map.next_value::<Spanned<Tree>>()?);
            entries.push(Entry { key: Located { at: place(key.referenced), value: key.value }, value });
        }
        Ok(Value::Table(entries))
    }
}
