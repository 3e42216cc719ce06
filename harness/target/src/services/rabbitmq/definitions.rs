//! What the broker is told about vhosts, users and permissions: RabbitMQ's own definitions document, which both the
//! boot (as a file) and the carving of slices (through a running node) hand over. Pure: it talks to nobody.
//!
//! **In a vhost of its own** a tenant may do anything; nobody else has a permission there.
//!
//! **In a shared vhost** every regex is anchored at the escaped queue prefix. The default exchange stays refused: to
//! publish through it a user needs `write` on `amq.default`, which is one name for all queues, so a tenant that had it
//! could publish into its neighbour's queues. Apps in a shared vhost publish through an exchange of their own
//! (`engine:events`) or through `amq.topic`, where topic permissions hold them to routing keys and binding patterns
//! that start with their prefix. Server-named queues (`amq.gen-…`) are refused too: reply queues carry the prefix.
//!
//! **What all draw on** is limited as the smallest shared plans limit it: connections and channels of a user, queues of
//! a vhost of its own. RabbitMQ limits no queues of a user, so in a shared vhost there is no limit on them.
//!
//! What RabbitMQ cannot be told to refuse: a passive declare is checked against no permission, so whoever may enter a
//! vhost learns whether a queue of a guessed name exists, how long it is and how many consume from it.

use std::collections::BTreeMap;

use base64::{Engine, engine::general_purpose::STANDARD};
use bulkhead_model::{Enforcement, Secret, Tenant};
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::services::password::Source;

/// The one predeclared exchange whose use can be fenced by prefix.
const TOPIC_EXCHANGE: &str = "amq.topic";

/// The most connections of a tenant.
const CONNECTIONS: u32 = 20;

/// The most channels of a tenant, over all its connections.
const CHANNELS: u32 = 200;

/// The most queues in a tenant's own vhost.
const QUEUES: u32 = 150;

/// RabbitMQ's definitions, as far as they are used here.
#[derive(Debug, Default, Serialize)]
pub(super) struct Definitions {
    users: Vec<User>,
    vhosts: Vec<Vhost>,
    permissions: Vec<Permission>,
    topic_permissions: Vec<TopicPermission>,
    parameters: Vec<Parameter>,
}

