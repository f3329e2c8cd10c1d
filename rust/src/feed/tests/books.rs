//! Binance order books: snapshots and updates in their order, whatever order they come in.

use super::{Item, open, options, plan, server};
use crate::subscription::{ConnectionPlan, SubKind};
use barter_data::{error::DataError, event::DataKind, subscription::book::OrderBookEvent};
use barter_instrument::{
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{Perpetual, Spot},
};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::sync::Notify;

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

/// The first items of a Binance book whose server sends these updates, the first of them before the acknowledgement,
/// and whose snapshots have these ids in turn.
async fn book_items(
    exchange: ExchangeId,
    updates: Vec<Value>,
    snapshots: Vec<u64>,
    count: usize,
) -> (Vec<String>, usize, usize) {
    items_in_two_parts(exchange, updates, Vec::new(), snapshots, (0, count)).await
}

/// The same where the server sends `later` once so many items have come.
async fn items_in_two_parts(
    exchange: ExchangeId,
    updates: Vec<Value>,
    later: Vec<Value>,
    snapshots: Vec<u64>,
    (before, count): (usize, usize),
) -> (Vec<String>, usize, usize) {
    let go_on = Arc::new(Notify::new());
    let told = go_on.clone();
    let server = server::websocket(move |mut session| {
        let (updates, later, told) = (updates.clone(), later.clone(), told.clone());
        async move {
            session.receive().await;
            session.send_json(&updates[0]).await;
            session.send_json(&acknowledged()).await;
            for update in &updates[1..] {
                session.send_json(update).await;
            }
            told.notified().await;
            for update in &later {
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
    for number in 0..count {
        if number == before {
            go_on.notify_one();
        }
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
async fn a_gap_between_updates_is_an_error_in_the_stream_and_then_a_new_snapshot() {
    let updates = vec![depth_update(95, 101, "9.1")];
    let later = vec![depth_update(105, 106, "9.2"), depth_update(107, 108, "9.3")];
    let (words, asked, connections) =
        items_in_two_parts(SPOT, updates, later, vec![100, 105], (2, 6)).await;
    assert_eq!(
        words,
        [
            "snapshot 100",
            "update 101",
            &gap(101, 105),
            "snapshot 105",
            "update 106",
            "update 108"
        ]
    );
    assert_eq!((asked, connections), (2, 1));
}

#[tokio::test]
async fn a_delivered_snapshot_that_proves_too_old_is_an_error_in_the_stream_and_then_a_new_one() {
    let old = vec![depth_update(90, 95, "9.0")];
    let later = vec![depth_update(120, 121, "9.1"), depth_update(122, 123, "9.2")];
    let (words, asked, connections) =
        items_in_two_parts(SPOT, old, later, vec![100, 121], (1, 4)).await;
    let too_old = gap(100, 120);
    assert_eq!(
        words,
        ["snapshot 100", &too_old, "snapshot 121", "update 123"]
    );
    assert_eq!((asked, connections), (2, 1));
}

fn gap(prev_last_update_id: u64, first_update_id: u64) -> String {
    let error = DataError::InvalidSequence {
        prev_last_update_id,
        first_update_id,
    };
    error.to_string()
}

#[tokio::test]
async fn a_snapshot_that_fails_while_events_flow_is_told_once_and_asked_for_again() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.send_json(&depth_update(120, 121, "9.1")).await;
        session.send_json(&depth_update(122, 123, "9.1")).await;
        session.hold().await;
    })
    .await;
    let rest = server::http(|_, number| match number {
        1 | 2 => ("500 Internal Server Error".to_owned(), "oh".to_owned()),
        _ => {
            let body = json!({"lastUpdateId": 100 + 7 * number, "bids": [], "asks": []});
            ("200 OK".to_owned(), body.to_string())
        }
    })
    .await;
    let options = options(SPOT, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(books(SPOT), options).await.unwrap();
    let mut words = vec![in_a_word(items.next().await)];
    // Where the update came after the first snapshot, that one was delivered before it proved too old.
    if words == ["snapshot 100"] {
        assert_eq!(in_a_word(items.next().await), gap(100, 120));
        words.clear();
    }
    while words.len() < 3 {
        words.push(in_a_word(items.next().await));
    }
    assert_eq!(
        words,
        [
            "SocketError: binance_spot: no order book snapshot of BTCUSDT: \
             HTTP 500, the exchange has a fault or is under maintenance: oh",
            "snapshot 121",
            "update 123"
        ]
    );
    assert_eq!((rest.accepted(), server.accepted()), (4, 1));
}

#[tokio::test]
async fn a_snapshot_that_the_exchange_will_not_give_ends_the_connection_with_that_reason() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.send_json(&depth_update(101, 102, "9.1")).await;
        session.send_json(&depth_update(105, 106, "9.1")).await;
        session.hold().await;
    })
    .await;
    let rest = server::http(|_, number| match number {
        0 => {
            let body = json!({"lastUpdateId": 100, "bids": [], "asks": []});
            ("200 OK".to_owned(), body.to_string())
        }
        _ => ("451 Unavailable".to_owned(), "no".to_owned()),
    })
    .await;
    let options = options(SPOT, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(books(SPOT), options).await.unwrap();
    let reason = loop {
        match items.next().await {
            Item::Reconnecting(note) => break note.reason,
            other => drop(other),
        }
    };
    assert_eq!(
        reason,
        "binance_spot: no order book snapshot of BTCUSDT: \
         HTTP 451, the exchange refuses this location: no"
    );
}

#[tokio::test]
async fn a_snapshot_that_fails_at_the_start_is_asked_for_again_and_told_before_the_book() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.hold().await;
    })
    .await;
    let rest = server::http(|_, number| match number {
        0 => (
            "429 Too Many Requests\r\nRetry-After: 1".to_owned(),
            "slower".to_owned(),
        ),
        _ => {
            let body = json!({"lastUpdateId": 100, "bids": [], "asks": []});
            ("200 OK".to_owned(), body.to_string())
        }
    })
    .await;
    let began = std::time::Instant::now();
    let options = options(SPOT, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(books(SPOT), options).await.unwrap();
    assert!(began.elapsed().as_secs() >= 1, "the wait is kept");
    assert_eq!(
        items.error().await,
        "SocketError: binance_spot: no order book snapshot of BTCUSDT: \
         HTTP 429, too many requests: slower (retry after 1 s)"
    );
    assert_eq!(in_a_word(items.next().await), "snapshot 100");
    assert_eq!((rest.accepted(), server.accepted()), (2, 1));
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
async fn a_gap_between_usd_margin_updates_is_an_error_in_the_stream_and_then_a_new_snapshot() {
    let updates = vec![usd_margin_update(95, 101, 94)];
    let later = vec![usd_margin_update(104, 105, 103)];
    let (words, asked, connections) =
        items_in_two_parts(USD_MARGIN, updates, later, vec![100, 104], (2, 5)).await;
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
            "snapshot 104",
            "update 105"
        ]
    );
    assert_eq!((asked, connections), (2, 1));
}

