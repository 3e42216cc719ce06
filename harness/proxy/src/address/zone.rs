//! Zones of IPv6 addresses, `fe80::1%eth0`: the interface that an address is meant on, by name or number.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};

use rustix::net::{AddressFamily, SocketType, netdevice, socket};

/// An address of IPv6 and its zone. Nothing when it is anything else.
pub(super) fn zoned(host: &str) -> Option<(Ipv6Addr, &str)> {
    let (ip, zone) = host.split_once('%')?;
    let ip = ip.parse().ok()?;
    (!zone.is_empty()).then_some((ip, zone))
}

/// The number of a zone. One that is neither an interface nor a number is 0, which is none, as Go has it.
pub(super) fn number(zone: &str) -> u32 {
    let named = asked(|socket| netdevice::name_to_index(socket, zone).ok());
    named.or_else(|| zone.parse().ok()).unwrap_or(0)
}

/// A bound address as Go prints it, with the name of its zone.
pub(super) fn shown(address: SocketAddr) -> String {
    let SocketAddr::V6(six) = address else { return address.to_string() };
    match six.scope_id() {
        0 => address.to_string(),
        scope => {
            let name = asked(|socket| netdevice::index_to_name(socket, scope).ok());
            format!("[{}%{}]:{}", six.ip(), name.unwrap_or_else(|| scope.to_string()), six.port())
        }
    }
}

/// Where that is for the kernel.
pub(super) fn socket_address(host: IpAddr, port: u16, zone: &str) -> SocketAddr {
    match host {
        IpAddr::V6(six) if !zone.is_empty() => SocketAddrV6::new(six, port, 0, number(zone)).into(),
        host => SocketAddr::new(host, port),
    }
}

/// Asks the kernel about its interfaces, which takes a socket of any kind.
fn asked<T>(ask: impl FnOnce(&std::os::fd::OwnedFd) -> Option<T>) -> Option<T> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None)
        .or_else(|_| socket(AddressFamily::INET6, SocketType::DGRAM, None));
    ask(&socket.ok()?)
}
