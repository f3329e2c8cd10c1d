//! A look-up of an exchange's markets for callers of any thread: it runs in the background, [`MarketList::wait`] waits
//! for it, and what came is read as JSON.

use crate::{
    feed::markets::{Query, fetch},
    platform::ReadySignal,
    runtime,
    status::{Error, Result, Status},
};
use futures::FutureExt;
use parking_lot::{Condvar, Mutex};
use std::{
    os::fd::OwnedFd,
    panic::AssertUnwindSafe,
    sync::{Arc, Weak},
    time::Instant,
};
use tokio::task::AbortHandle;

/// The markets of one exchange, as soon as they are there.
pub struct MarketList {
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    /// The list as JSON.
    outcome: Option<Result<Arc<str>>>,
    task: Option<AbortHandle>,
    /// Set once there is an outcome.
    signal: Option<ReadySignal>,
}

impl MarketList {
    /// Parses and checks a query, then asks the exchange in the background.
    pub fn start(json: &str) -> Result<Arc<Self>> {
        let query = Query::parse(json)?;
        let runtime = runtime::handle()?;
        let list = Arc::new(Self {
            state: Mutex::new(State {
                outcome: None,
                task: None,
                signal: None,
            }),
            changed: Condvar::new(),
        });
        let task = runtime.spawn(look_up(Arc::downgrade(&list), query));
        list.state.lock().task = Some(task.abort_handle());
        Ok(list)
    }

    /// Waits until the list is there or cannot be had; `Ok(false)` when `deadline` comes first.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        let mut state = self.state.lock();
        loop {
            if let Some(outcome) = &state.outcome {
                return outcome.clone().map(|_| true);
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) if Instant::now() >= deadline => return Ok(false),
                Some(deadline) => {
                    self.changed.wait_until(&mut state, deadline);
                }
            }
        }
    }

    /// A descriptor of the caller's own that is readable when [`Self::wait`] would not wait.
    pub fn ready_fd(&self) -> Result<OwnedFd> {
        let mut state = self.state.lock();
        let ready = state.outcome.is_some();
        let signal = match &mut state.signal {
            Some(signal) => signal,
            none => none.insert(ReadySignal::new()?),
        };
        signal.set(ready);
        signal.duplicate()
    }

    /// The list as JSON: an array of name, base, quote and instrument_kind.
    pub fn json(&self) -> Result<Arc<str>> {
        self.state.lock().outcome.clone().unwrap_or_else(|| {
            Err(Error::new(
                Status::NotReady,
                "the markets have not come yet; wait for them first",
            ))
        })
    }

    /// Ends the look-up; waits end with `HandleClosed`.
    pub fn close(&self) {
        let closed = Error::new(Status::HandleClosed, "the list of markets was closed");
        self.end(Err(closed));
        if let Some(task) = self.state.lock().task.take() {
            task.abort();
        }
    }

    fn end(&self, outcome: Result<Arc<str>>) {
        let mut state = self.state.lock();
        state.outcome.get_or_insert(outcome);
        if let Some(signal) = &mut state.signal {
            signal.set(true);
        }
        drop(state);
        self.changed.notify_all();
    }
}

impl Drop for MarketList {
    fn drop(&mut self) {
        self.close();
    }
}

async fn look_up(list: Weak<MarketList>, query: Query) {
    let fetched = AssertUnwindSafe(fetch(&query)).catch_unwind().await;
    let outcome = match fetched {
        Ok(Ok(markets)) => {
            Ok(serde_json::to_string(&markets).expect("markets are plain strings and numbers"))
        }
        Ok(Err(error)) => Err(error),
        Err(_) => Err(Error::new(
            Status::Panic,
            "a fault of the library: a list of markets could not be read",
        )),
    };
    if let Some(list) = list.upgrade() {
        list.end(outcome.map(Arc::from));
    }
}
