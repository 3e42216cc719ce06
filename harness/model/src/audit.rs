//! What a look at everything that tenants wrote found. Where a service is kept apart by convention only, the server
//! refuses nothing, so this is the one proof there is: whatever was written lies inside the writer's slice.

use serde::{Deserialize, Serialize};

use crate::Service;

/// One look at one service after the tenants of a case had worked there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRecord {
    /// Where.
    pub service: Service,
    /// How many names (keys, say) of this case there were.
    pub names: usize,
    /// Those that lie in no tenant's slice, at most [`AuditRecord::SHOWN`] of them.
    pub outside: Vec<String>,
}

impl AuditRecord {
    /// The most names that a record lists.
    pub const SHOWN: usize = 20;
}
