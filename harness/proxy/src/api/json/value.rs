//! A JSON value whose syntax was checked: what is in it, read from its text when asked for.

use std::borrow::Cow;

use super::scan::{self, Scanner};

/// A value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Json<'a> {
    text: &'a [u8],
    at: usize,
}

/// What a value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// `null`
    Null,
    /// `true` or `false`
    Bool,
    /// A number of any size.
    Number,
    /// A string.
    String,
    /// `[…]`
    Array,
    /// `{…}`
    Object,
}

impl Shape {
    /// As Go calls it.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Array => "array",
            Self::Object => "object",
        }
    }
}

impl<'a> Json<'a> {
    /// The first value of a text; what follows it is not looked at.
    ///
    /// # Errors
    /// Where something is wrong with its syntax, and what, in Go's words.
    pub(crate) fn first(text: &'a [u8]) -> Result<Self, (usize, String)> {
        scan::first(text).map(|(at, text)| Self { text, at })
    }

    /// How many bytes of the whole text come before it.
    pub(crate) fn place(self) -> usize {
        self.at
    }

    /// Its text.
    pub(crate) fn text(self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.text)
    }

    /// What it is.
    pub(crate) fn shape(self) -> Shape {
        match self.text.first() {
            Some(b'{') => Shape::Object,
            Some(b'[') => Shape::Array,
            Some(b'"') => Shape::String,
            Some(b't' | b'f') => Shape::Bool,
            Some(b'n') | None => Shape::Null,
            Some(_) => Shape::Number,
        }
    }

    /// An object's members in their order, doubles too; none if it is no object.
    pub(crate) fn members(self) -> Vec<(String, Self)> {
        let mut members = Vec::new();
        let mut scanner = self.inside(Shape::Object);
        loop {
            scanner.space();
            if scanner.peek() != Some(b'"') {
                return members;
            }
            let Some(key) = scanner.taken(Scanner::string) else { return members };
            scanner.space();
            scanner.at += 1;
            let Some(value) = next(&mut scanner, self.at) else { return members };
            members.push((unquoted(key), value));
        }
    }

    /// An array's elements; none if it is no array.
    pub(crate) fn elements(self) -> Vec<Self> {
        let mut elements = Vec::new();
        let mut scanner = self.inside(Shape::Array);
        loop {
            scanner.space();
            if let None | Some(b']') = scanner.peek() {
                return elements;
            }
            let Some(value) = next(&mut scanner, self.at) else { return elements };
            elements.push(value);
        }
    }

    /// A string's content. What is not Unicode is replaced, as in Go.
    pub(crate) fn string(self) -> Option<String> {
        (self.shape() == Shape::String).then(|| unquoted(self.text))
    }

    /// A truth value.
    pub(crate) fn bool(self) -> Option<bool> {
        (self.shape() == Shape::Bool).then(|| self.text == b"true")
    }

    /// A whole number of 64 bits, written without fraction or exponent.
    pub(crate) fn integer(self) -> Option<i64> {
        self.number()?.parse().ok()
    }

    /// A number that 32 bits can hold the size of.
    pub(crate) fn float32(self) -> Option<f32> {
        self.number()?.parse().ok().filter(|number: &f32| number.is_finite())
    }

    /// A number that 64 bits can hold the size of.
    pub(crate) fn float64(self) -> Option<f64> {
        self.number()?.parse().ok().filter(|number: &f64| number.is_finite())
    }

    fn number(self) -> Option<&'a str> {
        if self.shape() == Shape::Number { std::str::from_utf8(self.text).ok() } else { None }
    }

    /// After its opening brace, or at the end if it is something else.
    fn inside(self, shape: Shape) -> Scanner<'a> {
        Scanner { text: self.text, at: if self.shape() == shape { 1 } else { self.text.len() } }
    }
}

/// The value that begins here, and passes over the comma after it. So many bytes come before what is scanned.
fn next<'a>(scanner: &mut Scanner<'a>, before: usize) -> Option<Json<'a>> {
    scanner.space();
    let at = before + scanner.at;
    let text = scanner.taken(Scanner::value)?;
    scanner.space();
    if scanner.peek() == Some(b',') {
        scanner.at += 1;
    }
    Some(Json { text, at })
}

/// The content of a string, given with its quotes.
fn unquoted(quoted: &[u8]) -> String {
    let mut rest = quoted.get(1..quoted.len().saturating_sub(1)).unwrap_or_default();
    let mut content = String::with_capacity(rest.len());
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        let (plain, escaped) = rest.split_at(at);
        push_lossy(&mut content, plain);
        rest = push_escaped(&mut content, escaped);
    }
    push_lossy(&mut content, rest);
    content
}

/// Every byte that is not UTF-8 becomes a replacement character of its own, as in Go.
fn push_lossy(content: &mut String, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        content.push_str(chunk.valid());
        content.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
}

/// Reads the escape at the start and gives what follows it.
fn push_escaped<'a>(content: &mut String, escaped: &'a [u8]) -> &'a [u8] {
    if let Some((unit, rest)) = unit(escaped) {
        let pair = unit_pair(unit, rest);
        let (character, rest) =
            pair.unwrap_or((char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER), rest));
        content.push(character);
        return rest;
    }
    content.push(match escaped.get(1).copied().unwrap_or_default() {
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        other => char::from(other),
    });
    escaped.get(2..).unwrap_or_default()
}

/// Two escaped halves of one character.
fn unit_pair(high: u32, rest: &[u8]) -> Option<(char, &[u8])> {
    let (low, rest) = unit(rest)?;
    if !(0xd800..0xdc00).contains(&high) || !(0xdc00..0xe000).contains(&low) {
        return None;
    }
    let code = 0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00);
    char::from_u32(code).map(|character| (character, rest))
}

/// A `\u` escape's number and what follows it.
fn unit(escaped: &[u8]) -> Option<(u32, &[u8])> {
    let digits = escaped.strip_prefix(b"\\u")?.get(..4)?;
    let unit = u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    Some((unit, escaped.get(6..)?))
}
