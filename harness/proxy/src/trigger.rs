//! When a toxic acts, as an extension of Toxiproxy: from a connection on, after some bytes, after a while, for a window.
//!
//! Plain data and its rules. The chain counts the bytes and is told the time; whether it is a connection's turn follows
//! from the connection's number alone, so the same run triggers in the same places.

use std::time::Duration;

use crate::toxics::{Admission, Attributes, Kind};

/// When a toxic acts. The default is always; all that is given must hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trigger {
    /// The first connection that it acts on, counted from 1 over those accepted after the toxic was added.
    pub from_connection: Option<u64>,
    /// It acts on that many connections, then no more.
    pub connections: Option<u64>,
    /// It starts on a connection once that many bytes have come its way there; those pass as they are.
    pub after_bytes: Option<u64>,
    /// It starts that long after it was added.
    pub after: Option<Duration>,
    /// It ends that long after its start and lets go of what it holds. With [`after_bytes`](Self::after_bytes) each
    /// connection has its own start, else there is one for all.
    pub window: Option<Duration>,
}

/// One member of a trigger, for whoever reads or prints one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its name in JSON.
    pub name: &'static str,
    /// One line for people, with the unit.
    pub about: &'static str,
}

impl Trigger {
    /// Its members, each a whole number, in the order in which they are printed.
    pub const MEMBERS: [Member; 5] = [
        Member {
            name: "from_connection",
            about: "acts from this connection on, the first after it was added is 1",
        },
        Member { name: "connections", about: "acts on so many connections, then heals" },
        Member { name: "after_bytes", about: "bytes that pass on each connection before it starts" },
        Member { name: "after_ms", about: "milliseconds from when it was added to its start" },
        Member { name: "for_ms", about: "milliseconds from its start until it heals" },
    ];

    /// Sets one member.
    ///
    /// # Errors
    /// When there is no such member or the number makes no sense for it; the text says what would.
    pub fn set(&mut self, name: &str, number: i64) -> Result<(), String> {
        let least = i64::from(name != "after_bytes" && name != "after_ms");
        let number = match u64::try_from(number) {
            Ok(positive) if number >= least => positive,
            _ => return Err(format!("trigger: {name} is {number}, give a whole number from {least} on")),
        };
        match name {
            "from_connection" => self.from_connection = Some(number),
            "connections" => self.connections = Some(number),
            "after_bytes" => self.after_bytes = Some(number),
            "after_ms" => self.after = Some(Duration::from_millis(number)),
            "for_ms" => self.window = Some(Duration::from_millis(number)),
            _ => {
                let known = Self::MEMBERS.map(|member| member.name).join(", ");
                return Err(format!("trigger: unknown member {name}, give one of {known}"));
            }
        }
        Ok(())
    }

    /// The members that were given, in the order in which they are printed.
    pub fn given(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let numbers = [
            self.from_connection,
            self.connections,
            self.after_bytes,
            self.after.map(milliseconds),
            self.window.map(milliseconds),
        ];
        let members = Self::MEMBERS.into_iter().zip(numbers);
        members.filter_map(|(member, number)| number.map(|number| (member.name, number)))
    }

    /// Whether its members go together and fit the kind of toxic.
    ///
    /// # Errors
    /// A text that says what does not fit and what to give in its place.
    pub fn check(&self, kind: &dyn Kind) -> Result<(), String> {
        let counted = self.from_connection.is_some() || self.connections.is_some();
        let starts = self.after.is_some() || self.after_bytes.is_some();
        if counted && self.window.is_some() && !starts {
            return Err(
                "trigger: for_ms with from_connection or connections has no certain start, give after_ms, \
                        from when the toxic was added, or after_bytes, on each connection"
                    .to_owned(),
            );
        }
        let admission = kind.admission(&Attributes::of(kind.fields()));
        // A black hole may open on a connection that has carried bytes.
        if self.after_bytes.is_some() && admission.is_some_and(|admission| admission != Admission::Swallow) {
            return Err(format!(
                "trigger: {} acts before any byte comes, give after_ms, from_connection or connections \
                 in place of after_bytes",
                kind.name()
            ));
        }
        Ok(())
    }

    /// Whether it may act on a connection, which is the `ordinal`th of its proxy. `before` is how many there were when
    /// the toxic was added.
    pub fn takes(&self, ordinal: u64, before: u64) -> bool {
        if self.from_connection.is_none() && self.connections.is_none() {
            return true;
        }
        let first = before.saturating_add(self.from_connection.unwrap_or(1).max(1));
        ordinal >= first && self.connections.is_none_or(|many| ordinal - first < many)
    }
}
