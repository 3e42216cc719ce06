//! Times as an HdrHistogram interval log (version 1.3), which the tools that plot such logs read: a line a second and kind of
//! operation, tagged `WORKLOAD.ACT`, in nanoseconds; its `Interval_Max` is in milliseconds, as the format's usual unit is.

use std::{
    io::{self, Write},
    time::{Duration, SystemTime},
};

use hdrhistogram::{
    Histogram,
    serialization::{
        V2DeflateSerializer,
        interval_log::{IntervalLogWriterBuilder, Tag},
    },
};

/// How long operations of one kind took that were due in one second.
pub struct Interval<'t> {
    /// `redis.sessions`.
    pub workload: &'t str,
    /// `touch`.
    pub act: &'t str,
    /// Which second, from 0.
    pub second: u64,
    /// In nanoseconds.
    pub times: &'t [u64],
}

/// Writes the log. Seconds in which nothing succeeded have no line.
///
/// # Errors
/// When the sink refuses, or a histogram cannot be written.
pub fn write<'t>(intervals: impl Iterator<Item = Interval<'t>>, sink: &mut dyn Write) -> io::Result<()> {
    let mut serializer = V2DeflateSerializer::new();
    let mut sink = sink;
    let mut builder = IntervalLogWriterBuilder::new();
    builder.add_comment("nanoseconds, from when an operation was due; made by bulkhead bench");
    // Seconds count from the beginning of what was measured, on no wall clock.
    builder.with_base_time(SystemTime::UNIX_EPOCH).with_max_value_divisor(1e6);
    let mut log = builder.begin_log_with(&mut sink, &mut serializer)?;
    for interval in intervals.filter(|interval| !interval.times.is_empty()) {
        let mut times = Histogram::<u64>::new(3).map_err(io::Error::other)?;
        for time in interval.times {
            times.record(*time).map_err(io::Error::other)?;
        }
        let name = format!("{}.{}", interval.workload, interval.act);
        let tag = Tag::new(&name).ok_or_else(|| io::Error::other(format!("`{name}` is no tag")))?;
        let since = Duration::from_secs(interval.second);
        log.write_histogram(&times, since, Duration::from_secs(1), Some(tag)).map_err(io::Error::other)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hdrhistogram::serialization::{
        Deserializer,
        interval_log::{IntervalLogIterator, LogEntry},
    };

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let times: Vec<_> = (1..=1_000).map(|number| number * 1_000_000).collect();
        let interval = |second, times| Interval { workload: "redis.sessions", act: "touch", second, times };
        let mut log = Vec::new();
        write([interval(0, &times[..]), interval(1, &[]), interval(2, &times[..10])].into_iter(), &mut log)
            .unwrap();
        let read: Vec<_> = IntervalLogIterator::new(&log).map(Result::unwrap).collect();
        let intervals = read.iter().filter_map(|entry| match entry {
            LogEntry::Interval(interval) => Some(interval),
            _ => None,
        });
        let mut told = Vec::new();
        for interval in intervals {
            let bytes = base64_of(interval.encoded_histogram());
            let histogram: Histogram<u64> = Deserializer::new().deserialize(&mut &bytes[..]).unwrap();
            let tag = interval.tag().map(|tag| tag.as_str().to_owned());
            told.push((
                interval.start_timestamp(),
                tag,
                histogram.len(),
                histogram.value_at_quantile(0.5) / 1_000_000,
            ));
        }
        let tag = || Some(String::from("redis.sessions.touch"));
        assert_eq!(told, [(Duration::ZERO, tag(), 1_000, 500), (Duration::from_secs(2), tag(), 10, 5)]);
    }

    fn base64_of(text: &str) -> Vec<u8> {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.decode(text).unwrap()
    }
}
