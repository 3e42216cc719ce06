//! The clock that wakes connections: one timer of the kernel, exact to its own resolution, for all of them.
//!
//! The runtime's own timer counts whole milliseconds and rounds up, which a delay of a few milliseconds cannot bear. What
//! to do at a time is the chains' business; here a task is only woken at it, never before.

use std::{
    collections::BTreeMap,
    io,
    os::fd::OwnedFd,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicU64, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use tokio::io::{Interest, unix::AsyncFd};

/// Times are rounded up to a multiple of this, so that a stream of delayed chunks wakes its task once for a few of them.
const GRAIN: Duration = Duration::from_micros(100);

/// When to wake whom; the number keeps apart those of one time.
type Moment = (Instant, u64);

/// The clock of a set of proxies. Its timer is made when first needed.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Where the multiples of [`GRAIN`] begin.
    began: OnceLock<Instant>,
    numbers: AtomicU64,
    waiting: Mutex<BTreeMap<Moment, Waker>>,
    timer: OnceLock<Option<Arc<AsyncFd<OwnedFd>>>>,
}

/// One way's place at the clock: it waits for one time at most.
#[derive(Debug)]
pub(crate) struct Alarm {
    clock: Arc<Clock>,
    set: Option<Moment>,
}

impl Alarm {
    pub(crate) fn new(clock: &Arc<Clock>) -> Self {
        Self { clock: clock.clone(), set: None }
    }

    /// Has the task woken once at that time, in place of any time that was set before.
    pub(crate) fn set(&mut self, due: Option<Instant>, waker: &Waker) {
        let due = due.map(|due| self.clock.rounded(due));
        if self.set.map(|(at, _)| at) == due && self.set.is_none_or(|moment| self.clock.waits(moment)) {
            return;
        }
        self.clear();
        self.set = due.map(|due| self.clock.add(due, waker.clone()));
    }

    fn clear(&mut self) {
        if let Some(moment) = self.set.take() {
            self.clock.locked().remove(&moment);
        }
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Clock {
    /// The first time on the clock's face that is not before that one; itself where there is none.
    fn rounded(&self, due: Instant) -> Instant {
        let began = *self.began.get_or_init(Instant::now);
        let beyond = due.saturating_duration_since(began).as_nanos() % GRAIN.as_nanos();
        let missing = u64::try_from(beyond).map_or(Duration::ZERO, |beyond| match beyond {
            0 => Duration::ZERO,
            beyond => GRAIN.saturating_sub(Duration::from_nanos(beyond)),
        });
        due.checked_add(missing).unwrap_or(due)
    }

    fn waits(&self, moment: Moment) -> bool {
        self.locked().contains_key(&moment)
    }

    fn add(self: &Arc<Self>, due: Instant, waker: Waker) -> Moment {
        let moment = (due, self.numbers.fetch_add(1, Ordering::Relaxed));
        let timer = self.timer.get_or_init(|| match self.start() {
            Ok(timer) => Some(timer),
            Err(error) => {
                tracing::warn!(%error, "no timer of the kernel's: delays are rounded up to whole milliseconds");
                None
            }
        });
        let Some(timer) = timer else {
            self.locked().insert(moment, waker);
            let clock = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep_until(due.into()).await;
                let waker = clock.locked().remove(&moment);
                waker.into_iter().for_each(Waker::wake);
            });
            return moment;
        };
        let mut waiting = self.locked();
        let first = waiting.first_key_value().is_none_or(|(first, _)| moment < *first);
        waiting.insert(moment, waker);
        if first {
            arm(timer, due);
        }
        moment
    }

    #[expect(
        deprecated,
        reason = "its successor is `unsafe` for what does not own its descriptor; this one does"
    )]
    fn start(self: &Arc<Self>) -> io::Result<Arc<AsyncFd<OwnedFd>>> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        let timer = Arc::new(AsyncFd::with_interest(timer, Interest::READABLE)?);
        tokio::spawn(run(Arc::downgrade(self), timer.clone()));
        Ok(timer)
    }

    /// Wakes those whose time has come, and sets the timer for the next.
    fn tick(&self, timer: &AsyncFd<OwnedFd>) {
        let mut woken = Vec::new();
        {
            let mut waiting = self.locked();
            let now = Instant::now();
            while let Some(entry) = waiting.first_entry() {
                let (due, _) = *entry.key();
                if due > now {
                    arm(timer, due);
                    break;
                }
                woken.push(entry.remove());
            }
        }
        woken.into_iter().for_each(Waker::wake);
    }

    fn locked(&self) -> MutexGuard<'_, BTreeMap<Moment, Waker>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Clock {
    /// Wakes the timer's task, which then ends.
    fn drop(&mut self) {
        if let Some(Some(timer)) = self.timer.get() {
            arm(timer, Instant::now());
        }
    }
}

