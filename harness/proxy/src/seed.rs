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
        let span = i128::from(high) - i128::from(low);
        if span <= 0 {
            return low;
        }
        let offset = (i128::from(bits) * span) >> 64;
        i64::try_from(i128::from(low) + offset).unwrap_or(low)
    }

    /// What [`pair`](Self::pair) makes of 64 bits: their lower and their upper half.
    pub(crate) fn units(bits: u64) -> (f64, f64) {
        const STEPS: f64 = 4_294_967_296.0;
        let half = |bits: u64| f64::from(u32::try_from(bits & 0xffff_ffff).unwrap_or(0));
        ((half(bits) + 1.0) / STEPS, half(bits >> 32) / STEPS)
    }
}
