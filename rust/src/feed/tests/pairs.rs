//! Every exchange and kind against a server that greets, acknowledges and sends one datum as the exchange does: the
//! address, the requests and every field of the event.

use super::{
    AnyEvent, FIRST_INDEX, exchange, open, options, pairs_binance, pairs_gateio, plan, server,
};
use crate::subscription::SubKind;
use barter_data::{
    books::Level,
    event::DataKind,
    subscription::{book::OrderBookL1, trade::PublicTrade},
};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{
        InstrumentIndex,
        market_data::kind::MarketDataInstrumentKind::{self, Perpetual, Spot},
    },
};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use std::{collections::HashSet, sync::Arc};

/// One row of the table: what is subscribed to, what the exchange does, and what must come of it.
pub(super) struct Case {
    pub(super) exchange: ExchangeId,
    pub(super) kind: SubKind,
    /// Base and quote.
    pub(super) assets: (&'static str, &'static str),
    pub(super) instrument: MarketDataInstrumentKind,
    pub(super) path: &'static str,
    /// What the exchange sends before anything else.
    pub(super) greeting: Vec<Value>,
    pub(super) requests: Vec<Value>,
    pub(super) acknowledgements: Vec<Value>,
    /// What follows, from the first datum on.
    pub(super) frames: Vec<Value>,
    /// Target of the snapshot's request, and its answer.
    pub(super) snapshot: Option<(&'static str, Value)>,
    /// The exchange's time of each event (`None`: it sends none) and what it is.
    pub(super) events: Vec<(Option<DateTime<Utc>>, DataKind)>,
}

pub(super) fn at_ms(milliseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds)
}

pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(super) fn level(price: &str, amount: &str) -> Level {
    Level::new(decimal(price), decimal(amount))
}

pub(super) fn trade(id: &str, price: f64, amount: f64, side: Side) -> DataKind {
    let id = id.to_owned();
    PublicTrade {
        id,
        price,
        amount,
        side,
    }
    .into()
}

pub(super) fn l1(time: Option<DateTime<Utc>>, bid: Level, ask: Level) -> DataKind {
    OrderBookL1 {
        // Where the exchange sends no time it is checked against the event's.
        last_update_time: time.unwrap_or_default(),
        best_bid: Some(bid),
        best_ask: Some(ask),
    }
    .into()
}