/// Runs until the last proxy and connection have let go of the clock.
async fn run(clock: Weak<Clock>, timer: Arc<AsyncFd<OwnedFd>>) {
    loop {
        let Ok(mut ready) = timer.readable().await else { return };
        let read = ready.try_io(|timer| Ok(rustix::io::read(timer, &mut [0; 8])?));
        let Some(clock) = clock.upgrade() else { return };
        if read.is_ok() {
            // Nothing is left to read until the timer fires once more, which makes it ready anew.
            ready.clear_ready();
            clock.tick(&timer);
        }
    }
}

/// Sets the timer. The kernel refuses only a time that is no time; then it would fire at once.
fn arm(timer: &AsyncFd<OwnedFd>, due: Instant) {
    // Nought would switch the timer off.
    let wait = due.saturating_duration_since(Instant::now()).max(Duration::from_nanos(1));
    let it_value = Timespec {
        tv_sec: i64::try_from(wait.as_secs()).unwrap_or(i64::MAX),
        tv_nsec: i64::from(wait.subsec_nanos()),
    };
    let once = Itimerspec { it_interval: Timespec { tv_sec: 0, tv_nsec: 0 }, it_value };
    if let Err(error) = timerfd_settime(timer, TimerfdTimerFlags::empty(), &once) {
        tracing::warn!(%error, "cannot set the timer");
    }
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, task::Poll};

    use super::*;

    /// Waits for a time by the clock alone.
    async fn until(clock: Arc<Clock>, due: Instant) -> Instant {
        let mut alarm = Alarm::new(&clock);
        poll_fn(|cx| {
            let now = Instant::now();
            if now >= due {
                return Poll::Ready(now);
            }
            alarm.set(Some(due), cx.waker());
            Poll::Pending
        })
        .await
    }

    #[tokio::test]
    async fn everybody_is_woken_and_nobody_is_left_behind() {
        let clock = Arc::new(Clock::default());
        let began = Instant::now();
        let dues = (0..500).map(|step| began + Duration::from_micros(step * 7919 % 20_000));
        let waits: Vec<_> = dues.map(|due| tokio::spawn(until(clock.clone(), due))).collect();
        for wait in waits {
            tokio::time::timeout(Duration::from_secs(30), wait).await.unwrap().unwrap();
        }
        assert!(clock.locked().is_empty());
    }

    #[tokio::test]
    async fn an_alarm_that_is_set_anew_or_dropped_leaves_nothing_at_the_clock() {
        let clock = Arc::new(Clock::default());
        let later = Instant::now() + Duration::from_secs(3600);
        let mut alarm = Alarm::new(&clock);
        alarm.set(Some(later), Waker::noop());
        alarm.set(Some(later), Waker::noop());
        assert_eq!(clock.locked().len(), 1);
        alarm.set(Some(later + Duration::from_secs(1)), Waker::noop());
        assert_eq!(clock.locked().len(), 1);
        // An earlier one is not kept waiting by it.
        let now = Instant::now();
        tokio::time::timeout(Duration::from_secs(30), until(clock.clone(), now + Duration::from_millis(1)))
            .await
            .unwrap();
        drop(alarm);
        assert!(clock.locked().is_empty());
    }

    #[tokio::test]
    async fn the_timers_task_ends_with_the_clock() {
        let clock = Arc::new(Clock::default());
        until(clock.clone(), Instant::now() + Duration::from_millis(1)).await;
        let timer = Arc::downgrade(clock.timer.get().unwrap().as_ref().unwrap());
        drop(clock);
        let ended = async {
            while timer.upgrade().is_some() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), ended).await.unwrap();
    }
}
