//! Proxies and toxics from JSON, with Toxiproxy's defaults and in its order of checks.
//!
//! Keys match in any letter case, the last of doubles counts, `null` leaves what is there, and keys that mean nothing
//! are passed over but remembered, so that the answer can name them.

use super::json::{Json, Shape};
use crate::{
    error::Error,
    spec::{ProxyChange, ProxySpec, Side, ToxicChange, ToxicSpec},
    tls::Tls,
    toxics::{self, Attributes, Field, Kind, Value},
    trigger::Trigger,
};

/// What an answer says beside its body.
#[derive(Debug, Default)]
pub(crate) struct Remarks {
    /// Keys that meant nothing, as paths.
    pub(crate) ignored: Vec<String>,
    /// Values that were taken but mean something else than they seem to.
    pub(crate) notes: Vec<&'static str>,
}

/// A proxy as a body has it.
#[derive(Debug, Default)]
pub(crate) struct ProxyBody<'a> {
    name: String,
    listen: Option<String>,
    upstream: Option<String>,
    enabled: Option<bool>,
    toxics: Option<Json<'a>>,
    tls: Option<Json<'a>>,
    place: usize,
}

/// A toxic as a body has it.
#[derive(Debug, Default)]
pub(crate) struct ToxicBody<'a> {
    places: Places,
    name: String,
    kind: String,
    stream: Option<String>,
    toxicity: Option<f32>,
    attributes: Vec<Json<'a>>,
    trigger: Option<Json<'a>>,
}

/// Where the parts of a toxic stand that can be wrong in themselves.
#[derive(Debug, Default)]
struct Places {
    whole: usize,
    name: Option<usize>,
    kind: Option<usize>,
    stream: Option<usize>,
}

impl<'a> ProxyBody<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// When something in it is of another type.
    pub(crate) fn read(json: Json<'a>, remarks: &mut Remarks) -> Result<Self, Error> {
        let mut body = Self { place: json.place(), ..Self::default() };
        for (key, value) in members(json, "a proxy")? {
            match () {
                () if same(&key, "name") => string(value, "name", &mut body.name)?,
                () if same(&key, "listen") => {
                    optional(value, "listen", Json::string, "a string", &mut body.listen)?
                }
                () if same(&key, "upstream") => {
                    optional(value, "upstream", Json::string, "a string", &mut body.upstream)?;
                }
                () if same(&key, "enabled") => {
                    optional(value, "enabled", Json::bool, "true or false", &mut body.enabled)?;
                }
                () if same(&key, "toxics") => body.toxics = Some(value),
                () if same(&key, "tls") => body.tls = Some(value),
                // An accident of recent versions, which prints it and refuses anything else.
                () if same(&key, "Logger") => {
                    members(value, "Logger")?;
                }
                () => remarks.ignored.push(key),
            }
        }
        Ok(body)
    }

    /// The proxy that it asks for; `at` is its place in a list, counted from 1.
    ///
    /// # Errors
    /// When the name or the upstream is missing or a toxic is wrong.
    pub(crate) fn spec(self, at: Option<usize>, remarks: &mut Remarks) -> Result<ProxySpec, Error> {
        if self.name.is_empty() {
            return Err(Error::MissingField { field: "name", at }.at(self.place));
        }
        let upstream = self.upstream.unwrap_or_default();
        if upstream.is_empty() {
            return Err(Error::MissingField { field: "upstream", at }.at(self.place));
        }
        let mut toxics: Vec<ToxicSpec> = Vec::new();
        for toxic in self.toxics.map(|toxics| list(toxics, "toxics")).transpose()?.unwrap_or_default() {
            let taken = |name: &str| toxics.iter().any(|toxic| toxic.name == name);
            let spec = ToxicBody::read(toxic, remarks)?.spec(taken, remarks)?;
            toxics.push(spec);
        }
        let tls = self.tls.filter(|tls| tls.shape() != Shape::Null).map(tls).transpose()?;
        let (listen, enabled) = (self.listen.unwrap_or_default(), self.enabled.unwrap_or(true));
        Ok(ProxySpec { name: self.name, listen, upstream, enabled, toxics, tls })
    }

    /// The change that it asks for. Toxics cannot be changed so.
    ///
    /// # Errors
    /// When its TLS makes no sense.
    pub(crate) fn change(self, remarks: &mut Remarks) -> Result<ProxyChange, Error> {
        remarks.ignored.extend(self.toxics.map(|_| "toxics".to_owned()));
        // Here `null` is a wish, since it is the only way to have none.
        let tls = self.tls.map(|tls| (tls.shape() != Shape::Null).then(|| self::tls(tls)).transpose());
        let tls = tls.transpose()?;
        Ok(ProxyChange { listen: self.listen, upstream: self.upstream, enabled: self.enabled, tls })
    }
}

