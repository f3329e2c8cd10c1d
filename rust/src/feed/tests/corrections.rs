//! What an exchange sends is what is delivered, where its documents and a plain reading of its frames part: sides, amounts,
//! whose row it is, best prices; and the list of these in the documentation names tests that exist.

use super::{AnyEvent, FIRST_INDEX, faults, open, options, pairs::level, plan, server};
use crate::subscription::SubKind;
use barter_data::{event::DataKind, subscription::book::OrderBookL1};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{
        kind::option::{OptionExercise, OptionKind},
        market_data::kind::{
            MarketDataInstrumentKind::{self, Option as OptionContract, Perpetual, Spot},
            MarketDataOptionContract,
        },
    },
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The first events of these markets where the exchange sends these frames after each request.
async fn events(
    (exchange, kind): (ExchangeId, SubKind),
    instrument: &MarketDataInstrumentKind,
    assets: &[(&str, &str)],
    (acknowledgements, frames): (Vec<Value>, Vec<Value>),
    count: usize,
) -> Vec<AnyEvent> {
    let sent = [acknowledgements, frames].concat();
    let server = server::websocket(move |mut session| {
        let sent = sent.clone();
        async move {
            session.receive().await;
            for frame in &sent {
                session.send_json(frame).await;
            }
            session.hold().await;
        }
    })
    .await;
    let plan = plan(exchange, kind, assets, instrument);
    let (_carrying, mut items) = open(plan, options(exchange, &server.address, None))
        .await
        .unwrap();
    let mut events = Vec::new();
    for _ in 0..count {
        events.push(items.event().await);
    }
    events
}

/// Instrument (from zero on), id, price, amount and side of a trade.
fn trade(event: &AnyEvent) -> (usize, &str, f64, f64, Side) {
    match &event.kind {
        DataKind::Trade(trade) => {
            let instrument = event.instrument.0 - FIRST_INDEX;
            (instrument, &trade.id, trade.price, trade.amount, trade.side)
        }
        other => panic!("expected a trade, got {other:?}"),
    }
}

/// The acknowledgement and an update of a channel of Gate.io's.
fn gateio(channel: &str, markets: usize, result: Value) -> (Vec<Value>, Vec<Value>) {
    let acknowledgement = json!({
        "time": 1606292218, "channel": channel, "event": "subscribe", "result": {"status": "success"}
    });
    let update =
        json!({"time": 1606292219, "channel": channel, "event": "update", "result": result});
    (vec![acknowledgement; markets], vec![update])
}

#[tokio::test]
async fn trades_of_coinbase_have_the_takers_side() {
    let row = |id: u64, side: &str| {
        json!({
            "type": "match", "trade_id": id, "time": "2014-11-07T08:19:27.028459Z", "product_id": "BTC-USD",
            "size": "5.23512", "price": "400.23", "side": side
        })
    };
    let acknowledgement = json!({
        "type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["BTC-USD"]}]
    });
    let sent = (vec![acknowledgement], vec![row(1, "sell"), row(2, "buy")]);
    let exchange = (ExchangeId::Coinbase, SubKind::Trades);
    let events = events(exchange, &Spot, &[("btc", "usd")], sent, 2).await;
    let sides: Vec<_> = events.iter().map(|event| trade(event).4).collect();
    assert_eq!(sides, [Side::Buy, Side::Sell]);
}

#[tokio::test]
async fn prices_of_gateios_options_are_numbers_and_sizes_of_sells_negative() {
    // 2021-12-31, 8 o'clock.
    let expiry = chrono::DateTime::from_timestamp(1_640_937_600, 0).unwrap();
    let option = OptionContract(MarketDataOptionContract {
        kind: OptionKind::Call,
        exercise: OptionExercise::European,
        expiry,
        strike: 59_800.into(),
    });
    let result = json!([{
        "contract": "BTC_USDT-20211231-59800-C", "create_time": 1639144526, "id": 12279, "price": 997.8, "size": -100,
        "create_time_ms": 1639144526597i64, "underlying": "BTC_USDT"
    }]);
    let exchange = (ExchangeId::GateioOptions, SubKind::Trades);
    let sent = gateio("options.trades", 1, result);
    let events = events(exchange, &option, &[("btc", "usdt")], sent, 1).await;
    assert_eq!(trade(&events[0]), (0, "12279", 997.8, 100.0, Side::Sell));
}

fn contract(market: &str, id: u64, size: Value) -> Value {
    json!({
        "size": size, "id": id, "create_time": 1545136464, "create_time_ms": 1545136464123i64, "price": "96.4",
        "contract": market, "is_internal": false
    })
}

