//! What enters a queue and what it costs: the policies for when it is full. `drop_oldest` drops whole chunks in front,
//! `drop_newest` refuses what does not fit behind, `block` makes the pump wait, `conflate` lets the newest event of an
//! instrument stand for the older ones, `close` ends the stream.

use super::{
    KeptBook, State,
    books::{BookKey, breaks_a_book},
    gap::{self, Why},
};
use crate::{
    abi::constants::BARTER_ERROR_QUEUE_FULL,
    event::{self, BarterEvent, Notice, Record, Records, bytes_of, kind, push_event, push_notice},
    feed::exchange,
    options::QueuePolicy,
};
use barter_data::event::MarketEvent;
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use std::{collections::BTreeSet, sync::Arc};

impl State {
    /// Whether the pump has to wait before it pushes more. What it pushes regardless is at most one item past the bounds.
    pub(crate) fn held(&self) -> bool {
        self.options.policy == QueuePolicy::Block && self.full(1, 1)
    }

    /// Appends a market event.
    pub(crate) fn event<K: Record + KeptBook>(&mut self, event: &MarketEvent<InstrumentIndex, K>) {
        self.metrics.events += 1;
        let received_ns = event::nanoseconds(event.time_received);
        self.metrics.last_event_ns = self.metrics.last_event_ns.max(received_ns);
        self.has_books |= K::BOOK;
        if K::BOOK && self.maintains(|records| push_event(records, event)) {
            return;
        }
        let key = (K::BOOK || K::STATE).then(|| BookKey::of(event));
        if self.options.policy == QueuePolicy::Conflate && K::STATE && self.replace(event) {
            return;
        }
        let (levels, text) = event.kind.extra();
        let bytes = bytes_of(1, levels, text);
        let push = |records: &mut Records| push_event(records, event);
        let book = key.filter(|_| K::BOOK);
        if let Some(why) = book.and_then(|book| self.withheld(book)) {
            return self.refuse(push, why);
        }
        let arrival = self.append_or_lose(bytes, book, push);
        if let (QueuePolicy::Conflate, Some(key), Some(arrival)) =
            (self.options.policy, key, arrival)
        {
            self.places.insert(key, arrival);
        }
    }

    /// Appends an error, which counts and drops like an event.
    pub(crate) fn error(&mut self, notice: &Notice) {
        self.metrics.errors += 1;
        self.maintains(|records| push_notice(records, notice));
        self.append_or_lose(bytes_of(1, 0, notice.text_bytes()), None, |records| {
            push_notice(records, notice);
        });
        self.tell_books_ahead(notice);
    }

    /// Appends a notice that is never dropped; merges it with an equal one right before it.
    pub(crate) fn notice(&mut self, notice: &Notice) {
        self.metrics.notices += 1;
        self.metrics.reconnects += u64::from(notice.kind == kind::RECONNECTING);
        self.metrics.silences += u64::from(notice.kind == kind::SILENT);
        self.maintains(|records| push_notice(records, notice));
        self.place(notice);
        self.tell_books_ahead(notice);
    }

    fn place(&mut self, notice: &Notice) {
        // An event that comes after a notice does not stand before it.
        self.places.clear();
        let bytes = bytes_of(1, 0, notice.text_bytes());
        if self.overflowed() {
            return self.back.add(notice.clone());
        }
        let merged = if !self.back.is_empty() {
            false
        } else if self.has_chunks() {
            self.last_records()
                .is_some_and(|last| gap::merge_into_last(last, notice))
        } else {
            self.front.merge(notice)
        };
        if merged {
            return;
        }
        let fits = match self.options.policy {
            QueuePolicy::DropOldest | QueuePolicy::Conflate => {
                self.make_room(bytes);
                true
            }
            QueuePolicy::DropNewest => self.tell_back(bytes),
            QueuePolicy::Block => true,
            QueuePolicy::Close => !self.full(1, bytes),
        };
        if !fits {
            if self.options.policy == QueuePolicy::Close {
                self.overflow(notice.exchange, notice.time_ns);
            }
            return self.back.add(notice.clone());
        }
        self.append(|records| push_notice(records, notice));
    }

    /// The instrument of the exchange whose newest event has this sequence number.
    pub(crate) fn instrument_at(&self, exchange: ExchangeId, sequence: u64) -> u32 {
        let exchange = exchange::number(exchange);
        let at = |event: &&BarterEvent| {
            let book = event.book().filter(|_| event.exchange == exchange);
            book.is_some_and(|book| book.sequence == sequence)
        };
        let sealed = self.chunks.iter().rev();
        let mut sealed = sealed.flat_map(|waiting| waiting.chunk.events.iter().rev());
        let found = self.open.events.iter().rev().find(at);
        match found.or_else(|| sealed.find(at)) {
            Some(event) => event.instrument,
            None => self.books.at_sequence(exchange, sequence),
        }
    }

