//! Two tenants, one of whom tries the other's slice, and the tokens that tell their content apart.

use bulkhead_model::{Secret, url::Connections};
use bulkhead_target::TenantAccess;

use crate::seed::Seed;

/// Who tries, on whose slice.
pub struct Pair<'a> {
    /// Who tries.
    pub from: &'a TenantAccess,
    /// Whose slice it is.
    pub to: &'a TenantAccess,
    canary: String,
    own: String,
    marker: String,
}

impl<'a> Pair<'a> {
    /// A pair with tokens of its own, drawn from `seed`.
    pub fn new(from: &'a TenantAccess, to: &'a TenantAccess, seed: &Seed) -> Self {
        let seed = seed.child(from.tenant.name.as_str()).child(to.tenant.name.as_str());
        let token = |name: &str| seed.child(name).token();
        Self { from, to, canary: token("canary"), own: token("own"), marker: token("marker") }
    }

    /// What the neighbour's own client plants in its slice, and nobody else ever sends.
    pub(crate) fn canary(&self) -> &str {
        &self.canary
    }

    /// What the trying tenant plants in its own slice, for the control.
    pub(crate) fn own(&self) -> &str {
        &self.own
    }

    /// What a write probe writes.
    pub(crate) fn marker(&self) -> &str {
        &self.marker
    }

    /// The text with both tenants' passwords and keys masked, whatever a server or a client put into it.
    pub(crate) fn scrub(&self, text: &str) -> String {
        let secrets = [self.from, self.to].into_iter().flat_map(|access| {
            let Connections { postgres, redis, rabbitmq, s3 } = &access.connections;
            [&postgres.password, &redis.password, &rabbitmq.password, &s3.secret_access_key]
        });
        let shown = secrets.filter(|secret| !secret.is_empty());
        shown.fold(text.to_owned(), |text, secret| text.replace(secret.expose(), Secret::MASK))
    }
}
