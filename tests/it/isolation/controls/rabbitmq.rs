//! Over-grants on RabbitMQ: wider regular expressions in the probing tenant's permissions on the neighbour's vhost, wider
//! topic permissions, tags, a login that everybody knows, and no limits.

use std::sync::LazyLock;

use bulkhead_target::TenantAccess;

use super::super::{Control, Grant, Rig, Separate, Shared, Sharing, shut::Shut};

/// Which of the three permissions on a vhost.
#[derive(Clone, Copy)]
enum Right {
    Configure,
    Write,
    Read,
}

use Right::{Configure, Read, Write};

fn binary(text: &str) -> String {
    format!("<<\"{text}\">>")
}

/// The regular expression of what the user works with: all that begins with its prefix, or, in a vhost of the neighbour's,
/// what a probe makes there under a name of the prober's own.
fn kept(who: &TenantAccess, right: Right) -> String {
    let (tenant, slice) = (&who.tenant.name, &who.tenant.slices.rabbitmq);
    match (&slice.queues, right) {
        (None, _) => format!("-of-{tenant}$"),
        (Some(prefix), Configure) => format!("^{prefix}"),
        (Some(prefix), Write | Read) => format!("^{prefix}|^amq.topic$"),
    }
}

/// Sets the user's three permissions on a vhost.
async fn set(rig: &mut Rig, who: &TenantAccess, vhost: &str, rights: [String; 3]) {
    let [user, vhost] = [&who.connections.rabbitmq.user, vhost].map(binary);
    let rights = rights.map(|regex| binary(&regex)).join(",");
    let statement =
        format!("rabbit_auth_backend_internal:set_permissions({user},{vhost},{rights},<<\"test\">>)");
    assert_eq!(rig.administer(&statement).await, "ok");
}

/// Lets a user do this with the names of the neighbour's as well. A name that begins with `amq.` is the vhost's.
async fn permit(rig: &mut Rig, who: &TenantAccess, to: &TenantAccess, grants: &[(Right, &str)]) {
    let victim = &to.tenant.slices.rabbitmq;
    let mut rights = [Configure, Write, Read].map(|right| kept(who, right));
    for (right, name) in grants {
        let name = if name.starts_with("amq.") { String::from(*name) } else { victim.queue(name) };
        rights[*right as usize].push_str(&format!("|^{name}$"));
    }
    set(rig, who, &victim.vhost, rights).await;
}

/// Sets what the user may do with which routing keys of `amq.topic`: write, then read.
async fn topics(rig: &mut Rig, who: &TenantAccess, keys: [&str; 2]) {
    let user = &who.connections.rabbitmq.user;
    let [user, vhost] = [user, &who.tenant.slices.rabbitmq.vhost].map(|text| binary(text));
    let keys = keys.map(binary).join(",");
    let statement = format!(
        "rabbit_auth_backend_internal:set_topic_permissions({user},{vhost},<<\"amq.topic\">>,{keys},<<\"test\">>)"
    );
    assert_eq!(rig.administer(&statement).await, "ok");
}

async fn tag(rig: &mut Rig, who: &TenantAccess, tag: &str) {
    let user = binary(&who.connections.rabbitmq.user);
    let statement = format!("rabbit_auth_backend_internal:set_tags({user},[{tag}],<<\"test\">>)");
    assert_eq!(rig.administer(&statement).await, "ok");
}

const fn control(
    probe: &'static str,
    grant: &'static str,
    also: &'static [&'static str],
    sharing: &'static [Sharing],
    apply: Grant,
) -> Control {
    Control { probe, grant, also, sharing, apply, undo: None }
}

/// A permission on names: with it goes, in a vhost of the neighbour's, that one may enter it.
macro_rules! permission {
    ($probe:literal, $grant:literal, [$(($right:ident, $name:literal)),+], also [$($also:literal),*], shared [$($shared:literal),*]) => {
        [
            control(
                concat!("rabbitmq.", $probe),
                $grant,
                &[
                    "rabbitmq.enter-foreign-vhost",
                    "rabbitmq.count-foreign-messages",
                    "rabbitmq.find-foreign-exchange",
                    "rabbitmq.find-exclusive-queue",
                    $(concat!("rabbitmq.", $also)),*
                ],
                &[Separate],
                |rig, from, to| Box::pin(permit(rig, from, to, &[$(($right, $name)),+])),
            ),
            control(
                concat!("rabbitmq.", $probe),
                $grant,
                &[$(concat!("rabbitmq.", $also),)* $(concat!("rabbitmq.", $shared)),*],
                &[Shared],
                |rig, from, to| Box::pin(permit(rig, from, to, &[$(($right, $name)),+])),
            ),
        ]
    };
    ($probe:literal, $grant:literal, [$($rights:tt),+]) => {
        permission!($probe, $grant, [$($rights),+], also [], shared [])
    };
}

