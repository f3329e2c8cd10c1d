//! Sets and streams over in-memory channels: every kind, every selector, from the outside.

use barter_cffi::{
    event::{BarterEvent, kind},
    options::QueueOptions,
    queue::Received,
    status::Status,
    stream::Stream,
    streams::Streams,
    subscription::SubKind,
    testing::{self, Injector},
};
use barter_data::{
    books::{Level, OrderBook},
    error::DataError,
    event::{DataKind, MarketEvent},
    subscription::{
        book::{OrderBookEvent, OrderBookL1},
        liquidation::Liquidation,
        trade::PublicTrade,
    },
};
use barter_instrument::{Side, exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::DateTime;
use rust_decimal::Decimal;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

const EXCHANGES: [ExchangeId; 2] = [ExchangeId::BinanceSpot, ExchangeId::Kraken];
const KINDS: [SubKind; 4] = [
    SubKind::Trades,
    SubKind::L1,
    SubKind::L2,
    SubKind::Liquidations,
];
const FAR: Duration = Duration::from_secs(10);

/// Both exchanges with all four kinds.
fn everything() -> (Arc<Streams>, Arc<Injector>) {
    let sources: Vec<_> = EXCHANGES
        .into_iter()
        .flat_map(|exchange| KINDS.map(|kind| (exchange, kind)))
        .collect();
    testing::streams(&sources, QueueOptions::default()).unwrap()
}

fn event(
    exchange: ExchangeId,
    kind: SubKind,
    number: i64,
) -> MarketEvent<InstrumentIndex, DataKind> {
    let level = Level::new(Decimal::new(number, 1), Decimal::new(1, 2));
    let kind = match kind {
        SubKind::Trades => DataKind::Trade(PublicTrade {
            id: number.to_string(),
            price: number as f64,
            amount: 0.5,
            side: Side::Sell,
        }),
        SubKind::L1 => DataKind::OrderBookL1(OrderBookL1 {
            last_update_time: DateTime::from_timestamp_nanos(number),
            best_bid: Some(level),
            best_ask: None,
        }),
        SubKind::L2 => DataKind::OrderBook(OrderBookEvent::Update(OrderBook::new(
            number as u64,
            None,
            [level],
            [level],
        ))),
        SubKind::Liquidations => DataKind::Liquidation(Liquidation {
            side: Side::Buy,
            price: number as f64,
            quantity: 2.0,
            time: DateTime::from_timestamp_nanos(number),
        }),
    };
    MarketEvent {
        time_exchange: DateTime::from_timestamp_nanos(number),
        time_received: DateTime::from_timestamp_nanos(number + 1),
        exchange,
        instrument: InstrumentIndex(0),
        kind,
    }
}

fn inject(injector: &Injector, exchange: ExchangeId, kind: SubKind, number: i64) {
    injector.event(event(exchange, kind, number)).unwrap();
    injector.settle(exchange, kind).unwrap();
}

/// Receives with a bound, or only looks.
fn records(stream: &Stream, wait: Duration) -> Vec<BarterEvent> {
    match stream.recv(1_024, Some(Instant::now() + wait)) {
        Received::Records(slice) => slice.events().to_vec(),
        Received::Timeout => Vec::new(),
        other => panic!("{other:?}"),
    }
}

fn market_number(event: &BarterEvent) -> i64 {
    event.time_exchange_ns
}

#[test]
fn recv_and_a_mere_look_give_the_events_of_each_kind() {
    for kind in KINDS {
        let (streams, injector) = everything();
        let stream = streams
            .select(Some(kind), Some(ExchangeId::Kraken))
            .unwrap()
            .unwrap();
        assert!(records(&stream, Duration::ZERO).is_empty());
        inject(&injector, ExchangeId::Kraken, kind, 11);
        let looked = records(&stream, Duration::ZERO);
        assert_eq!(
            (looked.len(), looked[0].kind, market_number(&looked[0])),
            (1, kind as u8, 11)
        );
        let receiving = {
            let stream = stream.clone();
            std::thread::spawn(move || records(&stream, FAR))
        };
        inject(&injector, ExchangeId::Kraken, kind, 12);
        let received = receiving.join().unwrap();
        assert_eq!((received.len(), market_number(&received[0])), (1, 12));
        assert_eq!(received[0].time_received_ns, 13);
        drop(injector);
        assert!(matches!(stream.recv(1, None), Received::Ended));
    }
}

#[test]
fn select_removes_and_a_second_select_finds_nothing() {
    let (streams, _injector) = everything();
    for kind in KINDS {
        for exchange in EXCHANGES {
            assert!(
                streams
                    .select(Some(kind), Some(exchange))
                    .unwrap()
                    .is_some()
            );
            assert!(!streams.left().contains(&(exchange, kind)));
            assert!(
                streams
                    .select(Some(kind), Some(exchange))
                    .unwrap()
                    .is_none()
            );
        }
        assert!(streams.select(Some(kind), None).unwrap().is_none());
    }
    assert!(streams.select(None, None).unwrap().is_none());
    assert!(streams.left().is_empty());
}

#[test]
fn select_all_of_a_kind_merges_what_is_left_of_it() {
    for kind in KINDS {
        let (streams, injector) = everything();
        inject(&injector, ExchangeId::Kraken, kind, 1);
        inject(&injector, ExchangeId::BinanceSpot, kind, 2);
        let merged = streams.select(Some(kind), None).unwrap().unwrap();
        inject(&injector, ExchangeId::Kraken, kind, 3);
        inject(&injector, ExchangeId::BinanceSpot, kind, 4);
        let mut numbers = Vec::new();
        while numbers.len() < 4 {
            let batch = records(&merged, FAR);
            assert!(!batch.is_empty(), "only {numbers:?} came");
            numbers.extend(batch.iter().map(market_number));
        }
        assert_eq!(numbers, [1, 2, 3, 4]);
        assert!(streams.left().iter().all(|(_, left)| *left != kind));
        assert_eq!(streams.left().len(), 6);
    }
}

#[test]
fn select_all_merges_every_kind_that_is_left() {
    let (streams, injector) = everything();
    let trades = streams
        .select(Some(SubKind::Trades), Some(ExchangeId::Kraken))
        .unwrap();
    let merged = streams.select(None, None).unwrap().unwrap();
    for (number, kind) in (1..).zip(KINDS) {
        inject(&injector, ExchangeId::Kraken, kind, number);
    }
    let mut kinds = Vec::new();
    while kinds.len() < 3 {
        let batch = records(&merged, FAR);
        assert!(!batch.is_empty(), "only {kinds:?} came");
        kinds.extend(batch.iter().map(|event| event.kind));
    }
    assert_eq!(kinds, [kind::L1, kind::BOOK, kind::LIQUIDATION]);
    assert_eq!(records(&trades.unwrap(), FAR).len(), 1);
}

#[test]
fn an_error_and_a_marker_keep_their_place_among_the_events() {
    let (streams, injector) = everything();
    let (exchange, sub_kind) = (ExchangeId::BinanceSpot, SubKind::Trades);
    let stream = streams
        .select(Some(sub_kind), Some(exchange))
        .unwrap()
        .unwrap();
    injector.event(event(exchange, sub_kind, 1)).unwrap();
    injector
        .error(exchange, sub_kind, DataError::Socket("boom".into()))
        .unwrap();
    injector.reconnecting(exchange, sub_kind).unwrap();
    injector.event(event(exchange, sub_kind, 2)).unwrap();
    injector.settle(exchange, sub_kind).unwrap();
    let mut kinds = Vec::new();
    while kinds.len() < 4 {
        match stream.recv(usize::MAX, Some(Instant::now() + FAR)) {
            Received::Records(slice) => {
                for event in slice.events() {
                    if event.kind == kind::ERROR {
                        let notice = event.notice().unwrap();
                        let text = &slice.records().text[notice.text_offset as usize..]
                            [..notice.text_len as usize];
                        assert_eq!(text, b"SocketError: boom");
                    }
                    kinds.push(event.kind);
                }
            }
            other => panic!("{other:?} after {kinds:?}"),
        }
    }
    assert_eq!(
        kinds,
        [kind::TRADE, kind::ERROR, kind::RECONNECTING, kind::TRADE]
    );
}

#[test]
fn a_stream_outlives_its_set_and_a_closed_set_answers_so() {
    let (streams, injector) = everything();
    let (exchange, sub_kind) = (ExchangeId::Kraken, SubKind::L2);
    let stream = streams
        .select(Some(sub_kind), Some(exchange))
        .unwrap()
        .unwrap();
    streams.close();
    let closed = streams.select(Some(SubKind::L1), None).err().unwrap();
    assert_eq!(closed.status, Status::HandleClosed);
    inject(&injector, exchange, sub_kind, 5);
    assert_eq!(records(&stream, FAR).len(), 1);
    let refused = injector
        .event(event(exchange, SubKind::L1, 6))
        .err()
        .unwrap();
    assert_eq!(refused.status, Status::Closed);
}

#[test]
fn racing_selects_get_each_stream_exactly_once() {
    for _ in 0..200 {
        let (streams, _injector) = everything();
        let start = Arc::new(std::sync::Barrier::new(4));
        let racers: Vec<_> = (0..4)
            .map(|racer| {
                let (streams, start) = (streams.clone(), start.clone());
                std::thread::spawn(move || {
                    start.wait();
                    let exchange = (racer > 0).then_some(ExchangeId::Kraken);
                    streams.select(Some(SubKind::Trades), exchange).unwrap()
                })
            })
            .collect();
        let got = racers
            .into_iter()
            .filter_map(|racer| racer.join().unwrap())
            .count();
        // Either the merge got both, or one racer got Kraken and the merge what was left.
        assert!((1..=2).contains(&got), "{got}");
        assert!(
            streams
                .left()
                .iter()
                .all(|(_, kind)| *kind != SubKind::Trades)
        );
    }
}