#[derive(Debug, Serialize)]
struct User {
    name: String,
    password_hash: String,
    hashing_algorithm: &'static str,
    tags: Vec<&'static str>,
    limits: BTreeMap<&'static str, u32>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Vhost {
    name: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Permission {
    user: String,
    vhost: String,
    configure: String,
    write: String,
    read: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct TopicPermission {
    user: String,
    vhost: String,
    exchange: &'static str,
    write: String,
    read: String,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Parameter {
    component: &'static str,
    name: &'static str,
    vhost: String,
    value: BTreeMap<&'static str, u32>,
}

/// A user's name and password.
#[derive(Clone, Debug)]
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: Secret,
}

impl Login {
    /// A login whose password comes from there.
    pub(super) fn new(user: impl Into<String>, source: Source) -> Self {
        let user = user.into();
        Self { password: source.password(&format!("rabbitmq {user}")), user }
    }
}

impl Definitions {
    /// The harness's own administrator, alone in a vhost of its own.
    pub(super) fn admin(login: &Login, vhost: &str) -> Self {
        let mut definitions = Self::default();
        definitions.user(login, vec!["administrator"], &[], Source::Random);
        definitions.vhost(vhost);
        definitions.permit(&login.user, vhost, None);
        definitions
    }

    /// Says what the other document says, too.
    pub(super) fn join(&mut self, other: Self) {
        let Self { users, vhosts, permissions, topic_permissions, parameters } = other;
        self.users.extend(users);
        self.vhosts.extend(vhosts);
        self.permissions.extend(permissions);
        self.topic_permissions.extend(topic_permissions);
        self.parameters.extend(parameters);
    }

    /// The tenants' vhosts, users and permissions, and the login of each in the order given.
    ///
    /// Under [`Enforcement::Convention`] all of them share one login that may do anything in all their vhosts, as on
    /// a shared CloudAMQP plan: the server refuses nothing.
    pub(super) fn tenants(
        tenants: &[Tenant],
        enforcement: Enforcement,
        source: Source,
    ) -> (Self, Vec<Login>) {
        let mut definitions = Self::default();
        let common = match enforcement {
            Enforcement::Enforced => None,
            Enforcement::Convention => {
                let login = Login::new(common_user(tenants), source);
                definitions.user(&login, Vec::new(), &[], source);
                Some(login)
            }
        };
        let mut logins = Vec::with_capacity(tenants.len());
        for tenant in tenants {
            let slice = &tenant.slices.rabbitmq;
            definitions.vhost(&slice.vhost);
            let login = match &common {
                Some(login) => {
                    definitions.permit(&login.user, &slice.vhost, None);
                    login.clone()
                }
                None => {
                    let login = Login::new(user(tenant), source);
                    let limits = [("max-connections", CONNECTIONS), ("max-channels", CHANNELS)];
                    definitions.user(&login, Vec::new(), &limits, source);
                    if slice.queues.is_none() {
                        definitions.limit(&slice.vhost);
                    }
                    definitions.permit(&login.user, &slice.vhost, slice.queues.as_deref());
                    login
                }
            };
            logins.push(login);
        }
        (definitions, logins)
    }

    fn user(
        &mut self,
        login: &Login,
        tags: Vec<&'static str>,
        limits: &[(&'static str, u32)],
        source: Source,
    ) {
        let salt = source.bytes(&format!("salt of rabbitmq {}", login.user));
        self.users.push(User {
            name: login.user.clone(),
            password_hash: hash(&login.password, salt),
            hashing_algorithm: "rabbit_password_hashing_sha256",
            tags,
            limits: limits.iter().copied().collect(),
        });
    }

    /// What a vhost of one tenant may hold.
    fn limit(&mut self, vhost: &str) {
        if !self.parameters.iter().any(|known| known.vhost == vhost) {
            let value = BTreeMap::from([("max-queues", QUEUES)]);
            self.parameters.push(Parameter {
                component: "vhost-limits",
                name: "limits",
                vhost: vhost.to_owned(),
                value,
            });
        }
    }

    fn vhost(&mut self, name: &str) {
        if !self.vhosts.iter().any(|vhost| vhost.name == name) {
            self.vhosts.push(Vhost { name: name.to_owned() });
        }
    }

    /// Everything in the vhost, or what starts with the prefix.
    fn permit(&mut self, user: &str, vhost: &str, prefix: Option<&str>) {
        if self.permissions.iter().any(|known| known.user == user && known.vhost == vhost) {
            return;
        }
        let (configure, used) = match prefix {
            None => (String::from(".*"), String::from(".*")),
            Some(prefix) => {
                let own = anchored(prefix);
                let used = format!("{own}|^{}$", escape(TOPIC_EXCHANGE));
                (own, used)
            }
        };
        let topics = prefix.map_or_else(|| String::from(".*"), anchored);
        let (user, vhost) = (user.to_owned(), vhost.to_owned());
        self.topic_permissions.push(TopicPermission {
            user: user.clone(),
            vhost: vhost.clone(),
            exchange: TOPIC_EXCHANGE,
            write: topics.clone(),
            read: topics,
        });
        self.permissions.push(Permission { user, vhost, configure, write: used.clone(), read: used });
    }
}

/// A tenant's user, unlike that of any other tenant or vhost on the server.
pub(super) fn user(tenant: &Tenant) -> String {
    format!("{}-{}", tenant.name, mark([tenant.slices.rabbitmq.vhost.as_str()]))
}

/// The user that all these tenants share by convention.
fn common_user(tenants: &[Tenant]) -> String {
    format!("all-{}", mark(tenants.iter().map(|tenant| tenant.slices.rabbitmq.vhost.as_str())))
}

/// Eight hexadecimal digits that stand for these names.
fn mark<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    for name in names {
        digest.update(name.len().to_be_bytes());
        digest.update(name);
    }
    hex::encode(digest.finalize()).chars().take(8).collect()
}

/// A regex for all names that start with `prefix`. RabbitMQ searches: without `^` it would match anywhere.
pub(super) fn anchored(prefix: &str) -> String {
    format!("^{}", escape(prefix))
}

/// The text as a regex that matches just it.
fn escape(text: &str) -> String {
    let mut regex = String::with_capacity(text.len() * 2);
    for c in text.chars() {
        // PCRE takes a backslash before any ASCII character that is neither a letter nor a digit as "just this".
        if c.is_ascii() && !c.is_ascii_alphanumeric() {
            regex.push('\\');
        }
        regex.push(c);
    }
    regex
}

/// RabbitMQ's salted hash: base64 of the salt and of SHA-256 over salt and password.
pub(super) fn hash(password: &Secret, salt: [u8; 4]) -> String {
    let digest = Sha256::new().chain_update(salt).chain_update(password.expose()).finalize();
    let mut bytes = salt.to_vec();
    bytes.extend_from_slice(&digest);
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use bulkhead_model::{
        PostgresSlice, RabbitmqSlice, RedisSlice, S3Slice, Secret, Slices, Tenant, TenantName,
    };
    use proptest::prelude::*;

    use super::*;

    fn tenant(name: &str, vhost: &str, queues: Option<&str>) -> Tenant {
        Tenant {
            name: TenantName::new(name).unwrap(),
            env: String::new(),
            slices: Slices {
                postgres: PostgresSlice { database: "d".into(), schema: None },
                redis: RedisSlice { prefix: "p:".into() },
                rabbitmq: RabbitmqSlice { vhost: vhost.into(), queues: queues.map(String::from) },
                s3: S3Slice { bucket: "bucket".into(), prefix: None },
            },
        }
    }

    /// The example of RabbitMQ's documentation on password hashing.
    #[test]
    fn a_password_is_hashed_as_rabbitmq_documents_it() {
        let salt = [0x90, 0x8d, 0xc6, 0x0a];
        assert_eq!(hash(&Secret::new("test12"), salt), "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR");
    }

    #[test]
    fn a_shared_vhost_is_made_once_and_fenced_by_prefix() {
        let tenants = [tenant("engine", "v", Some("engine:")), tenant("plane", "v", Some("plane:"))];
        let (made, logins) = Definitions::tenants(&tenants, Enforcement::Enforced, Source::Random);
        assert_eq!(made.vhosts, [Vhost { name: "v".into() }]);
        assert_eq!(made.permissions[0].configure, "^engine\\:");
        assert_eq!(made.permissions[0].write, "^engine\\:|^amq\\.topic$");
        assert_eq!(made.topic_permissions[1].read, "^plane\\:");
        assert_ne!(logins[0].user, logins[1].user);
        let document = serde_json::to_string(&made).unwrap();
        assert!(!document.contains(logins[0].password.expose()), "{document}");
        assert!(made.users.iter().all(|user| user.tags.is_empty()));
        assert!(made.users.iter().all(|user| user.limits["max-connections"] == CONNECTIONS));
        assert_eq!(made.parameters, [], "what limits one tenant's queues would limit the other's");
    }

    #[test]
    fn a_vhost_of_ones_own_is_limited() {
        let (made, _) =
            Definitions::tenants(&[tenant("engine", "v", None)], Enforcement::Enforced, Source::Random);
        let [limits] = made.parameters.as_slice() else { panic!("{:?}", made.parameters) };
        assert_eq!((limits.vhost.as_str(), limits.value["max-queues"]), ("v", QUEUES));
        let (open, _) =
            Definitions::tenants(&[tenant("engine", "v", None)], Enforcement::Convention, Source::Random);
        assert!(open.parameters.is_empty() && open.users[0].limits.is_empty());
    }

    #[test]
    fn by_convention_one_login_may_do_anything_everywhere() {
        let tenants = [tenant("engine", "a", None), tenant("plane", "b", Some("plane:"))];
        let (made, logins) = Definitions::tenants(&tenants, Enforcement::Convention, Source::Random);
        assert_eq!((made.users.len(), made.permissions.len()), (1, 2));
        assert!(made.permissions.iter().all(|permission| permission.configure == ".*"));
        assert_eq!(logins[0].password, logins[1].password);
    }

    #[test]
    fn the_same_tenant_in_two_vhosts_is_two_users() {
        assert_ne!(user(&tenant("engine", "a", None)), user(&tenant("engine", "b", None)));
    }

    proptest! {
        /// No character of a prefix means anything to the regex: undoing the escapes gives the prefix back, and none
        /// is left bare.
        #[test]
        fn escapes_are_complete(prefix in "\\PC{0,20}") {
            let regex = escape(&prefix);
            let mut chars = regex.chars();
            let mut literal = String::new();
            while let Some(c) = chars.next() {
                match c {
                    '\\' => literal.extend(chars.next()),
                    c => {
                        prop_assert!(c.is_ascii_alphanumeric() || !c.is_ascii(), "{c} in {regex}");
                        literal.push(c);
                    }
                }
            }
            prop_assert_eq!(literal, prefix);
        }
    }
}
