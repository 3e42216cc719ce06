//! The broker's own configuration, written as Erlang terms: `rabbitmq.conf` would first be translated into the same
//! terms by the broker, which takes it longer than anything else that it reads.
//!
//! No plaintext listener exists, every listener is on one address, the log goes to standard output, and since
//! definitions are given the broker makes no `guest` user.

use std::{fmt::Write, net::Ipv4Addr, path::Path};

use crate::Identity;

/// What the configuration depends on.
pub(super) struct Config<'a> {
    /// The address that it listens on.
    pub(super) listens: Ipv4Addr,
    /// The AMQP port.
    pub(super) port: u16,
    /// The server's certificate.
    pub(super) identity: &'a Identity,
    /// The definitions that are loaded at boot.
    pub(super) definitions: &'a Path,
}

impl Config<'_> {
    /// The file's text. Plugins that may be turned on later are kept on loopback from the start.
    pub(super) fn text(&self) -> String {
        let Self { listens, port, identity, definitions } = self;
        let (tls, management) = (tls(identity), listener(*listens, 0, identity));
        let definitions = string(&definitions.to_string_lossy());
        format!(
            r#"[{{rabbit, [
    {{tcp_listeners, []}},
    {{ssl_listeners, [{{"{listens}", {port}}}]}},
    {{ssl_options, {tls}}},
    {{loopback_users, []}},
    {{load_definitions, {definitions}}},
    {{log, [{{console, [{{enabled, true}}]}}, {{file, [{{file, false}}]}}]}}]}},
 {{rabbitmq_management, [{{listener, {management}}}]}},
 {{rabbitmq_prometheus, [{{tcp_config, [{{ip, "{listens}"}}, {{port, 0}}]}}]}}].
"#
        )
    }
}

/// The management API's listener.
pub(super) fn listener(listens: Ipv4Addr, port: u16, identity: &Identity) -> String {
    format!(r#"[{{ip, "{listens}"}}, {{port, {port}}}, {{ssl, true}}, {{ssl_opts, {}}}]"#, tls(identity))
}

fn tls(identity: &Identity) -> String {
    let path = |path: &Path| string(&path.to_string_lossy());
    format!(
        "[{{cacertfile, {}}}, {{certfile, {}}}, {{keyfile, {}}}, {{verify, verify_none}}, \
         {{fail_if_no_peer_cert, false}}, {{versions, ['tlsv1.3', 'tlsv1.2']}}]",
        path(&identity.ca),
        path(&identity.cert),
        path(&identity.key),
    )
}

/// The text as an Erlang string literal.
pub(super) fn string(text: &str) -> String {
    let mut literal = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => literal.extend(['\\', c]),
            c if c.is_control() => {
                // Writing into a string cannot fail.
                let _written = write!(literal, "\\x{{{:x}}}", u32::from(c));
            }
            c => literal.push(c),
        }
    }
    literal.push('"');
    literal
}

#[cfg(test)]
mod tests {
    use super::string;

    #[test]
    fn no_text_ends_its_literal() {
        assert_eq!(string("/tmp/a b"), "\"/tmp/a b\"");
        assert_eq!(string("a\"],evil,[\"\\\n"), "\"a\\\"],evil,[\\\"\\\\\\x{a}\"");
    }
}
