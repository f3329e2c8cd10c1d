//! Binance order books: a snapshot and the updates around it put in their order, as the exchange documents it. Updates
//! wait until the snapshot is there; a snapshot that is older than the updates is asked for again, for its market
//! alone; a gap between updates is an error that ends the connection.

use crate::feed::{
    reader::Input,
    snapshot::{self, BookEvent, Requests, Snapshot},
    venue::Venue,
};
use async_trait::async_trait;
use barter_data::{
    Identifier,
    error::DataError,
    event::MarketIter,
    exchange::{
        Connector,
        binance::{
            futures::{BinanceFuturesUsd, l2::BinanceFuturesOrderBookL2Update},
            spot::{BinanceSpot, l2::BinanceSpotOrderBookL2Update},
        },
    },
    subscription::{
        Map,
        book::{OrderBookEvent, OrderBooksL2},
    },
    transformer::ExchangeTransformer,
};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use barter_integration::{Transformer, error::SocketError, subscription::SubscriptionId};
use serde::de::DeserializeOwned;
use std::collections::VecDeque;

/// Updates of one market that wait for its snapshot; the oldest go first, and the snapshot must be newer then.
const WAITING_MAX: usize = 1_024;

type Item = Result<BookEvent, DataError>;

/// An update of an order book, in the exchange's words.
pub(crate) trait DepthUpdate:
    DeserializeOwned + Identifier<Option<SubscriptionId>> + Send + 'static
{
    /// The server it is from.
    type Server: Venue;

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
    /// The event, by upstream.
    fn events(self, exchange: ExchangeId, instrument: InstrumentIndex) -> Vec<Item>;
}

impl DepthUpdate for BinanceSpotOrderBookL2Update {
    type Server = BinanceSpot;

    fn first_id(&self) -> u64 {
        self.first_update_id
    }
    fn last_id(&self) -> u64 {
        self.last_update_id
    }
    fn is_in_snapshot(&self, last_update_id: u64) -> bool {
        self.last_update_id <= last_update_id
    }
    fn follows_snapshot(&self, last_update_id: u64) -> bool {
        self.follows(last_update_id)
    }
    fn follows(&self, last_id: u64) -> bool {
        self.first_update_id <= last_id.saturating_add(1)
    }
    fn events(self, exchange: ExchangeId, instrument: InstrumentIndex) -> Vec<Item> {
        MarketIter::<_, OrderBookEvent>::from((exchange, instrument, self)).0
    }
}

impl DepthUpdate for BinanceFuturesOrderBookL2Update {
    type Server = BinanceFuturesUsd;

    fn first_id(&self) -> u64 {
        self.first_update_id
    }
    fn last_id(&self) -> u64 {
        self.last_update_id
    }
    fn is_in_snapshot(&self, last_update_id: u64) -> bool {
        self.last_update_id < last_update_id
    }
    // On a quiet market the first update can begin after the snapshot; nothing lies between where the one before it,
    // which `pu` names, is in the snapshot.
    fn follows_snapshot(&self, last_update_id: u64) -> bool {
        self.first_update_id <= last_update_id || self.prev_last_update_id <= last_update_id
    }
    fn follows(&self, last_id: u64) -> bool {
        self.prev_last_update_id == last_id
    }
    fn events(self, exchange: ExchangeId, instrument: InstrumentIndex) -> Vec<Item> {
        MarketIter::<_, OrderBookEvent>::from((exchange, instrument, self)).0
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

impl<U: DepthUpdate> Transformer for Books<U> {
    type Error = DataError;
    type Input = BookInput<U>;
    type Output = BookEvent;
    type OutputIter = Vec<Item>;

    fn transform(&mut self, input: BookInput<U>) -> Vec<Item> {
        let (id, outcome) = match input {
            BookInput::Update(update) => {
                let Some(id) = update.id() else {
                    return Vec::new();
                };
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
        update.events(U::Server::ID, self.instrument)
    }
}
