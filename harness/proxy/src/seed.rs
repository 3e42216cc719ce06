//! Where every random choice comes from: one stream of numbers for each (proxy, connection, direction, toxic), split by
//! name and never by order of creation, so that connections which run in parallel do not disturb one another.

use sha2::{Digest as _, Sha256};

use crate::spec::Direction;

/// The seed of a whole run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of one toxic on one way through one connection. Connections of a proxy count from 1.
    pub fn stream(self, proxy: &str, connection: u64, direction: Direction, toxic: &str) -> Randomness {
        self.split([proxy, direction.name(), toxic], &[connection])
    }

    /// The coin of one toxic on one way through one connection, uniform in [0, 1). It is the same however often it is
    /// looked at; with the next `toss` it is another. It takes nothing from the toxic's stream.
    pub fn coin(self, proxy: &str, connection: u64, direction: Direction, toxic: &str, toss: u64) -> f64 {
        self.split([proxy, direction.name(), toxic], &[connection, toss]).unit()
    }

    fn split(self, names: [&str; 3], numbers: &[u64]) -> Randomness {
        let mut hash = Sha256::new().chain_update(self.0.to_be_bytes());
        for name in names {
            hash.update(u64::try_from(name.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(name);
        }
        for number in numbers {
            hash.update(number.to_be_bytes());
        }
        let mut state = [0; 8];
        state.copy_from_slice(hash.finalize().get(..8).unwrap_or(&[0; 8]));
        Randomness { state: u64::from_be_bytes(state) }
    }
}

/// A stream of random numbers that is the same on every machine and in every version: SplitMix64 (Steele, Lea and
/// Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014). Not for secrets.
#[derive(Clone, Debug)]
pub struct Randomness {
    state: u64,
}

impl Randomness {
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Uniform in [0, 1), in steps of 2⁻³².
    pub fn unit(&mut self) -> f64 {
        Self::units(self.bits()).1
    }

    /// Two of them; the first is never 0 and may be 1, for logarithms.
    pub fn pair(&mut self) -> (f64, f64) {
        Self::units(self.bits())
    }

    /// Uniform in [low, high); `low` where that is empty. Off by at most 2⁻⁶⁴ of the range.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        Self::place(self.bits(), low, high)
    }

    /// What [`between`](Self::between) makes of 64 bits.
    pub(crate) fn place(bits: u64, low: i64, high: i64) -> i64 {
        if high <= low {
            return low;
        }
        let offset = (u128::from(bits) * u128::from(high.abs_diff(low))) >> 64;
        low.wrapping_add_unsigned(u64::try_from(offset).unwrap_or(0))
    }

    /// What [`pair`](Self::pair) makes of 64 bits: their lower and their upper half.
    pub(crate) fn units(bits: u64) -> (f64, f64) {
        const STEPS: f64 = 4_294_967_296.0;
        let half = |bits: u64| f64::from(u32::try_from(bits & 0xffff_ffff).unwrap_or(0));
        ((half(bits) + 1.0) / STEPS, half(bits >> 32) / STEPS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These numbers may never change: whoever keeps a seed keeps a run. They were worked out apart from this code, from
    /// SHA-256 and SplitMix64 alone.
    #[test]
    fn streams_and_coins_stay_the_same_between_versions() {
        let mut stream = Seed(7).stream("redis", 3, Direction::Downstream, "late");
        assert_eq!(
            [stream.bits(), stream.bits(), stream.bits()],
            [11_169_368_288_393_900_282, 5_791_957_933_257_353_157, 13_197_111_888_936_836_489]
        );
        assert_eq!(stream.between(-50, 50), -38);
        assert_eq!(stream.unit(), 0.450_390_771_962_702_3);
        let coins = [0, 1].map(|toss| Seed(7).coin("redis", 3, Direction::Downstream, "late", toss));
        assert_eq!(coins, [0.611_360_454_699_024_6, 0.522_892_804_117_873_3]);
    }

    #[test]
    fn every_part_of_a_name_makes_another_stream() {
        let first = |mut randomness: Randomness| randomness.bits();
        let up = Direction::Upstream;
        let streams = [
            first(Seed(1).stream("ab", 1, up, "c")),
            first(Seed(2).stream("ab", 1, up, "c")),
            first(Seed(1).stream("a", 1, up, "bc")),
            first(Seed(1).stream("ab", 2, up, "c")),
            first(Seed(1).stream("ab", 1, Direction::Downstream, "c")),
            first(Seed(1).stream("ab", 1, up, "d")),
        ];
        let mut sorted = streams.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), streams.len());
    }

    #[test]
    fn numbers_are_spread_over_their_range_and_never_beyond() {
        let mut randomness = Seed(1).stream("p", 1, Direction::Upstream, "t");
        let mut seen = [0; 10];
        for _ in 0..10_000 {
            let unit = randomness.unit();
            assert!((0.0..1.0).contains(&unit));
            let (above_zero, _) = randomness.pair();
            assert!(above_zero > 0.0 && above_zero <= 1.0);
            seen[usize::try_from(randomness.between(-5, 5) + 5).unwrap()] += 1;
        }
        assert!(seen.iter().all(|count| (900..1100).contains(count)), "{seen:?}");
        assert_eq!(randomness.between(3, 3), 3);
        assert_eq!(randomness.between(3, -3), 3);
        assert_eq!(Randomness::place(u64::MAX, i64::MIN, i64::MAX), i64::MAX - 1);
        assert_eq!(Randomness::place(0, i64::MIN, i64::MAX), i64::MIN);
    }
}
