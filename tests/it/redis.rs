//! Redis as a stand-in: it serves over TLS alone, fences tenants where that is promised, and leaves nothing.

use std::{collections::BTreeSet, os::unix::fs::PermissionsExt};

use bulkhead_model::{Enforcement, Service, Tenant};
use bulkhead_target::{TenantAccess, clients, services::redis::WITHHELD};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{Direct, alone, command_lines, direct, direct_with, tenant};

async fn provisioned(server: &mut Direct, tenants: &[Tenant], enforcement: Enforcement) -> Vec<TenantAccess> {
    let made = server.running.provision(tenants, enforcement).await.unwrap();
    tenants.iter().zip(made).map(|(tenant, access)| alone(tenant, access, &server.place.ca)).collect()
}

async fn refusal(connection: &mut MultiplexedConnection, words: &[&str]) -> String {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]);
    match command.query_async::<redis::Value>(connection).await {
        Ok(answer) => panic!("{words:?} was answered: {answer:?}"),
        Err(error) => format!("{} {error}", error.code().unwrap_or("")),
    }
}

#[tokio::test]
async fn serves_both_promises_at_once_and_reports_its_version() {
    let mut server = direct(Service::Redis).await;
    let report = server.running.report();
    assert!(matches!(report.product.as_str(), "redis" | "valkey"), "{report:?}");
    assert!(report.version.starts_with(|c: char| c.is_ascii_digit()), "{report:?}");

    let convention =
        provisioned(&mut server, &[tenant("engine", "c"), tenant("plane", "c")], Enforcement::Convention)
            .await;
    let enforced =
        provisioned(&mut server, &[tenant("engine", "e"), tenant("plane", "e")], Enforcement::Enforced).await;
    for access in convention.iter().chain(&enforced) {
        let mut connection = clients::redis::connect(access).await.unwrap();
        let key = access.tenant.slices.redis.key("cache:key");
        let _: () = connection.set(&key, "value").await.unwrap();
        assert_eq!(connection.get::<_, String>(&key).await.unwrap(), "value");
    }
    // By convention everybody is `default` with one password and reads everything; enforced tenants are strangers.
    let urls: BTreeSet<_> =
        convention.iter().map(|a| a.connections.redis.password.expose().to_owned()).collect();
    assert_eq!(urls.len(), 1);
    assert!(convention.iter().all(|a| a.connections.redis.user == "default"));
    let mut engine = clients::redis::connect(&convention[0]).await.unwrap();
    assert_eq!(
        engine.get::<_, String>(convention[1].tenant.slices.redis.key("cache:key")).await.unwrap(),
        "value"
    );
    server.running.stop().await;
}

#[tokio::test]
async fn an_administrator_whose_connection_was_ended_comes_again() {
    let mut server = direct(Service::Redis).await;
    let tenants = [tenant("engine", "r"), tenant("plane", "r")];
    let running = &mut server.running;
    let mut ids = Vec::new();
    for round in 0..3 {
        let id = running.administer("CLIENT ID").await.unwrap();
        let number: String = id.chars().filter(char::is_ascii_digit).collect();
        // It may be told so, or find the connection closed.
        let _ended = running.administer(&format!("CLIENT KILL ID {number} SKIPME no")).await;
        ids.push(number);
        match round {
            0 => drop(running.provision(&tenants, Enforcement::Enforced).await.unwrap()),
            1 => running.remove(&tenants).await.unwrap(),
            _ => {
                let list = running.administer("ACL LIST").await.unwrap();
                assert!(!list.contains("~r:engine:"), "{list}");
            }
        }
    }
    ids.dedup();
    assert_eq!(ids.len(), 3, "every time another connection: {ids:?}");
    // Whether the server itself is gone is said, and soon.
    server.running.stop().await;
    let gone = server.running.provision(&tenants, Enforcement::Enforced).await.unwrap_err().chain();
    assert!(gone.contains("connect as administrator again"), "{gone}");
}

