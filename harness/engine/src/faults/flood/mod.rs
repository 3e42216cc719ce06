//! `flood`: a neighbour uses the service as hard as it can, on connections of its own that lead past the links.
//!
//! What a client does of a service is in that service's file. It does so much at most, whatever its time.

use bulkhead_model::{
    Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, TenantAccess};
use tokio::{sync::watch, task::JoinSet};

use super::{AT, Doing, FOR, Fault, Ground, SERVICE, service};

mod postgres;
mod rabbitmq;
mod redis;
mod s3;

/// The most that one client does.
const MOST: u64 = 200_000;

/// The fault.
pub(super) struct Flood;

/// How many clients the neighbour has.
const CLIENTS: Wanted<'static> =
    Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=16), usual: Some("4") };

impl Fault for Flood {
    fn shape(&self) -> Shape<'static> {
        let about = "A neighbour uses the service as hard as it can.";
        Shape { name: "flood", about, settings: &[SERVICE, AT, FOR, CLIENTS] }
    }

    /// Else cases would flood one another, and none could say what its own neighbour cost.
    fn disturbs(&self, _: Service) -> bool {
        true
    }

    fn takes_a_neighbour(&self) -> bool {
        true
    }

    fn begin<'a>(&'a self, ground: &'a Ground<'a>, chosen: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            let service = service(chosen)?;
            let flooding = Flooding::begin(ground.neighbour(chosen)?, service, chosen.amount(CLIENTS.name));
            *ground.flooding.lock().await = Some(flooding);
            Ok(0)
        })
    }

    fn undo<'a>(&'a self, ground: &'a Ground<'a>, _: &'a Chosen) -> Doing<'a> {
        Box::pin(async move {
            match ground.flooding.lock().await.take() {
                Some(flooding) => flooding.end().await,
                None => Ok(0),
            }
        })
    }
}

/// A flood that goes on until it is ended or dropped.
#[derive(Debug)]
pub(crate) struct Flooding {
    stop: watch::Sender<bool>,
    clients: JoinSet<Result<u64, Error>>,
}

/// One client of a flood.
struct Client {
    access: TenantAccess,
    /// Counted from 1.
    number: u64,
    stop: watch::Receiver<bool>,
    done: u64,
}

impl Client {
    /// Whether it is to go on.
    fn goes_on(&self) -> bool {
        !*self.stop.borrow() && self.done < MOST
    }

    /// What it makes is called so.
    fn name(&self) -> String {
        format!("bulkhead:flood-{}", self.number)
    }
}

impl Flooding {
    fn begin(access: &TenantAccess, service: Service, clients: u64) -> Self {
        let (stop, mut flooding) = (watch::Sender::new(false), JoinSet::new());
        for number in 1..=clients {
            let client = Client { access: access.clone(), number, stop: stop.subscribe(), done: 0 };
            flooding.spawn(async move {
                match service {
                    Service::Postgres => postgres::flood(client).await,
                    Service::Redis => redis::flood(client).await,
                    Service::Rabbitmq => rabbitmq::flood(client).await,
                    Service::S3 => s3::flood(client).await,
                }
            });
        }
        Self { stop, clients: flooding }
    }

    /// Ends it and says how much was done.
    async fn end(mut self) -> Result<u64, Error> {
        self.stop.send_replace(true);
        let mut all = 0_u64;
        while let Some(ended) = self.clients.join_next().await {
            let done = ended.map_err(|error| Error::Reported(format!("a client of the flood: {error}")))?;
            all = all.saturating_add(done?);
        }
        Ok(all)
    }
}
