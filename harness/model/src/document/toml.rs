//! TOML into the located tree.

use toml::de::{DeTable, DeValue};

use super::{Entry, Located, Node, Place, Value};
use crate::Problem;

/// Reads a TOML document.
///
/// # Errors
/// The first place where the syntax breaks, a key given twice among them.
pub(crate) fn from_toml(text: &str, file: &str) -> Result<Vec<Entry>, Problem> {
    match DeTable::parse(text) {
        Ok(table) => Ok(entries(text, table.get_ref())),
        Err(error) => {
            let at = error.span().map_or(Place::START, |span| place(text, span.start));
            let what = error.message().lines().collect::<Vec<_>>().join(", ");
            Err(Problem::new(format!("{file}:{}:{}", at.line, at.column), format!("not valid TOML: {what}")))
        }
    }
}

fn entries(text: &str, table: &DeTable<'_>) -> Vec<Entry> {
    let mut entries: Vec<(usize, Entry)> = table
        .iter()
        .map(|(key, value)| {
            let start = key.span().start;
            let key = Located { at: place(text, start), value: key.get_ref().to_string() };
            (start, Entry { key, value: node(text, value.span().start, value.get_ref()) })
        })
        .collect();
    // The map is sorted by key; readers expect the file's order.
    entries.sort_by_key(|(start, _)| *start);
    entries.into_iter().map(|(_, entry)| entry).collect()
}

fn node(text: &str, start: usize, value: &DeValue<'_>) -> Node {
    let value = match value {
        DeValue::String(string) => Value::Text(string.to_string()),
        DeValue::Array(items) => {
            Value::List(items.iter().map(|item| node(text, item.span().start, item.get_ref())).collect())
        }
        DeValue::Table(table) => Value::Table(entries(text, table)),
        DeValue::Integer(_) => Value::Other("an integer"),
        DeValue::Float(_) => Value::Other("a number"),
        DeValue::Boolean(_) => Value::Other("a boolean"),
        DeValue::Datetime(_) => Value::Other("a date"),
    };
    Located { at: place(text, start), value }
}

/// Line and column of a byte offset. An offset inside a character counts as that character's start.
fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..text.floor_char_boundary(offset)).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.bytes().filter(|b| *b == b'\n').count();
    let column = before.get(line_start..).unwrap_or("").chars().count();
    Place { line: count(line), column: count(column) }
}

fn count(from_zero: usize) -> u64 {
    u64::try_from(from_zero).unwrap_or(u64::MAX).saturating_add(1)
}
