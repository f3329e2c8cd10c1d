//! The order books a queue keeps beside it, so that after a loss the reader gets a snapshot instead of updates that no
//! longer fit. What is folded into a book is what has left the queue, read or lost: a book costs the pump nothing.

use super::book::Book;
use crate::{
    event::{BarterEvent, Records, instrument_number, kind},
    feed::exchange,
};
use barter_data::event::MarketEvent;
use barter_instrument::instrument::InstrumentIndex;
use std::{collections::BTreeMap, ops::Range};

/// One book: exchange number and instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct BookKey(pub(crate) u16, pub(crate) u32);

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

/// Every book of a queue.
#[derive(Default)]
pub(super) struct Books(BTreeMap<BookKey, Book>);

impl Books {
    /// Takes in records, in their order, as far as they are events of books that are `wanted`.
    pub(super) fn fold(
        &mut self,
        records: &Records,
        range: Range<usize>,
        wanted: impl Fn(BookKey) -> bool,
    ) {
        for event in &records.events[range] {
            let key = BookKey::of_record(event);
            if event.kind == kind::BOOK && wanted(key) {
                self.0.entry(key).or_default().apply(records, event);
            }
        }
    }

    /// A book, `None` where none is known.
    pub(super) fn get(&self, key: BookKey) -> Option<&Book> {
        self.0.get(&key)
    }

    /// Takes over another queue's books.
    pub(super) fn absorb(&mut self, other: Books) {
        self.0.extend(other.0);
    }
}
