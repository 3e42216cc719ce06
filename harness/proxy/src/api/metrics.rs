//! `/metrics` in Prometheus' text format: Toxiproxy's two names, counted live, what its Go library tells of the process,
//! and ours under `bulkhead_proxy_`.

use std::{collections::BTreeMap, fmt::Write as _, sync::Arc};

use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{Api, answer::Answer};
use crate::{
    live::{Flow, Traffic},
    proxies::Proxies,
};

mod process;

const FORMAT: HeaderValue =
    HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8; escaping=underscores");

impl Api {
    /// What the flags allow of them.
    pub(super) fn metrics(&self) -> Answer {
        let mut page = Page::default();
        if self.options.proxy_metrics {
            of_proxies(&self.proxies, &mut page);
        }
        if self.options.runtime_metrics {
            of_process(&self.proxies, &mut page);
        }
        let answer = Answer::json(StatusCode::OK, page.0);
        answer.with(CONTENT_TYPE, FORMAT)
    }
}

fn of_proxies(proxies: &Proxies, page: &mut Page) {
    let flows = proxies.flows();
    page.head("toxiproxy_proxy_received_bytes_total", "counter", "Bytes read from the source of each way.");
    page.flows("toxiproxy_proxy_received_bytes_total", &flows, |traffic| traffic.received);
    page.head("toxiproxy_proxy_sent_bytes_total", "counter", "Bytes written to the end of each way.");
    page.flows("toxiproxy_proxy_sent_bytes_total", &flows, |traffic| traffic.sent);

    let mut open: BTreeMap<Arc<str>, usize> =
        proxies.all().iter().map(|view| (view.name.as_str().into(), 0)).collect();
    for connection in proxies.connections() {
        *open.entry(connection.proxy).or_default() += 1;
    }
    page.head("bulkhead_proxy_connections_open", "gauge", "Connections that are open.");
    for (proxy, open) in &open {
        page.line("bulkhead_proxy_connections_open", &[("proxy", proxy)], open);
    }

    let touched = proxies.touched();
    page.head(
        "bulkhead_proxy_toxic_touches_total",
        "counter",
        "How often a toxic touched bytes or a connection.",
    );
    for touched in &touched {
        let labels = [("proxy", touched.proxy.as_ref()), ("toxic", touched.toxic.as_ref())];
        page.line("bulkhead_proxy_toxic_touches_total", &labels, touched.touches);
    }
    page.head("bulkhead_proxy_toxic_bytes_total", "counter", "How many bytes a toxic touched.");
    for touched in &touched {
        let labels = [("proxy", touched.proxy.as_ref()), ("toxic", touched.toxic.as_ref())];
        page.line("bulkhead_proxy_toxic_bytes_total", &labels, touched.bytes);
    }
}

/// What the system says of this process; what it does not say is left out.
fn of_process(proxies: &Proxies, page: &mut Page) {
    for metric in process::METRICS {
        if let Some(value) = (metric.value)() {
            page.head(metric.name, metric.kind, metric.about);
            page.line(metric.name, &[], value);
        }
    }
    page.head("bulkhead_proxy_uptime_seconds", "gauge", "Time since the start.");
    page.line("bulkhead_proxy_uptime_seconds", &[], proxies.age().as_secs());
}

/// The page while it is written. Writing into a string cannot fail.
#[derive(Default)]
struct Page(String);

impl Page {
    fn head(&mut self, name: &str, kind: &str, about: &str) {
        let _ = writeln!(self.0, "# HELP {name} {about}\n# TYPE {name} {kind}");
    }

    fn line(&mut self, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
        let labels: Vec<String> =
            labels.iter().map(|(name, value)| format!("{name}=\"{}\"", escaped(value))).collect();
        let labels = if labels.is_empty() { String::new() } else { format!("{{{}}}", labels.join(",")) };
        let _ = writeln!(self.0, "{name}{labels} {value}");
    }

    fn flows(&mut self, name: &str, flows: &[Flow], count: fn(Traffic) -> u64) {
        for flow in flows {
            for (direction, traffic) in [("upstream", flow.up), ("downstream", flow.down)] {
                let labels = [
                    ("direction", direction),
                    ("listener", flow.listener.as_ref()),
                    ("proxy", flow.proxy.as_ref()),
                    ("upstream", flow.upstream.as_ref()),
                ];
                self.line(name, &labels, count(traffic));
            }
        }
    }
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