async fn check(case: Case) {
    let name = format!("{} {}", case.exchange.as_str(), case.kind.name());
    let heard = Arc::new(Mutex::new((String::new(), Vec::new())));
    let (noted, requests) = (heard.clone(), case.requests.len());
    let (greeting, acknowledgements, frames) = (case.greeting, case.acknowledgements, case.frames);
    let server = server::websocket(move |mut session| {
        let noted = noted.clone();
        let (greeting, after) = (greeting.clone(), [&acknowledgements[..], &frames].concat());
        async move {
            noted.lock().0 = session.path.clone();
            for frame in &greeting {
                session.send_json(frame).await;
            }
            for _ in 0..requests {
                let Some(request) = session.receive().await else {
                    return;
                };
                noted.lock().1.push(serde_json::from_str(&request).unwrap());
            }
            for frame in &after {
                session.send_json(frame).await;
            }
            session.hold().await;
        }
    })
    .await;
    let target = Arc::new(Mutex::new(String::new()));
    let asked = target.clone();
    let body = case.snapshot.as_ref().map(|(_, body)| body.to_string());
    let rest = server::http(move |target, _| {
        *asked.lock() = target.to_owned();
        ("200 OK".to_owned(), body.clone().unwrap_or_default())
    })
    .await;

    let before = Utc::now();
    let plan = plan(case.exchange, case.kind, &[case.assets], &case.instrument);
    let options = options(case.exchange, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(plan, options).await.unwrap();
    for (time, expected) in case.events {
        let mut event = items.event().await;
        assert!(
            (before..=Utc::now()).contains(&event.time_received),
            "{name}: {event:?}"
        );
        let time_exchange = time.unwrap_or_else(|| {
            assert!(
                (before..=Utc::now()).contains(&event.time_exchange),
                "{name}: {event:?}"
            );
            event.time_exchange
        });
        if let (None, DataKind::OrderBookL1(book)) = (time, &mut event.kind) {
            assert_eq!(book.last_update_time, event.time_exchange, "{name}");
            book.last_update_time = DateTime::default();
        }
        let expected = AnyEvent {
            time_exchange,
            time_received: event.time_received,
            exchange: case.exchange,
            instrument: InstrumentIndex(FIRST_INDEX),
            kind: expected,
        };
        assert_eq!(event, expected, "{name}");
    }
    let (path, mut requests) = heard.lock().clone();
    assert_eq!(path, case.path, "{name}");
    for request in &mut requests {
        without_time(request);
    }
    assert_eq!(requests, case.requests, "{name}");
    let expected = case.snapshot.map_or("", |(target, _)| target);
    assert_eq!(*target.lock(), expected, "{name}");
}

/// Takes the clock out of a request, where it has one.
fn without_time(request: &mut Value) {
    if let Some(Value::Number(time)) = request.as_object_mut().and_then(|r| r.remove("time")) {
        let time = at_ms(time.as_i64().unwrap()).unwrap();
        assert!((Utc::now() - time).num_seconds().abs() < 60, "{time}");
    }
}

#[tokio::test]
async fn all_25_pairs_connect_subscribe_and_yield_what_the_exchange_sent() {
    let cases: Vec<_> = [pairs_binance::cases(), cases(), pairs_gateio::cases()]
        .into_iter()
        .flatten()
        .collect();
    let covered: HashSet<_> = cases
        .iter()
        .map(|case| (case.exchange, case.kind))
        .collect();
    let all: HashSet<_> = exchange::PAIRS
        .iter()
        .map(|pair| (pair.exchange.id, pair.kind))
        .collect();
    assert_eq!(covered, all);
    assert_eq!(cases.len(), 25);
    for case in cases {
        check(case).await;
    }
}

fn bybit(
    exchange: ExchangeId,
    instrument: MarketDataInstrumentKind,
    path: &'static str,
) -> Vec<Case> {
    let case = |kind, topic: &str, frames: Vec<Value>, events| Case {
        exchange,
        kind,
        assets: ("btc", "usdt"),
        instrument: instrument.clone(),
        path,
        greeting: vec![],
        requests: vec![json!({"op": "subscribe", "args": [topic]})],
        acknowledgements: vec![json!({
            "success": true, "ret_msg": "subscribe", "conn_id": "2324d924-aa4d-45b0", "req_id": "", "op": "subscribe"
        })],
        frames,
        snapshot: None,
        events,
    };
    let book = |topic: &str, kind: &str, ts: i64, bids: Value, asks: Value, u: u64, seq: u64| {
        json!({
            "topic": topic, "ts": ts, "type": kind,
            "data": {"s": "BTCUSDT", "b": bids, "a": asks, "u": u, "seq": seq}, "cts": ts - 5
        })
    };
    let pong =
        json!({"success": true, "ret_msg": "pong", "conn_id": "2324d924-aa4d-45b0", "op": "ping"});
    let (topic1, topic50) = ("orderbook.1.BTCUSDT", "orderbook.50.BTCUSDT");
    let order_book = |time, sequence, bids: &[Level], asks: &[Level]| {
        let (bids, asks) = (bids.iter().copied(), asks.iter().copied());
        barter_data::books::OrderBook::new(sequence, at_ms(time), bids, asks)
    };
    use barter_data::subscription::book::OrderBookEvent::{Snapshot, Update};
    vec![
        case(
            SubKind::Trades,
            "publicTrade.BTCUSDT",
            vec![
                pong.clone(),
                json!({
                    "topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1672304486868i64,
                    "data": [{
                        "T": 1672304486865i64, "s": "BTCUSDT", "S": "Sell", "v": "0.001", "p": "16578.50",
                        "L": "PlusTick", "i": "20f43950-d8dd-5b31-9112-a178eb6023af", "BT": false
                    }]
                }),
            ],
            vec![(
                at_ms(1672304486865),
                trade(
                    "20f43950-d8dd-5b31-9112-a178eb6023af",
                    16578.5,
                    0.001,
                    Side::Sell,
                ),
            )],
        ),
        case(
            SubKind::L1,
            topic1,
            vec![
                pong.clone(),
                book(
                    topic1,
                    "snapshot",
                    1672304484978,
                    json!([["16493.50", "0.006"]]),
                    json!([["16611.00", "0.029"]]),
                    18521288,
                    7961638724,
                ),
            ],
            vec![(
                at_ms(1672304484978),
                l1(
                    at_ms(1672304484978),
                    level("16493.50", "0.006"),
                    level("16611.00", "0.029"),
                ),
            )],
        ),
        case(
            SubKind::L2,
            topic50,
            vec![
                book(
                    topic50,
                    "snapshot",
                    1672304484978,
                    json!([["16493.50", "0.006"], ["16493.00", "0.100"]]),
                    json!([["16611.00", "0.029"]]),
                    18521288,
                    7961638724,
                ),
                pong,
                book(
                    topic50,
                    "delta",
                    1672304485078,
                    json!([["16493.00", "0"]]),
                    json!([["16611.50", "0.5"]]),
                    18521289,
                    7961638730,
                ),
            ],
            vec![
                (
                    at_ms(1672304484978),
                    Snapshot(order_book(
                        1672304484978,
                        7961638724,
                        &[level("16493.50", "0.006"), level("16493.00", "0.100")],
                        &[level("16611.00", "0.029")],
                    ))
                    .into(),
                ),
                (
                    at_ms(1672304485078),
                    Update(order_book(
                        1672304485078,
                        7961638730,
                        &[level("16493.00", "0")],
                        &[level("16611.50", "0.5")],
                    ))
                    .into(),
                ),
            ],
        ),
    ]
}

fn kraken(
    kind: SubKind,
    channel: &str,
    frame: Value,
    event: (Option<DateTime<Utc>>, DataKind),
) -> Case {
    Case {
        exchange: ExchangeId::Kraken,
        kind,
        assets: ("btc", "usd"),
        instrument: Spot,
        path: "/",
        greeting: vec![json!({
            "connectionID": 8628615390848610000u64, "event": "systemStatus", "status": "online", "version": "1.0.0"
        })],
        requests: vec![
            json!({"event": "subscribe", "pair": ["XBT/USD"], "subscription": {"name": channel}}),
        ],
        acknowledgements: vec![
            json!({"event": "heartbeat"}),
            json!({
                "channelID": 10001, "channelName": channel, "event": "subscriptionStatus", "pair": "XBT/USD",
                "status": "subscribed", "subscription": {"name": channel}
            }),
        ],
        frames: vec![
            json!({"event": "heartbeat"}),
            json!({"connectionID": 1, "event": "systemStatus", "status": "post_only", "version": "1.9.0"}),
            frame,
        ],
        snapshot: None,
        events: vec![event],
    }
}

fn cases() -> Vec<Case> {
    let micros = |time| DateTime::from_timestamp_micros(time);
    let mut cases = bybit(ExchangeId::BybitSpot, Spot, "/v5/public/spot");
    cases.extend(bybit(
        ExchangeId::BybitPerpetualsUsd,
        Perpetual,
        "/v5/public/linear",
    ));
    cases.extend([
        kraken(
            SubKind::Trades,
            "trade",
            json!([10001, [["5541.20000", "0.15850568", "1534614057.321597", "s", "l", ""]], "trade", "XBT/USD"]),
            (
                micros(1534614057321597),
                trade("1534614057321597_sell_5541.2_0.15850568", 5541.2, 0.15850568, Side::Sell),
            ),
        ),
        kraken(
            SubKind::L1,
            "spread",
            json!([10001, ["5698.40000", "5700.00000", "1542057299.545897", "1.01234567", "0.98765432"], "spread",
                "XBT/USD"]),
            (
                micros(1542057299545897),
                l1(micros(1542057299545897), level("5698.40000", "1.01234567"), level("5700.00000", "0.98765432")),
            ),
        ),
        Case {
            exchange: ExchangeId::Okx,
            kind: SubKind::Trades,
            assets: ("btc", "usdt"),
            instrument: Perpetual,
            path: "/ws/v5/public",
            greeting: vec![],
            requests: vec![json!({"op": "subscribe", "args": [{"channel": "trades", "instId": "BTC-USDT-SWAP"}]})],
            acknowledgements: vec![json!({
                "event": "subscribe", "arg": {"channel": "trades", "instId": "BTC-USDT-SWAP"}, "connId": "a4d3ae55"
            })],
            frames: vec![json!("pong"), json!({
                "arg": {"channel": "trades", "instId": "BTC-USDT-SWAP"},
                "data": [{
                    "instId": "BTC-USDT-SWAP", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306",
                    "side": "buy", "ts": "1630048897897", "count": "3"
                }]
            })],
            snapshot: None,
            events: vec![(at_ms(1630048897897), trade("130639474", 42219.9, 0.12060306, Side::Buy))],
        },
        Case {
            exchange: ExchangeId::Coinbase,
            kind: SubKind::Trades,
            assets: ("btc", "usd"),
            instrument: Spot,
            path: "/",
            greeting: vec![],
            requests: vec![json!({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]})],
            acknowledgements: vec![json!({
                "type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["BTC-USD"]}]
            })],
            frames: vec![json!({
                "type": "match", "trade_id": 10, "sequence": 50, "maker_order_id": "ac928c66-ca53-498f",
                "taker_order_id": "132fb6ae-456b-4654", "time": "2014-11-07T08:19:27.028459Z",
                "product_id": "BTC-USD", "size": "5.23512", "price": "400.23", "side": "sell"
            })],
            snapshot: None,
            events: vec![(micros(1415348367028459), trade("10", 400.23, 5.23512, Side::Sell))],
        },
        Case {
            exchange: ExchangeId::Bitfinex,
            kind: SubKind::Trades,
            assets: ("btc", "usd"),
            instrument: Spot,
            path: "/ws/2",
            greeting: vec![json!({
                "event": "info", "version": 2, "serverId": "5b73a436-19ca-4a15", "platform": {"status": 1}
            })],
            requests: vec![json!({"event": "subscribe", "channel": "trades", "symbol": "tBTCUSD"})],
            acknowledgements: vec![
                json!({
                    "event": "subscribed", "channel": "trades", "chanId": 19111, "symbol": "tBTCUSD", "pair": "BTCUSD"
                }),
                json!([19111, [[401597393, 1574694475039i64, 0.005, 7244.9]]]),
            ],
            frames: vec![
                json!([19111, "hb"]),
                json!([19111, "te", [401597395, 1574694478808i64, -0.005, 7245.3]]),
                json!([19111, "tu", [401597395, 1574694478808i64, -0.005, 7245.3]]),
            ],
            snapshot: None,
            events: vec![(at_ms(1574694478808), trade("401597395", 7245.3, 0.005, Side::Sell))],
        },
        Case {
            exchange: ExchangeId::Bitmex,
            kind: SubKind::Trades,
            assets: ("btc", "usd"),
            instrument: Perpetual,
            path: "/realtime",
            greeting: vec![json!({
                "info": "Welcome to the BitMEX Realtime API.", "version": "2.0.0",
                "timestamp": "2026-01-01T00:00:00.000Z", "docs": "https://www.bitmex.com/app/wsAPI",
                "limit": {"remaining": 39}
            })],
            requests: vec![json!({"op": "subscribe", "args": ["trade:XBTUSD"]})],
            acknowledgements: vec![json!({
                "success": true, "subscribe": "trade:XBTUSD",
                "request": {"op": "subscribe", "args": ["trade:XBTUSD"]}
            })],
            frames: vec![json!({
                "table": "trade", "action": "insert", "data": [{
                    "timestamp": "2023-02-18T09:27:59.701Z", "symbol": "XBTUSD", "side": "Sell", "size": 200,
                    "price": 24564.5, "tickDirection": "MinusTick", "trdMatchID": "31e50cb7-e005-a44e-f354-86e88dff52eb",
                    "grossValue": 814184, "homeNotional": 0.00814184, "foreignNotional": 200
                }]
            })],
            snapshot: None,
            events: vec![(
                at_ms(1676712479701),
                trade("31e50cb7-e005-a44e-f354-86e88dff52eb", 24564.5, 200.0, Side::Sell),
            )],
        },
    ]);
    cases
}
