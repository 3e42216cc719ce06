//! RabbitMQ as a stand-in: it serves over TLS on loopback, fences tenants, and leaves no process behind.

use std::collections::BTreeSet;

use bulkhead_model::{Enforcement, Service, Tenant};
use bulkhead_target::{TenantAccess, clients};
use lapin::{
    BasicProperties, Channel, Connection,
    options::{BasicGetOptions, BasicPublishOptions, ConfirmSelectOptions, QueueDeclareOptions},
    types::FieldTable,
};

use crate::support::{Direct, alone, command_lines, direct, tenant};

async fn provisioned(server: &mut Direct, tenants: &[Tenant], enforcement: Enforcement) -> Vec<TenantAccess> {
    let made = server.running.provision(tenants, enforcement).await.unwrap();
    tenants.iter().zip(made).map(|(tenant, access)| alone(tenant, access, &server.place.ca)).collect()
}

async fn channel(access: &TenantAccess) -> (Connection, Channel) {
    let connection = clients::rabbitmq::connect(access).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

/// Declares a queue, publishes to it through the default exchange and takes the message out again.
async fn round_trip(channel: &Channel, queue: &str, body: &str) {
    channel.queue_declare(queue.into(), QueueDeclareOptions::default(), FieldTable::default()).await.unwrap();
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let published = channel
        .basic_publish("".into(), queue.into(), options, body.as_bytes(), BasicProperties::default())
        .await;
    let confirmed = published.unwrap().await.unwrap();
    assert!(confirmed.is_ack(), "{confirmed:?}");
    let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await.unwrap();
    assert_eq!(got.unwrap().delivery.data, body.as_bytes());
}

#[tokio::test]
async fn serves_over_tls_and_reports_its_version() {
    let mut server = direct(Service::Rabbitmq).await;
    let report = server.running.report();
    assert_eq!(report.product, "rabbitmq");
    assert!(report.version.starts_with(|c: char| c.is_ascii_digit()), "{report:?}");
    let tenants = [tenant("engine", "a"), tenant("plane", "a")];
    let enforced = provisioned(&mut server, &tenants, Enforcement::Enforced).await;
    for access in &enforced {
        let (_connection, channel) = channel(access).await;
        round_trip(&channel, "tasks", access.tenant.name.as_str()).await;
    }
    let lines = command_lines(&server.place);
    assert!(lines.len() >= 2, "{lines:?}");
    let secrets: BTreeSet<_> = enforced.iter().map(|a| a.connections.rabbitmq.password.expose()).collect();
    assert!(!lines.iter().any(|line| secrets.iter().any(|secret| line.contains(secret))));
    server.running.remove(&tenants).await.unwrap();
    assert!(clients::rabbitmq::connect(&enforced[0]).await.is_err());
    server.running.stop().await;
    assert_eq!(command_lines(&server.place), Vec::<String>::new());
}
