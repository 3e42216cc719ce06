//! Ports by their names, `http` for 80, as Go knows them: from `/etc/services`, and a few where that has no such name.
//! Services of UDP are left out, since nothing here speaks it.

use std::{collections::HashMap, fs, sync::OnceLock};

/// Known on machines without the file too.
const KNOWN: [(&str, u16); 15] = [
    ("domain", 53),
    ("ftp", 21),
    ("ftps", 990),
    ("gopher", 70),
    ("http", 80),
    ("https", 443),
    ("imap2", 143),
    ("imap3", 220),
    ("imaps", 993),
    ("pop3", 110),
    ("pop3s", 995),
    ("smtp", 25),
    ("ssh", 22),
    ("submissions", 465),
    ("telnet", 23),
];

/// The port of a name in any letter case. The file is read once.
pub(super) fn port(name: &str) -> Option<u16> {
    static PORTS: OnceLock<HashMap<String, u16>> = OnceLock::new();
    let ports = PORTS.get_or_init(|| read(&fs::read_to_string("/etc/services").unwrap_or_default()));
    ports.get(&name.to_ascii_lowercase()).copied()
}

/// Lines such as `http 80/tcp www # World Wide Web`: a name, its port, and other names of it.
fn read(text: &str) -> HashMap<String, u16> {
    let mut ports: HashMap<String, u16> = KNOWN.map(|(name, port)| (name.to_owned(), port)).into();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let (Some(name), Some(at)) = (words.next(), words.next()) else { continue };
        let Some(port) = at.strip_suffix("/tcp").and_then(|port| port.parse().ok()) else { continue };
        ports.extend([name].into_iter().chain(words).map(|name| (name.to_owned(), port)));
    }
    ports
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_their_other_names_are_read_and_what_is_not_tcp_is_not() {
        let ports =
            read("# head\nweb 8080/tcp www other # said\nweb 9/udp\nbroken\nodd x/tcp\nhttp 81/tcp\n");
        let of = |name: &str| ports.get(name).copied();
        assert_eq!([of("web"), of("www"), of("other")], [Some(8080); 3]);
        assert_eq!([of("said"), of("broken"), of("odd")], [None; 3]);
        assert_eq!((of("http"), of("https")), (Some(81), Some(443)));
    }

    #[test]
    fn letter_case_does_not_matter() {
        assert_eq!((port("HTTPS"), port("no such service")), (Some(443), None));
    }
}
