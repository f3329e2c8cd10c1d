//! Binance order books: a snapshot and the updates around it put in their order, as the exchange documents it. Updates
//! wait until the snapshot is there; a snapshot that is older than the updates is asked for again, for its market
//! alone; a gap between updates is an error that ends the connection.

use super::values::{EpochMillis, Name, PriceLevel, Whole};
use crate::feed::{
    reader::{Input, Reader},
    snapshot::{self, BookEvent, Requests, Snapshot},
    venue::{Venue, subscription_id},
};
use async_trait::async_trait;
use barter_data::{
    books::OrderBook,
    error::DataError,
    event::MarketEvent,
    exchange::{
        Connector,
        binance::{channel::BinanceChannel, futures::BinanceFuturesUsd, spot::BinanceSpot},
    },
    subscription::{
        Map,
        book::{OrderBookEvent, OrderBooksL2},
    },
    transformer::ExchangeTransformer,
};
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{Transformer, error::SocketError, subscription::SubscriptionId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::VecDeque;

/// Updates of one market that wait for its snapshot; the oldest go first, and the snapshot must be newer then.
const WAITING_MAX: usize = 1_024;

type Item = Result<BookEvent, DataError>;

/// An update of an order book, in the exchange's words.
pub(crate) trait DepthUpdate: DeserializeOwned + Send + 'static {
    /// The server it is from.
    type Server: Venue;

    /// `s`.
    fn market(&self) -> &str;
    /// `U`.
    fn first_id(&self) -> u64;
    /// `u`.
    fn last_id(&self) -> u64;
    /// Whether a book of this snapshot has it already.
    fn is_in_snapshot(&self, last_update_id: u64) -> bool;
    /// Whether nothing lies between a snapshot and this update, the first after it.
    fn follows_snapshot(&self, last_update_id: u64) -> bool;
    /// Whether nothing lies between the update that ended with `last_id` and this one.
    fn follows(&self, last_id: u64) -> bool;
    /// The exchange's time and the update as an event has it.
    fn update(self) -> (DateTime<Utc>, OrderBook);
}

/// An update of Binance spot.
#[derive(Debug, Deserialize)]
pub(crate) struct SpotUpdate {
    #[serde(rename = "s")]
    market: Name,
    #[serde(rename = "E")]
    time: EpochMillis,
    #[serde(rename = "U")]
    first_id: Whole,
    #[serde(rename = "u")]
    last_id: Whole,
    #[serde(rename = "b")]
    bids: Vec<PriceLevel>,
    #[serde(rename = "a")]
    asks: Vec<PriceLevel>,
}

impl DepthUpdate for SpotUpdate {
    type Server = BinanceSpot;

    fn market(&self) -> &str {
        &self.market.0
    }
    fn first_id(&self) -> u64 {
        self.first_id.0
    }
    fn last_id(&self) -> u64 {
        self.last_id.0
    }
    fn is_in_snapshot(&self, last_update_id: u64) -> bool {
        self.last_id.0 <= last_update_id
    }
    fn follows_snapshot(&self, last_update_id: u64) -> bool {
        self.follows(last_update_id)
    }
    fn follows(&self, last_id: u64) -> bool {
        self.first_id.0 <= last_id.saturating_add(1)
    }
    fn update(self) -> (DateTime<Utc>, OrderBook) {
        let book = OrderBook::new(self.last_id.0, None, self.bids, self.asks);
        (self.time.0, book)
    }
}

/// An update of Binance USD-M futures.
#[derive(Debug, Deserialize)]
pub(crate) struct UsdMarginUpdate {
    #[serde(rename = "s")]
    market: Name,
    #[serde(rename = "E")]
    time: EpochMillis,
    #[serde(rename = "T")]
    time_engine: EpochMillis,
    #[serde(rename = "U")]
    first_id: Whole,
    #[serde(rename = "u")]
    last_id: Whole,
    #[serde(rename = "pu")]
    previous_last_id: Whole,
    #[serde(rename = "b")]
    bids: Vec<PriceLevel>,
    #[serde(rename = "a")]
    asks: Vec<PriceLevel>,
}

impl DepthUpdate for UsdMarginUpdate {
    type Server = BinanceFuturesUsd;

    fn market(&self) -> &str {
        &self.market.0
    }
    fn first_id(&self) -> u64 {
        self.first_id.0
    }
    fn last_id(&self) -> u64 {
        self.last_id.0
    }
    fn is_in_snapshot(&self, last_update_id: u64) -> bool {
        self.last_id.0 < last_update_id
    }
    // On a quiet market the first update can begin after the snapshot; nothing lies between where the one before it,
    // which `pu` names, is in the snapshot.
    fn follows_snapshot(&self, last_update_id: u64) -> bool {
        self.first_id.0 <= last_update_id || self.previous_last_id.0 <= last_update_id
    }
    fn follows(&self, last_id: u64) -> bool {
        self.previous_last_id.0 == last_id
    }
    fn update(self) -> (DateTime<Utc>, OrderBook) {
        let time_engine = Some(self.time_engine.0);
        let book = OrderBook::new(self.last_id.0, time_engine, self.bids, self.asks);
        (self.time.0, book)
    }
}

/// What a book's transformer takes: an update from the socket or a snapshot.
#[derive(Debug)]
pub(crate) enum BookInput<U> {
    Update(U),
    Snapshot(Snapshot),
}

