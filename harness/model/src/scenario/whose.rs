//! On whose links a fault of links is: the setting `tenants`.

use super::work::{Chosen, Kind, Wanted};

/// On whose links a fault is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// The case's tenant's.
    One,
    /// Its own and those of a neighbour who works beside it.
    All,
    /// That neighbour's alone.
    Neighbour,
}

impl Whose {
    /// The setting's name.
    pub const NAME: &'static str = "tenants";

    /// The setting of every fault that can be on others' links.
    pub const WANTED: Wanted<'static> =
        Wanted { name: Self::NAME, kind: Kind::Word(&["one", "all", "neighbour"]), usual: Some("one") };

    /// What a fault was told.
    pub fn of(fault: &Chosen) -> Self {
        match fault.word(Self::NAME) {
            "all" => Self::All,
            "neighbour" => Self::Neighbour,
            _ => Self::One,
        }
    }

    /// Whether a neighbour works beside the case for it.
    pub fn takes_a_neighbour(self) -> bool {
        self != Self::One
    }
}
