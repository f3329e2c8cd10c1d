//! Subscribing on a running set. What is added opens as a set of its own, the addition, with connections that lead into
//! the streams there are; when it is open the set takes over its new streams, and when it fails no connection or stream
//! of it is left. What is refused at once registers no instrument. Once connections open their instruments stay
//! registered, for what was read meanwhile has their indices.

use super::{
    State, Streams, closed,
    feeds::{Feed, Opener, SourceKey},
};
use crate::{
    instrument::Instrument,
    platform::ReadySignal,
    queue::Queue,
    status::{Error, Result, Status},
    subscription::{ConnectionPlan, SubKind, connections, parse_batches},
};
use std::{
    mem,
    os::fd::OwnedFd,
    sync::{Arc, Weak},
    time::Instant,
};
use tokio::task::{AbortHandle, Id};

/// What makes a set an addition to another.
pub(super) struct Addition {
    to: Weak<Streams>,
    /// The connections that lead into streams of the other set.
    into_old: Vec<AbortHandle>,
}

impl Streams {
    /// Parses and checks batches and begins to open what is not subscribed yet. The result is a set to wait for and to
    /// close: until it is open, closing it undoes everything. Waits while another addition is under way; `Ok(None)`
    /// when `deadline` comes first.
    pub fn subscribe(
        self: &Arc<Self>,
        json: &str,
        deadline: Option<Instant>,
    ) -> Result<Option<Arc<Self>>> {
        let mut state = self.state.lock();
        loop {
            state.open()?;
            if !state.changing {
                break;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) if Instant::now() >= deadline => return Ok(None),
                Some(deadline) => {
                    self.changed.wait_until(&mut state, deadline);
                }
            }
        }
        let Some(options) = state.options.clone() else {
            return Err(in_memory());
        };
        state.feeds.values_mut().for_each(Feed::forget_ended);
        let mut batches = parse_batches(json)?;
        let is_subscribed = |(kind, instrument): &(SubKind, Instrument)| {
            let feed = state.feeds.get(&(*kind, instrument.exchange));
            let index = self.instruments.find(instrument);
            feed.zip(index)
                .is_some_and(|(feed, index)| feed.carries(index))
        };
        for batch in &mut batches {
            batch.retain(|subscription| !is_subscribed(subscription));
        }
        let added = || batches.iter().flatten();
        options.queues.check(added().map(|(kind, _)| *kind))?;
        state.refuse_overflowed(added().map(|(kind, added)| (*kind, added.exchange)))?;
        let opener = Opener::new(options)?;
        // Nothing is refused any more.
        let plans = connections(batches, &self.instruments, opener.options.snapshot_depth);
        let addition = self.add(&mut state, opener, plans);
        state.changing = true;
        state.tell_turn();
        state.addition = Arc::downgrade(&addition);
        Ok(Some(addition))
    }

    /// A descriptor of the caller's own that is readable when [`Self::subscribe`] would not wait.
    pub fn subscribe_ready_fd(&self) -> Result<OwnedFd> {
        let mut state = self.state.lock();
        let ready = state.has_turn();
        let turn = match &mut state.turn {
            Some(turn) => turn,
            none => none.insert(ReadySignal::new()?),
        };
        turn.set(ready);
        turn.duplicate()
    }

    fn add(
        self: &Arc<Self>,
        state: &mut State,
        mut opener: Opener,
        plans: Vec<ConnectionPlan>,
    ) -> Arc<Self> {
        let mut into_old = Vec::new();
        let mut into_new = Vec::new();
        for plan in plans {
            let old = state.feeds.get_mut(&(plan.kind, plan.exchange));
            // A stream that was closed, or that has ended, takes nothing: there will be another.
            let old = old.and_then(|feed| Some((feed.outlet()?, feed)));
            let opened = old.and_then(|(outlet, feed)| {
                let task = opener.open(plan.clone(), feed, outlet.clone())?;
                // Until it is known whether the addition succeeds, however many of the old connections go.
                feed.kept = Some(outlet);
                Some(task)
            });
            match opened {
                Some(task) => into_old.push(task),
                None => into_new.push(plan),
            }
        }
        let addition = Addition {
            to: Arc::downgrade(self),
            into_old,
        };
        let instruments = self.instruments.clone();
        Self::opening(instruments, opener, into_new, Some(addition))
    }

    /// The set that this one is added to.
    pub(super) fn added_to(&self) -> Option<Arc<Self>> {
        self.addition.as_ref()?.to.upgrade()
    }

    /// Hands the streams of an addition that is open over to its set.
    pub(super) fn hand_over(&self, state: &mut State) -> Result<()> {
        let Some(addition) = &self.addition else {
            return Ok(());
        };
        let Some(set) = addition.to.upgrade() else {
            return Err(closed());
        };
        let mut into = set.state.lock();
        into.open()?;
        into.refuse_overflowed(state.queues.keys().copied())?;
        for (key, queue) in mem::take(&mut state.queues) {
            // One that has ended may still have something to be read.
            let queue = match into.queues.remove(&key) {
                Some(ended) => Queue::succeed(&ended, &queue),
                None => queue,
            };
            into.queues.insert(key, queue);
        }
        into.feeds.extend(mem::take(&mut state.feeds));
        Ok(())
    }

    /// An addition has come to its end: another may begin; where it failed nothing of it stays.
    pub(super) fn addition_ended(&self, undo: bool) {
        let Some(addition) = &self.addition else {
            return;
        };
        if undo {
            addition.into_old.iter().for_each(AbortHandle::abort);
        }
        let Some(set) = addition.to.upgrade() else {
            return;
        };
        let mut state = set.state.lock();
        if undo {
            let undone: Vec<Id> = addition.into_old.iter().map(AbortHandle::id).collect();
            for (key, feed) in &mut state.feeds {
                let (gone, left): (Vec<_>, Vec<_>) = mem::take(&mut feed.carried)
                    .into_iter()
                    .partition(|carried| undone.contains(&carried.task.id()));
                feed.carried = left;
                let instruments = gone.into_iter().flat_map(|carried| carried.instruments);
                feed.left(*key, instruments);
            }
        }
        for feed in state.feeds.values_mut() {
            feed.forget_kept();
        }
        state.changing = false;
        state.tell_turn();
        drop(state);
        set.changed.notify_all();
    }
}

impl State {
    /// Whether `subscribe` would not wait: where the set is not open it fails at once.
    fn has_turn(&self) -> bool {
        !self.changing || self.open().is_err()
    }

    /// Tells those who wait for their turn to subscribe whether it has come.
    pub(super) fn tell_turn(&mut self) {
        let ready = self.has_turn();
        if let Some(turn) = &mut self.turn {
            turn.set(ready);
        }
    }

    /// An error where a stream that is left to select has closed itself, which would end what is added to it.
    fn refuse_overflowed(&self, keys: impl IntoIterator<Item = SourceKey>) -> Result<()> {
        let has_overflowed = |key: &SourceKey| {
            let queue = self.queues.get(key);
            queue.is_some_and(|queue| queue.overflowed())
        };
        match keys.into_iter().find(has_overflowed) {
            None => Ok(()),
            Some((kind, exchange)) => Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "{}: the queue of {} was full and its policy is to close: select that stream and read it to its \
                     end first",
                    exchange.as_str(),
                    kind.name()
                ),
            )),
        }
    }
}

pub(super) fn in_memory() -> Error {
    Error::new(
        Status::InvalidArgument,
        "these streams are in memory: they have no subscriptions, events are injected",
    )
}
