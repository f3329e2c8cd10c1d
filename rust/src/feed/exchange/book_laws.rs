//! The law of order books, for each exchange that has them: whatever updates are lost or sent again, and whenever which
//! snapshots arrive, what comes out is the exchange's own book of that sequence and never crossed; after a gap nothing
//! comes but an error until there is a snapshot; and in the end the book is the exchange's.

use super::{
    binance_book::{Books, SpotUpdate, UsdMarginUpdate},
    bybit_book::OrderBooks,
};
use crate::feed::{
    reader::{Input, Reader},
    resync::{BookInput, Reply},
    snapshot::{BookEvent, Snapshot},
};
use barter_data::{
    books::{Level, OrderBook},
    error::DataError,
    event::MarketEvent,
    exchange::{
        binance::{futures::BinanceFuturesUsd, spot::BinanceSpot},
        bybit::spot::BybitSpot,
    },
    subscription::{
        Map,
        book::{OrderBookEvent, OrderBooksL2},
    },
};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use barter_integration::subscription::SubscriptionId;
use chrono::DateTime;
use proptest::{collection::vec, prelude::*};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use std::{collections::BTreeMap, marker::PhantomData};
use tokio::sync::mpsc;

const MARKET: &str = "BTCUSDT";

/// One order that changes the book: an amount of 0 takes the level away.
#[derive(Debug, Clone, Copy)]
struct Order {
    buy: bool,
    price: i64,
    amount: i64,
}

/// What happens next.
#[derive(Debug, Clone)]
enum Step {
    /// The book changes and an update says so.
    Change(Vec<Order>),
    /// The same, but the update never arrives.
    Lose(Vec<Order>),
    /// The same, and the update says again what the one before it said.
    Overlap(Vec<Order>),
    /// The last update arrives again, which is no gap.
    Repeat,
    /// The exchange makes the snapshot asked for longest, as the book was so many changes ago.
    Take(u64),
    /// The snapshot made longest ago arrives.
    Arrive,
}