fn bybit_frame(market: &str, kind: &str, update: u64) -> Value {
    json!({
        "topic": format!("orderbook.50.{market}"), "type": kind, "ts": 1672304484978i64,
        "data": {"s": market, "b": [["9.5", "1"]], "a": [["10", "1"]], "u": update, "seq": 1_000 + update},
    })
}

fn bybit_reply(op: &str) -> Value {
    json!({"success": true, "ret_msg": op, "conn_id": "c", "req_id": "", "op": op})
}

#[tokio::test]
async fn a_gap_in_a_book_of_bybit_is_an_error_and_then_a_new_subscription_of_that_market_alone() {
    const BYBIT: ExchangeId = ExchangeId::BybitSpot;
    let server = server::websocket(move |mut session| async move {
        session.receive().await;
        session.send_json(&bybit_reply("subscribe")).await;
        for market in ["BTCUSDT", "ETHUSDT"] {
            session.send_json(&bybit_frame(market, "snapshot", 1)).await;
        }
        session.send_json(&bybit_frame("BTCUSDT", "delta", 3)).await;
        // What was on the way is not of the new subscription.
        session.send_json(&bybit_frame("BTCUSDT", "delta", 4)).await;
        // The second time it is no news.
        for _ in 0..2 {
            session.send_json(&bybit_frame("ETHUSDT", "delta", 2)).await;
        }
        let mut asked = Vec::new();
        while asked.len() < 2 {
            let request: Value =
                serde_json::from_str(&session.receive().await.expect("the client lives")).unwrap();
            if request["op"] != "ping" {
                asked.push(request);
            }
        }
        let topic = json!(["orderbook.50.BTCUSDT"]);
        assert_eq!(asked[0], json!({"op": "unsubscribe", "args": topic}));
        assert_eq!(asked[1], json!({"op": "subscribe", "args": topic}));
        session.send_json(&bybit_reply("unsubscribe")).await;
        session.send_json(&bybit_frame("BTCUSDT", "delta", 5)).await;
        session.send_json(&bybit_reply("subscribe")).await;
        session
            .send_json(&bybit_frame("BTCUSDT", "snapshot", 6))
            .await;
        session.send_json(&bybit_frame("BTCUSDT", "delta", 7)).await;
        session.hold().await;
    })
    .await;
    let markets = [("btc", "usdt"), ("eth", "usdt")];
    let plan = plan(BYBIT, SubKind::L2, &markets, &Spot);
    let (_carrying, mut items) = open(plan, options(BYBIT, &server.address, None))
        .await
        .unwrap();
    let mut words = Vec::new();
    for _ in 0..6 {
        words.push(in_a_word(items.next().await));
    }
    let gap = DataError::InvalidSequence {
        prev_last_update_id: 1_001,
        first_update_id: 1_003,
    };
    assert_eq!(
        words,
        [
            "snapshot 1001",
            "snapshot 1001",
            &gap.to_string(),
            "update 1002",
            "snapshot 1006",
            "update 1007"
        ]
    );
    assert_eq!(server.accepted(), 1);
}
