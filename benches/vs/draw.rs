//! Which key or row comes next: as cheap as the tools draw theirs.

/// Marsaglia's xorshift of 32 bits: any order will do in which neighbours in time are none among the keys.
pub(crate) struct Draw(u32);

impl Draw {
    /// That of a client by its number.
    pub(crate) fn new(client: u32) -> Self {
        Self(client.wrapping_mul(2_654_435_761) | 1)
    }

    /// A number below that one.
    pub(crate) fn below(&mut self, bound: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % bound
    }
}
