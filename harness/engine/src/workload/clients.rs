//! Clients that do one operation after another, as a careful app does: each on a connection of its own, which it makes
//! when it needs it, each operation under a deadline, and none done again whose outcome it cannot know.

use std::{future::Future, time::Duration};

use bulkhead_model::{Act, Ending, Found};
use bulkhead_target::Error;
use futures::future::join_all;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::{OPERATION, Stage, Workload, back_off::BackOff};
use crate::{
    cost::{Cost, prices},
    scribe,
};

/// How long a client goes on with what was due before draining began: enough for what a fault kept waiting, where the service
/// keeps up again. Where it does not, as on a busy machine, there is no end to what is due.
const MADE_UP: Duration = Duration::from_secs(2);

/// Why nothing was sent.
pub(super) const NO_CONNECTION: &str = "not sent: there is no connection";

/// What one client does.
pub(super) trait Doer: Send {
    /// Its way to the server.
    type Line: Send;

    /// Makes it.
    fn connect(&self) -> impl Future<Output = Result<Self::Line, Error>> + Send;

    /// What comes on it unasked, at its dearest.
    fn unasked(&self) -> Cost {
        Cost::NONE
    }

    /// What is to be done next.
    fn next(&mut self) -> Act;

    /// What doing it costs at most.
    fn price(&self, act: &Act) -> Cost;

    /// Does it once. Where it is given up half-way, its outcome is unknown.
    fn perform(&mut self, line: &mut Self::Line, act: &Act) -> impl Future<Output = Performed> + Send;
}

/// What came of it: what was found, for what looks for something.
pub(super) type Performed = Result<Option<Found>, Trouble>;

/// Why an operation was not acknowledged, in the server's words or the client's.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The server refused it; the connection is as good as before.
    Refused(String),
    /// There was no connection to send it on.
    Unsent(String),
    /// It was begun and broke off before what would have made it happen was sent; the connection is of no more use.
    Undone(String),
    /// It was sent, and nothing that is certain came back.
    Unsure(String),
}

/// When a client does its operations.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// One is due each time so long after the one before, whatever the service does: an open loop. A client that is behind
    /// goes on at once, and makes up for that when draining begins. Each counts from when it was due, or a service that stalls
    /// would hide how many it kept waiting (Tene's "coordinated omission", as in wrk2).
    Due(Duration),
    /// Each begins when the one before is over: a closed loop.
    Closed,
    /// This long after the last one, and at least a tenth of the time so far: what is read grows with it.
    Rarer(Duration),
}

/// One client.
pub(super) struct Client<'a, 's, D: Doer> {
    stage: &'a Stage<'s>,
    who: scribe::Client,
    does: D,
    line: Option<D::Line>,
    back_off: BackOff,
    /// No connection is made before then.
    patient_until: Instant,
}

/// The name under which a client of that workload writes into the journal.
pub(super) fn name(workload: &dyn Workload, stage: &Stage<'_>, name: impl Into<String>) -> scribe::Client {
    scribe::Client {
        name: name.into(),
        tenant: stage.access.tenant.name.clone(),
        service: workload.service(),
        workload: workload.shape().name,
    }
}

/// The time between two operations of one of so many clients that keep up the stage's `rate` together; none in a closed
/// loop.
pub(super) fn share(stage: &Stage<'_>, clients: u64) -> Option<Duration> {
    let float = |number: u64| f64::from(u32::try_from(number).unwrap_or(u32::MAX));
    let rate = stage.chosen.rate()?;
    Some(Duration::from_secs(60).mul_f64(float(clients) / float(rate)))
}

/// The pace of one of so many clients.
pub(super) fn pace(stage: &Stage<'_>, clients: u64) -> Pace {
    share(stage, clients).map_or(Pace::Closed, Pace::Due)
}

/// A moment that has passed on the run's clock.
pub(super) fn on_the_runs_clock(stage: &Stage<'_>, moment: Instant) -> u64 {
    let ago = u64::try_from(moment.elapsed().as_nanos()).unwrap_or(0);
    stage.scribe.now().saturating_sub(ago)
}

/// Works with as many `clients` as the stage says, which keep up its `rate` together. `does` makes what each does, from
/// its number and its name.
pub(super) async fn work_together<D: Doer>(
    workload: &dyn Workload,
    stage: &Stage<'_>,
    does: impl Fn(u64, &str) -> D,
) {
    let clients = stage.chosen.amount("clients");
    let working = (1..=clients).map(|number| {
        let who = name(workload, stage, format!("client {number}"));
        let does = does(number, &who.name);
        let mut client = Client::new(stage, who, does);
        async move { client.work(pace(stage, clients)).await }
    });
    join_all(working).await;
}

