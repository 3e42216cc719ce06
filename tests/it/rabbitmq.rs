//! RabbitMQ as a stand-in: `serving` is about its processes and sockets, `first` about slices that it starts with, `fences`
//! about what a tenant may do, `parity` about the fast boot giving the same broker as the plain one.

use std::path::PathBuf;

use bulkhead_model::{Enforcement, Service, Tenant, TenantName};
use bulkhead_target::{
    TenantAccess, clients,
    services::{Place, Running},
};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, Consumer, Queue,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicGetOptions, BasicPublishOptions, BasicQosOptions,
        ConfirmSelectOptions, QueueDeclareOptions,
    },
    types::{AMQPValue, FieldTable},
};

use crate::support::{Direct, alone, direct, tenant};

mod fences;
mod first;
mod parity;
pub(crate) mod serving;

async fn broker() -> Direct {
    let server = direct(Service::Rabbitmq).await;
    assert_eq!(
        server.running.notes(),
        Vec::<String>::new(),
        "the fast boot must fit the tested installation"
    );
    server
}

async fn provisioned(server: &mut Direct, tenants: &[Tenant], enforcement: Enforcement) -> Vec<TenantAccess> {
    let made = server.running.provision(tenants, enforcement).await.unwrap();
    tenants.iter().zip(made).map(|(tenant, access)| alone(tenant, access, &server.place.ca)).collect()
}

/// A tenant that shares a vhost with others by queue prefix.
fn sharing(name: &str, vhost: &str, queues: &str) -> Tenant {
    let mut tenant = tenant("x", "x");
    tenant.name = TenantName::new(name).unwrap();
    tenant.slices.rabbitmq.vhost = vhost.into();
    tenant.slices.rabbitmq.queues = Some(queues.into());
    tenant
}

/// A connection and a channel with confirms.
async fn channel(access: &TenantAccess) -> (Connection, Channel) {
    let connection = clients::rabbitmq::connect(access).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    (connection, channel)
}

fn arguments(pairs: &[(&str, &str)]) -> FieldTable {
    let mut table = FieldTable::default();
    for (key, value) in pairs {
        table.insert((*key).into(), AMQPValue::LongString((*value).into()));
    }
    table
}

async fn declare(channel: &Channel, queue: &str, pairs: &[(&str, &str)]) -> lapin::Result<Queue> {
    let options = QueueDeclareOptions { durable: true, ..Default::default() };
    channel.queue_declare(queue.into(), options, arguments(pairs)).await
}

/// Publishes a persistent message; whether the broker confirmed it and had somewhere to put it.
async fn publish(channel: &Channel, exchange: &str, key: &str, body: &str) -> lapin::Result<bool> {
    let options = BasicPublishOptions { mandatory: true, ..Default::default() };
    let properties = BasicProperties::default().with_delivery_mode(2);
    let sent =
        channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties).await?;
    let confirmation = sent.await?;
    Ok(confirmation.is_ack() && confirmation.take_message().is_none())
}

async fn get(channel: &Channel, queue: &str) -> lapin::Result<Option<String>> {
    let got = channel.basic_get(queue.into(), BasicGetOptions { no_ack: true }).await?;
    Ok(got.map(|message| String::from_utf8(message.delivery.data.clone()).unwrap()))
}

async fn consume(channel: &Channel, queue: &str, table: FieldTable) -> Consumer {
    channel.basic_qos(100, BasicQosOptions::default()).await.unwrap();
    channel.basic_consume(queue.into(), "".into(), BasicConsumeOptions::default(), table).await.unwrap()
}

/// Process ids and programs that carry the run's mark.
fn processes(place: &Place) -> Vec<(i32, String)> {
    let mark = format!("BULKHEAD_RUN={}", place.run);
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let marked = pids.filter(|pid| environment(*pid).contains(&mark));
    marked
        .map(|pid| (pid, std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default()))
        .collect()
}

fn environment(pid: i32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
    bytes.split(|b| *b == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

/// The node's own process.
fn beam(place: &Place) -> i32 {
    let beams = processes(place).into_iter().filter(|(_, program)| program.starts_with("beam"));
    let pids: Vec<_> = beams.map(|(pid, _)| pid).collect();
    assert_eq!(pids.len(), 1, "{:?}", processes(place));
    pids[0]
}

/// An expression's value on the node.
async fn eval(server: &mut Box<dyn Running>, expression: &str) -> String {
    server.administer(expression).await.unwrap_or_else(|error| panic!("{expression}: {}", error.chain()))
}

/// An expression's value in Erlang's own notation, for comparing.
async fn shown(server: &mut Box<dyn Running>, expression: &str) -> String {
    eval(server, &format!("lists:flatten(io_lib:format(\"~0tp\", [begin {expression} end]))")).await
}

/// The installed broker's home.
fn installed() -> PathBuf {
    let homes = std::fs::read_dir("/usr/lib/rabbitmq/lib").unwrap().flatten().map(|entry| entry.path());
    homes.filter(|home| home.join("sbin/rabbitmq-server").is_file()).max().unwrap()
}

/// The next delivery's stream offset, where it has one, and its body; acknowledged.
async fn next(consumer: &mut Consumer) -> (Option<i64>, String) {
    let waiting = tokio::time::timeout(std::time::Duration::from_secs(20), consumer.next());
    let delivery = waiting.await.expect("a delivery in time").expect("an open consumer").unwrap();
    delivery.ack(BasicAckOptions::default()).await.unwrap();
    let headers = delivery.properties.headers().clone().unwrap_or_default();
    let offset = headers.inner().iter().find(|(key, _)| key.as_str() == "x-stream-offset");
    let offset = offset.and_then(|(_, value)| match value {
        AMQPValue::LongLongInt(offset) => Some(*offset),
        _ => None,
    });
    (offset, String::from_utf8(delivery.data.clone()).unwrap())
}
