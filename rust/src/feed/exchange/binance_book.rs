//! Binance order books: a snapshot and the updates around it put in their order, as the exchange documents it. Updates
//! wait until the snapshot is there; a snapshot that is older than the updates is asked for again, for its market
//! alone; so is one after a gap between updates, which is an error in the stream.

use super::values::{EpochMillis, Name, PriceLevel, Whole};
use crate::feed::{
    reader::Reader,
    resync::{BookInput, Item, Outcome, Reply, Requests},
    snapshot::{BookEvent, Snapshot},
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
use barter_integration::{Transformer, subscription::SubscriptionId};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use std::collections::VecDeque;

/// Updates of one market that wait for its snapshot; the oldest go first, and the snapshot must be newer then.
const WAITING_MAX: usize = 1_024;

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

/// How far the book of one market is.
#[derive(Debug)]
enum State<U> {
    /// These updates, which follow each other, wait for a snapshot that was asked for.
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
    requests: Requests,
}

#[async_trait]
impl<Ex, U> ExchangeTransformer<Ex, InstrumentIndex, OrderBooksL2> for Books<U>
where
    U: DepthUpdate<Server = Ex>,
{
    async fn init(
        map: Map<InstrumentIndex>,
        _: &[BookEvent],
        requests: Requests,
    ) -> Result<Self, DataError> {
        let book = |(id, instrument)| {
            let state = State::Waiting(VecDeque::new());
            (id, Book { instrument, state })
        };
        let books = map.0.into_iter().map(book).collect();
        Ok(Self { books, requests })
    }
}

impl<Ex, U: DepthUpdate<Server = Ex>> Reader<Ex, OrderBooksL2> for Books<U> {}

impl<U: DepthUpdate> Transformer for Books<U> {
    type Error = DataError;
    type Input = BookInput<U>;
    type Output = BookEvent;
    type OutputIter = Vec<Item>;

    fn transform(&mut self, input: BookInput<U>) -> Vec<Item> {
        match input {
            BookInput::Frame(update) => {
                let channel = BinanceChannel::ORDER_BOOK_L2.as_ref();
                let id = subscription_id(channel, update.market());
                self.step(&id, |book| book.update(update))
            }
            BookInput::Reply(Reply::Snapshot(Snapshot { id, event })) => {
                self.step(&id, |book| book.snapshot(event))
            }
            BookInput::Reply(Reply::Delayed(_, error) | Reply::GivenUp(error)) => {
                vec![Err(error.into())]
            }
            // Of new subscriptions, of which there are none here.
            BookInput::Reply(Reply::Due(_)) => Vec::new(),
        }
    }
}

impl<U: DepthUpdate> Books<U> {
    fn step(
        &mut self,
        id: &SubscriptionId,
        step: impl FnOnce(&mut Book<U>) -> Outcome,
    ) -> Vec<Item> {
        match self.books.find_mut(id) {
            Ok(book) => step(book).asked_for(id, &self.requests),
            Err(unknown) => vec![Err(unknown.into())],
        }
    }
}

impl<U: DepthUpdate> Book<U> {
    fn update(&mut self, update: U) -> Outcome {
        match &mut self.state {
            State::Waiting(updates) => {
                let gap = match updates.back() {
                    Some(last) if update.last_id() <= last.last_id() => return Outcome::default(),
                    Some(last) if !update.follows(last.last_id()) => {
                        Some(sequence_error(last.last_id(), &update))
                    }
                    _ => None,
                };
                if gap.is_some() {
                    // What came before is of no use to the snapshot that must be newer than the gap.
                    updates.clear();
                } else if updates.len() == WAITING_MAX {
                    updates.pop_front();
                }
                updates.push_back(update);
                Outcome {
                    items: gap.into_iter().collect(),
                    resync: false,
                }
            }
            State::Fresh { last_update_id } => {
                if update.is_in_snapshot(*last_update_id) {
                    return Outcome::default();
                }
                if update.follows_snapshot(*last_update_id) {
                    return self.deliver(update);
                }
                // The snapshot proves older than the updates, and it was delivered: the book is not the exchange's.
                let error = sequence_error(*last_update_id, &update);
                self.resync(update, vec![error])
            }
            State::Live { last_id } if update.last_id() <= *last_id => Outcome::default(),
            State::Live { last_id } if update.follows(*last_id) => self.deliver(update),
            State::Live { last_id } => {
                let error = sequence_error(*last_id, &update);
                self.resync(update, vec![error])
            }
        }
    }

    fn snapshot(&mut self, snapshot: BookEvent) -> Outcome {
        let (OrderBookEvent::Snapshot(book), State::Waiting(updates)) =
            (&snapshot.kind, &mut self.state)
        else {
            return Outcome::default();
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
            return Outcome {
                items: Vec::new(),
                resync: true,
            };
        }
        let updates = std::mem::take(updates);
        self.state = State::Fresh { last_update_id };
        let mut items = vec![Ok(snapshot)];
        // They follow each other, and the first of them the snapshot.
        items.extend(
            updates
                .into_iter()
                .flat_map(|update| self.deliver(update).items),
        );
        Outcome {
            items,
            resync: false,
        }
    }

    /// The book needs a snapshot, for which this update waits.
    fn resync(&mut self, first: U, items: Vec<Item>) -> Outcome {
        self.state = State::Waiting(VecDeque::from([first]));
        Outcome {
            items,
            resync: true,
        }
    }

    fn deliver(&mut self, update: U) -> Outcome {
        self.state = State::Live {
            last_id: update.last_id(),
        };
        let (time_exchange, book) = update.update();
        let event = MarketEvent {
            time_exchange,
            time_received: Utc::now(),
            exchange: U::Server::ID,
            instrument: self.instrument,
            kind: OrderBookEvent::Update(book),
        };
        Outcome {
            items: vec![Ok(event)],
            resync: false,
        }
    }
}

fn sequence_error<U: DepthUpdate>(last_id: u64, update: &U) -> Item {
    Err(DataError::InvalidSequence {
        prev_last_update_id: last_id,
        first_update_id: update.first_id(),
    })
}