    /// Appends a record or counts it as lost; the arrival of the chunk that it is in.
    fn append_or_lose(
        &mut self,
        bytes: usize,
        book: Option<BookKey>,
        push: impl Fn(&mut Records),
    ) -> Option<u64> {
        let fits = match self.options.policy {
            QueuePolicy::DropOldest | QueuePolicy::Conflate => {
                self.make_room(bytes);
                // Making room may have cost the event's own book something, which a snapshot will make good.
                !self.full(1, bytes) && book.is_none_or(|book| self.front.book(book).is_none())
            }
            QueuePolicy::DropNewest => self.tell_back(bytes),
            QueuePolicy::Block => true,
            QueuePolicy::Close => !self.overflowed() && !self.full(1, bytes),
        };
        if !fits {
            self.refuse(push, Why::Full);
            return None;
        }
        Some(self.append(push))
    }

    /// Why an event of this book is not to be appended: the book misses something that will be told in front, with a
    /// snapshot; or an older event of it waits, with which it is conflated.
    fn withheld(&self, key: BookKey) -> Option<Why> {
        let waits = || {
            let arrival = self.places.get(&key)?;
            self.place_of(*arrival).map(|_| Why::Conflated)
        };
        self.front.book(key).or_else(waits)
    }

    /// Puts an event in the place of an older one of its instrument that waits, which is counted. False where none does.
    fn replace<K: Record + KeptBook>(&mut self, event: &MarketEvent<InstrumentIndex, K>) -> bool {
        let arrival = self.places.get(&BookKey::of(event)).copied();
        let Some(place) = arrival.and_then(|arrival| self.place_of(arrival)) else {
            return false;
        };
        let Some(chunk) = Arc::get_mut(&mut self.chunks[place].chunk) else {
            return false;
        };
        self.metrics.dropped += self.front.lose(chunk, 0, Why::Conflated);
        *chunk = Records::default();
        push_event(chunk, event);
        true
    }

    /// Counts what does not get in.
    fn refuse(&mut self, push: impl Fn(&mut Records), why: Why) {
        let mut lost = Records::default();
        push(&mut lost);
        let Some(record) = lost.events.first().copied() else {
            return;
        };
        let of_book = record.kind == kind::BOOK || breaks_a_book(&record);
        if of_book && self.options.policy != QueuePolicy::Close {
            let key = BookKey::of_record(&record);
            self.lose_books(BTreeSet::from([key]), why);
            self.books.fold(&lost, 0..1, |_| true);
        }
        let behind = matches!(
            self.options.policy,
            QueuePolicy::DropNewest | QueuePolicy::Close
        );
        self.metrics.dropped += match behind {
            true => self.back.lose(&lost, 0, why),
            false => self.front.refuse(&lost, 0, why),
        };
        if self.options.policy == QueuePolicy::Close && self.ending.is_none() {
            let exchange = exchange::by_number(record.exchange).map(|row| row.id);
            self.overflow(exchange, record.time_received_ns);
        }
    }

    /// Drops oldest chunks until one more record of so many bytes fits, or nothing is left.
    fn make_room(&mut self, bytes: usize) {
        while self.full(1, bytes) {
            let Some(oldest) = self.remove_oldest() else {
                return;
            };
            self.fold(&oldest.chunk, oldest.unread());
            let mut books = BTreeSet::new();
            for index in oldest.unread() {
                let event = &oldest.chunk.events[index];
                let why = match event.kind {
                    kind::BOOK => {
                        let key = BookKey::of_record(event);
                        books.insert(key);
                        self.front.book(key).unwrap_or(Why::Full)
                    }
                    _ => Why::Full,
                };
                self.metrics.dropped += self.front.lose(&oldest.chunk, index, why);
            }
            self.lose_books(books, Why::Full);
        }
    }

    /// The queue is full and its policy is to close: what waits is still read, then this is told, then it ends.
    fn overflow(&mut self, exchange: Option<ExchangeId>, time_ns: i64) {
        let mut notice = Notice::new(kind::ERROR, exchange, 0, time_ns);
        notice.code = BARTER_ERROR_QUEUE_FULL as u16;
        notice.text = format!(
            "the queue was full ({} of {} items, {} of {} bytes wait) and its policy is to close: the stream ends here",
            self.waiting(),
            self.options.capacity,
            self.bytes(),
            self.options.max_bytes,
        );
        self.ending = Some(notice);
    }
}
