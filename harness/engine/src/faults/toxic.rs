//! Toxics: what the fault proxy does to the bytes of a link. Each is a line here; what it does is in `proxy/toxics`.

use bulkhead_model::{
    Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_proxy::{
    spec::{Side, ToxicSpec},
    toxics::{self, Attributes, TOXIPROXYS, Value},
    trigger::Trigger,
};
use bulkhead_target::Error;

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, TENANTS, service};
use crate::links::Links;

/// A toxic as a fault.
pub(super) struct Toxic {
    shape: Shape<'static>,
    /// Its `type` in the proxy.
    kind: &'static str,
    /// Its attributes, each with the setting that it comes from, and how many of the setting's smallest unit make one.
    attributes: &'static [(&'static str, &'static str, Per)],
}

/// How a setting's smallest unit becomes an attribute's.
#[derive(Clone, Copy)]
enum Per {
    /// As it is.
    One,
    /// Bytes as kilobytes of 1000, upwards.
    Thousand,
    /// Milliseconds as microseconds.
    Thousandth,
}

/// Which way the bytes go that it touches.
const STREAM: Wanted<'static> =
    Wanted { name: "stream", kind: Kind::Word(&["both", "upstream", "downstream"]), usual: Some("both") };

const fn time(name: &'static str, usual: &'static str) -> Wanted<'static> {
    Wanted { name, kind: Kind::Amount(Unit::Time, 0..=60_000), usual: Some(usual) }
}

const fn size(name: &'static str, usual: &'static str) -> Wanted<'static> {
    Wanted { name, kind: Kind::Amount(Unit::Size, 1..=1 << 30), usual: Some(usual) }
}

const fn toxic(
    kind: &'static str,
    shape: Shape<'static>,
    attributes: &'static [(&'static str, &'static str, Per)],
) -> Toxic {
    Toxic { shape, kind, attributes }
}

pub(super) static LATENCY: Toxic = toxic(
    "latency",
    Shape {
        name: "latency",
        about: "Every byte comes later, by a time that wavers.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM, time("delay", "100ms"), time("jitter", "0ms")],
    },
    &[("latency", "delay", Per::One), ("jitter", "jitter", Per::One)],
);

pub(super) static BANDWIDTH: Toxic = toxic(
    "bandwidth",
    Shape {
        name: "bandwidth",
        about: "Bytes come no faster than that many a second.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM, size("per-second", "64KiB")],
    },
    &[("rate", "per-second", Per::Thousand)],
);

pub(super) static SLOW_CLOSE: Toxic = toxic(
    "slow_close",
    Shape {
        name: "slow-close",
        about: "The end of a connection comes later. Workloads' clients keep theirs, so alone it touches nothing of them: put it \
                beside what ends connections; items of the checklist end their own.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM, time("delay", "500ms")],
    },
    &[("delay", "delay", Per::One)],
);

pub(super) static TIMEOUT: Toxic = toxic(
    "timeout",
    Shape {
        name: "timeout",
        about: "Nothing comes through, and the connection ends after that time; never where it is 0.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM, time("after", "500ms")],
    },
    &[("timeout", "after", Per::One)],
);

pub(super) static RESET_PEER: Toxic = toxic(
    "reset_peer",
    Shape {
        name: "reset-peer",
        about: "The connection is reset after that time.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM, time("after", "0ms")],
    },
    &[("timeout", "after", Per::One)],
);

pub(super) static SLICER: Toxic = toxic(
    "slicer",
    Shape {
        name: "slicer",
        about: "Bytes come in small pieces, each a little later than the one before.",
        settings: &[
            SERVICE,
            AT,
            FOR,
            TENANTS,
            STREAM,
            size("average", "64B"),
            size("variation", "32B"),
            time("delay", "1ms"),
        ],
    },
    &[
        ("average_size", "average", Per::One),
        ("size_variation", "variation", Per::One),
        ("delay", "delay", Per::Thousandth),
    ],
);

pub(super) static LIMIT_DATA: Toxic = toxic(
    "limit_data",
    Shape {
        name: "limit-data",
        about: "The connection ends after that many bytes.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM, size("after", "16KiB")],
    },
    &[("bytes", "after", Per::One)],
);

pub(super) static BLACKHOLE: Toxic = toxic(
    "blackhole",
    Shape {
        name: "blackhole",
        about: "What is sent vanishes and no connection ends: a cable that was pulled.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM],
    },
    &[],
);

pub(super) static HALF_OPEN: Toxic = toxic(
    "half_open",
    Shape {
        name: "half-open",
        about: "Who connects is accepted and meets nobody, and what is open goes on. Workloads' clients keep their connections, \
                so alone it touches nothing of them: put it beside what ends those; items of the checklist connect anew.",
        settings: &[SERVICE, AT, FOR, TENANTS, STREAM],
    },
    &[],
);

