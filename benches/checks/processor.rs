//! The processor time of this process, for machines on which others work too.

use anyhow::{Context, Result};

/// What all its threads have used so far, in seconds, to a hundredth: Linux shows it to user space in such ticks.
pub(crate) fn spent() -> Result<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").context("cannot read `/proc/self/stat`")?;
    // The name of the program, in brackets, may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("`/proc/self/stat` has no name")?;
    let ticks: Vec<f64> =
        fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(ticks.iter().sum::<f64>() / 100.0)
}
