//! "Connections tested": the API and the worker, at the same time, on all four services. The API writes a row, a key and
//! an object and hands a task over; the worker takes the task and finds all three.

use std::fmt;

use aws_sdk_s3::{Client, primitives::ByteStream};
use bulkhead_model::{Item, Service, Slices};
use bulkhead_target::{Error, clients};
use futures::StreamExt;
use lapin::{
    BasicProperties, Channel, Connection, ExchangeKind,
    options::{
        BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions,
        ExchangeDeclareOptions, QueueBindOptions, QueueDeclareOptions,
    },
    types::FieldTable,
};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use sqlx::{AssertSqlSafe, PgConnection};

use super::{ChecklistItem, Examination, Examining, NotDone};
use crate::probes::postgres::words::quoted;

pub(super) struct ConnectionsTested;

/// The two kinds of process that an app has.
#[derive(Clone, Copy)]
enum Role {
    Api,
    Worker,
}

/// One role's four connections, open at the same time.
struct Open<'a> {
    slices: &'a Slices,
    round: usize,
    postgres: PgConnection,
    redis: MultiplexedConnection,
    // Held for its channel, which ends with it.
    _rabbitmq: Connection,
    channel: Channel,
    s3: Client,
}

impl ChecklistItem for ConnectionsTested {
    fn item(&self) -> Item {
        Item::ConnectionsTested
    }

    fn examine<'a>(&'a self, examination: &'a Examination<'a>) -> Examining<'a> {
        Box::pin(async move {
            let not_done = |role: Role| {
                move |error: Error| {
                    let fix = "mend that service's own item first; if it holds, look at connection limits: \
                           the API and the worker are connected at the same time";
                    NotDone::new(format!("as the {role}: {}", error.chain()), fix)
                }
            };
            let (api, worker) = tokio::try_join!(
                async { Open::connect(examination).await.map_err(not_done(Role::Api)) },
                async { Open::connect(examination).await.map_err(not_done(Role::Worker)) },
            )?;
            let task = format!("handed over {}", examination.round);
            tokio::try_join!(async { hand_over(api, &task).await.map_err(not_done(Role::Api)) }, async {
                take_over(worker, &task).await.map_err(not_done(Role::Worker))
            },)?;
            let names: Vec<_> = Service::ALL.map(Service::name).into();
            Ok(format!(
                "the API and the worker connected to {} at the same time (8 connections); the API handed over a task, the \
             worker found its row, key and object",
                names.join(", ")
            ))
        })
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Api => "API",
            Self::Worker => "worker",
        })
    }
}

impl<'a> Open<'a> {
    async fn connect(examination: &Examination<'a>) -> Result<Self, Error> {
        let Examination { access, round, .. } = *examination;
        let slices = &access.tenant.slices;
        let (postgres, redis, (rabbitmq, channel)) =
            tokio::try_join!(clients::postgres::connect(access), clients::redis::connect(access), async {
                let connection = clients::rabbitmq::connect(access).await?;
                let channel =
                    tasks(&connection, slices, round).await.map_err(amqp("declare the task queue"))?;
                Ok((connection, channel))
            },)?;
        let s3 = clients::s3::client(access)?;
        Ok(Self { slices, round, postgres, redis, _rabbitmq: rabbitmq, channel, s3 })
    }

    fn table(&self) -> String {
        format!("{}.bulkhead_handover", quoted(self.slices.postgres.schema_or_public()))
    }

    fn key(&self) -> String {
        self.slices.redis.key("bulkhead:handover")
    }

    fn object(&self) -> String {
        self.slices.s3.key("bulkhead/handover")
    }
}