impl<'a, 's, D: Doer> Client<'a, 's, D> {
    /// One that has no connection yet.
    pub(super) fn new(stage: &'a Stage<'s>, who: scribe::Client, does: D) -> Self {
        let back_off = BackOff::new(&stage.seed.child(&who.name));
        Self { stage, who, does, line: None, back_off, patient_until: Instant::now() }
    }

    /// Works until no new work is to be begun.
    pub(super) async fn work(&mut self, pace: Pace) {
        let draining = self.stage.draining();
        tokio::pin!(draining);
        let begun = Instant::now();
        let mut next = begun;
        loop {
            tokio::select! {
                biased;
                over = &mut draining => return self.catch_up(pace, next, over).await,
                () = sleep_until(next) => {}
            }
            match pace {
                Pace::Due(each) => {
                    self.operate(Some(next)).await;
                    next += each;
                }
                Pace::Closed => {
                    self.operate(None).await;
                    next = Instant::now().max(self.patient_until);
                }
                Pace::Rarer(rest) => {
                    self.operate(None).await;
                    next = (Instant::now() + rest.max(begun.elapsed() / 10)).max(self.patient_until);
                }
            }
            if self.stage.is_spent() {
                return;
            }
        }
    }

    /// Does what was due before draining began.
    async fn catch_up(&mut self, pace: Pace, mut next: Instant, over: Option<Instant>) {
        let (Pace::Due(each), Some(over)) = (pace, over) else { return };
        let late = Instant::now() + MADE_UP;
        while next < over && Instant::now() < late && !self.stage.is_spent() {
            self.operate(Some(next)).await;
            next += each;
        }
    }

    /// Does one operation after another until one is acknowledged, or the stage's patience is over.
    pub(super) async fn insist(&mut self) {
        let late = Instant::now() + self.stage.terms.patience;
        while self.patient_until < late {
            sleep_until(self.patient_until).await;
            if self.operate(None).await == Ending::Ok || self.stage.is_spent() {
                return;
            }
            if self.line.is_some() {
                // It was refused.
                self.patient_until = Instant::now() + self.back_off.next();
            }
        }
    }

    /// One operation from its beginning to its end; none where it cannot be paid.
    async fn operate(&mut self, due: Option<Instant>) -> Ending {
        let act = self.does.next();
        if !self.stage.pay(self.does.price(&act)) {
            return Ending::Failed;
        }
        let due = due.map(|due| on_the_runs_clock(self.stage, due));
        let op = self.stage.scribe.begin(&self.who, act.clone(), due);
        let (outcome, detail) = match self.attempt(&act).await {
            Ok(found) => {
                self.back_off.reset();
                match found {
                    Some(found) => self.stage.scribe.found(op, found),
                    None => self.stage.scribe.end(op, Ending::Ok, ""),
                }
                return Ending::Ok;
            }
            Err(Trouble::Refused(why)) => (Ending::Failed, why),
            Err(Trouble::Unsent(why)) => {
                self.hang_up();
                (Ending::Failed, format!("{NO_CONNECTION}{why}"))
            }
            Err(Trouble::Undone(why)) => {
                self.hang_up();
                (Ending::Failed, format!("undone: {why}"))
            }
            Err(Trouble::Unsure(why)) => {
                self.hang_up();
                (Ending::Unknown, why)
            }
        };
        self.stage.scribe.end(op, outcome, detail);
        outcome
    }

    async fn attempt(&mut self, act: &Act) -> Performed {
        let late = Instant::now() + OPERATION;
        let line = match &mut self.line {
            Some(line) => line,
            None if Instant::now() < self.patient_until => return Err(Trouble::Unsent(String::new())),
            none => {
                let price = prices::connection(self.who.service).plus(self.does.unasked());
                if !self.stage.pay(price) {
                    return Err(Trouble::Unsent(String::from(": it cannot be paid")));
                }
                let made = timeout_at(late, self.does.connect()).await;
                let made = made.map_err(|_| Trouble::Unsent(format!(" within {OPERATION:?}")))?;
                none.insert(made.map_err(|error| Trouble::Unsent(format!(": {}", error.chain())))?)
            }
        };
        let performed = timeout_at(late, self.does.perform(line, act)).await;
        performed.unwrap_or_else(|_| Err(Trouble::Unsure(format!("no answer within {OPERATION:?}"))))
    }

