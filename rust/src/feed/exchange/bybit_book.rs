//! Bybit order books: a snapshot and the changes after it, put together for the best prices and handed on for whole
//! books. A gap between the changes of a whole book is an error that ends the connection.

use super::{
    bybit::{Frame, FrameKind},
    values::{PriceLevel, Whole},
};
use crate::feed::{
    reader::{EventOf, Reader},
    snapshot::BookEvent,
    venue::Venue,
};
use async_trait::async_trait;
use barter_data::{
    books::{Level, OrderBook},
    error::DataError,
    event::MarketEvent,
    subscription::{
        Map,
        book::{OrderBookEvent, OrderBookL1, OrderBooksL1, OrderBooksL2},
    },
    transformer::ExchangeTransformer,
};
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{Transformer, protocol::websocket::WsMessage};
use chrono::Utc;
use serde::Deserialize;
use std::marker::PhantomData;
use tokio::sync::mpsc::UnboundedSender;

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
    /// `None` before the first snapshot.
    state: Option<S>,
}

/// The books of one connection of the kind `K`.
pub(crate) struct Books<Ex, K, S> {
    books: Map<Book<S>>,
    reads: PhantomData<fn() -> (Ex, K)>,
}

/// Best bids and asks: a change may have one side only, and a size of zero takes a price away.
pub(crate) type BestPrices<Ex> = Books<Ex, OrderBooksL1, Best>;

/// Whole books, whose state is the id of the last update.
pub(crate) type OrderBooks<Ex> = Books<Ex, OrderBooksL2, u64>;

/// Best bid and ask.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Best {
    bid: Option<Level>,
    ask: Option<Level>,
}

impl<Ex, K, S> Books<Ex, K, S> {
    fn new(map: Map<InstrumentIndex>) -> Self {
        let book = |(id, instrument)| {
            let state = None;
            (id, Book { instrument, state })
        };
        let books = map.0.into_iter().map(book).collect();
        let reads = PhantomData;
        Self { books, reads }
    }
}

impl<Ex: Venue> Transformer for BestPrices<Ex> {
    type Error = DataError;
    type Input = Frame<Levels>;
    type Output = EventOf<OrderBooksL1>;
    type OutputIter = Vec<Result<Self::Output, DataError>>;

    fn transform(&mut self, frame: Frame<Levels>) -> Self::OutputIter {
        let book = match self.books.find_mut(&frame.id()) {
            Ok(book) => book,
            Err(unknown) => return vec![Err(unknown.into())],
        };
        let mut best = match (frame.kind, book.state) {
            (FrameKind::Snapshot, _) => Best::default(),
            (FrameKind::Delta, Some(best)) => best,
            (FrameKind::Delta, None) => return Vec::new(),
        };
        change(&mut best.bid, frame.data.bids);
        change(&mut best.ask, frame.data.asks);
        book.state = Some(best);
        vec![Ok(MarketEvent {
            time_exchange: frame.time.0,
            time_received: Utc::now(),
            exchange: Ex::ID,
            instrument: book.instrument,
            kind: OrderBookL1 {
                last_update_time: frame.time.0,
                best_bid: best.bid,
                best_ask: best.ask,
            },
        })]
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

impl<Ex: Venue> Transformer for OrderBooks<Ex> {
    type Error = DataError;
    type Input = Frame<Levels>;
    type Output = BookEvent;
    type OutputIter = Vec<Result<BookEvent, DataError>>;

    fn transform(&mut self, frame: Frame<Levels>) -> Self::OutputIter {
        let book = match self.books.find_mut(&frame.id()) {
            Ok(book) => book,
            Err(unknown) => return vec![Err(unknown.into())],
        };
        let update_id = frame.data.update_id.0;
        let event = match (frame.kind, book.state) {
            (FrameKind::Snapshot, _) => OrderBookEvent::Snapshot,
            (FrameKind::Delta, None) => return Vec::new(),
            (FrameKind::Delta, Some(last)) if last.checked_add(1) != Some(update_id) => {
                return vec![Err(DataError::InvalidSequence {
                    prev_last_update_id: last,
                    first_update_id: update_id,
                })];
            }
            (FrameKind::Delta, Some(_)) => OrderBookEvent::Update,
        };
        book.state = Some(update_id);
        let Levels {
            bids,
            asks,
            sequence,
            ..
        } = frame.data;
        vec![Ok(MarketEvent {
            time_exchange: frame.time.0,
            time_received: Utc::now(),
            exchange: Ex::ID,
            instrument: book.instrument,
            kind: event(OrderBook::new(sequence.0, Some(frame.time.0), bids, asks)),
        })]
    }
}

macro_rules! readers {
    ($($kind:ty: $books:ident),*) => {$(
        #[async_trait]
        impl<Ex: Venue> ExchangeTransformer<Ex, InstrumentIndex, $kind> for $books<Ex> {
            async fn init(
                map: Map<InstrumentIndex>,
                _: &[EventOf<$kind>],
                _: UnboundedSender<WsMessage>,
            ) -> Result<Self, DataError> {
                Ok(Self::new(map))
            }
        }

        impl<Ex: Venue> Reader<Ex, $kind> for $books<Ex> {}
    )*};
}

readers!(OrderBooksL1: BestPrices, OrderBooksL2: OrderBooks);