/// It loads slowly, a tenth of a millisecond for each command of its journal, and looks at its connections with every 1024th:
/// whoever asks meanwhile is told so (LOADING).
#[tokio::test]
async fn it_has_its_data_when_it_is_there_again() {
    let mut server = direct_with(Service::Redis, &["--key-load-delay", "100"]).await;
    let running = &mut server.running;
    // An argument has no blank.
    let script = "for i=1,20000 do redis.call('set',i,i) end".replace(' ', "--[[]]");
    running.administer(&format!("EVAL {script} 0")).await.unwrap();
    running.halt(false).await.unwrap();
    running.start_again().await.unwrap();
    assert_eq!(running.administer("DBSIZE").await.unwrap(), "int(20000)");
    running.stop().await;
}

#[tokio::test]
async fn an_enforced_tenant_keeps_to_its_keys_and_channels() {
    let mut server = direct(Service::Redis).await;
    let access =
        provisioned(&mut server, &[tenant("engine", "f"), tenant("plane", "f")], Enforcement::Enforced).await;
    let (own, foreign) = (&access[0].tenant.slices.redis, &access[1].tenant.slices.redis);
    let mut engine = clients::redis::connect(&access[0]).await.unwrap();
    let mut plane = clients::redis::connect(&access[1]).await.unwrap();
    let _: () = plane.set(foreign.key("secret"), "canary").await.unwrap();

    for words in [
        &["GET"][..],
        &["SET"],
        &["DEL"],
        &["TYPE"],
        &["EXISTS"],
        &["DUMP"],
        &["WATCH"],
        &["PUBLISH"],
        &["SUBSCRIBE"],
    ] {
        let key = foreign.key("secret");
        let mut all = words.to_vec();
        all.push(&key);
        if matches!(words[0], "SET" | "PUBLISH") {
            all.push("x");
        }
        assert!(refusal(&mut engine, &all).await.contains("NOPERM"), "{all:?}");
    }
    let script = format!("return redis.call('GET', '{}')", foreign.key("secret"));
    let answer = refusal(&mut engine, &["EVAL", &script, "0"]).await;
    // Redis 7.0 words it in the first way; Redis since 7.2 and Valkey word it in the second.
    let refused = ["can't access at least one of the keys", "No permissions to access a key"];
    assert!(!answer.contains("canary") && refused.iter().any(|words| answer.contains(words)), "{answer}");
    for (words, reason) in WITHHELD {
        assert!(refusal(&mut engine, words).await.contains("NOPERM"), "{words:?}, which {reason}");
    }
    assert!(refusal(&mut engine, &["SELECT", "1"]).await.contains("out of range"));

    // Positive control: the same kinds of call on its own slice.
    let _: () = engine.set(own.key("secret"), "mine").await.unwrap();
    let script = format!("return redis.call('GET', '{}')", own.key("secret"));
    let read: String = redis::cmd("EVAL").arg(&script).arg(0).query_async(&mut engine).await.unwrap();
    assert_eq!(read, "mine");
    let mut subscriber = clients::redis::subscriber(&access[0]).await.unwrap();
    subscriber.subscribe(own.key("news")).await.unwrap();
    let heard: i64 = engine.publish(own.key("news"), "hello").await.unwrap();
    assert_eq!(heard, 1);
    server.running.stop().await;
}

/// The commands an enforced tenant may run that name no key, each looked at (channels are checked by the server): none tells about, or
/// touches, anything of another tenant's. A server that offers one more fails this test until it is looked at too.
const KEYLESS: &str = "acl|whoami asking auth client|caching client|getname client|getredir client|help client|id \
    client|info client|no-touch client|reply client|setinfo client|setname client|trackinginfo command|count \
    command|docs command|getkeys command|getkeysandflags command|help command|info command|list discard echo exec \
    hello memory|help multi object|help ping punsubscribe quit readonly readwrite reset script|exists script|help \
    script|load select sunsubscribe time unsubscribe unwatch wait waitaof xgroup|help xinfo|help command client \
    client|capa client|import-source publish subscribe psubscribe spublish ssubscribe";

