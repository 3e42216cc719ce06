//! The fast boot gives the same broker as RabbitMQ's own script: the same parts at work, and every kind of queue,
//! definition and plugin usable on it, also after a kill.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bulkhead_model::{Enforcement, Service};
use bulkhead_target::services::{
    Place,
    rabbitmq::{Boot, start_as},
};
use lapin::types::{AMQPValue, FieldTable};
use nix::{sys::signal::Signal, unistd::Pid};

use super::{arguments, beam, broker, channel, consume, declare, eval, next, provisioned, publish, shown};
use crate::{
    http,
    support::{Direct, place, spec, tenant},
};

/// What RabbitMQ found out about itself while it booted, in Erlang's notation.
const PARTS: [&str; 5] = [
    "lists:sort([{App, Module, Steps} || {App, Module, Steps} <- rabbit_misc:all_module_attributes(rabbit_boot_step)])",
    "lists:sort([{Name, maps:get(stability, P)} || {Name, P} <- maps:to_list(rabbit_feature_flags:list(all))])",
    "lists:sort(maps:keys(rabbit_feature_flags:list(enabled)))",
    "lists:sort(ets:tab2list(rabbit_registry))",
    "lists:sort([{App, Version} || {App, _, Version} <- application:which_applications()])",
];

#[tokio::test]
async fn the_fast_boot_finds_the_same_parts_as_the_plain_one() {
    let mut fast = broker().await;
    let (_folder, place) = place(Service::Rabbitmq, &spec());
    let mut plain = start_as(Boot::Plain, &spec(), &place).await.unwrap();
    assert_eq!(plain.notes(), Vec::<String>::new());
    for expression in ["rabbit:await_startup()"].into_iter().chain(PARTS) {
        let (one, other) = (shown(&mut fast.running, expression).await, shown(&mut plain, expression).await);
        assert_eq!(one, other, "{expression}");
        assert!(one == "\"ok\"" || one.len() > 100, "{expression}: {one}");
    }
    // They do differ in where their code comes from, or this test would compare a thing with itself.
    let origin = "code:which(rabbit_channel)";
    assert_ne!(eval(&mut fast.running, origin).await, eval(&mut plain, origin).await);
    let (one, two) = (fast.running.management().await.unwrap(), plain.management().await.unwrap());
    assert!(one.is_some() && two.is_some() && one != two);
    let plugins = "lists:sort(rabbit_plugins:active())";
    assert_eq!(shown(&mut fast.running, plugins).await, shown(&mut plain, plugins).await);
    fast.running.stop().await;
    plain.stop().await;
}

/// Kills the broker and starts it again in the same folder, on the same port.
async fn kill_and_restart(server: &mut Direct, port: u16) {
    nix::sys::signal::kill(Pid::from_raw(beam(&server.place)), Signal::SIGKILL).unwrap();
    server.running.stop().await;
    let place = Place { port: Some(port), ..server.place.clone() };
    server.running = start_as(Boot::Fast, &spec(), &place).await.unwrap();
    assert_eq!(server.running.notes(), Vec::<String>::new());
}

/// A stream needs a prefetch and takes its offset as a number.
fn from_offset(offset: i64) -> FieldTable {
    let mut table = FieldTable::default();
    table.insert("x-stream-offset".into(), AMQPValue::LongLongInt(offset));
    table
}

/// Waits on the node, at most half a minute, until a queue is known and its process lives.
const LEADER: &str = "
Waiting = fun Wait(Left) ->
    Leads = case rabbit_amqqueue:lookup($NAME) of
        {ok, Queue} -> is_pid(amqqueue:get_pid(Queue)) andalso is_process_alive(amqqueue:get_pid(Queue));
        {error, not_found} -> false
    end,
    case Leads of
        true -> leads;
        false when Left =:= 0 -> nobody_leads;
        false -> timer:sleep(20), Wait(Left - 1)
    end
end,
Waiting(1500)";

#[tokio::test]
async fn every_kind_of_queue_works_and_confirmed_messages_survive_a_kill() {
    let mut server = broker().await;
    let access = provisioned(&mut server, &[tenant("engine", "q")], Enforcement::Enforced).await.remove(0);
    let kinds = ["classic", "quorum", "stream"];
    {
        let (_connection, channel) = channel(&access).await;
        for kind in kinds {
            declare(&channel, kind, &[("x-queue-type", kind)]).await.unwrap();
            for n in 0..20 {
                assert!(publish(&channel, "", kind, &format!("{kind} {n}")).await.unwrap(), "{kind}");
            }
        }
        let mut stream = consume(&channel, "stream", from_offset(7)).await;
        assert_eq!(next(&mut stream).await, (Some(7), "stream 7".into()));
        declare(&channel, "lazy", &[("x-queue-mode", "lazy")]).await.unwrap();
        dead_letters(&channel).await;
    }
    // RabbitMQ 3.10 keeps the names of its quorum queues in a table that is written up to three seconds late: one that
    // was declared just before a kill comes back empty and without a leader, however it had been booted.
    let sync = "lists:usort([dets:sync(Table) || Table <- dets:all()])";
    assert_eq!(eval(&mut server.running, sync).await, "[ok]");
    kill_and_restart(&mut server, access.connections.rabbitmq.port).await;
    // A stream's leader is chosen after the broker has begun to serve; until then the stream counts as down.
    let name = format!("rabbit_misc:r(<<\"{}\">>, queue, <<\"stream\">>)", access.connections.rabbitmq.vhost);
    assert_eq!(eval(&mut server.running, &LEADER.replace("$NAME", &name)).await, "leads");

    let (_connection, channel) = channel(&access).await;
    for kind in kinds {
        let table = if kind == "stream" { from_offset(0) } else { arguments(&[]) };
        let mut consumer = consume(&channel, kind, table).await;
        for n in 0..20 {
            assert_eq!(next(&mut consumer).await.1, format!("{kind} {n}"));
        }
        assert!(publish(&channel, "", kind, "after the kill").await.unwrap());
        assert_eq!(next(&mut consumer).await.1, "after the kill");
    }
    server.running.stop().await;
}

