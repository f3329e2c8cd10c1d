//! Pumps: one task per exchange and kind that drains its receiver of the `DynamicStreams` into a queue, many items
//! at a time, from the moment the set is made. A [`Source`] owns the pump and the connections behind it.

use crate::{
    event::{self, Notice, Record, kind},
    outlet::{Gate, Note},
    queue::{KeptBook, Queue},
    subscription::SubKind,
};
use barter_data::{
    error::DataError,
    streams::{consumer::MarketStreamResult, reconnect::Event},
};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::Utc;
use parking_lot::Mutex;
use std::sync::Arc;
use tokio::{sync::mpsc::UnboundedReceiver, task::JoinSet};

/// Items that a pump takes in one go.
const ITEMS_MAX: usize = 1_024;

/// Where a pump pushes: its own queue, or the one it was merged into.
pub(crate) type Target = Arc<Mutex<Arc<Queue>>>;

/// All tasks of one exchange and kind; they end when it is dropped.
pub(crate) struct Source {
    pub(crate) target: Target,
    pub(crate) tasks: JoinSet<()>,
}

/// Tells the queue that its producer has ended, however the pump ended.
struct Ending(Target);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.lock().producer_gone();
    }
}

/// Drains `items` into the target's queue until the producers are gone.
pub(crate) async fn pump<K>(
    exchange: ExchangeId,
    sub_kind: SubKind,
    mut items: UnboundedReceiver<MarketStreamResult<InstrumentIndex, K>>,
    gate: Arc<Gate>,
    target: Target,
) where
    K: Record + KeptBook,
{
    let ending = Ending(target);
    let mut batch = Vec::with_capacity(ITEMS_MAX);
    loop {
        let taken = items.recv_many(&mut batch, ITEMS_MAX).await;
        if taken == 0 {
            return;
        }
        ending.0.lock().push(|queue| {
            for item in batch.drain(..) {
                match item {
                    Event::Item(Ok(event)) => queue.event(&event),
                    Event::Item(Err(error)) => {
                        queue.error(&error_notice(exchange, sub_kind, &error))
                    }
                    Event::Reconnecting(origin) => {
                        queue.notice(&marker_notice(origin, sub_kind, gate.note()));
                    }
                }
            }
        });
        gate.took(taken as u64);
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
