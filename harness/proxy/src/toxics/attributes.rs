//! A toxic's attributes: named numbers and words with their defaults.
//!
//! Where they come from, JSON, is not known here, nor what they mean.

use std::fmt;

/// One attribute that a kind takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Field {
    /// Its name in JSON.
    pub name: &'static str,
    /// What it is when not given; also says its type.
    pub default: Value,
    /// The words that it may be; none where it is a number.
    pub words: &'static [&'static str],
    /// Whether Toxiproxy does not know it. An extension is printed only when it was given.
    pub extension: bool,
    /// One line for people, with the unit.
    pub about: &'static str,
}

impl Field {
    /// One of Toxiproxy's, a whole number of 64 bits that is 0 when not given.
    pub const fn integer(name: &'static str, about: &'static str) -> Self {
        Self { name, default: Value::Integer(0), words: &[], extension: false, about }
    }

    /// Any number.
    pub const fn number(name: &'static str, default: f64, about: &'static str) -> Self {
        Self { name, default: Value::Number(default), words: &[], extension: false, about }
    }

    /// One of these words, the first when not given.
    pub const fn word(name: &'static str, words: &'static [&'static str], about: &'static str) -> Self {
        let default = match words {
            [first, ..] => first,
            [] => "",
        };
        Self { name, default: Value::Word(default), words, extension: false, about }
    }

    /// The same as an extension.
    pub const fn extension(self) -> Self {
        Self { extension: true, ..self }
    }
}

/// An attribute's value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value {
    /// A whole number.
    Integer(i64),
    /// Any number.
    Number(f64),
    /// One of the words that its kind knows.
    Word(&'static str),
}

/// The values of all of a kind's attributes.
#[derive(Clone, PartialEq)]
pub struct Attributes {
    values: Vec<(Field, Value)>,
}

impl fmt::Debug for Attributes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_map().entries(self.values.iter().map(|(field, value)| (field.name, value))).finish()
    }
}

impl Attributes {
    /// All at their defaults.
    pub fn of(fields: &[Field]) -> Self {
        Self { values: fields.iter().map(|field| (*field, field.default)).collect() }
    }

    /// Sets one. Whoever reads JSON has checked that the name exists and that the type fits; anything else is ignored.
    pub fn set(&mut self, name: &str, value: Value) {
        if let Some((_, old)) = self.values.iter_mut().find(|(field, _)| field.name == name) {
            *old = value;
        }
    }

    /// A whole number; 0 when there is no such attribute.
    pub fn integer(&self, name: &str) -> i64 {
        match self.get(name) {
            Some(Value::Integer(value)) => value,
            _ => 0,
        }
    }

    /// Any number; 0 when there is no such attribute.
    pub fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Number(value)) => value,
            _ => 0.0,
        }
    }

    /// A word; empty when there is no such attribute.
    pub fn word(&self, name: &str) -> &'static str {
        match self.get(name) {
            Some(Value::Word(word)) => word,
            _ => "",
        }
    }

    /// Each with its field, in the kind's order.
    pub fn iter(&self) -> impl Iterator<Item = &(Field, Value)> {
        self.values.iter()
    }

    fn get(&self, name: &str) -> Option<Value> {
        self.values.iter().find(|(field, _)| field.name == name).map(|(_, value)| *value)
    }
}
