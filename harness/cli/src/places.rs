//! Where each tenant's slices are, for people: URLs with their passwords masked.

use std::io::{self, Write};

use bulkhead_target::TenantAccess;

/// Prints every tenant's four places.
pub(crate) fn print(tenants: &[TenantAccess], sink: &mut dyn Write) -> io::Result<()> {
    for access in tenants {
        let connections = &access.connections;
        let slices = &access.tenant.slices;
        writeln!(sink, "\n{}", access.tenant.name)?;
        writeln!(sink, "  postgres  {}", connections.postgres)?;
        writeln!(sink, "  redis     {} · {}", connections.redis, slices.redis)?;
        writeln!(sink, "  rabbitmq  {} · {}", connections.rabbitmq, slices.rabbitmq)?;
        writeln!(sink, "  s3        {} · {}", connections.s3.endpoint, slices.s3)?;
    }
    Ok(())
}

/// Prints how a shell and an app get at them.
pub(crate) fn usage(tenants: &[TenantAccess], sink: &mut dyn Write) -> io::Result<()> {
    writeln!(sink)?;
    for access in tenants {
        writeln!(sink, "eval \"$(bulkhead env --tenant {})\"", access.tenant.name)?;
    }
    Ok(())
}
