//! Pumps: one task per exchange and kind that drains its receiver of the `DynamicStreams` into a queue, many items
//! at a time, from the moment the set is made. A [`Source`] owns the pump and the connections behind it.

use crate::{
    event::{self, Notice, kind},
    options::QueuePolicy,
    outlet::{Gate, Item, Note, WAITING_MAX},
    queue::{KeptBook, Queue, State},
    subscription::SubKind,
};
use barter_data::{
    error::DataError,
    streams::{consumer::MarketStreamResult, reconnect::Event},
};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::Utc;
use parking_lot::Mutex;
use std::{
    mem,
    sync::{Arc, Weak},
};
use tokio::{
    sync::{Notify, mpsc::UnboundedReceiver},
    task::JoinSet,
};

/// Items that a pump takes in one go.
const ITEMS_MAX: usize = 1_024;

/// Where a pump pushes: its own queue, or the one it was merged into.
pub(crate) type Target = Arc<Mutex<Arc<Queue>>>;

/// All tasks of one exchange and kind; they end when it is dropped.
pub(crate) struct Source {
    pub(crate) target: Target,
    /// Kept so that it ends with the source.
    pub(crate) _pump: JoinSet<()>,
    pub(crate) connections: JoinSet<()>,
    /// Tells the pump that the queue has closed itself.
    pub(crate) overflow: Arc<Notify>,
}

impl Source {
    /// The queue has closed itself: the pump counts what is on its way and ends, and the connections are for the
    /// caller to drop.
    pub(crate) fn overflowed(&mut self) -> JoinSet<()> {
        self.overflow.notify_one();
        mem::take(&mut self.connections)
    }
}

/// Tells the queue that its producer has ended, however the pump ended.
struct Ending(Target);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().producer_gone();
    }
}

/// Where the items of one exchange and kind go, for connections that have something while nothing waits in their
/// channel: it need not wait for the pump.
#[derive(Debug)]
pub(crate) struct Intake {
    exchange: ExchangeId,
    sub_kind: SubKind,
    target: Weak<Mutex<Arc<Queue>>>,
    /// How many items may wait for the pump; where the queue makes it wait, no more than the queue itself may hold.
    pub(crate) waiting_max: u64,
}

impl Intake {
    /// Pushes as many of the items as the queue takes; how many. None where the pump is gone: the stream has ended.
    pub(crate) fn push<K: KeptBook>(&self, items: &[Item<K>]) -> usize {
        let Some(target) = self.target.upgrade() else {
            return 0;
        };
        let (mut taken, mut lost) = (0, 0);
        target.lock().push(|queue| {
            if queue.is_over() {
                return;
            }
            let lost_before = queue.lost();
            while let Some(item) = items.get(taken)
                && !queue.held()
            {
                push_item(queue, self.exchange, self.sub_kind, item);
                taken += 1;
            }
            lost = queue.lost() - lost_before;
        });
        tell_loss(self.exchange, self.sub_kind, lost);
        taken
    }
}

/// Drains `items` into the target's queue until the producers are gone.
pub(crate) async fn pump<K>(
    exchange: ExchangeId,
    sub_kind: SubKind,
    mut items: UnboundedReceiver<MarketStreamResult<InstrumentIndex, K>>,
    gate: Arc<Gate>,
    target: Target,
    overflow: Arc<Notify>,
) where
    K: KeptBook,
{
    let options = *target.lock().options();
    let waiting_max = match options.policy {
        QueuePolicy::Block => WAITING_MAX.min(options.capacity as u64),
        _ => WAITING_MAX,
    };
    gate.leads_to(Intake {
        exchange,
        sub_kind,
        target: Arc::downgrade(&target),
        waiting_max,
    });
    let ending = Ending(target);
    let mut batch = Vec::with_capacity(ITEMS_MAX);
    loop {
        tokio::select! {
            biased;
            taken = items.recv_many(&mut batch, ITEMS_MAX) => if taken == 0 {
                return;
            },
            // Full through another source of a merged stream.
            () = overflow.notified() => return refuse_rest(exchange, sub_kind, items, &gate, &ending.0),
        }
        let mut left = batch.drain(..);
        let mut held = false;
        loop {
            let before = left.len();
            let (mut overflowed, mut lost) = (false, 0);
            let (queue, room, open);
            {
                let target = ending.0.lock();
                queue = target.clone();
                room = queue.room().notified();
                open = target.push(|queue| {
                    let lost_before = queue.lost();
                    while !queue.held()
                        && let Some(item) = left.next()
                    {
                        push(queue, exchange, sub_kind, &item, &gate);
                    }
                    overflowed = queue.overflowed();
                    lost = queue.lost() - lost_before;
                });
            }
            tell_loss(exchange, sub_kind, lost);
            gate.took((before - left.len()) as u64);
            match left.len() {
                _ if !open => return,
                _ if overflowed => return refuse_rest(exchange, sub_kind, items, &gate, &ending.0),
                0 => break,
                _ => {
                    if !mem::replace(&mut held, true) {
                        gate.hold(true);
                    }
                    room.await;
                }
            }
        }
        if held {
            gate.hold(false);
        }
    }
}