#[tokio::test]
async fn every_granted_command_without_keys_was_reviewed() {
    let mut server = direct(Service::Redis).await;
    let access = provisioned(&mut server, &[tenant("engine", "k")], Enforcement::Enforced).await;
    let mut engine = clients::redis::connect(&access[0]).await.unwrap();
    let reviewed: BTreeSet<&str> = KEYLESS.split_whitespace().collect();
    let table: Vec<Vec<redis::Value>> = redis::cmd("COMMAND").query_async(&mut engine).await.unwrap();
    let mut leaves = Vec::new();
    for row in table {
        let subcommands: Vec<Vec<redis::Value>> = redis::from_redis_value(row[9].clone()).unwrap();
        if subcommands.is_empty() { leaves.push(row) } else { leaves.extend(subcommands) }
    }
    let mut tried = 0;
    for row in leaves {
        let name: String = redis::from_redis_value(row[0].clone()).unwrap();
        let categories = format!("{:?} {:?}", row[6], row[8]);
        let keyed =
            matches!(&row[8], redis::Value::Array(specs) | redis::Value::Set(specs) if !specs.is_empty());
        if keyed || reviewed.contains(name.as_str()) {
            continue;
        }
        // The number of arguments is looked at before the permission is, hence several numbers.
        let mut refused = false;
        for extra in 0..8 {
            let mut command = redis::Cmd::new();
            command.arg(name.split('|').collect::<Vec<_>>()).arg(vec!["zz"; extra]);
            if let Err(error) = command.query_async::<redis::Value>(&mut engine).await
                && (error.code() == Some("NOPERM")
                    || error.to_string().contains("command not allowed. If the"))
            {
                refused = true;
                break;
            }
        }
        assert!(refused, "`{name}` names no key, is granted and was never looked at: {categories}");
        tried += 1;
    }
    assert!(tried > 40, "only {tried} commands were tried");
    server.running.stop().await;
}

#[tokio::test]
async fn removal_ends_the_login_and_leaves_no_key() {
    let mut server = direct(Service::Redis).await;
    for (mark, enforcement) in [("x", Enforcement::Convention), ("y", Enforcement::Enforced)] {
        let tenants = [tenant("engine", mark), tenant("plane", mark)];
        let staying =
            provisioned(&mut server, &[tenant("engine", &format!("{mark}stay"))], Enforcement::Convention)
                .await;
        let mut stays = clients::redis::connect(&staying[0]).await.unwrap();
        let access = provisioned(&mut server, &tenants, enforcement).await;
        let mut engine = clients::redis::connect(&access[0]).await.unwrap();
        for n in 0..2500 {
            let _: () = engine.set(access[0].tenant.slices.redis.key(&n.to_string()), n).await.unwrap();
        }
        let before: i64 = redis::cmd("DBSIZE").query_async(&mut stays).await.unwrap();
        assert!(before >= 2500);
        server.running.remove(&tenants).await.unwrap();
        let after: i64 = redis::cmd("DBSIZE").query_async(&mut stays).await.unwrap();
        assert_eq!(after, 0);
        clients::redis::connect(&access[0]).await.expect_err("the login is gone");
        if enforcement == Enforcement::Enforced {
            engine.get::<_, Option<String>>("any").await.expect_err("its connections are closed");
        }
        // The same names may come again.
        provisioned(&mut server, &tenants, enforcement).await;
        server.running.remove(&tenants).await.unwrap();
        server.running.remove(&[staying[0].tenant.clone()]).await.unwrap();
    }
    server.running.stop().await;
}

#[tokio::test]
async fn a_slice_is_made_once_and_a_refused_call_leaves_none() {
    let mut server = direct(Service::Redis).await;
    let (engine, plane) = (tenant("engine", "o"), tenant("plane", "o"));
    let first = provisioned(&mut server, std::slice::from_ref(&plane), Enforcement::Enforced).await;
    let error = server.running.provision(&[engine.clone(), plane], Enforcement::Enforced).await.unwrap_err();
    assert!(error.chain().contains("plane") && error.chain().contains("exists already"), "{}", error.chain());
    clients::redis::connect(&first[0]).await.expect("the first holder keeps its login");
    provisioned(&mut server, &[engine], Enforcement::Enforced).await;
    server.running.stop().await;
}

