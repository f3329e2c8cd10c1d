//! Binance order books: snapshots and updates in their order, whatever order they come in.

use super::{Item, open, options, plan, server};
use crate::subscription::{ConnectionPlan, SubKind};
use barter_data::{error::DataError, event::DataKind, subscription::book::OrderBookEvent};
use barter_instrument::{
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{Perpetual, Spot},
};
use serde_json::{Value, json};

const SPOT: ExchangeId = ExchangeId::BinanceSpot;
const USD_MARGIN: ExchangeId = ExchangeId::BinanceFuturesUsd;

fn acknowledged() -> Value {
    json!({"result": null, "id": 1})
}

fn books(exchange: ExchangeId) -> ConnectionPlan {
    let instrument = if exchange == ExchangeId::BinanceSpot {
        Spot
    } else {
        Perpetual
    };
    plan(exchange, SubKind::L2, &[("btc", "usdt")], &instrument)
}

/// An update of USD-M futures: `U`, `u` and `pu`.
fn usd_margin_update(first: u64, last: u64, previous: u64) -> Value {
    let mut update = depth_update(first, last, "9.1");
    update["T"] = json!(1672515782135i64);
    update["pu"] = json!(previous);
    update
}

fn depth_update(first: u64, last: u64, price: &str) -> Value {
    json!({"e": "depthUpdate", "E": 1672515782136i64, "s": "BTCUSDT", "U": first, "u": last, "b": [[price, "1"]], "a": []})
}

/// What an item is, in a word, with the book's sequence.
fn in_a_word(item: Item) -> String {
    match item {
        Item::Event(event) => match event.kind {
            DataKind::OrderBook(OrderBookEvent::Snapshot(book)) => {
                format!("snapshot {}", book.sequence())
            }
            DataKind::OrderBook(OrderBookEvent::Update(book)) => {
                format!("update {}", book.sequence())
            }
            other => panic!("not a book: {other:?}"),
        },
        Item::Error(error) => error.to_string(),
        Item::Reconnecting(_) => "reconnecting".to_owned(),
        Item::Silent(_) => "silent".to_owned(),
        Item::Reconnected(_) => "reconnected".to_owned(),
    }
}