/// Pushes what is on its way into a queue that has closed itself, which counts it.
fn refuse_rest<K: KeptBook>(
    exchange: ExchangeId,
    sub_kind: SubKind,
    mut items: UnboundedReceiver<MarketStreamResult<InstrumentIndex, K>>,
    gate: &Gate,
    target: &Target,
) {
    // What is there, and what came until nothing could any more.
    for _ in 0..2 {
        let mut taken = 0;
        target.lock().push(|queue| {
            while let Ok(item) = items.try_recv() {
                push(queue, exchange, sub_kind, &item, gate);
                taken += 1;
            }
        });
        gate.took(taken);
        items.close();
    }
}

fn push<K: KeptBook>(
    queue: &mut State,
    exchange: ExchangeId,
    sub_kind: SubKind,
    item: &MarketStreamResult<InstrumentIndex, K>,
    gate: &Gate,
) {
    match item {
        Event::Item(item) => push_item(queue, exchange, sub_kind, item),
        Event::Reconnecting(origin) => {
            queue.notice(&marker_notice(*origin, sub_kind, gate.note()));
        }
    }
}

fn push_item<K: KeptBook>(
    queue: &mut State,
    exchange: ExchangeId,
    sub_kind: SubKind,
    item: &Item<K>,
) {
    match item {
        Ok(event) => queue.event(event),
        Err(error) => {
            let mut notice = error_notice(exchange, sub_kind, error);
            if let DataError::InvalidSequence {
                prev_last_update_id,
                ..
            } = error
            {
                notice.instrument = queue.instrument_at(exchange, *prev_last_update_id);
            }
            queue.error(&notice);
        }
    }
}

fn tell_loss(exchange: ExchangeId, sub_kind: SubKind, lost: u64) {
    if lost > 0 {
        let (exchange, kind) = (exchange.as_str(), sub_kind.name());
        tracing::warn!(exchange, kind, lost, "events are lost: the queue is full");
    }
}

fn now_ns() -> i64 {
    event::nanoseconds(Utc::now())
}

fn error_notice(exchange: ExchangeId, sub_kind: SubKind, error: &DataError) -> Notice {
    let mut notice = Notice::new(kind::ERROR, Some(exchange), sub_kind as u8, now_ns());
    notice.code = error_code(error);
    notice.text = error.to_string();
    notice
}

fn marker_notice(exchange: ExchangeId, sub_kind: SubKind, note: Note) -> Notice {
    let notice = |kind| Notice::new(kind, Some(exchange), sub_kind as u8, now_ns());
    match note {
        Note::Reconnecting(note) => {
            let mut notice = notice(kind::RECONNECTING);
            notice.text = note.reason;
            notice.last_ns = note.last_event_ns.unwrap_or(event::NO_TIME);
            notice.instruments = note.instruments;
            notice
        }
        Note::Reconnected(note) => {
            let mut notice = notice(kind::RECONNECTED);
            notice.attempts = note.attempts;
            notice.duration_ns = note.gap_ns.unwrap_or(event::NO_TIME);
            notice
        }
        Note::Silent(note) => {
            let mut notice = notice(kind::SILENT);
            notice.instrument = note.instrument;
            notice.duration_ns = note.length_ns;
            notice
        }
    }
}

/// `BARTER_ERROR_*` of an error of upstream's.
fn error_code(error: &DataError) -> u16 {
    match error {
        DataError::Index(_) => 1,
        DataError::SubscriptionsEmpty => 2,
        DataError::UnsupportedSubKind(_) => 3,
        DataError::InitialSnapshotMissing(_) => 4,
        DataError::InitialSnapshotInvalid(_) => 5,
        DataError::Socket(_) => 6,
        DataError::Unsupported { .. } => 7,
        DataError::InvalidSequence { .. } => 8,
    }
}
