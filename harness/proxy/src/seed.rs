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
        let mut hash = Sha256::new().chain_update(self.0.to_be_bytes());
        for part in [proxy, direction.name(), toxic] {
            hash.update(part.len().to_be_bytes());
            hash.update(part);
        }
        let digest = hash.chain_update(connection.to_be_bytes()).finalize();
        let mut state = [0; 8];
        state.copy_from_slice(digest.get(..8).unwrap_or(&[0; 8]));
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
        f64::from(u32::try_from(self.bits() >> 32).unwrap_or(0)) / 4_294_967_296.0
    }

    /// Uniform in [low, high); `low` where that is empty. Off by at most 2⁻⁶⁴ of the range.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        let span = i128::from(high) - i128::from(low);
        if span <= 0 {
            return low;
        }
        let offset = (i128::from(self.bits()) * span) >> 64;
        i64::try_from(i128::from(low) + offset).unwrap_or(low)
    }
}
