//! Micro-benchmarks: the record that is made of an event, and the way of a whole channel through pump and queue to a
//! reader. Figures are per event.

use barter_cffi::{
    event::{Records, push_event},
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

const EVENTS: u64 = 100_000;
const RECORDS: usize = 1_024;

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

fn level(number: i64) -> Level {
    Level {
        price: Decimal::new(6_500_000 + number, 2),
        amount: Decimal::new(150, 2),
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

criterion_group!(benches, record, queue);
criterion_main!(benches);
