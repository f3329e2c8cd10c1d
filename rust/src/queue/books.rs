//! The order books a queue keeps beside it, so that after a loss the reader gets a snapshot instead of updates
//! that no longer fit. Upstream's `OrderBook` does the keeping.

use crate::{
    event::{BarterEvent, instrument_number},
    feed::exchange,
};
use barter_data::{books::OrderBook, event::MarketEvent, subscription::book::OrderBookEvent};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::{DateTime, Utc};
use std::collections::HashMap;

/// One book: exchange number and instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct BookKey(u16, u32);

impl BookKey {
    pub(super) fn of<K>(event: &MarketEvent<InstrumentIndex, K>) -> Self {
        Self(
            exchange::number(event.exchange),
            instrument_number(event.instrument),
        )
    }

    pub(super) fn of_record(event: &BarterEvent) -> Self {
        Self(event.exchange, event.instrument)
    }
}

struct Kept {
    exchange: ExchangeId,
    instrument: InstrumentIndex,
    time_exchange: DateTime<Utc>,
    time_received: DateTime<Utc>,
    book: OrderBook,
}

/// Every book that the queue has seen.
#[derive(Default)]
pub(super) struct Books(HashMap<BookKey, Kept>);

impl Books {
    /// Applies an event to its book.
    pub(super) fn update<K>(
        &mut self,
        key: BookKey,
        event: &MarketEvent<InstrumentIndex, K>,
        change: &OrderBookEvent,
    ) {
        let kept = self.0.entry(key).or_insert_with(|| Kept {
            exchange: event.exchange,
            instrument: event.instrument,
            time_exchange: event.time_exchange,
            time_received: event.time_received,
            book: OrderBook::default(),
        });
        kept.time_exchange = event.time_exchange;
        kept.time_received = event.time_received;
        kept.book.update(change);
    }

    /// The book as it is now, as an event.
    pub(super) fn snapshot(
        &self,
        key: BookKey,
    ) -> Option<MarketEvent<InstrumentIndex, OrderBookEvent>> {
        self.0.get(&key).map(|kept| MarketEvent {
            time_exchange: kept.time_exchange,
            time_received: kept.time_received,
            exchange: kept.exchange,
            instrument: kept.instrument,
            kind: OrderBookEvent::Snapshot(kept.book.clone()),
        })
    }

    /// Takes over another queue's books.
    pub(super) fn absorb(&mut self, other: Books) {
        self.0.extend(other.0);
    }
}