/// Permissions on names, in both ways of sharing.
const PERMISSIONS: &[[Control; 2]] = &[
    permission!("get-foreign-message", "read permission on b's queue", [(Read, "bulkhead-canary")]),
    permission!("consume-foreign-messages", "read permission on b's queue", [(Read, "bulkhead-consumed")]),
    permission!("tap-foreign-exchange", "read permission on b's exchange", [(Read, "bulkhead-news")]),
    permission!("tap-firehose", "read permission on amq.rabbitmq.trace", [(Read, "amq.rabbitmq.trace")]),
    permission!("publish-foreign-message", "write permission on b's exchange", [(Write, "bulkhead-inbox")]),
    permission!(
        "publish-through-default-exchange",
        "write permission on amq.default",
        [(Write, "amq.default")],
        also["dead-letter-to-foreign-queue"],
        shared["answer-at-foreign-reply-address"]
    ),
    permission!("bind-foreign-queue", "write permission on b's queue", [(Write, "bulkhead-joined")]),
    permission!("bind-foreign-exchange", "write permission on b's exchange", [(Write, "bulkhead-routed")]),
    permission!(
        "dead-letter-to-foreign-exchange",
        "write permission on b's exchange",
        [(Write, "bulkhead-buried")]
    ),
    permission!(
        "dead-letter-to-foreign-queue",
        "write permission on amq.default",
        [(Write, "amq.default")],
        also["publish-through-default-exchange"],
        shared["answer-at-foreign-reply-address"]
    ),
    permission!(
        "spill-into-foreign-exchange",
        "write permission on b's exchange",
        [(Write, "bulkhead-spare")]
    ),
    permission!(
        "declare-foreign-queue",
        "configure permission on b's name",
        [(Configure, "bulkhead-squatted")]
    ),
    permission!(
        "declare-foreign-exchange",
        "configure permission on b's name",
        [(Configure, "bulkhead-claimed")]
    ),
    permission!(
        "delete-foreign-queue",
        "configure permission on b's queue",
        [(Configure, "bulkhead-doomed")]
    ),
    permission!(
        "delete-foreign-exchange",
        "configure permission on b's exchange",
        [(Configure, "bulkhead-razed")]
    ),
    permission!("purge-foreign-queue", "read permission on b's queue", [(Read, "bulkhead-purged")]),
    permission!(
        "unbind-foreign-queue",
        "write permission on b's queue and read permission on b's exchange",
        [(Write, "bulkhead-unbound"), (Read, "bulkhead-unbound")]
    ),
    permission!("leave-foreign-queue", "read permission on b's queue", [(Read, "bulkhead-fleeting")]),
    permission!(
        "tell-foreign-queues-apart",
        "read permission on b's empty queue",
        [(Read, "bulkhead-empty")]
    ),
];

/// What is in a vhost that one may enter, whatever one may do there.
const INSIDE: &[&str] = &[
    "rabbitmq.enter-foreign-vhost",
    "rabbitmq.count-foreign-messages",
    "rabbitmq.find-foreign-exchange",
    "rabbitmq.find-exclusive-queue",
];

const fn entering(probe: &'static str) -> Control {
    control(probe, "no more than empty permissions on b's vhost", INSIDE, &[Separate], |rig, from, to| {
        Box::pin(async move {
            let nothing = || String::from("^$");
            set(rig, from, &to.tenant.slices.rabbitmq.vhost, [nothing(), nothing(), nothing()]).await;
        })
    })
}

/// A read permission that matches the probing tenant's own name anywhere in another's.
async fn unanchored(rig: &mut Rig, from: &TenantAccess, to: &TenantAccess) {
    let [configure, write] = [Configure, Write].map(|right| kept(from, right));
    let read = match &from.tenant.slices.rabbitmq.queues {
        None => from.tenant.name.to_string(),
        Some(own) => format!("{own}|^amq.topic$"),
    };
    set(rig, from, &to.tenant.slices.rabbitmq.vhost, [configure, write, read]).await;
}

