//! The order books a queue keeps beside it, so that after a loss the reader gets a snapshot instead of updates that no
//! longer fit. What is folded into a book is what has left the queue, read or lost: a book costs the pump nothing. The
//! queue of maintained books ([`crate::books`]) folds everything as it comes.

use super::{book::Book, gap};
use crate::{
    abi::constants::BARTER_ERROR_INVALID_SEQUENCE,
    event::{BarterEvent, NO_INSTRUMENT, Records, instrument_number, kind},
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

    /// Takes in records of maintained books: their events, and the notices that make books stale.
    pub(super) fn maintain(&mut self, records: &Records, range: Range<usize>) {
        for index in range {
            let event = &records.events[index];
            match event.kind {
                kind::BOOK => self.fold(records, index..index + 1, |_| true),
                kind::RECONNECTING => {
                    // SAFETY: the record is a notice.
                    let notice = unsafe { &event.payload.notice };
                    let touched = gap::instruments(records, notice);
                    self.stale(event.exchange, |instrument| {
                        touched.is_empty() || touched.contains(&instrument)
                    });
                }
                kind::ERROR => {
                    // SAFETY: the record is a notice.
                    let code = unsafe { event.payload.notice.code };
                    if i32::from(code) == BARTER_ERROR_INVALID_SEQUENCE {
                        self.stale(event.exchange, |instrument| instrument == event.instrument);
                    }
                }
                _ => {}
            }
        }
    }

    fn stale(&mut self, exchange: u16, touched: impl Fn(u32) -> bool) {
        for (key, book) in &mut self.0 {
            if key.0 == exchange && touched(key.1) {
                book.stale();
            }
        }
    }

    /// A book, `None` where none is known.
    pub(super) fn get(&self, key: BookKey) -> Option<&Book> {
        self.0.get(&key)
    }

    /// All books.
    pub(super) fn keys(&self) -> impl Iterator<Item = BookKey> {
        self.0.keys().copied()
    }

    /// A book is subscribed, before its first event, or unsubscribed.
    pub(super) fn subscribed(&mut self, key: BookKey, subscribed: bool) {
        self.0.entry(key).or_default().subscribed(subscribed);
    }

    /// The instrument of the exchange whose book is at this sequence number.
    pub(super) fn at_sequence(&self, exchange: u16, sequence: u64) -> u32 {
        let mut books = self.0.iter();
        let found =
            books.find(|(key, book)| key.0 == exchange && book.sequence() == Some(sequence));
        found.map_or(NO_INSTRUMENT, |(key, _)| key.1)
    }

    /// Takes over another queue's books.
    pub(super) fn absorb(&mut self, other: Books) {
        self.0.extend(other.0);
    }
}