/// An expired message goes where its queue says.
async fn dead_letters(channel: &lapin::Channel) {
    declare(channel, "dead", &[]).await.unwrap();
    let pairs = [("x-dead-letter-exchange", ""), ("x-dead-letter-routing-key", "dead")];
    let mut table = arguments(&pairs);
    table.insert("x-message-ttl".into(), AMQPValue::LongInt(1));
    let options = lapin::options::QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare("expiring".into(), options, table).await.unwrap();
    assert!(publish(channel, "", "expiring", "late").await.unwrap());
    let mut dead = consume(channel, "dead", arguments(&[])).await;
    assert_eq!(next(&mut dead).await.1, "late");
}

/// Definitions with everything that an operator's export may hold.
const DEFINITIONS: &str = r#"{"vhosts": [{"name": "imported"}],
 "users": [{"name": "operator", "password": "imported", "tags": "monitoring"}],
 "permissions": [{"user": "operator", "vhost": "imported", "configure": "", "write": "", "read": ".*"}],
 "queues": [{"vhost": "imported", "name": "q", "durable": true, "auto_delete": false, "arguments": {"x-queue-type": "quorum"}}],
 "exchanges": [{"vhost": "imported", "name": "e", "type": "topic", "durable": true, "auto_delete": false, "internal": false, "arguments": {}}],
 "bindings": [{"source": "e", "vhost": "imported", "destination": "q", "destination_type": "queue", "routing_key": "a.#", "arguments": {}}],
 "policies": [{"vhost": "imported", "name": "limit", "pattern": ".*", "apply-to": "queues", "priority": 0, "definition": {"max-length": 3}}]}"#;

/// Basic authentication's header value (RFC 7617).
fn basic(user: &str, password: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{user}:{password}")))
}

#[tokio::test]
async fn plugins_and_definitions_work() {
    let mut server = broker().await;
    let import = format!(
        "rabbit_definitions:import_raw(<<{}>>)",
        serde_json::to_string(&DEFINITIONS.replace('\n', " ")).unwrap()
    );
    assert_eq!(eval(&mut server.running, &import).await, "ok");

    let url = server.running.management().await.unwrap().unwrap();
    let ca = server.place.ca.clone();
    let operator = basic("operator", "imported");
    let (code, body) = http::get(&format!("{url}/api/queues/imported/q"), Some(&operator), &ca).await;
    let queue: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!((code, queue["type"].as_str()), (200, Some("quorum")), "{body}");
    let (code, body) = http::get(&format!("{url}/api/policies/imported"), Some(&operator), &ca).await;
    assert!(code == 200 && body.contains("max-length"), "{body}");
    let (code, body) = http::get(&format!("{url}/api/bindings/imported"), Some(&operator), &ca).await;
    assert!(code == 200 && body.contains("\"routing_key\":\"a.#\""), "{body}");

    // A tenant has no tag, so the API refuses it though its password is right; so does everybody without one.
    let access = provisioned(&mut server, &[tenant("engine", "m")], Enforcement::Enforced).await.remove(0);
    let rabbitmq = &access.connections.rabbitmq;
    for login in [Some(basic(&rabbitmq.user, rabbitmq.password.expose())), None] {
        let (code, body) = http::get(&format!("{url}/api/overview"), login.as_deref(), &ca).await;
        assert_eq!(code, 401, "{body}");
    }

    // Another plugin, turned on by RabbitMQ's own function; it too is on loopback.
    let enable = format!(
        "file:write_file(\"{0}\", \"[rabbitmq_management,rabbitmq_prometheus].\"), \
         element(1, rabbit_plugins:ensure(\"{0}\"))",
        server.place.dir.join("enabled_plugins").display()
    );
    assert_eq!(eval(&mut server.running, &enable).await, "ok");
    let ports = "[ranch:get_port(Ref) || {acceptor, _, 0} = Ref <- maps:keys(ranch:info())]";
    let port = eval(&mut server.running, ports).await.trim_matches(['[', ']']).to_owned();
    let (code, body) = http::get(&format!("http://127.0.0.1:{port}/metrics"), None, &ca).await;
    assert!(code == 200 && body.contains("rabbitmq_build_info"), "{port}: {code}");
    server.running.stop().await;
}
