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

/// Whether it is an error that says that its instrument's book misses an update.
pub(super) fn breaks_a_book(event: &BarterEvent) -> bool {
    let error = event.notice().filter(|_| event.kind == kind::ERROR);
    error.is_some_and(|error| i32::from(error.code) == BARTER_ERROR_INVALID_SEQUENCE)
}

/// Every book of a queue.
#[derive(Default)]
pub(super) struct Books(BTreeMap<BookKey, Book>);

impl Books {
    /// Takes in records, in their order, as far as they concern books that are `wanted`: their events, and the notices
    /// that make books stale.
    pub(super) fn fold(
        &mut self,
        records: &Records,
        range: Range<usize>,
        wanted: impl Fn(BookKey) -> bool,
    ) {
        for event in &records.events[range] {
            let key = BookKey::of_record(event);
            match (event.kind, event.notice()) {
                (kind::BOOK, _) if wanted(key) => {
                    self.0.entry(key).or_default().apply(records, event);
                }
                (kind::RECONNECTING, Some(notice)) => {
                    let touched = gap::instruments(records, notice);
                    self.stale(|book| {
                        let is_touched = touched.is_empty() || touched.contains(&book.1);
                        book.0 == key.0 && is_touched && wanted(book)
                    });
                }
                _ if breaks_a_book(event) => {
                    self.stale(|book| book == key && wanted(book));
                }
                _ => {}
            }
        }
    }

    /// These are no longer known to be the exchange's, until their next snapshots.
    pub(super) fn stale(&mut self, touched: impl Fn(BookKey) -> bool) {
        for (key, book) in &mut self.0 {
            if touched(*key) {
                book.stale();
            }
        }
    }

    /// A book, `None` where none is known.
    pub(super) fn get(&self, key: BookKey) -> Option<&Book> {
        self.0.get(&key)
    }

    /// All books; not those that were unsubscribed before they had an event.
    pub(super) fn keys(&self) -> impl Iterator<Item = BookKey> {
        let books = self.0.iter().filter(|(_, book)| book.exists());
        books.map(|(key, _)| *key)
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
