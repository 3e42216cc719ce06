//! Named fault profiles: what a link is like that is known to all who build apps. Each is a line here, made of toxics.
//!
//! Figures: `3g` as the slow preset of browsers' developer tools (some 100 ms each way, 750 kbit/s); `transatlantic` half of
//! a round trip of 80 ms between the coasts, with a jitter of a few; `cold-start` as Neon's computes, which hold who
//! connects until they run (`neon.tech/docs/connect/connection-latency`); `flaky-wifi` by experience.

use bulkhead_model::scenario::{Chosen, Shape};
use bulkhead_proxy::toxics::{TOXIPROXYS, Value};

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, TENANTS, down, service, toxic};

/// A profile as a fault.
pub(super) struct Profile {
    name: &'static str,
    about: &'static str,
    /// Whether what is connected when it begins is ended.
    cuts: bool,
    parts: &'static [Part],
}

/// One of its toxics: the `type`, how many of the connections it acts on, and its attributes.
struct Part {
    kind: &'static str,
    toxicity: f32,
    attributes: &'static [(&'static str, i64)],
}

pub(super) static THREE_G: Profile = Profile {
    name: "3g",
    about: "A phone's link: every byte comes 100 ms later, more or less, and few come at a time.",
    cuts: false,
    parts: &[
        Part { kind: "latency", toxicity: 1.0, attributes: &[("latency", 100), ("jitter", 40)] },
        Part { kind: "bandwidth", toxicity: 1.0, attributes: &[("rate", 96)] },
    ],
};

pub(super) static TRANSATLANTIC: Profile = Profile {
    name: "transatlantic",
    about: "The server is beyond an ocean: every byte comes 40 ms later.",
    cuts: false,
    parts: &[Part { kind: "latency", toxicity: 1.0, attributes: &[("latency", 40), ("jitter", 4)] }],
};

pub(super) static COLD_START: Profile = Profile {
    name: "cold-start",
    about: "The server sleeps: its connections have ended, and who connects waits until it is awake.",
    cuts: true,
    parts: &[Part { kind: "half_open", toxicity: 1.0, attributes: &[] }],
};

pub(super) static FLAKY_WIFI: Profile = Profile {
    name: "flaky-wifi",
    about: "Bytes come later and unevenly, and now and then a connection is reset.",
    cuts: false,
    parts: &[
        Part { kind: "latency", toxicity: 1.0, attributes: &[("latency", 30), ("jitter", 30)] },
        Part { kind: "reset_peer", toxicity: 0.3, attributes: &[("timeout", 400)] },
    ],
};

impl Fault for Profile {
    fn shape(&self) -> Shape<'static> {
        Shape { name: self.name, about: self.about, settings: &[SERVICE, AT, FOR, TENANTS] }
    }

    fn is_on_a_link(&self) -> bool {
        true
    }

    fn is_ours_alone(&self) -> bool {
        self.parts.iter().any(|part| !TOXIPROXYS.contains(&part.kind))
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            for (number, part) in self.parts.iter().enumerate() {
                let put = toxic::put(ground, service, (part.kind, number), |spec| {
                    spec.toxicity = part.toxicity;
                    for (attribute, value) in part.attributes {
                        spec.attributes.set(attribute, Value::Integer(*value));
                    }
                });
                put.await?;
            }
            if self.cuts {
                down::cut(ground, service).await?;
            }
            Ok(0)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let mut touched = 0_u64;
            // The last first: Toxiproxy holds a link for seconds where one goes whose bytes wait for the next.
            for (number, part) in self.parts.iter().enumerate().rev() {
                let more = toxic::take_off(ground, service(chosen)?, (part.kind, number)).await?;
                touched = touched.saturating_add(more);
            }
            Ok(touched)
        })
    }
}
