//! The queue between a pump and its reader: chunks of records, bounded in events and bytes, closed to change once
//! sealed. Pumps push under one lock; `recv` takes at most a chunk. When it is full the oldest chunk goes and a
//! `Dropped` notice with the exact count stands in its place; for order books a snapshot follows it ([`books`]).

mod books;
mod gap;
#[cfg(test)]
mod tests;

use crate::{
    event::{
        self, BarterEvent, Notice, Record, Records, bytes_of, flag, kind, push_event, push_notice,
    },
    metrics::{Meter, Meters, Metrics, StreamMetrics},
    options::QueueOptions,
    platform::ReadySignal,
    pump::Source,
    status::{Error, Result, Status},
    subscription::{ConnectionPlan, SubKind},
};
use barter_data::{event::MarketEvent, subscription::book::OrderBookEvent};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use books::{BookKey, Books};
use gap::Gap;
use parking_lot::{Condvar, Mutex};
use std::{
    collections::VecDeque,
    mem,
    os::fd::OwnedFd,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

/// Events in a chunk at the most: what decodes well in one go.
const CHUNK_EVENTS_MAX: usize = 1_024;

/// A bounded queue of records with one reader at a time and any number of pumps.
pub struct Queue {
    state: Mutex<State>,
    readable: Condvar,
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
    lent: Arc<AtomicUsize>,
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
        self.lent.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Slice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Slice of {} records", self.len)
    }
}

/// A sealed chunk in the queue, read up to `next`.
struct Waiting {
    chunk: Arc<Records>,
    next: usize,
    arrival: u64,
}

impl Waiting {
    fn new(records: Records, arrival: u64) -> Self {
        Self {
            chunk: Arc::new(records),
            next: 0,
            arrival,
        }
    }

    fn left(&self) -> usize {
        self.chunk.events.len() - self.next
    }
}

/// Orders the chunks of all queues by when they began.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

pub(crate) struct State {
    options: QueueOptions,
    chunk_events: usize,
    chunk_bytes: usize,
    /// What was lost in front of the chunks and not yet told.
    gap: Gap,
    chunks: VecDeque<Waiting>,
    open: Records,
    open_arrival: u64,
    /// Records waiting.
    waiting: usize,
    /// Bytes of the sealed chunks waiting.
    sealed_bytes: usize,
    /// Bytes of slices that readers hold.
    lent: Arc<AtomicUsize>,
    books: Books,
    producers: usize,
    closed: bool,
    woken: bool,
    waiters: usize,
    signal: Option<ReadySignal>,
    sources: Vec<Source>,
    metrics: Metrics,
    meters: Meters,
}

