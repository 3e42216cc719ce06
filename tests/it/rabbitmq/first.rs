//! Slices that are there as soon as the broker is, from the definitions file that it reads as it starts.

use bulkhead_model::{Enforcement, Service, Tenant};

use super::{channel, declare, eval, get, publish, shown};
use crate::support::{Direct, alone, direct_first, tenant};

const VHOSTS: &str = "lists:sort(rabbit_vhost:list_names())";
const USERS: &str =
    "lists:sort([proplists:get_value(user, U) || U <- rabbit_auth_backend_internal:list_users()])";

fn tenants(mark: &str) -> [Tenant; 2] {
    [tenant("engine", mark), tenant("plane", mark)]
}

/// What a broker knows of vhosts, users and what these may, passwords left out.
async fn known(server: &mut Direct) -> Vec<String> {
    let mut facts = Vec::new();
    for question in [
        VHOSTS,
        USERS,
        "lists:sort(rabbit_auth_backend_internal:list_permissions())",
        "lists:sort(rabbit_auth_backend_internal:list_topic_permissions())",
        "lists:sort(rabbit_vhost_limit:list())",
        "lists:sort(rabbit_auth_backend_internal:get_user_limits())",
    ] {
        facts.push(shown(&mut server.running, question).await);
    }
    facts
}

#[tokio::test]
async fn they_are_there_before_anybody_asks_and_whoever_asks_gets_them() {
    for enforcement in [Enforcement::Enforced, Enforcement::Convention] {
        let tenants = tenants("a");
        let mut server = direct_first(Service::Rabbitmq, (tenants.to_vec(), enforcement)).await;
        let before = known(&mut server).await;
        assert!(before[0].contains("/engine.a") && before[0].contains("/plane.a"), "{before:?}");
        let hashes = "[{U, rabbit_auth_backend_internal:lookup_user(proplists:get_value(user, U))} \
                      || U <- rabbit_auth_backend_internal:list_users()]";
        let passwords = eval(&mut server.running, hashes).await;

        let made = server.running.provision(&tenants, enforcement).await.unwrap();
        assert_eq!(eval(&mut server.running, hashes).await, passwords, "nothing was made anew");
        for (tenant, access) in tenants.iter().zip(made) {
            let access = alone(tenant, access, &server.place.ca);
            let (_connection, channel) = channel(&access).await;
            declare(&channel, "tasks", &[]).await.unwrap();
            assert!(publish(&channel, "", "tasks", "work").await.unwrap());
            assert_eq!(get(&channel, "tasks").await.unwrap().as_deref(), Some("work"));
        }

        // Made the usual way they are the same.
        server.running.remove(&tenants).await.unwrap();
        let none = known(&mut server).await;
        assert!(!none[0].contains("engine") && none[0].contains("bulkhead-admin"), "{none:?}");
        server.running.provision(&tenants, enforcement).await.unwrap();
        assert_eq!(known(&mut server).await, before);

        // What is removed stays so when the broker starts again.
        server.running.remove(&tenants).await.unwrap();
        server.running.halt(true).await.unwrap();
        server.running.start_again().await.unwrap();
        assert_eq!(known(&mut server).await, none);
        server.running.stop().await;
    }
}

#[tokio::test]
async fn whoever_asks_for_others_gets_those() {
    let mut server = direct_first(Service::Rabbitmq, (tenants("a").to_vec(), Enforcement::Enforced)).await;
    let others = tenants("b");
    let made = server.running.provision(&others, Enforcement::Enforced).await.unwrap();
    for (tenant, access) in others.iter().zip(made) {
        let (_connection, channel) = channel(&alone(tenant, access, &server.place.ca)).await;
        declare(&channel, "tasks", &[]).await.unwrap();
    }
    server.running.stop().await;
}
