//! What a look at the names that a case left found. Where a service is kept apart by convention only, the server refuses
//! nothing, so this is what there is to judge: no name lies outside every tenant's slice. A name does not say who wrote it:
//! what is known is who worked in the case, and where that was one tenant alone, every name is that tenant's doing.

use serde::{Deserialize, Serialize};

use crate::{Service, TenantName};

/// One look at one service after the tenants of a case had worked there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Where.
    pub service: Service,
    /// Who worked there in this case.
    #[serde(default)]
    pub by: Vec<TenantName>,
    /// How many names (keys, say) of this case there were.
    pub names: usize,
    /// Those that lie in no tenant's slice, at most [`AuditRecord::SHOWN`] of them.
    pub outside: Vec<String>,
}

impl AuditRecord {
    /// The most names that a record lists.
    pub const SHOWN: usize = 20;
}

/// What a look at all names of a service found that others use, after a run and beside what was there before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunAudit {
    /// Where.
    pub service: Service,
    /// How many names there were, whoever's.
    pub names: usize,
    /// Those that appeared meanwhile, bear a mark of the run and lie outside its own names, at most [`RunAudit::SHOWN`] of
    /// them.
    pub outside: Vec<String>,
    /// How many appeared meanwhile that bear none, so that nobody can tell whose they are.
    pub others: usize,
    /// Of how many of these nothing but the name was read.
    pub unread: usize,
}

impl RunAudit {
    /// The most names that it lists.
    pub const SHOWN: usize = AuditRecord::SHOWN;
}
