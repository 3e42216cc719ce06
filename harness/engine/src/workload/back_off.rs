//! Waiting before the next try, as a careful app does: longer each time, and never in step with others.

use std::time::Duration;

use crate::seed::Seed;

/// The first wait at the most.
const FIRST: Duration = Duration::from_millis(50);

/// The longest wait.
const LONGEST: Duration = Duration::from_secs(2);

/// One client's waits.
pub(crate) struct BackOff {
    seed: Seed,
    tries: u32,
    made: u64,
}

impl BackOff {
    /// The waits of one client.
    pub(crate) fn new(seed: &Seed) -> Self {
        Self { seed: seed.child("back-off"), tries: 0, made: 0 }
    }

    /// The next wait: between half of what is due and all of it, twice as much each time.
    pub(crate) fn next(&mut self) -> Duration {
        let due = FIRST.saturating_mul(1 << self.tries.min(10)).min(LONGEST);
        self.tries += 1;
        self.made += 1;
        let draw = self.seed.child(&self.made.to_string()).number() % 1000;
        due / 2 + (due / 2).mul_f64(f64::from(u32::try_from(draw).unwrap_or(0)) / 1000.0)
    }

    /// It worked: the next wait is a short one again.
    pub(crate) fn reset(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_their_bound_and_are_the_seeds() {
        let seed = Seed::new(1);
        let waits = |seed: &Seed| {
            let mut back_off = BackOff::new(seed);
            (0..9).map(|_| back_off.next()).collect::<Vec<_>>()
        };
        let made = waits(&seed);
        assert!(made[0] >= FIRST / 2 && made[0] <= FIRST, "{made:?}");
        assert!(made.iter().skip(7).all(|wait| *wait >= LONGEST / 2 && *wait <= LONGEST), "{made:?}");
        assert_eq!(made, waits(&seed));
        assert_ne!(made, waits(&Seed::new(2)));
        let mut back_off = BackOff::new(&seed);
        for _ in 0..9 {
            back_off.next();
        }
        back_off.reset();
        assert!(back_off.next() <= FIRST);
    }
}
