//! Maintained order books: what a reader sees of books that are kept here while their connections run. A stream that
//! was selected as books queues only notices and errors; its books are read at any time, from any thread.

use crate::{
    event::{BarterEvent, BarterLevel, NO_TIME, decimal, decimal_to_f64},
    queue::{Book, Changed, Queue},
    status::{Error, Result, Status},
    stream::Stream,
};
use barter_data::books::Level;
use rust_decimal::Decimal;
use std::{os::fd::OwnedFd, time::Instant};

/// A copy of a book's top, and what its last event said.
#[derive(Debug, Clone, PartialEq)]
pub struct BookView {
    /// Whether it is the exchange's book: it had a snapshot, and no connection broke and no update is missing since.
    pub live: bool,
    /// The exchange's sequence number, 0 before the first event.
    pub sequence: u64,
    /// The exchange's time of the last event, ns since the epoch.
    pub time_exchange_ns: i64,
    /// When the last event was received, ns since the epoch.
    pub time_received_ns: i64,
    /// The matching engine's time, ns since the epoch.
    pub time_engine_ns: i64,
    /// As many bids as were asked for, best first.
    pub bids: Vec<BarterLevel>,
    /// As many asks as were asked for, best first.
    pub asks: Vec<BarterLevel>,
    /// Bids of the whole book.
    pub bids_total: usize,
    /// Asks of the whole book.
    pub asks_total: usize,
    best_bid: Option<Level>,
    best_ask: Option<Level>,
}

impl BookView {
    fn of(book: &Book, depth: usize) -> Self {
        let (last, level) = (book.last(), |level: &BarterLevel| {
            let (price, amount) = (level.price.to_decimal()?, level.amount.to_decimal()?);
            Some(Level { price, amount })
        });
        let told = last.and_then(BarterEvent::book);
        Self {
            live: book.live(),
            sequence: book.sequence().unwrap_or(0),
            time_exchange_ns: last.map_or(NO_TIME, |last| last.time_exchange_ns),
            time_received_ns: last.map_or(NO_TIME, |last| last.time_received_ns),
            time_engine_ns: told.map_or(NO_TIME, |told| told.time_engine_ns),
            bids: book.bids().take(depth).copied().collect(),
            asks: book.asks().take(depth).copied().collect(),
            bids_total: book.bids().len(),
            asks_total: book.asks().len(),
            best_bid: book.bids().next().and_then(level),
            best_ask: book.asks().next().and_then(level),
        }
    }

    /// Upstream's `OrderBook::mid_price`: the average of best bid and ask, the one that is there where one is missing.
    pub fn mid_price(&self) -> Option<f64> {
        self.between(|bid, ask| bid.price.checked_add(ask.price)?.checked_div(Decimal::TWO))
    }

    /// Upstream's `OrderBook::volume_weighed_mid_price`, the micro-price: each best price weighed with the other side's
    /// amount. `None` where no amount is there, or a number too large.
    pub fn volume_weighed_mid_price(&self) -> Option<f64> {
        self.between(|bid, ask| {
            let bids = bid.price.checked_mul(ask.amount)?;
            let asks = ask.price.checked_mul(bid.amount)?;
            bids.checked_add(asks)?
                .checked_div(bid.amount.checked_add(ask.amount)?)
        })
    }

    fn between(&self, price: impl FnOnce(Level, Level) -> Option<Decimal>) -> Option<f64> {
        let price = match (self.best_bid, self.best_ask) {
            (Some(bid), Some(ask)) => price(bid, ask),
            (one, other) => one.or(other).map(|level| level.price),
        };
        price.map(|price| decimal_to_f64(decimal(price)))
    }
}

impl Stream {
    /// The instruments of the maintained books, also of those that had no event yet.
    pub fn books(&self) -> Result<Vec<u32>> {
        Ok(self.maintained()?.books())
    }

    /// The top `depth` levels a side of a maintained book, copied at one moment; `None` where there is no such book.
    pub fn book(&self, instrument: u32, depth: usize) -> Result<Option<BookView>> {
        let look = |book: &Book| BookView::of(book, depth);
        Ok(self.maintained()?.book(instrument, look))
    }

    /// Waits until the maintained books have changed more than `seen` times.
    pub fn books_changed(&self, seen: u64, deadline: Option<Instant>) -> Result<Changed> {
        Ok(self.maintained()?.changed_since(seen, deadline))
    }

    /// A descriptor of the caller's own that the next change of the maintained books makes readable for good.
    pub fn next_books_change_fd(&self) -> Result<OwnedFd> {
        self.maintained()?.next_change_fd()
    }

    fn maintained(&self) -> Result<&Queue> {
        match self.queue() {
            queue if queue.maintains() => Ok(queue),
            _ => Err(Error::new(
                Status::InvalidArgument,
                "the stream was not selected as books: its events are received",
            )),
        }
    }
}
