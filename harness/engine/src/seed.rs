//! The seed tree: every made-up value of a run comes from its one seed, split by name and never by order of creation,
//! so that cases which run in parallel draw the same values whichever comes first.

use sha2::{Digest, Sha256};

/// A node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed([u8; 32]);

impl Seed {
    /// The root.
    pub fn new(seed: u64) -> Self {
        Self(Sha256::digest(seed.to_be_bytes()).into())
    }

    /// The branch of that name. The same name gives the same branch, another name an unrelated one.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self(Sha256::new().chain_update(self.0).chain_update(name).finalize().into())
    }

    /// A number, for generators that take one.
    pub fn number(&self) -> u64 {
        let bytes = self.child("number").0;
        bytes[..8].iter().fold(0, |number, byte| (number << 8) | u64::from(*byte))
    }

    /// A word that occurs nowhere else: 32 of `0-9` and `a-f`.
    pub fn token(&self) -> String {
        hex::encode(&self.child("token").0[..16])
    }

    /// So many letters, of which each branch has its own: its token again and again.
    pub fn letters(&self, length: usize) -> String {
        self.token().chars().cycle().take(length).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Seed;

    #[test]
    fn a_branch_depends_on_its_path_alone() {
        let root = Seed::new(7);
        let early = root.child("a").child("b").token();
        let _other = root.child("c").token();
        assert_eq!(early, Seed::new(7).child("a").child("b").token());
        assert_ne!(early, Seed::new(8).child("a").child("b").token());
        assert_ne!(early, root.child("ab").token());
        assert_ne!(early, root.child("b").child("a").token());
        assert_eq!(early.len(), 32);
        let letters = root.child("a").letters(70);
        assert_eq!((letters.len(), &letters), (70, &Seed::new(7).child("a").letters(70)));
        assert_ne!(letters, Seed::new(8).child("a").letters(70));
    }
}
