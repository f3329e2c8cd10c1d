//! The cases of Kraken, OKX, Coinbase, Bitfinex and BitMEX.

use super::pairs::{Case, at_ms, l1, level, trade};
use crate::subscription::SubKind;
use barter_data::event::DataKind;
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{Perpetual, Spot},
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

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
        rest: None,
        events: vec![event],
    }
}

pub(super) fn cases() -> Vec<Case> {
    let micros = |time| DateTime::from_timestamp_micros(time);
    vec![
        kraken(
            SubKind::Trades,
            "trade",
            json!([
                10001,
                [[
                    "5541.20000",
                    "0.15850568",
                    "1534614057.321597",
                    "s",
                    "l",
                    ""
                ]],
                "trade",
                "XBT/USD"
            ]),
            (
                micros(1534614057321597),
                trade(
                    "1534614057321597_sell_5541.2_0.15850568",
                    5541.2,
                    0.15850568,
                    Side::Sell,
                ),
            ),
        ),
        kraken(
            SubKind::L1,
            "spread",
            json!([
                10001,
                [
                    "5698.40000",
                    "5700.00000",
                    "1542057299.545897",
                    "1.01234567",
                    "0.98765432"
                ],
                "spread",
                "XBT/USD"
            ]),
            (
                micros(1542057299545897),
                l1(
                    micros(1542057299545897),
                    level("5698.40000", "1.01234567"),
                    level("5700.00000", "0.98765432"),
                ),
            ),
        ),
        Case {
            exchange: ExchangeId::Okx,
            kind: SubKind::Trades,
            assets: ("btc", "usdt"),
            instrument: Perpetual,
            path: "/ws/v5/public",
            greeting: vec![],
            requests: vec![
                json!({"op": "subscribe", "args": [{"channel": "trades", "instId": "BTC-USDT-SWAP"}]}),
            ],
            acknowledgements: vec![json!({
                "event": "subscribe", "arg": {"channel": "trades", "instId": "BTC-USDT-SWAP"}, "connId": "a4d3ae55"
            })],
            frames: vec![
                json!("pong"),
                json!({
                    "arg": {"channel": "trades", "instId": "BTC-USDT-SWAP"},
                    "data": [{
                        "instId": "BTC-USDT-SWAP", "tradeId": "130639474", "px": "42219.9", "sz": "0.12060306",
                        "side": "buy", "ts": "1630048897897", "count": "3"
                    }]
                }),
            ],
            rest: None,
            events: vec![(
                at_ms(1630048897897),
                trade("130639474", 42219.9, 0.12060306, Side::Buy),
            )],
        },
        Case {
            exchange: ExchangeId::Coinbase,
            kind: SubKind::Trades,
            assets: ("btc", "usd"),
            instrument: Spot,
            path: "/",
            greeting: vec![],
            requests: vec![
                json!({"type": "subscribe", "product_ids": ["BTC-USD"], "channels": ["matches"]}),
            ],
            acknowledgements: vec![json!({
                "type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["BTC-USD"]}]
            })],
            frames: vec![json!({
                "type": "match", "trade_id": 10, "sequence": 50, "maker_order_id": "ac928c66-ca53-498f",
                "taker_order_id": "132fb6ae-456b-4654", "time": "2014-11-07T08:19:27.028459Z",
                "product_id": "BTC-USD", "size": "5.23512", "price": "400.23", "side": "sell"
            })],
            rest: None,
            events: vec![(
                micros(1415348367028459),
                // The exchange tells the maker's side.
                trade("10", 400.23, 5.23512, Side::Buy),
            )],
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
            rest: None,
            events: vec![(
                at_ms(1574694478808),
                trade("401597395", 7245.3, 0.005, Side::Sell),
            )],
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
            rest: None,
            events: vec![(
                at_ms(1676712479701),
                trade(
                    "31e50cb7-e005-a44e-f354-86e88dff52eb",
                    24564.5,
                    200.0,
                    Side::Sell,
                ),
            )],
        },
    ]
}
