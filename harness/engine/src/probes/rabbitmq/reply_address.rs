//! `rabbitmq.answer-at-foreign-reply-address`. How a tenant would come by the address is not tried: whoever sees a request
//! sees it, and nobody can guess one.

use bulkhead_model::{Class, Outcome, Service};
use bulkhead_target::Error;
use futures::{FutureExt, StreamExt};
use lapin::{
    BasicProperties, Channel, Connection, Consumer,
    options::{BasicConsumeOptions, BasicGetOptions},
    types::FieldTable,
};

use super::{
    acts::{Act, Names, publish},
    ground::{Ground, PASSED_ON, limit, one_vhost},
};
use crate::probes::{About, Attempt, Attempting, Change, Pair, Probe, Side, answer::Answer};

/// What a consumer of direct replies consumes from, and a request bears until the broker puts the address there.
const REPLY_TO: &str = "amq.rabbitmq.reply-to";

/// Where the owner sends its request.
const ASKED: Act = Act::Place("~asked");

pub(super) struct ReplyAddress;

impl Probe for ReplyAddress {
    fn about(&self) -> &About {
        const {
            &About::new(
                Service::Rabbitmq,
                "rabbitmq.answer-at-foreign-reply-address",
                Class::Write,
                "Knows the address for direct replies to a request of the neighbour's, and answers there from its own vhost.",
            )
        }
    }

    fn fix(&self, pair: &Pair<'_>) -> String {
        limit(pair)
    }

    fn inherent(&self, pair: &Pair<'_>, _server: &str) -> Option<String> {
        let why = "RabbitMQ delivers a direct reply from any vhost to whoever's address it bears, and asks only for write on \
                   `amq.default` in the sender's own, without which an app publishes to no queue by its name; replies \
                   through a queue of one's own close it";
        (!one_vhost(pair)).then(|| String::from(why))
    }

    fn attempt<'a>(&'a self, pair: &'a Pair<'a>, side: Side) -> Attempting<'a> {
        Box::pin(async move {
            let (ground, names) = (pair.rabbitmq().await?, Names { pair, side });
            let token = pair.token("reply");
            let Some(owner) = ground.owner(side) else {
                return Err(Error::Reported(String::from(
                    "there is no owner whose reply address it could be",
                )));
            };
            ground.as_owner(names, &[ASKED], "").await?;
            let asked = names.of(ASKED.name());
            let requested = request(owner, &asked).await;
            let failed = Error::serve(Service::Rabbitmq, "plant a request for a direct reply");
            // The consumer ends with its channel.
            let (_channel, mut replies, address) = requested.map_err(failed)?;
            // The address is a secret of the neighbour's and stays out of the evidence.
            let what = String::from("basic.publish to the default exchange for the address of a reply");
            let own = Names { pair, side: Side::Own };
            let answer = ground.ask_on(own, what, async |channel| {
                publish(&channel, "", &address, &token, BasicProperties::default()).await
            });
            let answer = answer.await;
            if side == Side::Own && answer.outcome == Outcome::Denied {
                return instead(ground, names, &answer, &token).await;
            }
            let seen = Some(Ok(replied(&mut replies, &token, answer.worked()).await));
            Ok(Attempt::Changed(Change { answer, seen }))
        })
    }
}

/// Where nobody may use direct replies, the control is a reply through an exchange of one's own.
async fn instead(ground: &Ground, names: Names<'_>, refused: &Answer, token: &str) -> Result<Attempt, Error> {
    let sent = ground.ask(names, &[Act::Publish { exchange: ASKED.name(), key: "" }], token).await;
    let answer = Answer { call: format!("{}, and instead {}", refused.text(), sent.call), ..sent };
    let seen = ground.held(names, ASKED.name(), token, answer.worked()).await;
    Ok(Attempt::Changed(Change { answer, seen }))
}

/// A consumer of direct replies, and the address that the broker gives its request.
async fn request(owner: &Connection, asked: &str) -> lapin::Result<(Channel, Consumer, String)> {
    let channel = owner.create_channel().await?;
    let options = BasicConsumeOptions { no_ack: true, ..BasicConsumeOptions::default() };
    let replies = channel.basic_consume(REPLY_TO.into(), "".into(), options, FieldTable::default()).await?;
    let properties = BasicProperties::default().with_reply_to(REPLY_TO.into());
    publish(&channel, asked, "", "a request", properties).await?;
    let request = channel.basic_get(asked.into(), BasicGetOptions { no_ack: true }).await?;
    let address = request.and_then(|request| request.delivery.properties.reply_to().clone());
    Ok((channel, replies, address.map(|address| address.to_string()).unwrap_or_default()))
}

/// Whether the reply arrived; one that may be on its way is waited for.
async fn replied(replies: &mut Consumer, token: &str, way: bool) -> bool {
    let mut arrived = async || {
        while let Some(Ok(delivery)) = replies.next().await {
            if delivery.data == token.as_bytes() {
                return true;
            }
        }
        false
    };
    if way {
        return tokio::time::timeout(PASSED_ON, arrived()).await.unwrap_or(false);
    }
    arrived().now_or_never().unwrap_or(false)
}