    /// Gives the connection up; another one is made later.
    fn hang_up(&mut self) {
        self.line = None;
        // What could not be done meanwhile makes the wait no longer.
        if self.patient_until <= Instant::now() {
            self.patient_until = Instant::now() + self.back_off.next();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;

    use bulkhead_model::{
        Ended, Service,
        history::{Event, EventKind},
        scenario::Chosen,
    };
    use tokio::{sync::watch, time::timeout};

    use super::*;
    use crate::{
        cost::{Meter, Unit},
        recorder::{Clock, Recorder},
        scribe::Scribe,
        seed::Seed,
        testing::tenant,
        workload::{Phase, Terms},
    };

    /// Does as it is told, and the last thing again and again.
    struct Told {
        connects: VecDeque<bool>,
        performs: VecDeque<Result<(), Trouble>>,
        count: usize,
        /// With this operation draining begins.
        last: Option<(usize, watch::Sender<Phase>)>,
        /// How long this operation takes; the others take no time.
        stall: Option<(usize, Duration)>,
    }

    impl Told {
        /// Nothing goes wrong.
        fn well() -> Self {
            Self { connects: [].into(), performs: [].into(), count: 0, last: None, stall: None }
        }
    }

    impl Doer for Told {
        type Line = ();

        async fn connect(&self) -> Result<(), Error> {
            match self.connects.get(self.count - 1).unwrap_or(&true) {
                true => Ok(()),
                false => Err(Error::serve(Service::Redis, "connect")("nobody listens")),
            }
        }

        fn next(&mut self) -> Act {
            self.count += 1;
            if let Some((last, phase)) = &self.last
                && self.count == *last
            {
                phase.send_replace(Phase::Drain(Instant::now()));
            }
            Act::Add { element: self.count.to_string() }
        }

        fn price(&self, _: &Act) -> Cost {
            Cost::NONE.with(Unit::RedisCommands, 1)
        }

        async fn perform(&mut self, (): &mut (), _: &Act) -> Performed {
            if let Some((stalled, time)) = self.stall
                && self.count == stalled
            {
                let _over = timeout(time, std::future::pending::<()>()).await;
            }
            self.performs.pop_front().unwrap_or(Ok(())).map(|()| None)
        }
    }

    /// What the history says of each operation of a client that does so.
    async fn played(
        told: Told,
        phase: watch::Receiver<Phase>,
        how: impl AsyncFnOnce(&mut Client<'_, '_, Told>),
    ) -> Vec<(Ending, String)> {
        metered(told, phase, None, how).await
    }

    /// The same where it may spend so much.
    async fn metered(
        told: Told,
        phase: watch::Receiver<Phase>,
        meter: Option<&Meter>,
        how: impl AsyncFnOnce(&mut Client<'_, '_, Told>),
    ) -> Vec<(Ending, String)> {
        let ended = |event: Event| match event.kind {
            EventKind::Ended(Ended { outcome, detail, .. }) => Some((outcome, detail)),
            _ => None,
        };
        recorded(told, phase, meter, how).await.into_iter().filter_map(ended).collect()
    }

    /// The history of a client that does so.
    async fn recorded(
        told: Told,
        phase: watch::Receiver<Phase>,
        meter: Option<&Meter>,
        how: impl AsyncFnOnce(&mut Client<'_, '_, Told>),
    ) -> Vec<Event> {
        let folder = tempfile::tempdir().unwrap();
        let mut recorder = Recorder::begin(folder.path().join("one.jsonl"), Clock::start());
        let (access, scribe) = (tenant("engine"), Scribe::new(&mut recorder));
        let chosen = Chosen { name: String::from("redis.told"), settings: [].into() };
        let (seed, terms) = (Seed::new(1), Terms::default());
        let (access, granted) = (&access, &access.tenant.slices);
        let stage = Stage { access, granted, chosen: &chosen, seed, scribe: &scribe, phase, terms, meter };
        let tenant = access.tenant.name.clone();
        let who = scribe::Client {
            name: String::from("client 1"),
            tenant,
            service: Service::Redis,
            workload: "redis.told",
        };
        how(&mut Client::new(&stage, who, told)).await;
        recorder.finish().0
    }

    #[tokio::test]
    async fn whoever_insists_begins_anew_until_one_is_acknowledged() {
        let told = Told {
            connects: [false].into(),
            performs: [
                Err(Trouble::Unsure(String::from("it broke"))),
                Err(Trouble::Unsent(String::from(" any more"))),
                Err(Trouble::Undone(String::from("it broke early"))),
                Err(Trouble::Refused(String::from("no"))),
            ]
            .into(),
            ..Told::well()
        };
        let (_working, phase) = watch::channel(Phase::Drain(Instant::now()));
        let ended = played(told, phase, async |client| client.insist().await).await;
        let expected = [
            (Ending::Failed, "not sent: there is no connection: redis: could not connect: nobody listens"),
            (Ending::Unknown, "it broke"),
            (Ending::Failed, "not sent: there is no connection any more"),
            (Ending::Failed, "undone: it broke early"),
            (Ending::Failed, "no"),
            (Ending::Ok, ""),
        ];
        assert_eq!(ended, expected.map(|(outcome, detail)| (outcome, detail.to_owned())));
    }

    #[tokio::test]
    async fn what_is_due_while_a_client_waits_fails_at_once_and_nothing_begins_while_draining() {
        let (draining, phase) = watch::channel(Phase::Work);
        let told = Told { connects: [false].into(), last: Some((5, draining)), ..Told::well() };
        // The first wait is longer than 20 milliseconds.
        let pace = Pace::Due(Duration::from_millis(1));
        let ended = played(told, phase, async |client| client.work(pace).await).await;
        // What a slow machine did not come to before draining began is done all the same.
        assert!(ended.len() >= 5, "{ended:?}");
        assert!(ended[0].1.ends_with("nobody listens"), "{ended:?}");
        // A slow machine may have waited long enough before the last of them.
        assert_eq!(ended[1], (Ending::Failed, String::from(NO_CONNECTION)));
    }

    #[tokio::test]
    async fn what_cannot_be_paid_is_not_begun_and_ends_the_client() {
        // One connection, three acts, and not quite a fourth.
        let price = prices::connection(Service::Redis).plus(Cost::NONE.with(Unit::RedisCommands, 3));
        let (_working, phase) = watch::channel(Phase::Work);
        let meter = Meter::new(price);
        let pace = Pace::Due(Duration::from_millis(1));
        let working = async |client: &mut Client<'_, '_, Told>| client.work(pace).await;
        let ended = metered(Told::well(), phase.clone(), Some(&meter), working).await;
        assert_eq!(ended, vec![(Ending::Ok, String::new()); 3]);
        assert!(meter.is_spent());

        let meter = Meter::new(Cost::NONE.with(Unit::RedisCommands, 3));
        let insisting = async |client: &mut Client<'_, '_, Told>| client.insist().await;
        let ended = metered(Told::well(), phase, Some(&meter), insisting).await;
        let unsent = format!("{NO_CONNECTION}: it cannot be paid");
        assert_eq!(ended, [(Ending::Failed, unsent)], "there is no connection without its price");
    }
    /// What was begun: when it was due and when it began, in milliseconds since the first.
    fn begun(history: &[Event]) -> Vec<(Option<u64>, u64)> {
        let begun = history.iter().filter_map(|event| match &event.kind {
            EventKind::Invoked(invoked) => Some((invoked.due, event.at)),
            _ => None,
        });
        let begun: Vec<_> = begun.collect();
        let first = begun.first().map_or(0, |(due, at)| due.unwrap_or(*at));
        let since = |at: u64| at.saturating_sub(first) / 1_000_000;
        begun.into_iter().map(|(due, at)| (due.map(since), since(at))).collect()
    }

    #[tokio::test]
    async fn an_open_loop_leaves_nothing_out_while_the_service_stalls() {
        let (draining, phase) = watch::channel(Phase::Work);
        let stall = Some((2, Duration::from_millis(200)));
        // Draining begins behind the stall, when the client has still much to make up for.
        let told = Told { last: Some((3, draining)), stall, ..Told::well() };
        let pace = Pace::Due(Duration::from_millis(10));
        let history = recorded(told, phase, None, async |client| client.work(pace).await).await;
        let begun = begun(&history);
        assert!(begun.len() >= 20, "one each 10 ms, though the service answered nothing for 200: {begun:?}");
        for (number, (due, at)) in (0..).zip(&begun) {
            let due = due.unwrap();
            assert!(due.abs_diff(number * 10) <= 50, "{number}: {begun:?}");
            assert!(number < 2 || *at >= 200, "its time counts from when it was due: {begun:?}");
        }
    }

    #[tokio::test]
    async fn a_closed_loop_waits_for_the_service_and_for_a_connection() {
        let (draining, phase) = watch::channel(Phase::Work);
        let stall = Some((2, Duration::from_millis(50)));
        let told = Told { connects: [false].into(), last: Some((4, draining)), stall, ..Told::well() };
        let history = recorded(told, phase, None, async |client| client.work(Pace::Closed).await).await;
        let [(None, 0), (None, second), (None, third), (None, _)] = begun(&history)[..] else {
            panic!("{history:?}")
        };
        assert!(second >= 20, "it waits before it connects anew: {second}");
        assert!(third >= second + 50, "{second}, {third}");
    }
}