#[tokio::test]
async fn sizes_of_gateios_contracts_are_amounts_with_a_side_whether_numbers_or_strings() {
    let rows = [json!(-108), json!("-108"), json!("1.5"), json!(7)];
    let rows: Vec<_> = (1..)
        .zip(rows)
        .map(|(id, size)| contract("BTC_USDT", id, size))
        .collect();
    let exchange = (ExchangeId::GateioPerpetualsUsd, SubKind::Trades);
    let sent = gateio("futures.trades", 1, rows.into());
    let events = events(exchange, &Perpetual, &[("btc", "usdt")], sent, 4).await;
    let rows: Vec<_> = events.iter().map(trade).collect();
    assert_eq!(
        rows,
        [
            (0, "1", 96.4, 108.0, Side::Sell),
            (0, "2", 96.4, 108.0, Side::Sell),
            (0, "3", 96.4, 1.5, Side::Buy),
            (0, "4", 96.4, 7.0, Side::Buy),
        ]
    );
}

#[tokio::test]
async fn every_row_of_a_frame_of_gateio_goes_to_its_own_instrument() {
    let rows = json!([
        contract("BTC_USDT", 1, json!(1)),
        contract("ETH_USDT", 2, json!(-2)),
        contract("BTC_USDT", 3, json!(3)),
    ]);
    let exchange = (ExchangeId::GateioPerpetualsUsd, SubKind::Trades);
    let sent = gateio("futures.trades", 2, rows);
    let assets = [("btc", "usdt"), ("eth", "usdt")];
    let events = events(exchange, &Perpetual, &assets, sent, 3).await;
    let whose: Vec<_> = events.iter().map(|event| trade(event).0).collect();
    assert_eq!(whose, [0, 1, 0]);
}

#[tokio::test]
async fn every_row_of_a_frame_of_bitmex_goes_to_its_own_instrument() {
    let row = |market: &str, id: &str| {
        json!({
            "timestamp": "2023-02-18T09:27:59.701Z", "symbol": market, "side": "Sell", "size": 200, "price": 24564.5,
            "trdMatchID": id
        })
    };
    let acknowledgement =
        |topic: &str| json!({"success": true, "subscribe": topic, "request": {"op": "subscribe"}});
    let frame = json!({
        "table": "trade", "action": "insert", "data": [row("XBTUSD", "a"), row("ETHUSD", "b"), row("XBTUSD", "c")]
    });
    let acknowledgements = ["trade:XBTUSD", "trade:ETHUSD"]
        .map(acknowledgement)
        .to_vec();
    let exchange = (ExchangeId::Bitmex, SubKind::Trades);
    let assets = [("btc", "usd"), ("eth", "usd")];
    let events = events(
        exchange,
        &Perpetual,
        &assets,
        (acknowledgements, vec![frame]),
        3,
    )
    .await;
    let whose: Vec<_> = events
        .iter()
        .map(|event| (trade(event).0, trade(event).1))
        .collect();
    assert_eq!(whose, [(0, "a"), (1, "b"), (0, "c")]);
}

#[tokio::test]
async fn changes_of_bybits_best_prices_are_put_together() {
    let frame = |kind: &str, bids: Value, asks: Value| {
        json!({
            "topic": "orderbook.1.BTCUSDT", "ts": 1672304484978i64, "type": kind,
            "data": {"s": "BTCUSDT", "b": bids, "a": asks, "u": 1, "seq": 2}
        })
    };
    let frames = vec![
        frame("delta", json!([["1", "1"]]), json!([])),
        frame("snapshot", json!([["10", "1"]]), json!([["11", "2"]])),
        frame("delta", json!([["10.5", "3"], ["10", "0"]]), json!([])),
        frame("delta", json!([]), json!([["11", "0"]])),
        frame("delta", json!([]), json!([["12", "4"]])),
        frame("snapshot", json!([]), json!([["13", "5"]])),
    ];
    let acknowledgement =
        json!({"success": true, "ret_msg": "subscribe", "conn_id": "2", "op": "subscribe"});
    let exchange = (ExchangeId::BybitSpot, SubKind::L1);
    let sent = (vec![acknowledgement], frames);
    let events = events(exchange, &Spot, &[("btc", "usdt")], sent, 5).await;
    let books: Vec<_> = events
        .iter()
        .map(|event| match &event.kind {
            DataKind::OrderBookL1(OrderBookL1 {
                best_bid, best_ask, ..
            }) => (*best_bid, *best_ask),
            other => panic!("expected best prices, got {other:?}"),
        })
        .collect();
    let level = |price, amount| Some(level(price, amount));
    assert_eq!(
        books,
        [
            (level("10", "1"), level("11", "2")),
            (level("10.5", "3"), level("11", "2")),
            (level("10.5", "3"), None),
            (level("10.5", "3"), level("12", "4")),
            (None, level("13", "5")),
        ]
    );
}