/// Until it logs in, every connection belongs to the shared user: ending that user's connections must spare it.
#[tokio::test]
async fn ending_the_shared_login_spares_whoever_is_about_to_log_in() {
    let mut server = direct(Service::Redis).await;
    let shared = [tenant("engine", "s")];
    let held = provisioned(&mut server, &shared, Enforcement::Convention).await.remove(0);
    let own = provisioned(&mut server, &[tenant("plane", "o")], Enforcement::Enforced).await.remove(0);
    let mut open = clients::redis::connect(&held).await.unwrap();
    redis::cmd("PING").exec_async(&mut open).await.unwrap();

    let url = &own.connections.redis;
    let mut coming = crate::http::tls(&format!("127.0.0.1:{}", url.port), &server.place.ca).await;
    server.running.remove(&shared).await.unwrap();
    coming.write_all(format!("AUTH {} {}\r\n", url.user, url.password.expose()).as_bytes()).await.unwrap();
    let mut answer = [0; 5];
    coming.read_exact(&mut answer).await.expect("the connection is still there");
    assert_eq!(&answer, b"+OK\r\n");

    let ended = redis::cmd("PING").exec_async(&mut open).await;
    assert!(ended.is_err(), "a connection of the shared login outlived it");
    server.running.stop().await;
}

#[tokio::test]
async fn no_secret_is_visible_and_nothing_outlives_stop() {
    let mut server = direct(Service::Redis).await;
    let access = provisioned(&mut server, &[tenant("engine", "p")], Enforcement::Enforced).await;
    let password = access[0].connections.redis.password.expose();
    let lines = command_lines(&server.place);
    assert!(!lines.is_empty(), "the server's process is marked with the run");
    assert!(lines.iter().all(|line| !line.contains(password)), "{lines:?}");
    let mut paths = vec![server.place.dir.clone()];
    while let Some(path) = paths.pop() {
        if path.is_dir() {
            paths.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            continue;
        }
        let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
        assert!(!text.contains(password), "{}", path.display());
        if path.ends_with("redis.conf") || path.ends_with("key.pem") {
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{}", path.display());
        }
    }
    server.running.stop().await;
    assert_eq!(command_lines(&server.place), Vec::<String>::new());
    clients::redis::connect(&access[0]).await.expect_err("nothing listens any more");
}

#[tokio::test]
async fn a_foreign_authority_a_wrong_password_and_plaintext_are_refused() {
    let mut server = direct(Service::Redis).await;
    let access = provisioned(&mut server, &[tenant("engine", "t")], Enforcement::Enforced).await.remove(0);

    let mut by_name = access.clone();
    by_name.connections.redis.host = "localhost".into();
    clients::redis::connect(&by_name).await.expect("the certificate names localhost");
    let facts = clients::tls::facts(&by_name, Service::Redis).await.unwrap();
    assert!(facts.version.starts_with("TLSv1.") && facts.cipher.contains("AES"), "{facts:?}");
    assert_eq!(facts.peer_names, ["localhost", "127.0.0.1", "::1"]);

    let mut stranger = access.clone();
    let other = server.place.dir.join("other-ca.pem");
    std::fs::write(&other, bulkhead_target::Authority::new().unwrap().pem()).unwrap();
    stranger.ca = Some(other);
    let error = clients::redis::connect(&stranger).await.map(|_| ()).unwrap_err().chain();
    assert!(error.contains("certificate"), "{error}");
    let error = clients::tls::facts(&stranger, Service::Redis).await.unwrap_err().chain();
    assert!(error.contains("certificate"), "{error}");

    let mut guess = access.clone();
    guess.connections.redis.password = bulkhead_model::Secret::new("guess");
    let error = clients::redis::connect(&guess).await.map(|_| ()).unwrap_err().chain();
    assert!(error.contains("assword") && !error.contains("guess"), "{error}");

    let mut plain = access;
    plain.connections.redis.tls = false;
    clients::redis::connect(&plain).await.expect_err("the server speaks TLS alone");
    server.running.stop().await;
}
