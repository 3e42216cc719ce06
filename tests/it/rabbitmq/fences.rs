//! What a tenant may do: everything in a vhost of its own, what carries its prefix in a shared one, and nothing after
//! its removal. One broker for all of it, a vhost a subject.

use bulkhead_model::Enforcement;
use bulkhead_target::{TenantAccess, clients};
use lapin::{
    Channel, ExchangeKind,
    options::{
        BasicConsumeOptions, ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
        QueueDeleteOptions, QueuePurgeOptions,
    },
};

use super::{arguments, broker, channel, consume, declare, eval, get, provisioned, publish, sharing, shown};
use crate::support::{Direct, tenant};

/// The refusal's text. A refusal closes the channel, hence one of its own for each attempt.
async fn refusal<T, F: Future<Output = lapin::Result<T>>>(
    access: &TenantAccess,
    what: &str,
    attempt: impl FnOnce(Channel) -> F,
) -> String {
    let (_connection, channel) = channel(access).await;
    match attempt(channel).await {
        Ok(_) => panic!("{what} was allowed"),
        Err(error) => error.to_string(),
    }
}

/// Every way into a neighbour's queue and exchange that the server can refuse.
async fn refused_everywhere(engine: &TenantAccess, own: &str, queue: &str, exchange: &str) {
    let check = |what: &'static str, text: String| {
        assert!(text.contains("ACCESS_REFUSED"), "{what}: {text}");
    };
    let what = "redeclare";
    check(what, refusal(engine, what, async |c| declare(&c, queue, &[]).await).await);
    let what = "get";
    check(what, refusal(engine, what, async |c| get(&c, queue).await).await);
    let what = "consume";
    let consumed = refusal(engine, what, async |c| {
        c.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), arguments(&[])).await
    });
    check(what, consumed.await);
    let what = "purge";
    check(
        what,
        refusal(engine, what, async |c| c.queue_purge(queue.into(), QueuePurgeOptions::default()).await)
            .await,
    );
    let what = "delete";
    check(
        what,
        refusal(engine, what, async |c| c.queue_delete(queue.into(), QueueDeleteOptions::default()).await)
            .await,
    );
    for (what, queue, exchange) in [
        ("bind the neighbour's queue", queue, own),
        ("bind to the neighbour's exchange", own, exchange),
        ("bind to amq.direct", own, "amq.direct"),
    ] {
        let bound = refusal(engine, what, async |c| {
            c.queue_bind(
                queue.into(),
                exchange.into(),
                "".into(),
                QueueBindOptions::default(),
                arguments(&[]),
            )
            .await
        });
        check(what, bound.await);
    }
    for (what, exchange) in [("the default exchange", ""), ("the neighbour's exchange", exchange)] {
        check(what, refusal(engine, what, async |c| publish(&c, exchange, queue, "x").await).await);
        let what = "dead-letter there";
        let pairs = [("x-dead-letter-exchange", exchange), ("x-dead-letter-routing-key", queue)];
        let name = format!("{own}:dlx");
        check(what, refusal(engine, what, async |c| declare(&c, &name, &pairs).await).await);
    }
    let what = "a server-named queue";
    let named = refusal(engine, what, async |c| {
        c.queue_declare("".into(), QueueDeclareOptions::default(), arguments(&[])).await
    });
    check(what, named.await);
}

async fn exchange(channel: &Channel, name: &str, kind: ExchangeKind) -> lapin::Result<()> {
    channel.exchange_declare(name.into(), kind, ExchangeDeclareOptions::default(), arguments(&[])).await
}

async fn bind(channel: &Channel, queue: &str, exchange: &str, key: &str) -> lapin::Result<()> {
    channel
        .queue_bind(queue.into(), exchange.into(), key.into(), QueueBindOptions::default(), arguments(&[]))
        .await
}

async fn separate_vhosts(server: &mut Direct) {
    let tenants = [tenant("engine", "s"), tenant("plane", "s")];
    let access = provisioned(server, &tenants, Enforcement::Enforced).await;
    for access in &access {
        let (_connection, channel) = channel(access).await;
        declare(&channel, "tasks", &[]).await.unwrap();
        assert!(publish(&channel, "", "tasks", access.tenant.name.as_str()).await.unwrap());
        assert_eq!(get(&channel, "tasks").await.unwrap().as_deref(), Some(access.tenant.name.as_str()));
    }
    let mut across = access[0].clone();
    across.connections.rabbitmq.vhost = tenants[1].slices.rabbitmq.vhost.clone();
    let refused = clients::rabbitmq::connect(&across).await.unwrap_err().chain();
    assert!(refused.contains("NOT_ALLOWED") && refused.contains("refused for user"), "{refused}");

    // Removal closes what is open and leaves the neighbour alone.
    let open = clients::rabbitmq::connect(&access[0]).await.unwrap();
    server.running.remove(&tenants[..1]).await.unwrap();
    let closed = async {
        while open.status().connected() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(20), closed).await.expect("the connection is closed");
    assert!(clients::rabbitmq::connect(&access[0]).await.is_err());
    clients::rabbitmq::connect(&access[1]).await.unwrap();
    server.running.remove(&tenants[1..]).await.unwrap();
}