const NAMED_AFTER: &str = "rabbitmq.read-queue-named-after-itself";
const TAP_TOPICS: &str = "rabbitmq.tap-foreign-topics";
const TOPICS: &str = "rabbitmq.publish-through-topic-exchange";
const DIRECT: &str = "rabbitmq.publish-through-direct-exchange";

/// What is granted otherwise in one way of sharing than in the other, or by something else than permissions.
const OTHERS: &[Control] = &[
    entering("rabbitmq.enter-foreign-vhost"),
    entering("rabbitmq.count-foreign-messages"),
    entering("rabbitmq.find-foreign-exchange"),
    entering("rabbitmq.find-exclusive-queue"),
    control(NAMED_AFTER, "read permission that is not anchored", INSIDE, &[Separate], |rig, from, to| {
        Box::pin(unanchored(rig, from, to))
    }),
    control(NAMED_AFTER, "read permission that is not anchored", &[], &[Shared], |rig, from, to| {
        Box::pin(unanchored(rig, from, to))
    }),
    control(TAP_TOPICS, "read permission on amq.topic", INSIDE, &[Separate], |rig, from, to| {
        Box::pin(permit(rig, from, to, &[(Read, "amq.topic")]))
    }),
    control(TAP_TOPICS, "read permission on all topics of amq.topic", &[], &[Shared], |rig, from, _| {
        let own = kept(from, Configure);
        Box::pin(async move { topics(rig, from, [&own, ".*"]).await })
    }),
    control(TOPICS, "write permission on amq.topic", INSIDE, &[Separate], |rig, from, to| {
        Box::pin(permit(rig, from, to, &[(Write, "amq.topic")]))
    }),
    control(TOPICS, "write permission on all topics of amq.topic", &[], &[Shared], |rig, from, _| {
        let own = kept(from, Configure);
        Box::pin(async move { topics(rig, from, [".*", &own]).await })
    }),
    control(DIRECT, "write permission on amq.direct", INSIDE, &[Separate], |rig, from, to| {
        Box::pin(permit(rig, from, to, &[(Write, "amq.direct")]))
    }),
    control(
        DIRECT,
        "write and read permission on amq.direct, read permission for b as well",
        &[],
        &[Shared],
        |rig, from, to| {
            Box::pin(async move {
                permit(rig, from, to, &[(Write, "amq.direct"), (Read, "amq.direct")]).await;
                permit(rig, to, to, &[(Read, "amq.direct")]).await;
            })
        },
    ),
    control(
        "rabbitmq.answer-at-foreign-reply-address",
        "write permission on amq.default",
        &["rabbitmq.publish-through-default-exchange", "rabbitmq.dead-letter-to-foreign-queue"],
        &[Shared],
        |rig, from, to| Box::pin(permit(rig, from, to, &[(Write, "amq.default")])),
    ),
    control("rabbitmq.forge-sender", "the tag impersonator", &[], &[Separate, Shared], |rig, from, _| {
        Box::pin(tag(rig, from, "impersonator"))
    }),
    Control {
        probe: "rabbitmq.log-in-as-guest",
        grant: "the user guest with the password guest",
        also: &[],
        sharing: &[Separate, Shared],
        apply: |rig, _, _| {
            Box::pin(async move {
                let add = "rabbit_auth_backend_internal:add_user(<<\"guest\">>,<<\"guest\">>,<<\"test\">>)";
                assert_eq!(rig.administer(add).await, "ok");
            })
        },
        undo: Some(|rig, _, _| {
            Box::pin(async move {
                let delete = "rabbit_auth_backend_internal:delete_user(<<\"guest\">>,<<\"test\">>)";
                assert_eq!(rig.administer(delete).await, "ok");
            })
        }),
    },
];

