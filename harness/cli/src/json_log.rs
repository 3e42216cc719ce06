//! Log lines as JSON objects on stdout, in the form that Toxiproxy's log has.

use std::io::{self, Write as _};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer, filter::filter_fn, layer::Context, layer::SubscriberExt as _, util::SubscriberInitExt as _,
};

/// The layer that writes them.
#[derive(Debug)]
pub(crate) struct JsonLines;

impl JsonLines {
    /// Logs from that level on; with none, or one that is not known, from `debug` on.
    pub(crate) fn install(level: Option<&str>) {
        let wanted = match level.map(str::to_ascii_lowercase).as_deref() {
            Some("trace") => LevelFilter::TRACE,
            Some("info") => LevelFilter::INFO,
            Some("warn") => LevelFilter::WARN,
            Some("error") => LevelFilter::ERROR,
            // Nothing here is worse than an error.
            Some("fatal" | "panic" | "disabled") => LevelFilter::OFF,
            _ => LevelFilter::DEBUG,
        };
        let ours = filter_fn(|metadata| metadata.target().starts_with("bulkhead"));
        tracing_subscriber::registry().with(Self.with_filter(wanted).with_filter(ours)).init();
    }
}

impl<S: Subscriber> Layer<S> for JsonLines {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut line = Line::default();
        let metadata = event.metadata();
        line.put("level", level(*metadata.level()));
        event.record(&mut line);
        if let (Some(file), Some(number)) = (metadata.file(), metadata.line()) {
            let file = file.rsplit('/').next().unwrap_or(file);
            line.put("caller", format!("{file}:{number}"));
        }
        let now =
            OffsetDateTime::now_utc().replace_nanosecond(0).ok().and_then(|now| now.format(&Rfc3339).ok());
        line.put("time", now.unwrap_or_default());
        if let Some(message) = line.message.take() {
            line.put("message", message);
        }
        let text = format!("{{{}}}\n", line.members.join(","));
        // Whoever closed our stdout does not want the log.
        let _ = io::stdout().lock().write_all(text.as_bytes());
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::TRACE => "trace",
        Level::DEBUG => "debug",
        Level::INFO => "info",
        Level::WARN => "warn",
        Level::ERROR => "error",
    }
}

/// A line while it is put together.
#[derive(Debug, Default)]
struct Line {
    /// In the order in which they are printed.
    members: Vec<String>,
    message: Option<String>,
}

impl Line {
    fn put(&mut self, key: &str, value: impl Into<Value>) {
        self.members.push(format!("{}:{}", Value::from(key), value.into()));
    }
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" { self.message = Some(text) } else { self.put(field.name(), text) }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = Some(value.to_owned())
        } else {
            self.put(field.name(), value)
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field.name(), value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.put(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field.name(), value);
    }
}
