//! Micro-benchmarks: the record that is made of an event, the way of a whole channel through pump and queue to a
//! reader, and the order book that the queue keeps beside upstream's. Figures are per event.

use barter_bench::workload::Workload;
use barter_cffi::{
    event::{self, Records, push_event},
    instrument::Instruments,
    options::QueueOptions,
    queue::Received,
    streams::Streams,
    subscription::SubKind,
};
use barter_data::{
    books::{Level, OrderBook},
    event::MarketEvent,
    streams::{builder::dynamic::DynamicStreams, consumer::MarketStreamResult, reconnect::Event},
    subscription::{
        book::{OrderBookEvent, OrderBookL1},
        trade::PublicTrade,
    },
};
use barter_instrument::{Side, exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::{DateTime, TimeDelta, Utc};
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rust_decimal::Decimal;
use std::{hint::black_box, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

/// The queue's order book. The library does not offer it, so its source is compiled into this program.
#[allow(unused)]
#[path = "../../src/queue/book.rs"]
mod book;

const EVENTS: u64 = 100_000;
const RECORDS: usize = 1_024;
/// The middle of every order book, in hundredths.
const MIDDLE: i64 = 6_500_000;
/// Distinct updates that are folded into a book over and over.
const UPDATES: usize = 512;

fn event<K>(number: u64, kind: K) -> MarketEvent<InstrumentIndex, K> {
    let time = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::microseconds(number as i64);
    MarketEvent {
        time_exchange: time,
        time_received: time,
        exchange: ExchangeId::BinanceSpot,
        instrument: InstrumentIndex(0),
        kind,
    }
}

fn trade(number: u64) -> PublicTrade {
    PublicTrade {
        id: (3_000_000_000 + number).to_string(),
        price: 65_000.0 + number as f64 / 100.0,
        amount: 0.5,
        side: Side::Buy,
    }
}

/// A level with as many digits as Binance sends.
fn level(number: i64) -> Level {
    Level {
        price: Decimal::new((MIDDLE + number) * 1_000_000, 8),
        amount: Decimal::new(150_000_000, 8),
    }
}

fn best_prices(number: u64) -> OrderBookL1 {
    OrderBookL1 {
        last_update_time: DateTime::UNIX_EPOCH,
        best_bid: Some(level(-(number as i64 % 100) - 1)),
        best_ask: Some(level(number as i64 % 100 + 1)),
    }
}

/// An update of 20 levels.
fn update(number: u64) -> OrderBookEvent {
    let side = |sign: i64| (1..=10).map(move |place| level(sign * (place + number as i64 % 300)));
    OrderBookEvent::Update(OrderBook::new(number, None, side(-1), side(1)))
}

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(RECORDS as u64));
    macro_rules! of {
        ($name:literal, $payload:expr) => {
            let event = event(1, $payload);
            group.bench_function($name, |bencher| {
                bencher.iter_batched_ref(
                    Records::default,
                    |records| {
                        for _ in 0..RECORDS {
                            push_event(records, black_box(&event));
                        }
                    },
                    BatchSize::LargeInput,
                )
            });
        };
    }
    of!("trade", trade(1));
    of!("best bid and ask", best_prices(1));
    of!("book update of 20 levels", update(1));
}

fn queue(criterion: &mut Criterion) {
    let queue = QueueOptions {
        capacity: 2 * EVENTS as usize,
        max_bytes: 1 << 30,
        ..QueueOptions::default()
    };
    let mut group = criterion.benchmark_group("channel to reader");
    group
        .throughput(Throughput::Elements(EVENTS))
        .sample_size(20);
    macro_rules! of {
        ($name:literal, $field:ident, $kind:expr, $payload:expr) => {
            group.bench_function($name, |bencher| {
                bencher.iter_batched(
                    || {
                        let (tx, rx) = mpsc::unbounded_channel();
                        for number in 0..EVENTS {
                            let item: MarketStreamResult<_, _> =
                                Event::Item(Ok(event(number, $payload(number))));
                            tx.send(item).expect("the receiver is here");
                        }
                        let mut dynamic = none();
                        let stream = UnboundedReceiverStream::new(rx);
                        dynamic.$field.insert(ExchangeId::BinanceSpot, stream);
                        dynamic
                    },
                    |dynamic| read(dynamic, $kind, queue),
                    BatchSize::PerIteration,
                )
            });
        };
    }
    of!("trades", trades, SubKind::Trades, trade);
    of!("best bid and ask", l1s, SubKind::L1, best_prices);
    of!("book updates of 20 levels", l2s, SubKind::L2, update);
}

