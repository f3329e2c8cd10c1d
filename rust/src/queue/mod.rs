//! The queue between a pump and its reader: chunks of records, bounded in events and bytes. Pumps push under one lock;
//! `recv` takes at most a chunk of what they hold ([`receiving`], [`state`]). What happens when it is full is its [`policy`]; whatever is
//! lost, a `Dropped` notice with the exact count stands in its place ([`gap`], [`telling`]), and for order books a snapshot
//! follows it ([`books`]). Queues are merged ([`merging`]), and order books [`maintained`] instead of queued.

mod book;
mod books;
mod gap;
mod maintained;
mod merging;
mod policy;
mod receiving;
mod state;
mod telling;
#[cfg(test)]
mod tests;

use crate::{
    event::{BarterEvent, Record, Records},
    metrics::{Meter, Metrics, StreamMetrics},
    options::QueueOptions,
    platform::ReadySignal,
    pump::{Source, Target},
    runtime,
    status::{Error, Result, Status},
    subscription::{ConnectionPlan, SubKind},
};
use barter_data::subscription::{
    book::{OrderBookEvent, OrderBookL1},
    liquidation::Liquidation,
    trade::PublicTrade,
};
use barter_instrument::exchange::ExchangeId;
pub(crate) use book::Book;
pub use maintained::Changed;
use parking_lot::{Condvar, Mutex};
pub(crate) use state::State;
use std::{
    mem,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};
use tokio::{runtime::Handle, sync::Notify, task::AbortHandle};

/// A bounded queue of records with one reader at a time and any number of pumps.
pub struct Queue {
    state: Mutex<State>,
    readable: Condvar,
    /// Told of every change of maintained books.
    moved: Condvar,
    /// Whether there is something for a reader, for one that spins.
    ready: AtomicBool,
    /// Told when there is room again, or the pumps are to push elsewhere.
    room: Notify,
    options: QueueOptions,
}

/// What [`Queue::recv`] found.
#[derive(Debug)]
pub enum Received {
    /// At least one record.
    Records(Slice),
    /// The time was up, or the wait was ended by [`Queue::wake`].
    Timeout,
    /// The producers are gone and everything was read.
    Ended,
    /// The queue was closed.
    Closed,
}

/// Part of a sealed chunk, independent of its queue.
pub struct Slice {
    chunk: Arc<Records>,
    start: usize,
    len: usize,
    bytes: usize,
    lent: Arc<Lent>,
}

/// What readers hold of a queue, and give back.
#[derive(Default)]
struct Lent {
    bytes: AtomicUsize,
    /// The memory of the records of a chunk that was read and freed.
    emptied: Mutex<Vec<BarterEvent>>,
}

impl Lent {
    /// Memory for the records of the next chunk.
    fn take_emptied(&self) -> Vec<BarterEvent> {
        mem::take(&mut self.emptied.lock())
    }

    /// Keeps the larger of two.
    fn give_back(&self, mut events: Vec<BarterEvent>) {
        events.clear();
        let mut emptied = self.emptied.lock();
        if emptied.capacity() < events.capacity() {
            *emptied = events;
        }
    }
}

impl Slice {
    /// The records of the slice, at least one.
    pub fn events(&self) -> &[BarterEvent] {
        &self.chunk.events[self.start..][..self.len]
    }

    /// The whole chunk's records, whose levels and text the slice's records refer to.
    pub fn records(&self) -> &Records {
        &self.chunk
    }
}

impl Drop for Slice {
    fn drop(&mut self) {
        self.lent.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        if let Some(records) = Arc::get_mut(&mut self.chunk) {
            self.lent.give_back(mem::take(&mut records.events));
        }
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slice of {} records", self.len)
    }
}

impl Queue {
    /// An empty queue without producers.
    pub fn new(options: QueueOptions) -> Self {
        Self {
            state: Mutex::new(State::new(options)),
            readable: Condvar::new(),
            moved: Condvar::new(),
            ready: AtomicBool::new(false),
            room: Notify::new(),
            options,
        }
    }

    /// Its bounds and its policy.
    pub fn options(&self) -> &QueueOptions {
        &self.options
    }

    /// Told when there is room again, or the pumps are to push elsewhere.
    pub(crate) fn room(&self) -> &Notify {
        &self.room
    }

    /// One producer more, until [`Self::producer_gone`].
    pub(crate) fn producer_added(&self) {
        self.state.lock().producers += 1;
    }

    /// Takes over the tasks of a source: they end when the queue closes.
    pub(crate) fn adopt(&self, source: Source) {
        let mut state = self.state.lock();
        if !state.closed {
            state.sources.push(source);
        }
    }