fn order() -> impl Strategy<Value = Order> {
    (any::<bool>(), 95..106i64, 0..4i64).prop_map(|(buy, price, amount)| Order {
        buy,
        price,
        amount,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let orders = || vec(order(), 1..4);
    let step = prop_oneof![
        8 => orders().prop_map(Step::Change),
        2 => orders().prop_map(Step::Lose),
        1 => orders().prop_map(Step::Overlap),
        1 => Just(Step::Repeat),
        3 => (0..6u64).prop_map(Step::Take),
        3 => Just(Step::Arrive),
    ];
    vec(step, 0..80)
}

type Side = BTreeMap<i64, i64>;

/// Levels of both sides.
#[derive(Debug, Clone, Default, PartialEq)]
struct Levels {
    bids: Side,
    asks: Side,
}

impl Levels {
    fn of(book: &OrderBook) -> Self {
        let side = |levels: &[Level]| {
            let whole = |number: rust_decimal::Decimal| i64::try_from(number).expect("whole");
            let levels = levels.iter();
            levels
                .map(|level| (whole(level.price), whole(level.amount)))
                .collect()
        };
        Self {
            bids: side(book.bids().levels()),
            asks: side(book.asks().levels()),
        }
    }

    fn json(side: &Side) -> Value {
        let text = |(price, amount): (&i64, &i64)| json!([price.to_string(), amount.to_string()]);
        side.iter().map(text).collect()
    }
}

/// An update: its ids and the levels it changes.
#[derive(Debug, Clone)]
struct Update {
    first: u64,
    last: u64,
    /// The last id of the update before it.
    previous: u64,
    /// How many came before it.
    number: u64,
    levels: Levels,
}

/// The exchange's side.
struct Exchange {
    /// The book after each change; the index is its id.
    history: Vec<Levels>,
    last: Update,
}

impl Exchange {
    fn new() -> Self {
        let mut book = Levels::default();
        book.bids.insert(99, 1);
        book.asks.insert(101, 1);
        let last = Update {
            first: 0,
            last: 0,
            previous: 0,
            number: 0,
            levels: book.clone(),
        };
        Self {
            history: vec![book],
            last,
        }
    }

    fn id(&self) -> u64 {
        self.history.len() as u64 - 1
    }

    fn change(&mut self, orders: &[Order]) -> Update {
        let (first, previous) = (self.id() + 1, self.last.last);
        let mut touched = Levels::default();
        for order in orders {
            let mut book = self.history.last().expect("the first is there").clone();
            let Levels { bids, asks } = &mut book;
            let ((own, own_touched), (other, other_touched)) = if order.buy {
                ((bids, &mut touched.bids), (asks, &mut touched.asks))
            } else {
                ((asks, &mut touched.asks), (bids, &mut touched.bids))
            };
            let crossed = |price: i64| {
                order.amount > 0 && (price == order.price || (price < order.price) == order.buy)
            };
            other.retain(|price, _| {
                let stays = !crossed(*price);
                if !stays {
                    other_touched.insert(*price, 0);
                }
                stays
            });
            match order.amount {
                0 => drop(own.remove(&order.price)),
                amount => drop(own.insert(order.price, amount)),
            }
            own_touched.insert(order.price, order.amount);
            self.history.push(book);
        }
        self.last = Update {
            first,
            last: self.id(),
            previous,
            number: self.last.number + 1,
            levels: touched,
        };
        self.last.clone()
    }

    /// An update that begins where the one before it began.
    fn overlap(&mut self, orders: &[Order]) -> Update {
        let before = self.last.clone();
        let mut update = self.change(orders);
        let Levels { mut bids, mut asks } = before.levels;
        bids.extend(update.levels.bids);
        asks.extend(update.levels.asks);
        update.levels = Levels { bids, asks };
        update.first = before.first.max(1);
        self.last = update.clone();
        update
    }
}

/// How an exchange speaks.
#[derive(Clone, Copy)]
struct Dialect {
    id: &'static str,
    /// Whether updates may overlap.
    overlaps: bool,
    /// Whether a snapshot is of the moment at which it arrives.
    in_order: bool,
    update: fn(&Update) -> Value,
    /// A snapshot on the socket, where it comes there: of this id, after so many updates.
    snapshot: Option<fn(&Levels, u64, u64) -> Value>,
}

const SPOT: Dialect = Dialect {
    id: "@depth@100ms|BTCUSDT",
    overlaps: true,
    in_order: false,
    update: |update| {
        json!({
            "e": "depthUpdate", "E": 1, "s": MARKET, "U": update.first, "u": update.last,
            "b": Levels::json(&update.levels.bids), "a": Levels::json(&update.levels.asks),
        })
    },
    snapshot: None,
};

const USD_MARGIN: Dialect = Dialect {
    overlaps: false,
    update: |update| {
        let mut frame = (SPOT.update)(update);
        frame["T"] = json!(1);
        frame["pu"] = json!(update.previous);
        frame
    },
    ..SPOT
};

const BYBIT: Dialect = Dialect {
    id: "orderbook.50|BTCUSDT",
    overlaps: false,
    in_order: true,
    update: |update| bybit_frame("delta", &update.levels, update.last, update.number),
    snapshot: Some(|levels, id, number| bybit_frame("snapshot", levels, id, number)),
};

fn bybit_frame(kind: &str, levels: &Levels, id: u64, number: u64) -> Value {
    json!({
        "topic": "orderbook.50.BTCUSDT", "type": kind, "ts": 1,
        "data": {
            "s": MARKET, "b": Levels::json(&levels.bids), "a": Levels::json(&levels.asks), "u": number, "seq": id,
        },
    })
}

/// The reading side: the reader, upstream's book of what came out of it, and what it asked for.
struct Reading<Ex, T> {
    reader: T,
    of: PhantomData<Ex>,
    requests: mpsc::UnboundedReceiver<SubscriptionId>,
    asked: usize,
    taken: Vec<(u64, Levels)>,
    book: OrderBook,
    syncing: bool,
}

impl<Ex, T, F> Reading<Ex, T>
where
    F: DeserializeOwned + Send + 'static,
    T: Reader<Ex, OrderBooksL2, Input = BookInput<F>>,
{
    fn read(&mut self, exchange: &Exchange, input: BookInput<F>) {
        let mut items = Vec::new();
        self.reader.read(input, DateTime::UNIX_EPOCH, &mut items);
        for item in items {
            match item {
                Ok(event) => {
                    let is_snapshot = matches!(event.kind, OrderBookEvent::Snapshot(_));
                    assert!(
                        is_snapshot || !self.syncing,
                        "an update before the snapshot"
                    );
                    self.syncing = false;
                    self.book.update(&event.kind);
                    let id = usize::try_from(self.book.sequence()).unwrap();
                    assert_eq!(Levels::of(&self.book), exchange.history[id], "of id {id}");
                    let (bid, ask) = (self.book.bids().best(), self.book.asks().best());
                    assert!(
                        bid.zip(ask).is_none_or(|(bid, ask)| bid.price < ask.price),
                        "crossed: {:?}",
                        self.book
                    );
                }
                Err(DataError::InvalidSequence { .. }) => self.syncing = true,
                Err(other) => panic!("not expected: {other}"),
            }
        }
        while self.requests.try_recv().is_ok() {
            self.asked += 1;
        }
    }

    fn update(&mut self, dialect: &Dialect, exchange: &Exchange, update: &Update) {
        let frame = (dialect.update)(update).to_string();
        self.read(exchange, BookInput::frame(&frame).expect("a frame"));
    }

    fn take(&mut self, exchange: &Exchange, ago: u64) {
        if self.asked > 0 {
            self.asked -= 1;
            let id = exchange.id().saturating_sub(ago);
            let levels = exchange.history[usize::try_from(id).unwrap()].clone();
            self.taken.push((id, levels));
        }
    }

    fn arrive(&mut self, dialect: &Dialect, exchange: &Exchange) {
        if self.taken.is_empty() {
            return;
        }
        let (id, levels) = self.taken.remove(0);
        let input = match dialect.snapshot {
            Some(frame) => {
                let frame = frame(&levels, id, exchange.last.number).to_string();
                BookInput::frame(&frame).expect("a frame")
            }
            None => BookInput::Reply(Reply::Snapshot(Snapshot {
                id: SubscriptionId::from(dialect.id),
                event: snapshot_event(id, &levels),
            })),
        };
        self.read(exchange, input);
    }
}

fn snapshot_event(id: u64, levels: &Levels) -> BookEvent {
    let side = |side: &Side| -> Vec<(i64, i64)> {
        let levels = side.iter();
        levels.map(|(price, amount)| (*price, *amount)).collect()
    };
    let (bids, asks) = (side(&levels.bids), side(&levels.asks));
    MarketEvent {
        time_exchange: DateTime::UNIX_EPOCH,
        time_received: DateTime::UNIX_EPOCH,
        exchange: ExchangeId::Other,
        instrument: InstrumentIndex(0),
        kind: OrderBookEvent::Snapshot(OrderBook::new(id, None, bids, asks)),
    }
}

/// A reader whose first snapshot was asked for, as the handshake does.
fn reading<Ex, T: Reader<Ex, OrderBooksL2>>(dialect: &Dialect) -> Reading<Ex, T> {
    let map = [(SubscriptionId::from(dialect.id), InstrumentIndex(0))];
    let (ask, requests) = mpsc::unbounded_channel();
    Reading {
        reader: T::new(Map(map.into_iter().collect()), ask),
        of: PhantomData,
        requests,
        asked: 1,
        taken: Vec::new(),
        book: OrderBook::default(),
        syncing: true,
    }
}

fn holds<Ex, T, F>(dialect: Dialect, steps: Vec<Step>)
where
    F: DeserializeOwned + Send + 'static,
    T: Reader<Ex, OrderBooksL2, Input = BookInput<F>>,
{
    let mut exchange = Exchange::new();
    let mut reader: Reading<Ex, T> = reading(&dialect);
    for step in steps {
        match step {
            Step::Overlap(orders) if dialect.overlaps => {
                let update = exchange.overlap(&orders);
                reader.update(&dialect, &exchange, &update);
            }
            Step::Change(orders) | Step::Overlap(orders) => {
                let update = exchange.change(&orders);
                reader.update(&dialect, &exchange, &update);
            }
            Step::Lose(orders) => drop(exchange.change(&orders)),
            Step::Repeat => {
                let update = exchange.last.clone();
                reader.update(&dialect, &exchange, &update);
            }
            Step::Take(_) if dialect.in_order => {
                reader.take(&exchange, 0);
                reader.arrive(&dialect, &exchange);
            }
            Step::Take(ago) => reader.take(&exchange, ago),
            Step::Arrive => reader.arrive(&dialect, &exchange),
        }
    }
    // What is lost last shows at the next update, after which the book comes to be in order.
    for price in [90, 91] {
        let order = Order {
            buy: true,
            price,
            amount: 1,
        };
        let update = exchange.change(&[order]);
        reader.update(&dialect, &exchange, &update);
        while reader.asked > 0 || !reader.taken.is_empty() {
            reader.take(&exchange, 0);
            reader.arrive(&dialect, &exchange);
        }
    }
    assert!(!reader.syncing);
    assert_eq!(reader.book.sequence(), exchange.id());
    assert_eq!(Some(&Levels::of(&reader.book)), exchange.history.last());
}

#[test]
fn updates_that_wait_are_bounded_and_the_snapshot_must_be_newer_than_those_that_went() {
    let mut exchange = Exchange::new();
    let mut reader: Reading<BinanceSpot, Books<SpotUpdate>> = reading(&SPOT);
    let order = |amount| Order {
        buy: true,
        price: 90,
        amount,
    };
    for amount in 1..=1_500 {
        let update = exchange.change(&[order(amount)]);
        reader.update(&SPOT, &exchange, &update);
    }
    // The last 1,024 wait: 477 to 1,500.
    for (ago, asked) in [(1_025, 1), (1_024, 0)] {
        reader.take(&exchange, ago);
        reader.arrive(&SPOT, &exchange);
        assert_eq!(reader.asked, asked, "{ago}");
    }
    assert_eq!(reader.book.sequence(), 1_500);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_book_of_binance_spot_is_the_exchanges_and_never_crossed(steps in steps()) {
        holds::<BinanceSpot, Books<SpotUpdate>, _>(SPOT, steps);
    }

    #[test]
    fn a_book_of_binance_usd_margin_is_the_exchanges_and_never_crossed(steps in steps()) {
        holds::<BinanceFuturesUsd, Books<UsdMarginUpdate>, _>(USD_MARGIN, steps);
    }

    #[test]
    fn a_book_of_bybit_is_the_exchanges_and_never_crossed(steps in steps()) {
        holds::<BybitSpot, OrderBooks<BybitSpot>, _>(BYBIT, steps);
    }
}
