//! Binance order books: a snapshot and the updates around it put in their order, as the exchange documents it. Updates
//! wait until the snapshot is there; a snapshot that is older than the updates is asked for again, for its market
//! alone; so is one after a gap between updates, which is an error in the stream.

use super::values::{EpochMillis, Name, PriceLevel, Whole};
use crate::feed::{
    reader::Reader,
    resync::{BookInput, BookItem, Reply, Requests, Resync, ask_anew},
    snapshot::{BookEvent, Snapshot},
    venue::{Topic, Topics, Venue},
};
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
};
use barter_instrument::instrument::InstrumentIndex;
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::DeserializeOwned};
use smol_str::SmolStr;
use std::collections::VecDeque;

/// Updates of one market that wait for its snapshot; the oldest go first, and the snapshot must be newer then.
const WAITING_MAX: usize = 1_024;

/// An update of an order book, in the exchange's words.
pub(crate) trait DepthUpdate: DeserializeOwned + Send + 'static {
    /// The server it is from.
    type Server: Venue;

    /// `s`.
    fn market(&self) -> &SmolStr;
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

    fn market(&self) -> &SmolStr {
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

    fn market(&self) -> &SmolStr {
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
    Waiting(VecDeque<Arrived<U>>),
    /// The snapshot was delivered, no update yet.
    Fresh { last_update_id: u64 },
    /// The last update delivered ended with this id.
    Live { last_id: u64 },
}

/// An update and when it came.
#[derive(Debug)]
struct Arrived<U> {
    update: U,
    time_received: DateTime<Utc>,
}

#[derive(Debug)]
struct Book<U> {
    instrument: InstrumentIndex,
    state: State<U>,
}

/// The books of one connection.
pub(crate) struct Books<U> {
    books: Topics<Book<U>>,
    requests: Requests,
}

impl<Ex, U: DepthUpdate<Server = Ex>> Reader<Ex, OrderBooksL2> for Books<U> {
    type Input = BookInput<U>;

    fn new(map: Map<InstrumentIndex>, requests: Requests) -> Self {
        let book = |instrument| Book {
            instrument,
            state: State::Waiting(VecDeque::new()),
        };
        Self {
            books: Topics::new(map, book),
            requests,
        }
    }

    fn read(
        &mut self,
        input: BookInput<U>,
        time_received: DateTime<Utc>,
        items: &mut Vec<BookItem>,
    ) {
        match input {
            BookInput::Frame(update) => {
                let topic = Topic::of(BinanceChannel::ORDER_BOOK_L2.0, update.market().clone());
                let update = Arrived {
                    update,
                    time_received,
                };
                self.step(&topic, items, |book, items| book.update(update, items));
            }
            BookInput::Reply(Reply::Snapshot(Snapshot { id, event })) => {
                let topic = Topic::from(&id);
                self.step(&topic, items, |book, items| book.snapshot(event, items));
            }
            BookInput::Reply(Reply::Delayed(_, error) | Reply::GivenUp(error)) => {
                items.push(Err(error.into()));
            }
            // Of new subscriptions, of which there are none here.
            BookInput::Reply(Reply::Due(_)) => {}
        }
    }
}

impl<U: DepthUpdate> Books<U> {
    fn step(
        &mut self,
        topic: &Topic,
        items: &mut Vec<BookItem>,
        step: impl FnOnce(&mut Book<U>, &mut Vec<BookItem>) -> Resync,
    ) {
        match self.books.find(topic).map(|book| step(book, items)) {
            Ok(Resync(true)) => ask_anew(topic, &self.requests, items),
            Ok(Resync(false)) => {}
            Err(unknown) => items.push(Err(unknown.into())),
        }
    }
}

impl<U: DepthUpdate> Book<U> {
    fn update(&mut self, arrived: Arrived<U>, items: &mut Vec<BookItem>) -> Resync {
        let update = &arrived.update;
        match &mut self.state {
            State::Waiting(updates) => {
                match updates.back() {
                    Some(last) if update.last_id() <= last.update.last_id() => {
                        return Resync(false);
                    }
                    Some(last) if !update.follows(last.update.last_id()) => {
                        items.push(sequence_error(last.update.last_id(), update));
                        // What came before is of no use to the snapshot that must be newer than the gap.
                        updates.clear();
                    }
                    _ if updates.len() == WAITING_MAX => drop(updates.pop_front()),
                    _ => {}
                }
                updates.push_back(arrived);
                Resync(false)
            }
            State::Fresh { last_update_id } => {
                if update.is_in_snapshot(*last_update_id) {
                    return Resync(false);
                }
                if update.follows_snapshot(*last_update_id) {
                    self.deliver(arrived, items);
                    return Resync(false);
                }
                // The snapshot proves older than the updates, and it was delivered: the book is not the exchange's.
                items.push(sequence_error(*last_update_id, update));
                self.resync(arrived)
            }
            State::Live { last_id } if update.last_id() <= *last_id => Resync(false),
            State::Live { last_id } if update.follows(*last_id) => {
                self.deliver(arrived, items);
                Resync(false)
            }
            State::Live { last_id } => {
                items.push(sequence_error(*last_id, update));
                self.resync(arrived)
            }
        }
    }

    fn snapshot(&mut self, snapshot: BookEvent, items: &mut Vec<BookItem>) -> Resync {
        let (OrderBookEvent::Snapshot(book), State::Waiting(updates)) =
            (&snapshot.kind, &mut self.state)
        else {
            return Resync(false);
        };
        let last_update_id = book.sequence();
        while updates
            .front()
            .is_some_and(|first| first.update.is_in_snapshot(last_update_id))
        {
            updates.pop_front();
        }
        if updates
            .front()
            .is_some_and(|first| !first.update.follows_snapshot(last_update_id))
        {
            return Resync(true);
        }
        let updates = std::mem::take(updates);
        self.state = State::Fresh { last_update_id };
        items.push(Ok(snapshot));
        // They follow each other, and the first of them the snapshot.
        for update in updates {
            self.deliver(update, items);
        }
        Resync(false)
    }

    /// The book needs a snapshot, for which this update waits.
    fn resync(&mut self, first: Arrived<U>) -> Resync {
        self.state = State::Waiting(VecDeque::from([first]));
        Resync(true)
    }

    fn deliver(&mut self, arrived: Arrived<U>, items: &mut Vec<BookItem>) {
        let Arrived {
            update,
            time_received,
        } = arrived;
        self.state = State::Live {
            last_id: update.last_id(),
        };
        let (time_exchange, book) = update.update();
        items.push(Ok(MarketEvent {
            time_exchange,
            time_received,
            exchange: U::Server::ID,
            instrument: self.instrument,
            kind: OrderBookEvent::Update(book),
        }));
    }
}

fn sequence_error<U: DepthUpdate>(last_id: u64, update: &U) -> BookItem {
    Err(DataError::InvalidSequence {
        prev_last_update_id: last_id,
        first_update_id: update.first_id(),
    })
}
