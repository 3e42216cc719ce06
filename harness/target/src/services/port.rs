//! A loopback port that the kernel picked and that it gives to nobody else until the server has it.

use std::{
    io,
    net::{Ipv4Addr, TcpListener, TcpStream},
};

use bulkhead_model::Service;

use crate::{Error, services::Place};

/// The port that the place prescribes, else a free one.
///
/// A listener bound to port 0 is connected to and closed first, which leaves the port in TIME_WAIT: for the next
/// minute the kernel hands it to no other bind and to no outgoing connection, while a server, which sets
/// `SO_REUSEADDR`, may still bind it. Two processes that pick at the same moment thus never get the same one.
///
/// # Errors
/// When the machine has no free port left.
pub(crate) fn pick(service: Service, place: &Place) -> Result<u16, Error> {
    match place.port {
        Some(port) => Ok(port),
        None => reserve().map_err(Error::serve(service, "reserve a loopback port")),
    }
}

/// A port as [`pick`] gives it, for what a server needs beside its own.
///
/// # Errors
/// When the machine has no free port left.
pub(crate) fn reserve() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let client = TcpStream::connect(address)?;
    let (server, _) = listener.accept()?;
    // The side that closes first is the one that waits.
    drop(server);
    drop(client);
    Ok(address.port())
}

#[cfg(test)]
mod tests {
    use std::{
        collections::BTreeSet,
        net::{Ipv4Addr, TcpListener},
    };

    use super::reserve;

    #[test]
    fn reserved_ports_differ_and_a_server_can_bind_them() {
        let ports: Vec<u16> = (0..300).map(|_| reserve().unwrap()).collect();
        assert_eq!(ports.iter().collect::<BTreeSet<_>>().len(), ports.len());
        // The standard library's listener sets SO_REUSEADDR, as the servers do.
        for port in ports {
            TcpListener::bind((Ipv4Addr::LOCALHOST, port)).unwrap();
        }
    }
}