/// A list of proxies, all of them checked.
///
/// # Errors
/// The first thing that is wrong in any of them.
pub(crate) fn list_of_proxies(json: Json<'_>, remarks: &mut Remarks) -> Result<Vec<ProxySpec>, Error> {
    let bodies: Vec<ProxyBody<'_>> = list(json, "the body")?
        .into_iter()
        .map(|proxy| ProxyBody::read(proxy, remarks))
        .collect::<Result<_, _>>()?;
    bodies.into_iter().enumerate().map(|(index, body)| body.spec(Some(index + 1), remarks)).collect()
}

impl<'a> ToxicBody<'a> {
    /// Reads an object.
    ///
    /// # Errors
    /// When something in it is of another type.
    pub(crate) fn read(json: Json<'a>, remarks: &mut Remarks) -> Result<Self, Error> {
        let mut body = Self::default();
        body.places.whole = json.place();
        for (key, value) in members(json, "a toxic")? {
            match () {
                () if same(&key, "name") => {
                    body.places.name = Some(value.place());
                    string(value, "name", &mut body.name)?;
                }
                () if same(&key, "type") => {
                    body.places.kind = Some(value.place());
                    string(value, "type", &mut body.kind)?;
                }
                () if same(&key, "stream") => {
                    body.places.stream = Some(value.place());
                    optional(value, "stream", Json::string, "a string", &mut body.stream)?
                }
                () if same(&key, "toxicity") => {
                    optional(value, "toxicity", Json::float32, "a number of 32 bits", &mut body.toxicity)?;
                }
                () if same(&key, "attributes") => {
                    members(value, "attributes")?;
                    body.attributes.push(value);
                }
                () if same(&key, "trigger") => body.trigger = Some(value),
                () => remarks.ignored.push(key),
            }
        }
        Ok(body)
    }

    /// The toxic that it asks for.
    ///
    /// # Errors
    /// In this order: the stream, the type, a name that is `taken`, the attributes.
    pub(crate) fn spec(
        self,
        taken: impl FnOnce(&str) -> bool,
        remarks: &mut Remarks,
    ) -> Result<ToxicSpec, Error> {
        let stream = self.stream.unwrap_or_else(|| "downstream".to_owned());
        let Places { whole, name, kind, stream: at_stream } = self.places;
        let at = |place: Option<usize>, error: Error| error.at(place.unwrap_or(whole));
        let side = Side::parse(&stream).ok_or_else(|| at(at_stream, Error::InvalidStream))?;
        let (at_name, at_kind) = (name, kind);
        let name = if self.name.is_empty() { format!("{}_{stream}", self.kind) } else { self.name };
        let kind = toxics::find(&self.kind).ok_or_else(|| at(at_kind, Error::InvalidType))?;
        if taken(&name) {
            return Err(at(at_name, Error::ToxicExists));
        }
        let attributes = attributes(kind, Attributes::of(kind.fields()), &self.attributes, remarks)?;
        let trigger =
            self.trigger.map(|trigger| self::trigger(trigger, kind)).transpose()?.unwrap_or_default();
        let toxicity = self.toxicity.unwrap_or(1.0);
        remarks.chance(toxicity);
        Ok(ToxicSpec { name, kind, stream, side, toxicity, attributes, trigger })
    }
}

/// What to change in a toxic: all of it or, on an error, nothing.
///
/// # Errors
/// When something in it is of another type.
pub(crate) fn toxic_change(
    json: Json<'_>,
    old: &ToxicSpec,
    remarks: &mut Remarks,
) -> Result<ToxicChange, Error> {
    let (mut toxicity, mut trigger) = (None, None);
    let mut given = Vec::new();
    for (key, value) in members(json, "a toxic")? {
        match () {
            () if same(&key, "toxicity") => {
                optional(value, "toxicity", Json::float32, "a number of 32 bits", &mut toxicity)?;
            }
            () if same(&key, "attributes") => given.push(value),
            () if same(&key, "trigger") => trigger = Some(value),
            () if ["name", "type", "stream"].iter().any(|name| same(&key, name)) => {}
            () => remarks.ignored.push(key),
        }
    }
    let attributes = attributes(old.kind, old.attributes.clone(), &given, remarks)?;
    // `null` is no trigger at all.
    let trigger = trigger.map(|given| self::trigger(given, old.kind)).transpose()?;
    remarks.chance(toxicity.unwrap_or(old.toxicity));
    let changed = given.iter().any(|given| given.shape() == Shape::Object);
    Ok(ToxicChange { attributes: changed.then_some(attributes), toxicity, trigger })
}

/// A seed: an object of that one number.
///
/// # Errors
/// When it is missing or no whole number.
pub(crate) fn seed(json: Json<'_>, remarks: &mut Remarks) -> Result<i64, Error> {
    let mut seed = None;
    for (key, value) in members(json, "the body")? {
        if same(&key, "seed") {
            optional(value, "seed", Json::integer, "a whole number of 64 bits", &mut seed)?;
        } else {
            remarks.ignored.push(key);
        }
    }
    seed.ok_or(Error::MissingField { field: "seed", at: None })
}