fn none() -> DynamicStreams<InstrumentIndex> {
    DynamicStreams {
        trades: Default::default(),
        l1s: Default::default(),
        l2s: Default::default(),
        liquidations: Default::default(),
    }
}

/// Reads until the stream ends.
fn read(dynamic: DynamicStreams<InstrumentIndex>, kind: SubKind, options: QueueOptions) {
    let instruments = Arc::new(Instruments::default());
    let streams = Streams::from_dynamic(dynamic, instruments, options).expect("a runtime");
    let selected = streams.select(Some(kind), None).expect("it is open");
    let stream = selected.expect("it is there");
    let mut read = 0;
    while let Received::Records(slice) = stream.recv(8_192, None) {
        read += black_box(slice.events()).len();
    }
    assert_eq!(read as u64, EVENTS);
}

/// Updates as the servers of the benchmarks send them, folded into a book of about so many levels.
fn kept_book(criterion: &mut Criterion) {
    for (levels, kept) in [(1, 770), (20, 770), (20, 1_000), (1_000, 2_000)] {
        let half = |sign: i64| (1..=kept / 2).map(move |place| level(sign * place));
        let before = OrderBook::new(0, None, half(-1), half(1));
        let texts = Workload::L2(levels).texts();
        let updates = texts.iter().take(UPDATES).map(|text| parsed(text));
        let events: Vec<_> = [OrderBookEvent::Snapshot(before)]
            .into_iter()
            .chain(updates)
            .map(|kind| event(0, kind))
            .collect();
        let mut records = Records::default();
        for event in &events {
            push_event(&mut records, event);
        }
        let (mut theirs, mut ours) = (OrderBook::default(), book::Book::default());
        for (event, record) in events.iter().zip(&records.events) {
            theirs.update(&event.kind);
            ours.apply(&records, record);
        }
        assert!(is_same(&ours, &theirs), "the books differ");

        let name = format!("book of {kept} levels, updates of {levels}");
        let mut group = criterion.benchmark_group(name);
        group.throughput(Throughput::Elements(1));
        group.bench_function("upstream's OrderBook::update", |bencher| {
            let mut events = events[1..].iter().cycle();
            bencher.iter(|| theirs.update(&events.next().expect("they never end").kind))
        });
        group.bench_function("the queue's kept book", |bencher| {
            let mut events = records.events[1..].iter().cycle();
            bencher.iter(|| ours.apply(&records, events.next().expect("they never end")))
        });
    }
}

/// What a frame of an order book update says.
fn parsed(text: &str) -> OrderBookEvent {
    let frame: serde_json::Value = serde_json::from_str(text).expect("a frame is JSON");
    let side = |name: &str| {
        let levels = frame[name].as_array().expect("a side has levels");
        let number = |value: &serde_json::Value| -> Decimal {
            let digits = value.as_str().expect("a number is in a string");
            digits.parse().expect("it is a number")
        };
        let level = |level: &serde_json::Value| Level {
            price: number(&level[0]),
            amount: number(&level[1]),
        };
        levels.iter().map(level).collect::<Vec<_>>()
    };
    let sequence = frame["u"].as_u64().expect("an update has an id");
    OrderBookEvent::Update(OrderBook::new(sequence, None, side("b"), side("a")))
}

fn is_same(ours: &book::Book, theirs: &OrderBook) -> bool {
    let number = |decimal: event::BarterDecimal| decimal.to_decimal().expect("it was one");
    let level = |level: &event::BarterLevel| (number(level.price), number(level.amount));
    let of = |level: &Level| (level.price, level.amount);
    ours.bids()
        .map(level)
        .eq(theirs.bids().levels().iter().map(of))
        && ours
            .asks()
            .map(level)
            .eq(theirs.asks().levels().iter().map(of))
}

criterion_group!(benches, record, queue, kept_book);
criterion_main!(benches);
