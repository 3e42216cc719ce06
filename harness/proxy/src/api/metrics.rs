//! `/metrics` in Prometheus' text format: Toxiproxy's two names, counted live, and ours under `bulkhead_proxy_`.

use std::{collections::BTreeMap, fmt::Write as _, fs, sync::Arc};

use hyper::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderValue},
};

use super::{Api, answer::Answer};
use crate::{
    live::{Flow, Traffic},
    proxies::Proxies,
};

const FORMAT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

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
    let mut gauge = |name: &str, about: &str, value: Option<u64>| {
        if let Some(value) = value {
            page.head(name, "gauge", about);
            page.line(name, &[], value);
        }
    };
    gauge("bulkhead_proxy_uptime_seconds", "Time since the start.", Some(proxies.age().as_secs()));
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    let resident = field("VmRSS:").map(|kilobytes| kilobytes.saturating_mul(1024));
    gauge("bulkhead_proxy_resident_memory_bytes", "Memory in use.", resident);
    gauge("bulkhead_proxy_threads", "Threads.", field("Threads:"));
    let descriptors = fs::read_dir("/proc/self/fd").ok().and_then(|open| u64::try_from(open.count()).ok());
    gauge("bulkhead_proxy_open_descriptors", "Open file descriptors.", descriptors);
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