/// Puts a toxic of that kind, the fault's so-manieth from 0, on the link to a service, both ways unless it is told
/// otherwise.
pub(super) async fn put(
    ground: &Ground<'_>,
    service: Service,
    (kind, part): (&str, usize),
    set: impl FnOnce(&mut ToxicSpec),
) -> Result<(), Error> {
    let (link, name) = place(ground, service, part);
    let doing = format!("put the toxic `{kind}` on the link `{link}`");
    let mut spec = spec(kind, name)?;
    set(&mut spec);
    ground.links.put(&link, spec).await.map_err(Error::serve(service, doing))
}

fn spec(kind: &str, name: String) -> Result<ToxicSpec, Error> {
    let unknown = || Error::Reported(format!("the fault proxy knows no toxic `{kind}`"));
    let kind = toxics::find(kind).ok_or_else(unknown)?;
    let (stream, side) = (String::from("both"), Side::Both);
    let (attributes, trigger) = (Attributes::of(kind.fields()), Trigger::default());
    Ok(ToxicSpec { name, kind, stream, side, toxicity: 1.0, attributes, trigger })
}

/// Takes it off again, and says how often it touched anything.
pub(super) async fn take_off(
    ground: &Ground<'_>,
    service: Service,
    (kind, part): (&str, usize),
) -> Result<u64, Error> {
    let (link, name) = place(ground, service, part);
    let doing = format!("take the toxic `{kind}` off the link `{link}`");
    ground.links.take_off(&link, &name).await.map_err(Error::serve(service, doing))
}

/// The link and the toxic's name on it.
fn place(ground: &Ground<'_>, service: Service, part: usize) -> (String, String) {
    (Links::name(ground.access, service), Links::toxic(ground.number, part))
}

impl Toxic {
    /// Sets what the file says.
    fn set(&self, spec: &mut ToxicSpec, chosen: &Chosen) {
        for (attribute, setting, per) in self.attributes {
            let amount = i64::try_from(chosen.amount(setting)).unwrap_or(i64::MAX);
            let amount = match per {
                Per::One => amount,
                Per::Thousand => (amount / 1000).max(1),
                Per::Thousandth => amount.saturating_mul(1000),
            };
            spec.attributes.set(attribute, Value::Integer(amount));
        }
        let stream = chosen.word(STREAM.name);
        if let Some(side) = Side::parse(stream) {
            (spec.stream, spec.side) = (stream.to_owned(), side);
        }
    }
}

impl Fault for Toxic {
    fn shape(&self) -> Shape<'static> {
        self.shape
    }

    fn is_on_a_link(&self) -> bool {
        true
    }

    fn is_ours_alone(&self) -> bool {
        !TOXIPROXYS.contains(&self.kind)
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            put(ground, service(chosen)?, (self.kind, 0), |spec| self.set(spec, chosen)).await.map(|()| 0)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move { take_off(ground, service(chosen)?, (self.kind, 0)).await })
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_proxy::spec::Direction;

    use super::*;
    use crate::faults::ALL;

    #[test]
    fn every_toxic_is_one_of_the_proxys_with_the_numbers_of_its_settings() {
        let chosen = |fault: &dyn Fault, text: &str| {
            let shape = fault.shape();
            let services = shape.settings.iter().find_map(|wanted| match wanted.kind {
                Kind::Service(services) => services.last(),
                _ => None,
            });
            let service = services.unwrap();
            let workload =
                crate::workload::ALL.iter().find(|workload| workload.service() == *service).unwrap();
            let file = format!(
                "title: T\nwhy: W\nworkload: [{}]\nrun-for: 9s\nfaults:\n  - {}: {{ service: {service}, at: 1s{text} \
                 }}\nexpect: [x]\n",
                workload.shape().name,
                shape.name
            );
            let workloads = crate::workload::ALL.map(|workload| workload.shape());
            let known = bulkhead_model::scenario::Known {
                probes: &[],
                workloads: &workloads,
                faults: &[shape],
                invariants: &[("x", None)],
            };
            bulkhead_model::scenario::Scenario::parse("x", &file, "x.yaml", &known).unwrap()[0].faults[0]
                .clone()
        };
        let slicer = chosen(&SLICER, ", average: 1KiB, delay: 2ms, stream: upstream");
        let spec = |toxic: &Toxic, chosen: &Chosen| {
            let mut spec = super::spec(toxic.kind, String::from("fault-1")).unwrap();
            toxic.set(&mut spec, chosen);
            spec
        };
        let sliced = spec(&SLICER, &slicer);
        assert!(sliced.side.covers(Direction::Upstream) && !sliced.side.covers(Direction::Downstream));
        let numbers = ["average_size", "size_variation", "delay"].map(|name| sliced.attributes.integer(name));
        assert_eq!(numbers, [1024, 32, 2000]);
        let bandwidth = chosen(&BANDWIDTH, ", per-second: 100KiB");
        assert_eq!(spec(&BANDWIDTH, &bandwidth).attributes.integer("rate"), 102);
        for fault in ALL {
            let shape = fault.shape();
            assert!(
                ["service", "at", "for"].iter().all(|name| shape.settings.iter().any(|s| s.name == *name))
            );
            chosen(fault, "");
        }
    }
}