/// The API's part.
async fn hand_over(mut api: Open<'_>, task: &str) -> Result<(), Error> {
    let (table, key, object) = (api.table(), api.key(), api.object());
    for sql in [
        format!("CREATE TABLE IF NOT EXISTS {table} (task text NOT NULL)"),
        format!("INSERT INTO {table} VALUES ('{task}')"),
    ] {
        let done = sqlx::query(AssertSqlSafe(sql)).execute(&mut api.postgres).await;
        done.map_err(Error::serve(Service::Postgres, "write a row"))?;
    }
    let set: redis::RedisResult<()> = api.redis.set(key, task).await;
    set.map_err(Error::serve(Service::Redis, "write a key"))?;
    let body = ByteStream::from(task.as_bytes().to_vec());
    let put = api.s3.put_object().bucket(&api.slices.s3.bucket).key(object).body(body).send().await;
    put.map_err(Error::serve(Service::S3, "write an object"))?;
    // Last, so that whoever takes the task finds the rest.
    let published = async {
        api.channel.confirm_select(ConfirmSelectOptions::default()).await?;
        let (options, properties) = (BasicPublishOptions::default(), BasicProperties::default());
        let exchange = names(api.slices, api.round).1;
        let payload = task.as_bytes();
        api.channel.basic_publish(exchange.into(), "".into(), options, payload, properties).await?.await
    };
    published.await.map(drop).map_err(amqp("hand the task over"))
}

/// The worker's part. The caller bounds the wait for the task.
async fn take_over(mut worker: Open<'_>, task: &str) -> Result<(), Error> {
    let queue = names(worker.slices, worker.round).0;
    let options = BasicConsumeOptions::default();
    let consumer =
        worker.channel.basic_consume(queue.into(), "".into(), options, FieldTable::default()).await;
    let mut consumer = consumer.map_err(amqp("consume tasks"))?;
    let delivery = match consumer.next().await {
        Some(delivery) => delivery.map_err(amqp("receive the task"))?,
        None => {
            return Err(Error::serve(Service::Rabbitmq, "receive the task")("the broker ended the consumer"));
        }
    };
    let (table, key, object) = (worker.table(), worker.key(), worker.object());
    let sql = format!("SELECT task FROM {table} WHERE task = '{task}'");
    let row: sqlx::Result<String> =
        sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(&mut worker.postgres).await;
    same(task, Service::Postgres, "row", &row.map_err(Error::serve(Service::Postgres, "read the row"))?)?;
    let value: redis::RedisResult<String> = worker.redis.get_del(key).await;
    same(task, Service::Redis, "key", &value.map_err(Error::serve(Service::Redis, "read the key"))?)?;
    let bucket = &worker.slices.s3.bucket;
    let got = worker.s3.get_object().bucket(bucket).key(&object).send().await;
    let body = got.map_err(Error::serve(Service::S3, "read the object"))?.body.collect().await;
    let body = body.map_err(Error::serve(Service::S3, "read the object"))?.into_bytes();
    same(task, Service::S3, "object", &String::from_utf8_lossy(&body))?;
    delivery.ack(BasicAckOptions::default()).await.map(drop).map_err(amqp("acknowledge the task"))
}

/// The queue and the exchange that feeds it. Of a round under faults they are its own: a broker may go on for a while with a
/// worker whose connection broke, and give it what the next one waits for.
fn names(slices: &Slices, round: usize) -> (String, String) {
    let round = if round == 0 { String::new() } else { format!("-{round}") };
    let name = |name: &str| slices.rabbitmq.queue(&format!("{name}{round}"));
    (name("bulkhead-tasks"), name("bulkhead-tasks-in"))
}

/// A channel on which the task queue and the exchange that feeds it exist. Both roles declare them: whoever comes first.
async fn tasks(connection: &Connection, slices: &Slices, round: usize) -> lapin::Result<Channel> {
    let channel = connection.create_channel().await?;
    let (queue, exchange) = names(slices, round);
    let none = FieldTable::default;
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    channel.queue_declare(queue.as_str().into(), durable, none()).await?;
    let options = ExchangeDeclareOptions { durable: true, ..ExchangeDeclareOptions::default() };
    channel.exchange_declare(exchange.as_str().into(), ExchangeKind::Fanout, options, none()).await?;
    let options = QueueBindOptions::default();
    channel.queue_bind(queue.into(), exchange.into(), "".into(), options, none()).await?;
    Ok(channel)
}

fn amqp(doing: &'static str) -> impl FnOnce(lapin::Error) -> Error {
    Error::serve(Service::Rabbitmq, doing)
}

fn same(task: &str, service: Service, what: &str, found: &str) -> Result<(), Error> {
    if found == task {
        return Ok(());
    }
    Err(Error::serve(service, format!("find what the API wrote in the {what}"))(format!(
        "it holds `{found}`"
    )))
}
