//! How records are received. A reader that finds none waits: where the runtime has one thread and that has nothing to
//! do, the reader drives it meanwhile ([`drive`](crate::drive)); else it sleeps until a pump has pushed something.

use super::{Queue, Received, State};
use crate::{drive::Driver, options::QueuePolicy, runtime};
use parking_lot::MutexGuard;
use std::{
    mem,
    pin::Pin,
    sync::atomic::Ordering,
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};
use tokio::task::yield_now;

/// A reader that is away for longer between two calls does not drive: what arrives meanwhile is to be read meanwhile.
const AWAY_MAX: Duration = Duration::from_micros(200);

/// A reader drives when its last wait took longer: what comes in shorter order keeps the runtime busy anyway.
const SHORT_WAIT: Duration = Duration::from_micros(200);

/// A wait that ends sooner is not for driving: the runtime's clock counts whole milliseconds.
const SHORT_LIMIT: Duration = Duration::from_millis(2);

/// How the readers of a queue have waited so far.
#[derive(Default)]
pub(super) struct Habit {
    left: Option<Instant>,
    waited_long: bool,
}

impl Habit {
    /// Whether one that comes now comes soon after the last has left.
    fn comes_back(&self, now: Instant) -> bool {
        self.left
            .is_some_and(|left| now.duration_since(left) <= AWAY_MAX)
    }

    fn leaves(&mut self, wait_began: Option<Instant>) {
        let now = Instant::now();
        self.left = Some(now);
        self.waited_long = wait_began.is_some_and(|began| now.duration_since(began) > SHORT_WAIT);
    }
}

impl Queue {
    /// Waits for records until `deadline` (`None`: for ever) and takes at most `max` of them.
    pub fn recv(&self, max: usize, deadline: Option<Instant>) -> Received {
        let mut state = self.state.lock();
        if let Some(found) = self.look(&mut state, max) {
            state.habit.leaves(None);
            return found;
        }
        let began = Instant::now();
        let wait = Wait {
            spins_until: began + self.options.spin,
            deadline,
            comes_back: state.habit.comes_back(began),
        };
        let would_drive = wait.comes_back && state.habit.waited_long;
        let driver = runtime::driver();
        if would_drive && driver.is_some_and(|driver| !driver.is_idle()) {
            // On the same processor the keeper has not come to its own wait since it woke this thread.
            MutexGuard::unlocked(&mut state, thread::yield_now);
            if let Some(found) = self.look(&mut state, max) {
                state.habit.leaves(None);
                return found;
            }
        }
        let found = loop {
            let now = Instant::now();
            let ends_within = |time| deadline.is_some_and(|deadline| deadline <= now + time);
            let driven = driver.filter(|driver| {
                let drives = driver.is_with_readers() || would_drive && driver.is_idle();
                drives && !ends_within(SHORT_LIMIT)
            });
            if let Some(driver) = driven {
                let ready = self.ready_or_late(driver, &wait);
                MutexGuard::unlocked(&mut state, || driver.drive(wait.comes_back, ready));
            } else {
                if let Some(driver) = driver {
                    driver.attend_unless_driven();
                }
                if ends_within(Duration::ZERO) {
                    break Received::Timeout;
                }
                self.sleep(&mut state, &wait);
            }
            if let Some(found) = self.look(&mut state, max) {
                break found;
            }
        };
        state.habit.leaves(Some(began));
        found
    }

    /// What there is for a reader now.
    fn look(&self, state: &mut State, max: usize) -> Option<Received> {
        if state.closed {
            return Some(Received::Closed);
        }
        if let Some(slice) = state.take(max.max(1)) {
            self.changed(state);
            if self.options.policy == QueuePolicy::Block {
                self.room.notify_waiters();
            }
            return Some(Received::Records(slice));
        }
        if state.is_over() {
            return Some(Received::Ended);
        }
        let woken = mem::take(&mut state.woken);
        woken.then(|| {
            self.changed(state);
            Received::Timeout
        })
    }

    /// Sleeps until there may be something or the time is up; before that, looks again and again for as long as the
    /// options say.
    fn sleep(&self, state: &mut MutexGuard<'_, State>, wait: &Wait) {
        if wait.spins() {
            MutexGuard::unlocked(state, || {
                while !self.is_ready() && wait.spins() {
                    std::hint::spin_loop();
                }
            });
            if state.ready() {
                return;
            }
        }
        state.waiters += 1;
        match wait.deadline {
            None => self.readable.wait(state),
            Some(deadline) => {
                self.readable.wait_until(state, deadline);
            }
        }
        state.waiters -= 1;
    }

    /// The same for one that drives the runtime.
    async fn ready_or_late(&self, driver: &Driver, wait: &Wait) {
        let mut turns = 0;
        while !self.is_ready() && wait.spins() {
            turns += 1;
            if turns > TURNS_OF_A_READ {
                driver.found_nothing();
            }
            yield_now().await;
        }
        let ready = Ready::of(self);
        match wait.deadline {
            None => ready.await,
            Some(deadline) => {
                let _ = tokio::time::timeout_at(deadline.into(), ready).await;
            }
        }
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }
}

/// In so many turns of the runtime what was there when they began is read.
const TURNS_OF_A_READ: u32 = 2;

/// One wait of a reader.
struct Wait {
    spins_until: Instant,
    deadline: Option<Instant>,
    /// Whether the reader came soon after one had left.
    comes_back: bool,
}

impl Wait {
    /// Whether there is still time to look again and again.
    fn spins(&self) -> bool {
        let now = Instant::now();
        now < self.spins_until && self.deadline.is_none_or(|deadline| now < deadline)
    }
}

/// Ready when the queue is. Until it is dropped, its waker is among those of the queue.
struct Ready<'a> {
    queue: &'a Queue,
    key: u64,
}

impl<'a> Ready<'a> {
    fn of(queue: &'a Queue) -> Self {
        let mut state = queue.state.lock();
        state.driving.last_key += 1;
        let key = state.driving.last_key;
        drop(state);
        Self { queue, key }
    }
}

impl Future for Ready<'_> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.queue.state.lock();
        if state.ready() {
            return Poll::Ready(());
        }
        state.driving.forget(self.key);
        state.driving.wakers.push((self.key, cx.waker().clone()));
        Poll::Pending
    }
}

impl Drop for Ready<'_> {
    fn drop(&mut self) {
        self.queue.state.lock().driving.forget(self.key);
    }
}

/// What wakes the readers of a queue that drive the runtime while they wait.
#[derive(Default)]
pub(super) struct Driving {
    wakers: Vec<(u64, Waker)>,
    last_key: u64,
}

impl Driving {
    /// Wakes them all.
    pub(super) fn wake(&mut self) {
        self.wakers.drain(..).for_each(|(_, waker)| waker.wake());
    }

    fn forget(&mut self, key: u64) {
        self.wakers.retain(|(of, _)| *of != key);
    }
}