impl Queue {
    /// An empty queue without producers.
    pub fn new(options: QueueOptions) -> Self {
        Self {
            state: Mutex::new(State {
                options,
                chunk_events: CHUNK_EVENTS_MAX.min((options.capacity / 8).max(1)),
                chunk_bytes: options.max_bytes / 8,
                gap: Gap::default(),
                chunks: VecDeque::new(),
                open: Records::default(),
                open_arrival: 0,
                waiting: 0,
                sealed_bytes: 0,
                lent: Arc::default(),
                books: Books::default(),
                producers: 0,
                closed: false,
                woken: false,
                waiters: 0,
                signal: None,
                sources: Vec::new(),
                metrics: Metrics::default(),
                meters: Meters::default(),
            }),
            readable: Condvar::new(),
        }
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

    /// Pushes whatever `push` pushes, then wakes a reader.
    pub(crate) fn push(&self, push: impl FnOnce(&mut State)) {
        let mut state = self.state.lock();
        if !state.closed {
            push(&mut state);
            self.changed(&mut state);
        }
    }

    /// One producer has ended.
    pub(crate) fn producer_gone(&self) {
        let mut state = self.state.lock();
        state.producers = state.producers.saturating_sub(1);
        if state.producers == 0 {
            self.readable.notify_all();
        }
        self.changed(&mut state);
    }

    /// Waits for records until `deadline` (`None`: for ever) and takes at most `max` of them.
    pub fn recv(&self, max: usize, deadline: Option<Instant>) -> Received {
        let mut state = self.state.lock();
        loop {
            if state.closed {
                return Received::Closed;
            }
            let taken = state.take(max.max(1));
            if let Some(slice) = taken {
                self.changed(&mut state);
                return Received::Records(slice);
            }
            if state.producers == 0 {
                return Received::Ended;
            }
            if mem::take(&mut state.woken) {
                self.changed(&mut state);
                return Received::Timeout;
            }
            state.waiters += 1;
            let timed_out = match deadline {
                None => {
                    self.readable.wait(&mut state);
                    false
                }
                Some(deadline) => {
                    Instant::now() >= deadline
                        || self.readable.wait_until(&mut state, deadline).timed_out()
                }
            };
            state.waiters -= 1;
            if timed_out && !state.ready() {
                return Received::Timeout;
            }
        }
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
        state.closed = true;
        let discarded = (
            mem::take(&mut state.sources),
            mem::take(&mut state.chunks),
            mem::take(&mut state.open),
            mem::take(&mut state.gap),
            mem::take(&mut state.books),
        );
        state.waiting = 0;
        state.sealed_bytes = 0;
        self.readable.notify_all();
        self.changed(&mut state);
        drop(state);
        drop(discarded);
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

    /// Merges queues into one: waiting chunks ordered by first arrival, each source in its own order. The sources'
    /// pumps push into the merged queue from now on. Nothing is lost by merging: the bounds add up.
    pub(crate) fn merge(queues: &[Arc<Queue>]) -> Arc<Queue> {
        let options = queues.iter().map(|queue| queue.state.lock().options);
        let options = options
            .reduce(|a, b| QueueOptions {
                capacity: a.capacity.saturating_add(b.capacity),
                max_bytes: a.max_bytes.saturating_add(b.max_bytes),
                ..a
            })
            .unwrap_or_default();
        let merged = Arc::new(Queue::new(options));
        for queue in queues {
            // The targets are locked while they change, so no pump pushes into the emptied queue.
            let targets: Vec<_> = {
                let state = queue.state.lock();
                state
                    .sources
                    .iter()
                    .map(|source| source.target.clone())
                    .collect()
            };
            let mut targets: Vec<_> = targets.iter().map(|target| target.lock()).collect();
            let mut from = queue.state.lock();
            merged.state.lock().absorb(&mut from);
            for target in &mut targets {
                **target = merged.clone();
            }
        }
        let mut state = merged.state.lock();
        state
            .chunks
            .make_contiguous()
            .sort_by_key(|waiting| waiting.arrival);
        drop(state);
        merged
    }

    /// After every change: tells the descriptor, and wakes a waiter where there is something for it.
    fn changed(&self, state: &mut State) {
        let ready = state.ready();
        if let Some(signal) = &mut state.signal {
            signal.set(ready);
        }
        if ready && state.waiters > 0 {
            self.readable.notify_one();
        }
    }
}

impl State {
    fn ready(&self) -> bool {
        self.closed || self.woken || self.producers == 0 || self.has_records()
    }

    fn counts(&self) -> Metrics {
        let mut counts = Metrics {
            queued_events: self.waiting as u64,
            queued_bytes: self.waiting_bytes() as u64,
            bytes_lent: self.lent.load(Ordering::Relaxed) as u64,
            ..self.metrics
        };
        self.meters.count_frames(&mut counts);
        counts
    }

    fn has_records(&self) -> bool {
        !self.gap.is_empty() || self.has_chunks()
    }

    /// Appends a market event.
    pub(crate) fn event<K: Record + KeptBook>(&mut self, event: &MarketEvent<InstrumentIndex, K>) {
        self.metrics.events += 1;
        self.metrics.last_event_ns = event::nanoseconds(event.time_received);
        let (levels, text) = event.kind.extra();
        let mut withheld = false;
        if let Some(book) = event.kind.book_event() {
            let key = BookKey::of(event);
            self.books.update(key, event, book);
            withheld = self.gap.has_book(key);
        }
        self.count_or_drop(bytes_of(1, levels, text), withheld, |records| {
            push_event(records, event);
        });
    }

    /// Appends an error, which counts and drops like an event.
    pub(crate) fn error(&mut self, notice: &Notice) {
        self.metrics.errors += 1;
        self.count_or_drop(bytes_of(1, 0, notice.text_bytes()), false, |records| {
            push_notice(records, notice);
        });
    }

    /// Appends a notice that is never dropped; merges it with an equal one right before it.
    pub(crate) fn notice(&mut self, notice: &Notice) {
        self.metrics.notices += 1;
        self.metrics.reconnects += u64::from(notice.kind == kind::RECONNECTING);
        self.metrics.silences += u64::from(notice.kind == kind::SILENT);
        let merged = if self.has_chunks() {
            self.last_records()
                .is_some_and(|last| gap::merge_into_last(last, notice))
        } else {
            self.gap.merge(notice)
        };
        if !merged {
            self.make_room(bytes_of(1, 0, notice.text_bytes()));
            self.append(|records| push_notice(records, notice));
        }
    }

    fn count_or_drop(&mut self, bytes: usize, withheld: bool, push: impl Fn(&mut Records)) {
        if !withheld {
            self.make_room(bytes);
            if !self.full(bytes) {
                return self.append(push);
            }
        }
        let mut lost = Records::default();
        push(&mut lost);
        self.metrics.dropped += self.gap.refuse(&lost, 0);
    }

    fn append(&mut self, push: impl Fn(&mut Records)) {
        if self.open.events.is_empty() {
            self.open_arrival = ARRIVALS.fetch_add(1, Ordering::Relaxed);
        }
        push(&mut self.open);
        self.waiting += 1;
        let high_water = self.metrics.high_water_events.max(self.waiting as u64);
        self.metrics.high_water_events = high_water;
        let high_water = self
            .metrics
            .high_water_bytes
            .max(self.waiting_bytes() as u64);
        self.metrics.high_water_bytes = high_water;
        if self.open.events.len() >= self.chunk_events || self.open.bytes() >= self.chunk_bytes {
            self.seal();
        }
    }

    fn seal(&mut self) {
        if !self.open.events.is_empty() {
            let sealed = Waiting::new(mem::take(&mut self.open), self.open_arrival);
            self.sealed_bytes += sealed.chunk.bytes();
            self.chunks.push_back(sealed);
        }
    }

    fn has_chunks(&self) -> bool {
        !self.chunks.is_empty() || !self.open.events.is_empty()
    }

    /// The records that end with the youngest one waiting, unless a reader holds part of them.
    fn last_records(&mut self) -> Option<&mut Records> {
        if self.open.events.is_empty() {
            Arc::get_mut(&mut self.chunks.back_mut()?.chunk)
        } else {
            Some(&mut self.open)
        }
    }

    fn full(&self, bytes: usize) -> bool {
        self.waiting + 1 > self.options.capacity
            || self.waiting_bytes() + bytes > self.options.max_bytes
    }

    fn waiting_bytes(&self) -> usize {
        self.sealed_bytes + self.open.bytes()
    }

    /// Drops oldest chunks until one more record of so many bytes fits, or nothing is left.
    fn make_room(&mut self, bytes: usize) {
        while self.full(bytes) {
            if self.chunks.is_empty() {
                self.seal();
            }
            let Some(oldest) = self.remove_oldest() else {
                return;
            };
            for index in oldest.next..oldest.chunk.events.len() {
                self.metrics.dropped += self.gap.lose(&oldest.chunk, index);
            }
        }
    }

    fn remove_oldest(&mut self) -> Option<Waiting> {
        let oldest = self.chunks.pop_front()?;
        self.waiting -= oldest.left();
        self.sealed_bytes -= oldest.chunk.bytes();
        Some(oldest)
    }

    /// Puts a chunk in the queue, unless there is nothing left in it.
    fn insert(&mut self, place: usize, waiting: Waiting) {
        if waiting.left() > 0 {
            self.waiting += waiting.left();
            self.sealed_bytes += waiting.chunk.bytes();
            self.chunks.insert(place, waiting);
        }
    }

    /// Takes at most `max` records of the oldest chunk; first what has to be told of a loss.
    fn take(&mut self, max: usize) -> Option<Slice> {
        if !self.gap.is_empty() {
            self.tell_gap();
        }
        if self.chunks.is_empty() {
            self.seal();
        }
        let waiting = self.chunks.front_mut()?;
        let (chunk, start) = (waiting.chunk.clone(), waiting.next);
        let len = max.min(waiting.left());
        waiting.next += len;
        self.waiting -= len;
        if waiting.left() == 0 {
            self.remove_oldest();
        }
        // Levels and text of the chunk go with its first slice, so that the slices add up to the chunk.
        let extra = if start == 0 {
            chunk.bytes() - bytes_of(chunk.events.len(), 0, 0)
        } else {
            0
        };
        let bytes = bytes_of(len, 0, extra);
        self.lent.fetch_add(bytes, Ordering::Relaxed);
        Some(Slice {
            chunk,
            start,
            len,
            bytes,
            lent: self.lent.clone(),
        })
    }

    /// Puts the gap's notices in front, and after them a snapshot of every book that missed something. What still
    /// waits for those books is in the snapshot, so it goes too, and is counted.
    fn tell_gap(&mut self) {
        let mut gap = mem::take(&mut self.gap);
        if gap.has_books() {
            self.seal();
            for _ in 0..self.chunks.len() {
                if let Some(waiting) = self.remove_oldest() {
                    let kept = self.without_books(waiting, &mut gap);
                    self.insert(self.chunks.len(), kept);
                }
            }
        }
        let mut told = Records::default();
        let (books, notices) = gap.told();
        for notice in &notices {
            push_notice(&mut told, notice);
        }
        for key in books {
            if let Some(snapshot) = self.books.snapshot(key) {
                push_event(&mut told, &snapshot);
                if let Some(made) = told.events.last_mut() {
                    made.flags |= flag::RECOVERED;
                }
            }
        }
        self.insert(0, Waiting::new(told, 0));
    }

    /// The chunk without events of the gap's books, which are counted as lost.
    fn without_books(&mut self, waiting: Waiting, gap: &mut Gap) -> Waiting {
        let touched = |gap: &Gap, event: &BarterEvent| {
            event.kind == kind::BOOK && gap.has_book(BookKey::of_record(event))
        };
        let Waiting {
            chunk,
            next,
            arrival,
        } = waiting;
        if !chunk.events[next..].iter().any(|event| touched(gap, event)) {
            return Waiting {
                chunk,
                next,
                arrival,
            };
        }
        let mut kept = Records::default();
        for index in next..chunk.events.len() {
            if touched(gap, &chunk.events[index]) {
                self.metrics.dropped += gap.lose(&chunk, index);
            } else {
                kept.copy_from(&chunk, index);
            }
        }
        Waiting::new(kept, arrival)
    }

    /// Moves everything of another queue's state into this one.
    fn absorb(&mut self, from: &mut State) {
        from.seal();
        self.gap.absorb(mem::take(&mut from.gap));
        for waiting in mem::take(&mut from.chunks) {
            self.insert(self.chunks.len(), waiting);
        }
        from.waiting = 0;
        from.sealed_bytes = 0;
        self.books.absorb(mem::take(&mut from.books));
        self.producers += mem::take(&mut from.producers);
        self.sources.append(&mut from.sources);
        self.metrics += from.metrics;
        self.meters.absorb(mem::take(&mut from.meters));
        from.closed = true;
    }
}

/// Payloads that change an order book, and those that do not.
pub trait KeptBook {
    /// The change to the book, where the payload is one.
    fn book_event(&self) -> Option<&OrderBookEvent> {
        None
    }
}

impl KeptBook for barter_data::subscription::trade::PublicTrade {}
impl KeptBook for barter_data::subscription::book::OrderBookL1 {}
impl KeptBook for barter_data::subscription::liquidation::Liquidation {}
impl KeptBook for OrderBookEvent {
    fn book_event(&self) -> Option<&OrderBookEvent> {
        Some(self)
    }
}