impl<U: DepthUpdate> Input for BookInput<U> {
    fn frame(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text).map(Self::Update)
    }

    fn snapshot(snapshot: Snapshot) -> Option<Self> {
        Some(Self::Snapshot(snapshot))
    }
}

/// How far the book of one market is.
#[derive(Debug)]
enum State<U> {
    /// These updates wait for a snapshot that was asked for.
    Waiting(VecDeque<U>),
    /// The snapshot was delivered, no update yet.
    Fresh { last_update_id: u64 },
    /// The last update delivered ended with this id.
    Live { last_id: u64 },
}

#[derive(Debug)]
struct Book<U> {
    instrument: InstrumentIndex,
    state: State<U>,
}

/// The books of one connection.
pub(crate) struct Books<U> {
    books: Map<Book<U>>,
    snapshots: Requests,
}

#[async_trait]
impl<Ex, U> ExchangeTransformer<Ex, InstrumentIndex, OrderBooksL2> for Books<U>
where
    U: DepthUpdate<Server = Ex>,
{
    async fn init(
        map: Map<InstrumentIndex>,
        _: &[BookEvent],
        snapshots: Requests,
    ) -> Result<Self, DataError> {
        let book = |(id, instrument)| {
            let state = State::Waiting(VecDeque::new());
            (id, Book { instrument, state })
        };
        let books = map.0.into_iter().map(book).collect();
        Ok(Self { books, snapshots })
    }
}

impl<Ex, U: DepthUpdate<Server = Ex>> Reader<Ex, OrderBooksL2> for Books<U> {}

impl<U: DepthUpdate> Transformer for Books<U> {
    type Error = DataError;
    type Input = BookInput<U>;
    type Output = BookEvent;
    type OutputIter = Vec<Item>;

    fn transform(&mut self, input: BookInput<U>) -> Vec<Item> {
        let (id, outcome) = match input {
            BookInput::Update(update) => {
                let channel = BinanceChannel::ORDER_BOOK_L2.as_ref();
                let id = subscription_id(channel, update.market());
                match self.books.find_mut(&id) {
                    Ok(book) => (id, book.update(update)),
                    Err(unknown) => return vec![Err(unknown.into())],
                }
            }
            BookInput::Snapshot(Snapshot { id, event }) => match self.books.find_mut(&id) {
                Ok(book) => (id, book.snapshot(event)),
                Err(unknown) => return vec![Err(unknown.into())],
            },
        };
        match outcome {
            Outcome::Events(events) => events,
            Outcome::NewSnapshotNeeded => self.ask(id),
        }
    }
}

impl<U> Books<U> {
    fn ask(&self, id: SubscriptionId) -> Vec<Item> {
        match self.snapshots.send(snapshot::request(&id)) {
            Ok(()) => Vec::new(),
            Err(_) => {
                let reason = format!("no snapshot of {id} can be asked for");
                vec![Err(SocketError::Subscribe(reason).into())]
            }
        }
    }
}

enum Outcome {
    Events(Vec<Item>),
    NewSnapshotNeeded,
}

impl<U: DepthUpdate> Book<U> {
    fn update(&mut self, update: U) -> Outcome {
        match &mut self.state {
            State::Waiting(updates) => {
                if updates.len() == WAITING_MAX {
                    updates.pop_front();
                }
                updates.push_back(update);
                Outcome::Events(Vec::new())
            }
            State::Fresh { last_update_id } => {
                if update.is_in_snapshot(*last_update_id) {
                    return Outcome::Events(Vec::new());
                }
                if update.follows_snapshot(*last_update_id) {
                    return Outcome::Events(self.deliver(update));
                }
                self.state = State::Waiting(VecDeque::from([update]));
                Outcome::NewSnapshotNeeded
            }
            State::Live { last_id } => Outcome::Events(if update.last_id() <= *last_id {
                Vec::new()
            } else if update.follows(*last_id) {
                self.deliver(update)
            } else {
                vec![Err(DataError::InvalidSequence {
                    prev_last_update_id: *last_id,
                    first_update_id: update.first_id(),
                })]
            }),
        }
    }

    fn snapshot(&mut self, snapshot: BookEvent) -> Outcome {
        let (OrderBookEvent::Snapshot(book), State::Waiting(updates)) =
            (&snapshot.kind, &mut self.state)
        else {
            return Outcome::Events(Vec::new());
        };
        let last_update_id = book.sequence();
        while updates
            .front()
            .is_some_and(|update| update.is_in_snapshot(last_update_id))
        {
            updates.pop_front();
        }
        if updates
            .front()
            .is_some_and(|first| !first.follows_snapshot(last_update_id))
        {
            return Outcome::NewSnapshotNeeded;
        }
        let updates = std::mem::take(updates);
        self.state = State::Fresh { last_update_id };
        let mut events = vec![Ok(snapshot)];
        for update in updates {
            if let Outcome::Events(following) = self.update(update) {
                events.extend(following);
            }
        }
        Outcome::Events(events)
    }

    fn deliver(&mut self, update: U) -> Vec<Item> {
        self.state = State::Live {
            last_id: update.last_id(),
        };
        let (time_exchange, book) = update.update();
        vec![Ok(MarketEvent {
            time_exchange,
            time_received: Utc::now(),
            exchange: U::Server::ID,
            instrument: self.instrument,
            kind: OrderBookEvent::Update(book),
        })]
    }
}
