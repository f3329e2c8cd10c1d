//! The cases of Bybit's two servers.

use super::pairs::{Case, at_ms, l1, level, trade};
use crate::subscription::SubKind;
use barter_data::books::Level;
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{self, Perpetual, Spot},
};
use serde_json::{Value, json};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = bybit(ExchangeId::BybitSpot, Spot, "/v5/public/spot");
    cases.extend(bybit(
        ExchangeId::BybitPerpetualsUsd,
        Perpetual,
        "/v5/public/linear",
    ));
    cases
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
        rest: None,
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
