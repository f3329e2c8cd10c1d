//! Bybit order books: a snapshot and the changes after it, put together for the best prices and handed on for whole
//! books. A gap between the changes of a whole book is an error in the stream, after which nothing of that market is
//! handed on until a new subscription has brought a snapshot.

use super::{
    bybit::{Frame, FrameKind},
    values::{PriceLevel, Whole},
};
use crate::{
    feed::{
        reader::Reader,
        resync::{BookInput, BookItem, Reply, Requests, Resync, ask_anew},
        venue::{Topic, Topics, Venue},
    },
    outlet,
};
use barter_data::{
    books::{Level, OrderBook},
    error::DataError,
    event::MarketEvent,
    subscription::{
        Map,
        book::{OrderBookEvent, OrderBookL1, OrderBooksL1, OrderBooksL2},
    },
};
use barter_instrument::instrument::InstrumentIndex;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::marker::PhantomData;

/// The levels of a frame, and its place in the order of the frames.
#[derive(Debug, Deserialize)]
pub(crate) struct Levels {
    #[serde(rename = "b")]
    bids: Vec<PriceLevel>,
    #[serde(rename = "a")]
    asks: Vec<PriceLevel>,
    #[serde(rename = "u")]
    update_id: Whole,
    #[serde(rename = "seq")]
    sequence: Whole,
}

/// A market of a connection and how far its book is.
struct Book<S> {
    instrument: InstrumentIndex,
    state: S,
}

/// The books of one connection of the kind `K`.
pub(crate) struct Books<Ex, K, S> {
    books: Topics<Book<S>>,
    requests: Requests,
    reads: PhantomData<fn() -> (Ex, K)>,
}

/// Best bids and asks: a change may have one side only, and a size of zero takes a price away.
pub(crate) type BestPrices<Ex> = Books<Ex, OrderBooksL1, Option<Best>>;

/// Whole books.
pub(crate) type OrderBooks<Ex> = Books<Ex, OrderBooksL2, State>;

/// How far a whole book is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum State {
    /// The subscription's snapshot has not come yet.
    #[default]
    Waiting,
    /// Updates were missing; the snapshot of a new subscription has not come yet.
    Resyncing,
    /// As of the last frame.
    Live {
        /// Counts the frames.
        update_id: u64,
        /// What the events carry.
        sequence: u64,
    },
}

/// Best bid and ask.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Best {
    bid: Option<Level>,
    ask: Option<Level>,
}

impl<Ex, K, S: Default> Books<Ex, K, S> {
    fn new(map: Map<InstrumentIndex>, requests: Requests) -> Self {
        let book = |instrument| Book {
            instrument,
            state: S::default(),
        };
        Self {
            books: Topics::new(map, book),
            requests,
            reads: PhantomData,
        }
    }
}

impl<Ex: Venue> Reader<Ex, OrderBooksL1> for BestPrices<Ex> {
    type Input = Frame<Levels>;

    fn new(map: Map<InstrumentIndex>, requests: Requests) -> Self {
        Self::new(map, requests)
    }

    fn read(
        &mut self,
        frame: Frame<Levels>,
        time_received: DateTime<Utc>,
        items: &mut Vec<outlet::Item<OrderBookL1>>,
    ) {
        let book = match self.books.find(&frame.topic()) {
            Ok(book) => book,
            Err(unknown) => return items.push(Err(unknown.into())),
        };
        let mut best = match (frame.kind, book.state) {
            (FrameKind::Snapshot, _) => Best::default(),
            (FrameKind::Delta, Some(best)) => best,
            (FrameKind::Delta, None) => return,
        };
        change(&mut best.bid, frame.data.bids);
        change(&mut best.ask, frame.data.asks);
        book.state = Some(best);
        items.push(Ok(MarketEvent {
            time_exchange: frame.time.0,
            time_received,
            exchange: Ex::ID,
            instrument: book.instrument,
            kind: OrderBookL1 {
                last_update_time: frame.time.0,
                best_bid: best.bid,
                best_ask: best.ask,
            },
        }));
    }
}

fn change(best: &mut Option<Level>, levels: Vec<PriceLevel>) {
    for PriceLevel(level) in levels {
        if !level.amount.is_zero() {
            *best = Some(level);
        } else if best.is_some_and(|best| best.price == level.price) {
            *best = None;
        }
    }
}

impl<Ex: Venue> Reader<Ex, OrderBooksL2> for OrderBooks<Ex> {
    type Input = BookInput<Frame<Levels>>;

    fn new(map: Map<InstrumentIndex>, requests: Requests) -> Self {
        Self::new(map, requests)
    }

    fn read(
        &mut self,
        input: BookInput<Frame<Levels>>,
        time_received: DateTime<Utc>,
        items: &mut Vec<BookItem>,
    ) {
        let topic = match &input {
            BookInput::Frame(frame) => frame.topic(),
            BookInput::Reply(Reply::Due(id)) => Topic::from(id),
            // Of snapshots over HTTP, of which there are none here.
            BookInput::Reply(_) => return,
        };
        let book = match self.books.find(&topic) {
            Ok(book) => book,
            Err(unknown) => return items.push(Err(unknown.into())),
        };
        let Resync(resync) = match input {
            BookInput::Frame(frame) => book.frame::<Ex>(frame, time_received, items),
            BookInput::Reply(_) => Resync(book.state == State::Resyncing),
        };
        if resync {
            ask_anew(&topic, &self.requests, items);
        }
    }
}

impl Book<State> {
    fn frame<Ex: Venue>(
        &mut self,
        frame: Frame<Levels>,
        time_received: DateTime<Utc>,
        items: &mut Vec<BookItem>,
    ) -> Resync {
        let Levels {
            bids,
            asks,
            update_id: Whole(update_id),
            sequence: Whole(sequence),
        } = frame.data;
        let event = match (frame.kind, self.state) {
            (FrameKind::Snapshot, _) => OrderBookEvent::Snapshot,
            (
                FrameKind::Delta,
                State::Live {
                    update_id: last, ..
                },
            ) if last.checked_add(1) == Some(update_id) => OrderBookEvent::Update,
            // It came before: the book has it.
            (
                FrameKind::Delta,
                State::Live {
                    update_id: last, ..
                },
            ) if update_id <= last => {
                return Resync(false);
            }
            (FrameKind::Delta, State::Live { sequence: last, .. }) => {
                self.state = State::Resyncing;
                // In the numbers of the events, by which the market is found.
                let gap = DataError::InvalidSequence {
                    prev_last_update_id: last,
                    first_update_id: sequence,
                };
                items.push(Err(gap));
                return Resync(true);
            }
            (FrameKind::Delta, State::Waiting | State::Resyncing) => return Resync(false),
        };
        self.state = State::Live {
            update_id,
            sequence,
        };
        items.push(Ok(MarketEvent {
            time_exchange: frame.time.0,
            time_received,
            exchange: Ex::ID,
            instrument: self.instrument,
            kind: event(OrderBook::new(sequence, Some(frame.time.0), bids, asks)),
        }));
        Resync(false)
    }
}