/// All that an administrator may do through the management API.
const ADMINISTERED: &[&str] = &[
    "rabbitmq.export-definitions",
    "rabbitmq.set-policy",
    "rabbitmq.set-operator-policy",
    "rabbitmq.set-shovel",
    "rabbitmq.set-federation",
    "rabbitmq.set-global-parameter",
    "rabbitmq.set-permissions",
    "rabbitmq.change-vhost",
    "rabbitmq.set-vhost-limits",
    "rabbitmq.set-user-limits",
    "rabbitmq.read-totals",
    "rabbitmq.list-vhosts",
    "rabbitmq.list-queues",
    "rabbitmq.list-connections",
    "rabbitmq.list-users",
    "rabbitmq.read-nodes",
];

/// A tag, and what it opens by its nature. Which vhosts one may enter matters to some of it.
macro_rules! tagged {
    ($probe:literal, $tag:literal, $sharing:expr, $also:expr) => {
        control($probe, concat!("the tag ", $tag), $also, $sharing, |rig, from, _| {
            Box::pin(tag(rig, from, $tag))
        })
    };
}

const TAGS: &[Control] = &[
    tagged!("rabbitmq.read-totals", "management", &[Separate], &[]),
    tagged!(
        "rabbitmq.read-totals",
        "management",
        &[Shared],
        &["rabbitmq.list-vhosts", "rabbitmq.list-queues"]
    ),
    tagged!(
        "rabbitmq.read-nodes",
        "monitoring",
        &[Separate],
        &["rabbitmq.read-totals", "rabbitmq.list-vhosts", "rabbitmq.list-connections"]
    ),
    tagged!(
        "rabbitmq.read-nodes",
        "monitoring",
        &[Shared],
        &[
            "rabbitmq.read-totals",
            "rabbitmq.list-vhosts",
            "rabbitmq.list-queues",
            "rabbitmq.list-connections"
        ]
    ),
    tagged!("rabbitmq.set-global-parameter", "policymaker", &[Separate], &["rabbitmq.read-totals"]),
    tagged!(
        "rabbitmq.set-policy",
        "policymaker",
        &[Shared],
        &[
            "rabbitmq.set-shovel",
            "rabbitmq.set-federation",
            "rabbitmq.set-global-parameter",
            "rabbitmq.read-totals",
            "rabbitmq.list-vhosts",
            "rabbitmq.list-queues"
        ]
    ),
    tagged!("rabbitmq.change-login", "administrator", &[Separate, Shared], ADMINISTERED),
];

async fn unlimited(rig: &mut Rig, who: &TenantAccess, limit: &str) {
    let [user, limit] = [&who.connections.rabbitmq.user, limit].map(binary);
    rig.administer(&format!("rabbit_auth_backend_internal:clear_user_limits({user},{limit},<<\"test\">>)"))
        .await;
}

const LIMITS: &[Control] = &[
    control(
        "rabbitmq.take-connections",
        "no limit on a's connections",
        &[],
        &[Separate, Shared],
        |rig, from, _| Box::pin(unlimited(rig, from, "max-connections")),
    ),
    control(
        "rabbitmq.take-channels",
        "no limit on a's channels",
        &[],
        &[Separate, Shared],
        |rig, from, _| Box::pin(unlimited(rig, from, "max-channels")),
    ),
    control(
        "rabbitmq.take-queues",
        "no limit on the queues of a's vhost",
        &[],
        &[Separate],
        |rig, from, _| {
            Box::pin(async move {
                let vhost = binary(&from.tenant.slices.rabbitmq.vhost);
                rig.administer(&format!("rabbit_vhost_limit:clear({vhost},<<\"test\">>)")).await;
            })
        },
    ),
];

pub(super) static CONTROLS: LazyLock<Vec<Control>> =
    LazyLock::new(|| PERMISSIONS.iter().flatten().chain(OTHERS).chain(TAGS).chain(LIMITS).copied().collect());

pub(super) const SHUT: &[Shut] = &[Shut {
    probe: "rabbitmq.fill-broker",
    by: r#"rabbitmqctl set_policy cap '.*' '{"max-length": 100}', which drops the oldest"#,
    sharing: &[Separate, Shared],
    apply: |rig, from, _| {
        Box::pin(async move {
            let vhost = binary(&from.tenant.slices.rabbitmq.vhost);
            let policy = r#"<<"cap">>,<<".*">>,[{<<"max-length">>,100}],0,<<"queues">>,<<"test">>"#;
            assert_eq!(rig.administer(&format!("rabbit_policy:set({vhost},{policy})")).await, "ok");
        })
    },
}];
