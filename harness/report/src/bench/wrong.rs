//! What was lost, duplicated, reordered or foreign, second by second.

use std::io::{self, Write};

use bulkhead_model::bench::{BenchCase, Second, Wrong, Wrongs};

use super::{BARS, PLACES};

/// Writes a line for each kind of operation and each way in which any went wrong, and one for what has no second. Nothing where
/// nothing did.
///
/// # Errors
/// When the sink refuses.
pub(super) fn write(case: &BenchCase, sink: &mut dyn Write) -> io::Result<()> {
    for load in &case.loads {
        for act in &load.acts {
            for wrong in Wrong::ALL.into_iter().filter(|wrong| act.wrong.of(*wrong) > 0) {
                let (count, line) = (act.wrong.of(wrong), sparkline(&act.seconds, wrong));
                writeln!(
                    sink,
                    "{} {}: {count} {}, by the second {line}",
                    load.workload,
                    act.act,
                    wrong.name()
                )?;
            }
        }
    }
    beside(&case.beside).map_or(Ok(()), |line| writeln!(sink, "{line}"))
}

/// What has no place in the seconds, in words.
pub(crate) fn beside(wrongs: &Wrongs) -> Option<String> {
    let told = told(wrongs)?;
    Some(format!("besides, in the warm-up, after the work, at a neighbour's or at no operation: {told}"))
}

/// `1 lost, 2 foreign`; nothing where none is.
fn told(wrongs: &Wrongs) -> Option<String> {
    let ways = Wrong::ALL.into_iter().filter(|wrong| wrongs.of(*wrong) > 0);
    let told: Vec<_> = ways.map(|wrong| format!("{} {}", wrongs.of(wrong), wrong.name())).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// How many in each second, up to the second with the most; a dot where none.
fn sparkline(seconds: &[Second], wrong: Wrong) -> String {
    let together = seconds.len().div_ceil(PLACES).max(1);
    let count = |several: &[Second]| several.iter().map(|second| second.wrong.of(wrong)).sum::<u64>();
    let places: Vec<_> = seconds.chunks(together).map(count).collect();
    let most = places.iter().copied().max().unwrap_or_default();
    let bar = |count: u64| match count.saturating_mul(7).checked_div(most) {
        None | Some(0) if count == 0 => '·',
        place => BARS[usize::try_from(place.unwrap_or_default()).unwrap_or_default().min(7)],
    };
    places.into_iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_highest_where_most_went_wrong_and_empty_where_nothing_did() {
        let lost = |lost| Second { wrong: Wrongs { lost, ..Wrongs::default() }, ..Second::default() };
        let seconds = [0, 1, 0, 14, 7].map(lost);
        assert_eq!(sparkline(&seconds, Wrong::Lost), "·▁·█▄");
        assert_eq!(sparkline(&seconds, Wrong::Foreign), "·····");
        assert_eq!(sparkline(&[], Wrong::Lost), "");
        assert_eq!(beside(&Wrongs::default()), None);
    }
}
