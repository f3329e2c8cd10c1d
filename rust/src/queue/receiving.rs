//! How records are received. A reader that finds none waits: where the runtime has one thread and that has nothing to
//! do, the reader drives it meanwhile ([`drive`](crate::drive)); else it sleeps until a pump has pushed something.

use super::{Queue, Received, State};
use crate::{drive::Driver, runtime};
use parking_lot::MutexGuard;
use std::{
    future::poll_fn,
    mem,
    sync::atomic::Ordering,
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::task::yield_now;

/// A reader that is away for longer between two calls does not drive: what arrives meanwhile is to be read meanwhile.
const AWAY_MAX: Duration = Duration::from_micros(200);

/// A reader drives when its last wait took longer: what comes in shorter order keeps the runtime busy anyway.
const SHORT_WAIT: Duration = Duration::from_micros(200);

/// In so many turns a driver has read what is there.
const TURNS_OF_A_LOOK: u32 = 2;

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
        let (mut began, mut comes_back, mut was_late) = (None, false, false);
        loop {
            if let Some(found) = self.look(&mut state, max) {
                state.habit.leaves(began);
                return found;
            }
            let now = Instant::now();
            let is_late = deadline.is_some_and(|deadline| deadline <= now);
            if began.is_none() {
                began = Some(now);
                comes_back = state.habit.comes_back(now);
            }
            let drives = comes_back && state.habit.waited_long;
            let driver = runtime::driver()
                .filter(|driver| driver.is_with_readers() || (drives && driver.is_idle()));
            match driver {
                Some(driver) if !was_late => {
                    let ready = self.ready_or_late(driver, now, deadline);
                    MutexGuard::unlocked(&mut state, || driver.drive(comes_back, ready));
                    was_late = is_late;
                }
                _ if is_late => {
                    state.habit.leaves(began);
                    return Received::Timeout;
                }
                _ => self.sleep(&mut state, now, deadline),
            }
        }
    }

    /// What there is for a reader now.
    fn look(&self, state: &mut State, max: usize) -> Option<Received> {
        if state.closed {
            return Some(Received::Closed);
        }
        if let Some(slice) = state.take(max.max(1)) {
            self.changed(state);
            self.room.notify_waiters();
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
    fn sleep(&self, state: &mut MutexGuard<'_, State>, now: Instant, deadline: Option<Instant>) {
        if !self.options.spin.is_zero() {
            let end = self.spins_until(now, deadline);
            MutexGuard::unlocked(state, || {
                while !self.is_ready() && Instant::now() < end {
                    std::hint::spin_loop();
                }
            });
            if state.ready() {
                return;
            }
        }
        state.waiters += 1;
        match deadline {
            None => self.readable.wait(state),
            Some(deadline) => {
                self.readable.wait_until(state, deadline);
            }
        }
        state.waiters -= 1;
    }

    /// The same for one that drives the runtime.
    async fn ready_or_late(&self, driver: &Driver, now: Instant, deadline: Option<Instant>) {
        let spins_until = self.spins_until(now, deadline);
        let looks = deadline.is_some_and(|deadline| deadline <= now);
        let mut turns = 0;
        while !self.is_ready()
            && (looks && turns < TURNS_OF_A_LOOK
                || spins_until > now && Instant::now() < spins_until)
        {
            turns += 1;
            if turns > TURNS_OF_A_LOOK {
                driver.found_nothing();
            }
            yield_now().await;
        }
        let ready = poll_fn(|cx| self.poll_ready(cx));
        match deadline {
            None => ready.await,
            Some(deadline) => {
                let _ = tokio::time::timeout_at(deadline.into(), ready).await;
            }
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.ready() {
            return Poll::Ready(());
        }
        if !state
            .driving
            .iter()
            .any(|waker| waker.will_wake(cx.waker()))
        {
            state.driving.push(cx.waker().clone());
        }
        Poll::Pending
    }

    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    fn spins_until(&self, now: Instant, deadline: Option<Instant>) -> Instant {
        let end = now + self.options.spin;
        deadline.map_or(end, |deadline| deadline.min(end))
    }
}
