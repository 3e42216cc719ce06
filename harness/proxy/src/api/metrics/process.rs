//! What Linux says of this process, under the names and in the words of Prometheus' Go library, so that what watches
//! Toxiproxy's process watches ours.

use std::fs;

/// One number.
pub(super) struct Metric {
    pub(super) name: &'static str,
    pub(super) kind: &'static str,
    pub(super) about: &'static str,
    /// Nothing where the system does not say.
    pub(super) value: fn() -> Option<f64>,
}

/// In the order of their names.
pub(super) const METRICS: &[Metric] = &[
    Metric {
        name: "process_cpu_seconds_total",
        kind: "counter",
        about: "Total user and system CPU time spent in seconds.",
        value: || Some((stat(UTIME)? + stat(STIME)?) / TICKS),
    },
    Metric {
        name: "process_max_fds",
        kind: "gauge",
        about: "Maximum number of open file descriptors.",
        value: || limit("Max open files"),
    },
    Metric {
        name: "process_network_receive_bytes_total",
        kind: "counter",
        about: "Number of bytes received by the process over the network.",
        value: || network("InOctets"),
    },
    Metric {
        name: "process_network_transmit_bytes_total",
        kind: "counter",
        about: "Number of bytes sent by the process over the network.",
        value: || network("OutOctets"),
    },
    Metric {
        name: "process_open_fds",
        kind: "gauge",
        about: "Number of open file descriptors.",
        value: || u32::try_from(fs::read_dir("/proc/self/fd").ok()?.count()).ok().map(f64::from),
    },
    Metric {
        name: "process_resident_memory_bytes",
        kind: "gauge",
        about: "Resident memory size in bytes.",
        value: || Some(number(status("VmRSS:")?)? * 1024.0),
    },
    Metric {
        name: "process_start_time_seconds",
        kind: "gauge",
        about: "Start time of the process since unix epoch in seconds.",
        value: || Some(booted()? + stat(STARTED)? / TICKS),
    },
    Metric {
        name: "process_virtual_memory_bytes",
        kind: "gauge",
        about: "Virtual memory size in bytes.",
        value: || stat(VIRTUAL),
    },
    Metric {
        name: "process_virtual_memory_max_bytes",
        kind: "gauge",
        about: "Maximum amount of virtual memory available in bytes.",
        value: || limit("Max address space"),
    },
];

/// Linux shows times in hundredths of a second, whatever it counts in.
const TICKS: f64 = 100.0;

/// Places in `/proc/self/stat`, counted after the name, which may have spaces in it.
const UTIME: usize = 11;
const STIME: usize = 12;
const STARTED: usize = 19;
const VIRTUAL: usize = 20;

fn stat(place: usize) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    number(text.rsplit_once(')')?.1.split_whitespace().nth(place)?.to_owned())
}

fn status(name: &str) -> Option<String> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next().map(str::to_owned)
}

/// The soft limit; one that is none is the largest number, as Go's library has it.
fn limit(name: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    match line.split_whitespace().next()? {
        "unlimited" => Some(18_446_744_073_709_551_615.0),
        soft => number(soft.to_owned()),
    }
}

/// Of this process's network, which may be the machine's.
fn network(name: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/net/netstat").ok()?;
    let mut lines = text.lines().filter_map(|line| line.strip_prefix("IpExt: "));
    let at = lines.next()?.split_whitespace().position(|word| word == name)?;
    number(lines.next()?.split_whitespace().nth(at)?.to_owned())
}

fn booted() -> Option<f64> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    number(text.lines().find_map(|line| line.strip_prefix("btime "))?.to_owned())
}

fn number(text: String) -> Option<f64> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_says_all_of_it_and_it_makes_sense() {
        let value = |name: &str| {
            let metric = METRICS.iter().find(|metric| metric.name == name).unwrap();
            (metric.value)().unwrap_or_else(|| panic!("{name} is not said"))
        };
        let values: Vec<f64> = METRICS.iter().map(|metric| value(metric.name)).collect();
        assert!(values.iter().all(|value| value.is_finite() && *value >= 0.0), "{values:?}");
        assert!(value("process_open_fds") < value("process_max_fds"));
        assert!(value("process_resident_memory_bytes") < value("process_virtual_memory_bytes"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        let age = now - value("process_start_time_seconds");
        assert!((-2.0..86_400.0).contains(&age), "{age}");
    }
}
