//! What a session hands out for one tenant.

use std::path::PathBuf;

use bulkhead_model::{Tenant, url::Connections};

/// A tenant whose slices exist, and how to reach them.
#[derive(Clone, Debug)]
pub struct TenantAccess {
    /// The tenant, its slices under the names that really exist on the servers.
    pub tenant: Tenant,
    /// What its environment variables say.
    pub connections: Connections,
    /// The PEM file of the certificate authority to trust; none means the system's roots.
    pub ca: Option<PathBuf>,
}