/// The attributes of a kind with those given set in them.
fn attributes(
    kind: &'static dyn Kind,
    mut attributes: Attributes,
    given: &[Json<'_>],
    remarks: &mut Remarks,
) -> Result<Attributes, Error> {
    for object in given {
        for (key, value) in members(*object, "attributes")? {
            match kind.fields().iter().find(|field| same(&key, field.name)) {
                None => remarks.ignored.push(format!("attributes.{key}")),
                Some(_) if value.shape() == Shape::Null => {}
                Some(field) => attributes.set(field.name, attribute(field, value)?),
            }
        }
    }
    remarks.notes.extend(kind.remark(&attributes));
    Ok(attributes)
}

/// When a toxic acts: an object of whole numbers.
fn trigger(json: Json<'_>, kind: &'static dyn Kind) -> Result<Trigger, Error> {
    let mut trigger = Trigger::default();
    for (key, value) in members(json, "trigger")? {
        if value.shape() == Shape::Null {
            continue;
        }
        let name = Trigger::MEMBERS.iter().map(|member| member.name).find(|name| same(&key, name));
        let name = name.unwrap_or(&key);
        let wrong = || mistyped(&format!("trigger.{name}"), value, "a whole number of 64 bits");
        let bad = |words| Error::BadBody(words).at(value.place());
        trigger.set(name, value.integer().ok_or_else(wrong)?).map_err(bad)?;
    }
    trigger.check(kind).map_err(|words| Error::BadBody(words).at(json.place()))?;
    Ok(trigger)
}

fn tls(json: Json<'_>) -> Result<Tls, Error> {
    let value = serde_json::from_str(&json.text()).map_err(|error| Error::Tls(error.to_string()));
    value.and_then(|value| Tls::read(&value)).map_err(|error| error.at(json.place()))
}

impl Remarks {
    fn chance(&mut self, toxicity: f32) {
        if !(0.0..=1.0).contains(&toxicity) {
            self.notes.push("a toxicity below 0 acts as 0 and one above 1 as 1");
        }
    }
}

fn attribute(field: &Field, json: Json<'_>) -> Result<Value, Error> {
    let (value, wanted) = match field.default {
        Value::Integer(_) => (json.integer().map(Value::Integer), "a whole number of 64 bits"),
        Value::Number(_) => (json.float64().map(Value::Number), "a number of 64 bits"),
        Value::Word(_) => {
            let given = json.string();
            let known = field.words.iter().find(|word| given.as_deref() == Some(**word));
            (known.map(|word| Value::Word(word)), "a word that the type knows")
        }
    };
    value.ok_or_else(|| mistyped(&format!("attributes.{}", field.name), json, wanted))
}

fn members<'a>(json: Json<'a>, what: &str) -> Result<Vec<(String, Json<'a>)>, Error> {
    match json.shape() {
        Shape::Object | Shape::Null => Ok(json.members()),
        _ => Err(mistyped(what, json, "an object")),
    }
}

fn list<'a>(json: Json<'a>, what: &str) -> Result<Vec<Json<'a>>, Error> {
    match json.shape() {
        Shape::Array | Shape::Null => Ok(json.elements()),
        _ => Err(mistyped(what, json, "an array")),
    }
}

fn string(json: Json<'_>, what: &str, into: &mut String) -> Result<(), Error> {
    let mut given = None;
    optional(json, what, Json::string, "a string", &mut given)?;
    if let Some(given) = given {
        *into = given;
    }
    Ok(())
}

fn optional<'a, T>(
    json: Json<'a>,
    what: &str,
    read: impl FnOnce(Json<'a>) -> Option<T>,
    wanted: &str,
    into: &mut Option<T>,
) -> Result<(), Error> {
    if json.shape() != Shape::Null {
        *into = Some(read(json).ok_or_else(|| mistyped(what, json, wanted))?);
    }
    Ok(())
}

/// Says what was found in place of what was wanted; a number is quoted, since its size may be what is wrong.
fn mistyped(what: &str, json: Json<'_>, wanted: &str) -> Error {
    let found = match json.shape() {
        Shape::Number => format!("number {:.40}", json.text()),
        other => other.name().to_owned(),
    };
    Error::BadBody(format!("json: {what} must be {wanted}, found {found}")).at(json.place())
}

/// Whether a key is that name, as Go folds letters: two letters outside ASCII count as `s` and `k`.
fn same(key: &str, name: &str) -> bool {
    let folded = |text: &str| {
        let letters = text.chars().map(|letter| match letter {
            '\u{17f}' => 's',
            '\u{212a}' => 'k',
            other => other.to_ascii_lowercase(),
        });
        letters.collect::<String>()
    };
    key == name || folded(key) == folded(name)
}
