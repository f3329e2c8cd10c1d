//! The door into a stream: what a connection (or a test) holds to hand over upstream's items and its own notices.
//! Everything passes through the one channel of upstream's `DynamicStreams`, or goes to where its pump puts it while
//! nothing is in the channel, so order is kept; what upstream's `Reconnecting` marker cannot say stands in a side list in
//! the same order, and the pump puts the two together.
//! Nothing grows without bound: an outlet waits while more than [`WAITING_MAX`] items wait for the pump, or while the
//! pump waits for room in a queue whose policy is to block.

use crate::{event, feed::Unwanted, metrics::Meter, pump::Intake, queue::KeptBook};
use barter_data::{
    error::DataError,
    event::MarketEvent,
    streams::{consumer::MarketStreamResult, reconnect::Event},
    subscription::{
        book::{OrderBookEvent, OrderBookL1},
        liquidation::Liquidation,
        trade::PublicTrade,
    },
};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    mem,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};
use tokio::sync::{Notify, mpsc};

/// How many items may wait for a pump, at most, before the sockets behind its outlets are no longer read.
pub const WAITING_MAX: u64 = 8_192;

/// The stream behind the outlet was closed; there is nobody to send to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream was closed")]
pub struct OutletClosed;

/// Why and when a connection broke.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReconnectingNote {
    /// The cause in words, empty where it is not known.
    pub reason: String,
    /// `time_received` of the connection's last event, ns since the epoch.
    pub last_event_ns: Option<i64>,
    /// Indices of the instruments that the connection carried.
    pub instruments: Vec<u32>,
}

/// After how much trouble events flow again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReconnectedNote {
    /// How many attempts it took.
    pub attempts: u32,
    /// Time between the last event before and the first after, ns.
    pub gap_ns: Option<i64>,
}

/// A subscription that brings no data though its connection is open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SilentNote {
    /// Index of the instrument.
    pub instrument: u32,
    /// For how long, ns.
    pub length_ns: i64,
}

/// What a marker in the channel stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Note {
    Silent(SilentNote),
    Reconnecting(ReconnectingNote),
    Reconnected(ReconnectedNote),
}

/// Shared by all outlets of one channel and its pump: the side list and the count of waiting items.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    notes: Mutex<VecDeque<Note>>,
    sent: AtomicU64,
    taken: AtomicU64,
    /// Whether the pump waits for room in its queue.
    held: AtomicBool,
    moved: Notify,
    intake: OnceLock<Intake>,
}

impl Gate {
    /// Where the pump puts what comes.
    pub(crate) fn leads_to(&self, intake: Intake) {
        let first = self.intake.set(intake).is_ok();
        debug_assert!(first, "a channel has one pump");
    }

    /// Puts there what it takes, where nothing waits for the pump that came before.
    fn push<K: KeptBook>(&self, items: &mut Vec<Item<K>>) {
        if self.waiting() == 0
            && let Some(intake) = self.intake.get()
        {
            // Whatever comes of it, no item is pushed twice.
            let mut pushing = mem::take(items);
            pushing.drain(..intake.push(&pushing));
            *items = pushing;
        }
    }

    fn waiting_max(&self) -> u64 {
        let intake = self.intake.get();
        intake.map_or(WAITING_MAX, |intake| intake.waiting_max)
    }

    /// The pump has put `items` into the queue.
    pub(crate) fn took(&self, items: u64) {
        self.taken.fetch_add(items, Ordering::AcqRel);
        self.moved.notify_waiters();
    }

    /// Whether the pump waits for room in its queue from now on.
    pub(crate) fn hold(&self, held: bool) {
        self.held.store(held, Ordering::Release);
        self.moved.notify_waiters();
    }

    /// What the next marker in the channel stands for. A bare marker of upstream's has no note.
    pub(crate) fn note(&self) -> Note {
        let note = self.notes.lock().pop_front();
        note.unwrap_or(Note::Reconnecting(ReconnectingNote::default()))
    }

    fn waiting(&self) -> u64 {
        let sent = self.sent.load(Ordering::Acquire);
        sent.saturating_sub(self.taken.load(Ordering::Acquire))
    }

    /// Waits until `reached` is true of how many of the items sent so far wait for the pump, and of whether it waits
    /// itself for room in its queue.
    async fn until(&self, reached: impl Fn(u64, bool) -> bool) {
        let sent = self.sent.load(Ordering::Acquire);
        loop {
            let moved = self.moved.notified();
            let waiting = sent.saturating_sub(self.taken.load(Ordering::Acquire));
            if reached(waiting, self.held()) {
                return;
            }
            moved.await;
        }
    }

    fn held(&self) -> bool {
        self.held.load(Ordering::Acquire)
    }
}

/// An event, or an error in its place.
pub type Item<K> = Result<MarketEvent<InstrumentIndex, K>, DataError>;

/// The sending half of one channel of a `DynamicStreams<InstrumentIndex>`, cheap to clone.
#[derive(Debug)]
pub struct Outlet<K> {
    exchange: ExchangeId,
    tx: mpsc::UnboundedSender<MarketStreamResult<InstrumentIndex, K>>,
    gate: Arc<Gate>,
    meter: Arc<Meter>,
    unwanted: Arc<Unwanted>,
}

impl<K> Clone for Outlet<K> {
    fn clone(&self) -> Self {
        Self {
            exchange: self.exchange,
            tx: self.tx.clone(),
            gate: self.gate.clone(),
            meter: self.meter.clone(),
            unwanted: self.unwanted.clone(),
        }
    }
}