/// The first items of a Binance spot book whose server sends these updates, the first of them before the
/// acknowledgement, and whose snapshots have these ids in turn.
async fn book_items(
    exchange: ExchangeId,
    updates: Vec<Value>,
    snapshots: Vec<u64>,
    count: usize,
) -> (Vec<String>, usize, usize) {
    let server = server::websocket(move |mut session| {
        let updates = updates.clone();
        async move {
            session.receive().await;
            session.send_json(&updates[0]).await;
            session.send_json(&acknowledged()).await;
            for update in &updates[1..] {
                session.send_json(update).await;
            }
            session.hold().await;
        }
    })
    .await;
    let rest = server::http(move |_, number| {
        let id = snapshots[number.min(snapshots.len() - 1)];
        let body = json!({"lastUpdateId": id, "bids": [["9", "1"]], "asks": [["11", "1"]]});
        ("200 OK".to_owned(), body.to_string())
    })
    .await;
    let options = options(exchange, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(books(exchange), options).await.unwrap();
    let mut words = Vec::new();
    for _ in 0..count {
        words.push(in_a_word(items.next().await));
    }
    (words, rest.accepted(), server.accepted())
}

#[tokio::test]
async fn updates_before_the_acknowledgement_come_after_the_snapshot() {
    let updates = vec![depth_update(95, 101, "9.1"), depth_update(102, 103, "9.2")];
    let (words, ..) = book_items(SPOT, updates, vec![100], 3).await;
    assert_eq!(words, ["snapshot 100", "update 101", "update 103"]);
}

#[tokio::test]
async fn a_snapshot_older_than_the_updates_is_asked_for_again_and_nothing_else_happens() {
    let updates = vec![depth_update(120, 121, "9.1"), depth_update(122, 125, "9.2")];
    let (words, asked, connections) = book_items(SPOT, updates, vec![100, 118, 121], 2).await;
    assert_eq!(words, ["snapshot 121", "update 125"]);
    assert_eq!((asked, connections), (3, 1));
}

#[tokio::test]
async fn updates_that_the_snapshot_has_are_dropped_and_overlaps_are_not_gaps() {
    let updates = vec![
        depth_update(90, 95, "9.1"),
        depth_update(96, 100, "9.2"),
        depth_update(99, 104, "9.3"),
        depth_update(103, 106, "9.4"),
    ];
    let (words, ..) = book_items(SPOT, updates, vec![100], 3).await;
    assert_eq!(words, ["snapshot 100", "update 104", "update 106"]);
}

#[tokio::test]
async fn a_gap_between_updates_is_an_error_in_the_stream_and_then_a_new_connection() {
    let updates = vec![depth_update(95, 101, "9.1"), depth_update(105, 106, "9.2")];
    let (words, _, connections) = book_items(SPOT, updates, vec![100], 5).await;
    let gap = DataError::InvalidSequence {
        prev_last_update_id: 101,
        first_update_id: 105,
    };
    assert_eq!(
        words[..4],
        [
            "snapshot 100",
            "update 101",
            &gap.to_string(),
            "reconnecting"
        ]
    );
    assert_eq!(words[4], "reconnected");
    assert_eq!(connections, 2);
}

#[tokio::test]
async fn a_snapshot_that_fails_while_events_flow_ends_the_connection_with_that_reason() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.send_json(&depth_update(120, 121, "9.1")).await;
        session.hold().await;
    })
    .await;
    let rest = server::http(|_, number| match number {
        0 => {
            let body = json!({"lastUpdateId": 100, "bids": [], "asks": []});
            ("200 OK".to_owned(), body.to_string())
        }
        _ => ("500 Internal Server Error".to_owned(), "oh".to_owned()),
    })
    .await;
    let options = options(SPOT, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(books(SPOT), options).await.unwrap();
    let reason = loop {
        match items.next().await {
            Item::Reconnecting(note) => break note.reason,
            // Where the update came after the snapshot, that one was delivered before it proved too old.
            Item::Event(event) => assert!(matches!(event.kind, DataKind::OrderBook(_))),
            other => panic!("not expected: {other:?}"),
        }
    };
    assert_eq!(
        reason,
        "binance_spot: no order book snapshot of BTCUSDT: \
         HTTP 500, the exchange has a fault or is under maintenance: oh"
    );
}

#[tokio::test]
async fn usd_margin_updates_follow_the_snapshot_and_each_other_by_the_exchanges_rules() {
    let updates = vec![
        usd_margin_update(80, 90, 79),
        usd_margin_update(95, 101, 90),
        usd_margin_update(110, 112, 101),
    ];
    let (words, ..) = book_items(USD_MARGIN, updates, vec![100], 3).await;
    assert_eq!(words, ["snapshot 100", "update 101", "update 112"]);
}

#[tokio::test]
async fn on_a_quiet_usd_margin_market_the_first_update_may_begin_after_the_snapshot() {
    let updates = vec![usd_margin_update(105, 107, 99)];
    let (words, asked, connections) = book_items(USD_MARGIN, updates, vec![100], 2).await;
    assert_eq!(words, ["snapshot 100", "update 107"]);
    assert_eq!((asked, connections), (1, 1));
}

#[tokio::test]
async fn a_gap_between_usd_margin_updates_is_an_error_in_the_stream() {
    let updates = vec![
        usd_margin_update(95, 101, 94),
        usd_margin_update(104, 105, 103),
    ];
    let (words, ..) = book_items(USD_MARGIN, updates, vec![100], 4).await;
    let gap = DataError::InvalidSequence {
        prev_last_update_id: 101,
        first_update_id: 104,
    };
    assert_eq!(
        words,
        [
            "snapshot 100",
            "update 101",
            &gap.to_string(),
            "reconnecting"
        ]
    );
}
