//! The cases of Binance's two servers.

use super::pairs::{Case, at_ms, l1, level, trade};
use crate::subscription::SubKind;
use barter_data::{
    books::OrderBook,
    event::DataKind,
    subscription::{
        book::OrderBookEvent::{Snapshot, Update},
        liquidation::Liquidation,
    },
};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{Perpetual, Spot},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

type Event = (Option<DateTime<Utc>>, DataKind);

fn case(kind: SubKind, stream: &str, frames: Vec<Value>, events: Vec<Event>) -> Case {
    Case {
        exchange: ExchangeId::BinanceSpot,
        kind,
        assets: ("btc", "usdt"),
        instrument: Spot,
        path: "/ws",
        greeting: vec![],
        requests: vec![json!({"method": "SUBSCRIBE", "params": [stream], "id": 1})],
        acknowledgements: vec![json!({"result": null, "id": 1})],
        frames,
        rest: Some((
            "/api/v3/ticker/price",
            json!([{"symbol": "BTCUSDT", "price": "1"}]),
        )),
        events,
    }
}

fn usd_margin(path: &'static str, case: Case) -> Case {
    Case {
        exchange: ExchangeId::BinanceFuturesUsd,
        instrument: Perpetual,
        path,
        rest: case.rest.map(|(target, body)| match target {
            "/api/v3/ticker/price" => ("/fapi/v1/ticker/price", body),
            other => (other, body),
        }),
        ..case
    }
}

pub(super) fn cases() -> Vec<Case> {
    let bid = level("25.35190000", "31.21000000");
    let ask = level("25.36520000", "40.66000000");
    let ticker = json!({
        "u": 400900217, "s": "BTCUSDT", "b": "25.35190000", "B": "31.21000000", "a": "25.36520000", "A": "40.66000000"
    });
    let mut usd_margin_ticker = ticker.clone();
    for (key, value) in [
        ("e", json!("bookTicker")),
        ("E", json!(1568014460893i64)),
        ("T", json!(1568014460891i64)),
    ] {
        usd_margin_ticker[key] = value;
    }
    let books = |time, engine: Option<i64>| {
        let engine = engine.and_then(at_ms);
        (
            (
                time,
                Snapshot(OrderBook::new(
                    160,
                    engine,
                    [level("0.0024", "10"), level("0.0022", "5")],
                    [level("0.0026", "100")],
                ))
                .into(),
            ),
            |time, engine: Option<i64>| {
                (
                    time,
                    Update(OrderBook::new(
                        163,
                        engine.and_then(at_ms),
                        [level("0.0024", "0")],
                        [level("0.0026", "90"), level("0.0027", "1")],
                    ))
                    .into(),
                )
            },
        )
    };
    let bids = json!([["0.0024", "10"], ["0.0022", "5"]]);
    let asks = json!([["0.0026", "100"]]);
    let (changed_bids, changed_asks) = (
        json!([["0.0024", "0"]]),
        json!([["0.0026", "90"], ["0.0027", "1"]]),
    );
    let (snapshot, update) = books(None, None);
    let spot_books = vec![snapshot, update(at_ms(1672515782136), None)];
    let (snapshot, update) = books(at_ms(1589436922972), Some(1589436922959));
    let usd_margin_books = vec![snapshot, update(at_ms(1571889248277), Some(1571889248276))];

    vec![
        case(
            SubKind::Trades,
            "btcusdt@trade",
            vec![json!({
                "e": "trade", "E": 1672515782136i64, "s": "BTCUSDT", "t": 12345, "p": "0.00100000", "q": "100.50000000",
                "T": 1672515782135i64, "m": true, "M": true
            })],
            vec![(
                at_ms(1672515782135),
                trade("12345", 0.001, 100.5, Side::Sell),
            )],
        ),
        case(
            SubKind::L1,
            "btcusdt@bookTicker",
            vec![ticker],
            vec![(None, l1(None, bid, ask))],
        ),
        Case {
            rest: Some((
                "/api/v3/depth?symbol=BTCUSDT&limit=1000",
                json!({"lastUpdateId": 160, "bids": bids, "asks": asks}),
            )),
            ..case(
                SubKind::L2,
                "btcusdt@depth@100ms",
                vec![json!({
                    "e": "depthUpdate", "E": 1672515782136i64, "s": "BTCUSDT", "U": 157, "u": 163,
                    "b": changed_bids, "a": changed_asks
                })],
                spot_books,
            )
        },
        usd_margin(
            "/market/ws",
            case(
                SubKind::Trades,
                "btcusdt@trade",
                vec![
                    json!({
                        "e": "trade", "E": 1679851564490i64, "T": 1679851564485i64, "s": "BTCUSDT", "t": 3493102748u64,
                        "p": "0", "q": "0", "X": "NA", "m": false
                    }),
                    json!({
                        "e": "trade", "E": 1679851564490i64, "T": 1679851564486i64, "s": "BTCUSDT", "t": 3493102749u64,
                        "p": "27785.00", "q": "0.014", "X": "MARKET", "m": false
                    }),
                ],
                vec![(
                    at_ms(1679851564486),
                    trade("3493102749", 27785.0, 0.014, Side::Buy),
                )],
            ),
        ),
        usd_margin(
            "/public/ws",
            case(
                SubKind::L1,
                "btcusdt@bookTicker",
                vec![usd_margin_ticker],
                vec![(at_ms(1568014460891), l1(at_ms(1568014460891), bid, ask))],
            ),
        ),
        usd_margin(
            "/public/ws",
            Case {
                rest: Some((
                    "/fapi/v1/depth?symbol=BTCUSDT&limit=1000",
                    json!({
                        "lastUpdateId": 160, "E": 1589436922972i64, "T": 1589436922959i64, "bids": bids, "asks": asks
                    }),
                )),
                ..case(
                    SubKind::L2,
                    "btcusdt@depth@100ms",
                    vec![json!({
                        "e": "depthUpdate", "E": 1571889248277i64, "T": 1571889248276i64, "s": "BTCUSDT", "U": 157,
                        "u": 163, "pu": 149, "b": changed_bids, "a": changed_asks
                    })],
                    usd_margin_books,
                )
            },
        ),
        usd_margin(
            "/market/ws",
            case(
                SubKind::Liquidations,
                "btcusdt@forceOrder",
                vec![json!({
                    "e": "forceOrder", "E": 1568014460893i64, "o": {
                        "s": "BTCUSDT", "S": "SELL", "o": "LIMIT", "f": "IOC", "q": "0.014", "p": "9910", "ap": "9911.5",
                        "X": "FILLED", "l": "0.014", "z": "0.014", "T": 1568014460890i64
                    }
                })],
                vec![(
                    at_ms(1568014460890),
                    Liquidation {
                        side: Side::Sell,
                        price: 9910.0,
                        quantity: 0.014,
                        time: at_ms(1568014460890).unwrap(),
                    }
                    .into(),
                )],
            ),
        ),
    ]
}