impl<K> Outlet<K> {
    pub(crate) fn new(
        exchange: ExchangeId,
        tx: mpsc::UnboundedSender<MarketStreamResult<InstrumentIndex, K>>,
        gate: Arc<Gate>,
    ) -> Self {
        Self {
            exchange,
            tx,
            gate,
            meter: Arc::default(),
            unwanted: Arc::default(),
        }
    }

    /// The same outlet for a connection that has this meter, and of which this is unwanted.
    pub(crate) fn of_connection(mut self, meter: Arc<Meter>, unwanted: Arc<Unwanted>) -> Self {
        self.meter = meter;
        self.unwanted = unwanted;
        self
    }

    /// What is left out of what the connection brings.
    pub(crate) fn unwanted(&self) -> &Arc<Unwanted> {
        &self.unwanted
    }

    /// Counts what the connection does that holds this outlet.
    pub(crate) fn meter(&self) -> &Arc<Meter> {
        &self.meter
    }
}

impl<K: KeptBook> Outlet<K> {
    /// Hands over an event or an error; waits while too many wait for the pump.
    pub async fn item(&self, item: Item<K>) -> Result<(), OutletClosed> {
        self.items(&mut vec![item]).await
    }

    /// Hands over events and errors in their order, all there are but the unwanted; waits while too many wait for the
    /// pump, or the pump for room in its queue.
    pub async fn items(&self, items: &mut Vec<Item<K>>) -> Result<(), OutletClosed> {
        if self.unwanted.any() {
            items.retain(|item| {
                let event = item.as_ref().ok();
                event.is_none_or(|event| !self.unwanted.has(event.instrument))
            });
        }
        self.count(items);
        self.gate.push(items);
        self.gate
            .sent
            .fetch_add(items.len() as u64, Ordering::AcqRel);
        for item in items.drain(..) {
            self.tx.send(Event::Item(item)).map_err(|_| OutletClosed)?;
        }
        let waiting_max = self.gate.waiting_max();
        self.until(|waiting, held| waiting <= waiting_max && !held)
            .await
    }

    fn count(&self, items: &[Item<K>]) {
        let errors = items.iter().filter_map(|item| item.as_ref().err());
        let errors = errors.map(|error| self.meter.error(&error.to_string()));
        let events = items.len() - errors.count();
        if let Some(last) = items.iter().rev().flatten().next() {
            let last_ns = event::nanoseconds(last.time_received);
            self.meter.events(events as u64, last_ns);
        }
    }
}

impl<K> Outlet<K> {
    /// Says that a connection broke.
    pub fn reconnecting(&self, mut note: ReconnectingNote) -> Result<(), OutletClosed> {
        let wanted = |index: &u32| !self.unwanted.has(InstrumentIndex(*index as usize));
        note.instruments.retain(wanted);
        self.meter.broke(&note.reason);
        self.marker(Note::Reconnecting(note))
    }

    /// Says that events flow again.
    pub fn reconnected(&self, note: ReconnectedNote) -> Result<(), OutletClosed> {
        self.marker(Note::Reconnected(note))
    }

    /// Says that a subscription brings nothing.
    pub fn silent(&self, note: SilentNote) -> Result<(), OutletClosed> {
        self.meter.silence();
        self.marker(Note::Silent(note))
    }

    /// Hands over an item without waiting for room: for callers that wait for [`Self::taken`] themselves.
    pub(crate) fn send(
        &self,
        item: MarketStreamResult<InstrumentIndex, K>,
    ) -> Result<(), OutletClosed> {
        self.gate.sent.fetch_add(1, Ordering::AcqRel);
        self.tx.send(item).map_err(|_| OutletClosed)
    }

    /// Waits until the pump has dealt with everything sent so far, or waits itself for room in its queue, or is gone.
    pub(crate) async fn taken(&self) -> Result<(), OutletClosed> {
        self.until(|waiting, held| waiting == 0 || held).await
    }

    async fn until(&self, reached: impl Fn(u64, bool) -> bool) -> Result<(), OutletClosed> {
        if reached(self.gate.waiting(), self.gate.held()) {
            return Ok(());
        }
        tokio::select! {
            biased;
            () = self.gate.until(reached) => Ok(()),
            () = self.tx.closed() => Err(OutletClosed),
        }
    }

    fn marker(&self, note: Note) -> Result<(), OutletClosed> {
        // Side list and channel are written under one lock: the orders agree for any number of connections.
        let mut notes = self.gate.notes.lock();
        self.send(Event::Reconnecting(self.exchange))?;
        notes.push_back(note);
        Ok(())
    }
}

/// An outlet of any kind.
#[derive(Debug, Clone)]
pub enum AnyOutlet {
    /// Public trades.
    Trades(Outlet<PublicTrade>),
    /// Best bid and ask.
    L1(Outlet<OrderBookL1>),
    /// Order book snapshots and updates.
    L2(Outlet<OrderBookEvent>),
    /// Liquidations.
    Liquidations(Outlet<Liquidation>),
}

impl AnyOutlet {
    /// The same outlet for a connection that has this meter, and of which this is unwanted.
    pub(crate) fn of_connection(self, meter: Arc<Meter>, unwanted: Arc<Unwanted>) -> Self {
        match self {
            Self::Trades(outlet) => Self::Trades(outlet.of_connection(meter, unwanted)),
            Self::L1(outlet) => Self::L1(outlet.of_connection(meter, unwanted)),
            Self::L2(outlet) => Self::L2(outlet.of_connection(meter, unwanted)),
            Self::Liquidations(outlet) => Self::Liquidations(outlet.of_connection(meter, unwanted)),
        }
    }
}