    /// Whether it still takes something from the source of this target: not once it was closed, or has closed itself.
    pub(crate) fn has(&self, target: &Target) -> bool {
        let state = self.state.lock();
        if !state.takes_more() {
            return false;
        }
        let mut sources = state.sources.iter();
        sources.any(|source| Arc::ptr_eq(&source.target, target))
    }

    /// Runs a connection of the source of this target; `None` where it takes nothing from it any more.
    pub(crate) fn spawn(
        &self,
        target: &Target,
        task: impl Future<Output = ()> + Send + 'static,
        runtime: &Handle,
    ) -> Option<AbortHandle> {
        let mut state = self.state.lock();
        if !state.takes_more() {
            return None;
        }
        let mut sources = state.sources.iter_mut();
        let source = sources.find(|source| Arc::ptr_eq(&source.target, target))?;
        while source.connections.try_join_next().is_some() {}
        Some(source.connections.spawn_on(task, runtime))
    }

    /// Whether it has closed itself and that is still to be read.
    pub(crate) fn overflowed(&self) -> bool {
        self.state.lock().overflowed()
    }

    /// Pushes whatever `push` pushes, then wakes a reader. False where the queue was closed, and nothing was pushed.
    pub(crate) fn push(&self, push: impl FnOnce(&mut State)) -> bool {
        let mut state = self.state.lock();
        if state.closed {
            return false;
        }
        push(&mut state);
        let ended: Vec<_> = match state.overflowed() {
            true => state.sources.iter_mut().map(Source::overflowed).collect(),
            false => Vec::new(),
        };
        self.changed(&mut state);
        drop(state);
        drop(ended);
        true
    }

    /// One producer has ended.
    pub(crate) fn producer_gone(&self) {
        let mut state = self.state.lock();
        state.producers = state.producers.saturating_sub(1);
        if state.is_over() {
            self.readable.notify_all();
        }
        self.changed(&mut state);
    }

    /// Ends one wait in [`Self::recv`]: the present one, or the next.
    pub fn wake(&self) {
        let mut state = self.state.lock();
        state.woken = true;
        self.changed(&mut state);
    }

    /// Discards what waits and ends the sources. Waits and later calls find it closed.
    pub fn close(&self) {
        let mut state = self.state.lock();
        if state.closed {
            return;
        }
        let discarded = state.close();
        self.readable.notify_all();
        self.changed(&mut state);
        drop(state);
        drop(discarded);
        runtime::attend();
    }

    /// A descriptor of the caller's own that is readable exactly when `recv` would not wait.
    pub fn ready_fd(&self) -> Result<OwnedFd> {
        let mut state = self.state.lock();
        if state.closed {
            return Err(Error::new(Status::HandleClosed, "the stream was closed"));
        }
        let ready = state.ready();
        let signal = match &mut state.signal {
            Some(signal) => signal,
            none => none.insert(ReadySignal::new()?),
        };
        signal.set(ready);
        signal.duplicate()
    }

    /// The meter of one more connection that leads here.
    pub(crate) fn meter(&self, plan: &ConnectionPlan) -> Arc<Meter> {
        self.state.lock().meters.add(plan)
    }

    /// Counts and state.
    pub fn metrics(&self) -> Metrics {
        self.state.lock().counts()
    }

    /// The same with the counts of the connections: the metrics of the stream of this exchange and kind.
    pub(crate) fn metrics_of(
        &self,
        exchange: Option<ExchangeId>,
        kind: Option<SubKind>,
    ) -> StreamMetrics {
        let state = self.state.lock();
        StreamMetrics {
            exchange,
            kind,
            counts: state.counts(),
            connections: state.meters.read(),
        }
    }

    /// After every change: tells the descriptor, and wakes a waiter where there is something for it.
    fn changed(&self, state: &mut State) {
        let ready = state.ready();
        if let Some(signal) = &mut state.signal {
            signal.set(ready);
        }
        self.ready.store(ready, Ordering::Release);
        if state.version.is_some() {
            self.moved.notify_all();
            state.tell_next_change();
        }
        if ready {
            state.driving.wake();
            if state.waiters > 0 {
                self.readable.notify_one();
            }
        }
    }
}

/// What a queue does with a payload beyond keeping it.
pub trait KeptBook: Record {
    /// Whether it changes an order book.
    const BOOK: bool = false;
    /// Whether a newer one of the same instrument says all that an older one says.
    const STATE: bool = false;
}

impl KeptBook for PublicTrade {}
impl KeptBook for Liquidation {}
impl KeptBook for OrderBookL1 {
    const STATE: bool = true;
}
impl KeptBook for OrderBookEvent {
    const BOOK: bool = true;
}
