//! The look at a Redis that others use, before a run and after it: what bears the run's mark outside its names is found,
//! what does not is counted, and where the look would cost too much or is refused the run says so.

use std::sync::Arc;

use bulkhead_engine::audit::{KEYS, Marks, Watch};
use bulkhead_model::{
    Enforcement, RunAudit, Service, Topology,
    scenario::{Case, Scenario, Subject},
};
use bulkhead_target::{
    TenantAccess,
    backends::env::{RunId, Seat},
    clients,
};

use crate::support::{Direct, alone, direct};

const RUN: &str = "65f1a2b3c0ffee";

/// A server that two tenants share under one login, with what their apps keep there.
struct World {
    server: Direct,
    seats: Vec<Seat>,
    login: TenantAccess,
}

impl World {
    async fn new() -> Self {
        let mut server = direct(Service::Redis).await;
        let tenants = Topology::builtin().tenants;
        let made = server.running.provision(&tenants, Enforcement::Convention).await.unwrap();
        let seats: Vec<_> = tenants
            .iter()
            .zip(made)
            .map(|(tenant, made)| Seat {
                tenant: tenant.clone(),
                access: Some(alone(tenant, made, &server.place.ca)),
            })
            .collect();
        let login = seats[0].access.clone().unwrap();
        let world = Self { server, seats, login };
        world.run(&["MSET", "engine:orders", "theirs", "plane:orders", RUN]).await;
        world
    }

    async fn run(&self, words: &[&str]) {
        let mut connection = clients::redis::connect(&self.login).await.unwrap();
        redis::cmd(words[0]).arg(&words[1..]).exec_async(&mut connection).await.unwrap();
    }

    async fn begin(&self) -> Result<Watch, String> {
        Watch::over(&self.seats, Marks::of(&RunId::new(RUN).unwrap(), 7, &[&case()])).await
    }
}

/// One whose probes have words of their own.
fn case() -> Case {
    let scenario = Scenario { probes: vec![String::from("redis.read")], ..Scenario::default() };
    let [from, to] = ["engine", "plane"].map(|name| bulkhead_model::TenantName::new(name).unwrap());
    Case { id: String::from("x"), scenario: Arc::new(scenario), subject: Subject::Pair { from, to } }
}

/// What the neighbour plants in that case.
async fn canary(world: &World) -> String {
    let [from, to] = [0, 1].map(|index| world.seats[index].access.clone().unwrap());
    let seed = bulkhead_engine::seed::Seed::new(7).child("x");
    let pair = bulkhead_engine::probes::Pair::new(&from, &to, &seed);
    pair.ready(Service::Redis).await.unwrap();
    let mut connection = clients::redis::connect(&to).await.unwrap();
    redis::cmd("GET").arg("plane:bulkhead:canary").query_async(&mut connection).await.unwrap()
}

#[tokio::test]
async fn what_bears_the_runs_mark_outside_its_names_is_found_and_all_else_is_counted() {
    let mut world = World::new().await;
    let before = world.begin().await.unwrap();
    let [own, other] = [RUN, "65f1a2b3c0ffef"].map(|run| format!("engine:bulkhead:{run}:3:k"));
    // What a run made in its names, another run in its own, and an app in whichever it likes.
    for key in [own.as_str(), &other, "engine:sessions", "somebody"] {
        world.run(&["SET", key, "1"]).await;
    }
    world.run(&["SET", "engine:large", &"x".repeat(99_999)]).await;
    world.run(&["RPUSH", "engine:long", &"x".repeat(99_999)]).await;
    let found = before.end().await.unwrap();
    let expected = RunAudit { service: Service::Redis, names: 8, outside: Vec::new(), others: 4, unread: 1 };
    assert_eq!(found, expected);

    let token = canary(&world).await;
    let before = world.begin().await.unwrap();
    let (stray, bare) = (format!("engin:bulkhead:{RUN}:3:k"), format!("bulkhead:{RUN}"));
    let strays: [&[&str]; 8] = [
        &["SET", &stray, "1"],
        &["SET", &bare, "1"],
        &["SET", "a string", &format!("before {token} after")],
        &["HSET", "hash", "field", &token],
        &["RPUSH", "list", "first", &token],
        &["SADD", "set", &token],
        &["ZADD", "zset", "1", RUN],
        &["XADD", "stream", "*", "field", &token],
    ];
    for stray in strays {
        world.run(stray).await;
    }
    world.run(&["SET", "plane:new", "1"]).await;
    let found = before.end().await.unwrap();
    let mut names: Vec<_> = strays.iter().map(|stray| stray[1].to_owned()).collect();
    names.sort();
    assert_eq!((found.outside, found.others), (names, 1));
    world.server.running.stop().await;
}

#[tokio::test]
async fn where_a_look_would_cost_too_much_or_is_refused_none_is_made_and_it_says_why() {
    let mut world = World::new().await;
    let fill = format!("for i = 1, {KEYS} do redis.call('SET', 'engine:' .. i, '') end");
    let before = world.begin().await.unwrap();
    world.run(&["EVAL", &fill, "0"]).await;
    let too_many = format!("the server holds {} keys, and at most {KEYS} are looked at", KEYS + 2);
    assert_eq!(before.end().await.unwrap_err(), too_many);
    assert_eq!(world.begin().await.err(), Some(too_many));
    world.run(&["DEL", "engine:1", "engine:2"]).await;
    let found = world.begin().await.unwrap().end().await.unwrap();
    assert_eq!((found.names, found.others), (KEYS, 0), "as many as may be");

    let before = world.begin().await.unwrap();
    world.run(&["EVAL", "for i = 1, 70 do redis.call('SET', 'plane:' .. i, '') end", "0"]).await;
    world.run(&["EVAL", "for i = 3, 99 do redis.call('DEL', 'engine:' .. i) end", "0"]).await;
    let found = before.end().await.unwrap();
    assert_eq!((found.others, found.unread), (70, 6), "into some it looks, and says of how many it did not");

    world.run(&["FLUSHALL"]).await;
    world
        .run(&["EVAL", "for i = 1, 30 do redis.call('SET', i .. string.rep('x', 99999), '') end", "0"])
        .await;
    let why = world.begin().await.err().unwrap();
    assert!(why.contains("the names of all keys have more than"), "{why}");
    for (command, doing) in [("scan", "walk through the keys"), ("dbsize", "count the keys")] {
        let refuse = format!("ACL SETUSER {} -{command}", world.login.connections.redis.user);
        world.server.running.administer(&refuse).await.unwrap();
        let why = world.begin().await.err().unwrap();
        assert!(why.starts_with(&format!("could not {doing}: NoPerm")), "{why}");
    }
    world.server.running.stop().await;
}