async fn shared_vhost(server: &mut Direct) {
    // `.` and `+` would match other names if the prefix went into the regex as it is.
    let tenants = [sharing("engine", "shared", "e.g+:"), sharing("plane", "shared", "plane:")];
    let access = provisioned(server, &tenants, Enforcement::Enforced).await;
    let (_engine, engine) = channel(&access[0]).await;
    let (_plane, plane) = channel(&access[1]).await;

    declare(&plane, "plane:tasks", &[]).await.unwrap();
    exchange(&plane, "plane:events", ExchangeKind::Fanout).await.unwrap();
    bind(&plane, "plane:tasks", "plane:events", "").await.unwrap();
    assert!(publish(&plane, "plane:events", "", "canary").await.unwrap());
    declare(&engine, "e.g+:tasks", &[]).await.unwrap();
    exchange(&engine, "e.g+:tasks", ExchangeKind::Direct).await.unwrap();
    refused_everywhere(&access[0], "e.g+:tasks", "plane:tasks", "plane:events").await;
    for name in ["eXg+:tasks", "e.gg:tasks", "x.e.g+:tasks", "plane:e.g+:"] {
        let text = refusal(&access[0], name, async |c| declare(&c, name, &[]).await).await;
        assert!(text.contains("ACCESS_REFUSED"), "{name}: {text}");
    }

    // What the documentation says instead of the default exchange: one's own, or `amq.topic` by prefix.
    bind(&engine, "e.g+:tasks", "e.g+:tasks", "k").await.unwrap();
    assert!(publish(&engine, "e.g+:tasks", "k", "own exchange").await.unwrap());
    assert_eq!(get(&engine, "e.g+:tasks").await.unwrap().as_deref(), Some("own exchange"));
    bind(&engine, "e.g+:tasks", "amq.topic", "e.g+:new.#").await.unwrap();
    assert!(publish(&engine, "amq.topic", "e.g+:new.task", "topic").await.unwrap());
    assert_eq!(get(&engine, "e.g+:tasks").await.unwrap().as_deref(), Some("topic"));
    for key in ["plane:new", "#", "*", "x.e.g+:new"] {
        let text = refusal(&access[0], key, async |c| publish(&c, "amq.topic", key, "x").await).await;
        assert!(text.contains("ACCESS_REFUSED") && text.contains("topic"), "{key}: {text}");
        let text = refusal(&access[0], key, async |c| bind(&c, "e.g+:tasks", "amq.topic", key).await).await;
        assert!(text.contains("ACCESS_REFUSED") && text.contains("topic"), "{key}: {text}");
    }
    assert_eq!(
        get(&plane, "plane:tasks").await.unwrap().as_deref(),
        Some("canary"),
        "untouched by all of that"
    );

    negative_controls(server, &access).await;

    // Removing one takes its queues and leaves its neighbour's, removing the other takes the vhost.
    server.running.remove(&tenants[..1]).await.unwrap();
    let left = "lists:sort([element(4, amqqueue:get_name(Q)) || Q <- rabbit_amqqueue:list(<<\"shared\">>)])";
    assert_eq!(shown(&mut server.running, left).await, r#""[<<"plane:tasks">>,<<"plane:to e.g+:">>]""#);
    assert!(publish(&plane, "plane:events", "", "still here").await.unwrap());
    server.running.remove(&tenants[1..]).await.unwrap();
}

/// The same attempts are allowed once a permission is as loose as people write them.
async fn negative_controls(server: &mut Direct, access: &[TenantAccess]) {
    let user = &access[0].connections.rabbitmq.user;
    let (_plane, plane) = channel(&access[1]).await;
    declare(&plane, "plane:to e.g+:", &[]).await.unwrap();
    exchange(&plane, "plane:to", ExchangeKind::Fanout).await.unwrap();
    bind(&plane, "plane:to e.g+:", "plane:to", "").await.unwrap();
    assert!(publish(&plane, "plane:to", "", "canary").await.unwrap());
    let attempt = async |c: Channel| get(&c, "plane:to e.g+:").await;
    assert!(refusal(&access[0], "anchored", attempt).await.contains("ACCESS_REFUSED"));

    let grant = |regex: &str| {
        let regex = format!("<<\"{regex}\">>");
        format!(
            "rabbit_auth_backend_internal:set_permissions(<<\"{user}\">>, <<\"shared\">>, {regex}, {regex}, {regex}, \
             <<\"test\">>)"
        )
    };
    assert_eq!(eval(&mut server.running, &grant("e.g\\\\+:")).await, "ok");
    let (_engine, engine) = channel(&access[0]).await;
    assert_eq!(get(&engine, "plane:to e.g+:").await.unwrap().as_deref(), Some("canary"), "not anchored");

    assert_eq!(eval(&mut server.running, &grant("^e\\\\.g\\\\+:|^amq\\\\.")).await, "ok");
    let (_engine, engine) = channel(&access[0]).await;
    assert!(
        publish(&engine, "", "plane:tasks", "leak").await.unwrap(),
        "the default exchange knows no prefix"
    );
    assert_eq!(get(&plane, "plane:tasks").await.unwrap().as_deref(), Some("leak"));
    let clear = format!(
        "rabbit_auth_backend_internal:clear_topic_permissions(<<\"{user}\">>, <<\"shared\">>, <<\"test\">>)"
    );
    assert_eq!(eval(&mut server.running, &clear).await, "ok");
    let (_engine, engine) = channel(&access[0]).await;
    bind(&engine, "e.g+:tasks", "amq.topic", "#").await.unwrap();
}

async fn convention(server: &mut Direct) {
    let tenants =
        [sharing("engine", "common", "engine:"), sharing("plane", "common", "plane:"), tenant("third", "c")];
    let access = provisioned(server, &tenants, Enforcement::Convention).await;
    let logins: std::collections::BTreeSet<_> = access
        .iter()
        .map(|a| (&a.connections.rabbitmq.user, a.connections.rabbitmq.password.expose()))
        .collect();
    assert_eq!(logins.len(), 1, "one login for all");
    let (_engine, engine) = channel(&access[0]).await;
    declare(&engine, "engine:tasks", &[]).await.unwrap();
    let (_plane, plane) = channel(&access[1]).await;
    assert!(publish(&plane, "", "engine:tasks", "by convention").await.unwrap());
    let mut consumer = consume(&engine, "engine:tasks", arguments(&[])).await;
    let delivery = super::next(&mut consumer).await.1;
    assert_eq!(delivery, "by convention");
    server.running.remove(&tenants[..2]).await.unwrap();
    clients::rabbitmq::connect(&access[2]).await.unwrap();
    server.running.remove(&tenants[2..]).await.unwrap();
}

async fn all_or_none(server: &mut Direct) {
    let first = tenant("engine", "n");
    let kept = provisioned(server, std::slice::from_ref(&first), Enforcement::Enforced).await.remove(0);
    // The last thing that is made for a tenant is refused: its vhost and its user are there by then.
    let access_mode = |mode| format!("mnesia:change_table_access_mode(rabbit_topic_permission, {mode})");
    assert_eq!(eval(&mut server.running, &access_mode("read_only")).await, "{atomic,ok}");
    let mut second = tenant("plane", "n");
    second.slices.rabbitmq.vhost = first.slices.rabbitmq.vhost.clone();
    let third = tenant("third", "n");
    let refused =
        server.running.provision(&[second, third], Enforcement::Enforced).await.unwrap_err().chain();
    assert!(refused.contains("for `third`") && !refused.contains("could not undo"), "{refused}");
    assert_eq!(eval(&mut server.running, &access_mode("read_write")).await, "{atomic,ok}");
    let left = "{length(rabbit_auth_backend_internal:list_users()), length(rabbit_vhost:list_names())}";
    assert_eq!(eval(&mut server.running, left).await, "{2,2}", "the administrator and the first tenant");
    clients::rabbitmq::connect(&kept).await.unwrap();
    server.running.remove(&[first]).await.unwrap();
}

#[tokio::test]
async fn tenants_keep_to_their_slices_and_leave_nothing() {
    let mut server = broker().await;
    separate_vhosts(&mut server).await;
    shared_vhost(&mut server).await;
    convention(&mut server).await;
    all_or_none(&mut server).await;
    let left = "{lists:sort(rabbit_vhost:list_names()), \
                [proplists:get_value(user, U) || U <- rabbit_auth_backend_internal:list_users()], \
                rabbit_amqqueue:list(), rabbit_auth_backend_internal:list_permissions()}";
    let nothing = r#""{[<<"bulkhead-admin">>],[<<"bulkhead-admin">>],[],[[{user,<<"bulkhead-admin">>},{vhost,<<"bulkhead-admin">>},{configure,<<".*">>},{write,<<".*">>},{read,<<".*">>}]]}""#;
    assert_eq!(shown(&mut server.running, left).await, nothing);
    server.running.stop().await;
}
