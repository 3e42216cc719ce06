//! `redis.rate-limit`: a limiter of fixed windows. Each client asks one counter, which counts and answers in one script,
//! whether one more may pass.
//!
//! A window is numbered by the clients' clock and its counter outlives every case, so that none is begun anew.

use std::time::Duration;

use bulkhead_model::{
    Act, Found, Service, Unit,
    scenario::{Chosen, Kind, Shape, Wanted},
};
use bulkhead_target::{Error, clients as connections};
use redis::{AsyncCommands, aio::MultiplexedConnection};
use tokio::time::Instant;

use super::{
    Flaw, RATE, Stage, Working, Workload,
    clients::{Doer, Performed, work_together},
    redis::{self as common, trouble},
};
use crate::cost::{Cost, Span, prices};

/// How long a window is.
const WINDOW: Duration = Duration::from_secs(1);

/// How long its counter is kept: longer than any case may take.
const KEPT: Duration = Duration::from_secs(30 * 60);

/// The script and the commands in it, of which some providers bill each.
const COUNTING: Cost = prices::commands(3, 1024);

/// Counts one more. Only the first sets when the counter goes, so that nothing puts that off.
const COUNT: &str = "\
    local count = redis.call('INCR', KEYS[1]) \
    if count == 1 then redis.call('PEXPIRE', KEYS[1], ARGV[1]) end \
    return count";

/// The workload.
pub(super) struct RateLimit;

impl Workload for RateLimit {
    fn shape(&self) -> Shape<'static> {
        Shape {
            name: "redis.rate-limit",
            about: "Clients ask an atomic counter for each second's window whether one more is let through.",
            settings: &[
                Wanted { name: "clients", kind: Kind::Amount(Unit::Count, 1..=32), usual: Some("4") },
                Wanted { name: "rate", kind: RATE, usual: Some("200/s") },
                Wanted { name: "limit", kind: Kind::Amount(Unit::Count, 1..=1_000_000), usual: Some("50") },
            ],
        }
    }

    fn service(&self) -> Service {
        Service::Redis
    }

    /// Next to nothing: a counter begins where it is not there.
    fn prepare<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(common::tell(stage))
    }

    fn preparing(&self, _: &Chosen) -> Cost {
        common::telling()
    }

    fn allowance(&self, chosen: &Chosen, span: Span) -> Cost {
        common::allowance(COUNTING, chosen, span)
    }

    fn work<'a>(&'a self, stage: &'a Stage<'a>) -> Working<'a> {
        Box::pin(async move {
            let (limit, begun) = (stage.chosen.amount("limit"), Instant::now());
            work_together(self, stage, |_, _| Asker { stage, limit, begun }).await;
            Ok(())
        })
    }
}

/// One client.
struct Asker<'a, 's> {
    stage: &'a Stage<'s>,
    limit: u64,
    begun: Instant,
}

impl Doer for Asker<'_, '_> {
    type Line = MultiplexedConnection;

    async fn connect(&self) -> Result<MultiplexedConnection, Error> {
        connections::redis::connect(self.stage.access).await
    }

    fn next(&mut self) -> Act {
        let number = self.begun.elapsed().as_millis() / WINDOW.as_millis();
        let window = self.stage.access.tenant.slices.redis.key(&format!("bulkhead:rate:{number}"));
        Act::Admit { window, limit: self.limit }
    }

    fn price(&self, _: &Act) -> Cost {
        COUNTING
    }

    async fn perform(&mut self, connection: &mut MultiplexedConnection, act: &Act) -> Performed {
        let Act::Admit { window, limit } = act else { return Ok(None) };
        if self.stage.terms.flaw == Some(Flaw::TwoSteps) {
            return count_in_two_steps(connection, window, *limit).await;
        }
        let kept = u64::try_from(KEPT.as_millis()).unwrap_or(u64::MAX);
        let mut count = redis::cmd("EVAL");
        count.arg(COUNT).arg(1).arg(window).arg(kept);
        let counted: u64 = count.query_async(connection).await.map_err(trouble)?;
        Ok(Some(Found::Admitted(counted <= *limit)))
    }
}

/// As a careless limiter does: two clients that look at the same moment count as one.
async fn count_in_two_steps(connection: &mut MultiplexedConnection, window: &str, limit: u64) -> Performed {
    let count: Option<u64> = connection.get(window).await.map_err(trouble)?;
    let counted = count.unwrap_or_default() + 1;
    let (kept, mut set) = (KEPT.as_secs(), redis::cmd("SET"));
    set.arg(window).arg(counted).arg("EX").arg(kept);
    set.query_async::<()>(connection).await.map_err(trouble)?;
    Ok(Some(Found::Admitted(counted <= limit)))
}