#[tokio::test]
async fn what_bitfinex_sends_between_acknowledgements_and_snapshots_does_not_confuse_the_handshake()
{
    let subscribed = |channel: u32, symbol: &str| json!({"event": "subscribed", "channel": "trades", "chanId": channel, "symbol": symbol, "pair": &symbol[1..]});
    let acknowledgements = vec![
        json!({"event": "info", "version": 2, "serverId": "5b73a436", "platform": {"status": 1}}),
        subscribed(7, "tBTCUSD"),
        json!([7, "te", [1, 1574694478808i64, -0.005, 7245.3]]),
        json!([7, "hb"]),
        json!([7, "tu", [1, 1574694478808i64, -0.005, 7245.3]]),
        json!({"event": "info", "code": 20060, "msg": "Entering in Maintenance mode."}),
        subscribed(8, "tETHUSD"),
        json!([8, [[2, 1574694475039i64, 0.005, 144.9]]]),
    ];
    let frames = vec![
        json!([7, [[1, 1574694478808i64, -0.005, 7245.3]]]),
        json!([8, "te", [3, 1574694479000i64, 0.25, 145]]),
    ];
    let exchange = (ExchangeId::Bitfinex, SubKind::Trades);
    let assets = [("btc", "usd"), ("eth", "usd")];
    let events = events(exchange, &Spot, &assets, (acknowledgements, frames), 2).await;
    let rows: Vec<_> = events.iter().map(trade).collect();
    assert_eq!(
        rows,
        [
            (0, "1", 7245.3, 0.005, Side::Sell),
            (1, "3", 145.0, 0.25, Side::Buy)
        ]
    );
}

#[tokio::test]
async fn maintenance_of_bitfinex_is_the_reason_why_a_connection_does_not_open() {
    let greeting =
        json!({"event": "info", "version": 2, "serverId": "5b73a436", "platform": {"status": 0}});
    let server = faults::answering(greeting).await;
    let plan = plan(
        ExchangeId::Bitfinex,
        SubKind::Trades,
        &[("btc", "usd")],
        &Spot,
    );
    let options = options(ExchangeId::Bitfinex, &server.address, None);
    assert_eq!(
        faults::failure(plan, options).await.to_string(),
        "bitfinex: the connection ended during the handshake: Bitfinex is under maintenance"
    );
}

/// The sources that have tests of the feed.
const SOURCES: &[&str] = &[
    include_str!("books.rs"),
    include_str!("control.rs"),
    include_str!("corrections.rs"),
    include_str!("faults.rs"),
    include_str!("news.rs"),
    include_str!("pairs.rs"),
    include_str!("reconnecting.rs"),
    include_str!("refusals.rs"),
    include_str!("values.rs"),
    include_str!("../exchange/okx.rs"),
    include_str!("../snapshot.rs"),
    include_str!("../exchange/tests.rs"),
    include_str!("../limits.rs"),
    include_str!("../weights.rs"),
];

#[test]
fn every_test_that_the_list_of_corrections_names_exists() {
    let list = include_str!("../../../../docs/corrections.md");
    let (rows, besides) = list.split_once("Found besides").unwrap();
    let rows = rows_of(rows, |first| first.parse::<u32>().is_ok());
    let besides = rows_of(besides, |first| first != "Exchange");
    assert!(!besides.is_empty());
    let numbers: Vec<_> = rows
        .iter()
        .map(|row| row[0].parse::<u32>().unwrap())
        .collect();
    assert_eq!(numbers, (1..=38).collect::<Vec<_>>());
    let mut named = BTreeSet::new();
    for row in rows.iter().chain(&besides) {
        let tests = row.last().unwrap();
        let names: Vec<_> = tests.split('`').skip(1).step_by(2).collect();
        let may_be_open = ["14", "21", "37"].contains(&row[0]);
        assert!(!names.is_empty() || may_be_open, "no test in {row:?}");
        named.extend(names);
    }
    for name in named {
        let header = format!("fn {name}()");
        let exists = SOURCES.iter().any(|source| source.contains(&header));
        assert!(exists, "there is no test {name}");
    }
}

/// The rows of the tables in a text whose first cell is of that kind, in cells.
fn rows_of(text: &str, kind: fn(&str) -> bool) -> Vec<Vec<&str>> {
    text.lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .filter(|row: &Vec<&str>| kind(row[0]))
        .collect()
}
