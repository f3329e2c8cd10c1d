//! Trades that an exchange sends because of a subscription: history on the first connection, what was missed on the
//! next, and each trade once.

use super::{Items, open, options, plan, server};
use crate::subscription::SubKind;
use barter_data::event::DataKind;
use barter_instrument::{
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{self, Perpetual, Spot},
};
use chrono::DateTime;
use serde_json::{Value, json};

/// An exchange that sends one market's trades again.
struct Repeater {
    exchange: ExchangeId,
    instrument: MarketDataInstrumentKind,
    assets: (&'static str, &'static str),
    acknowledgement: Value,
    /// The frames of these trades, as what happened before.
    history: fn(&[u64]) -> Vec<Value>,
    /// The frame of this trade, as what has just happened.
    live: fn(u64) -> Value,
}

/// The id of the next item, which must be a trade.
async fn trade_id(items: &mut Items) -> u64 {
    match items.event().await.kind {
        DataKind::Trade(trade) => trade.id.parse().unwrap(),
        other => panic!("expected a trade, got {other:?}"),
    }
}

async fn check(repeater: Repeater) {
    let Repeater {
        exchange,
        instrument,
        assets,
        acknowledgement,
        history,
        live,
    } = repeater;
    let server = server::websocket(move |mut session| {
        let acknowledgement = acknowledgement.clone();
        async move {
            session.receive().await;
            session.send_json(&acknowledgement).await;
            let frames = match session.number {
                0 => [history(&[11, 12]), vec![live(13), live(14)]].concat(),
                // A live trade overtakes the history, and one comes both ways.
                _ => [
                    vec![live(18)],
                    history(&[13, 14, 15, 16, 17]),
                    vec![live(17), live(19)],
                ]
                .concat(),
            };
            for frame in &frames {
                session.send_json(frame).await;
            }
            if session.number == 0 {
                session.close(1001, "").await;
            }
            session.hold().await;
        }
    })
    .await;
    let plan = plan(exchange, SubKind::Trades, &[assets], &instrument);
    let (_carrying, mut items) = open(plan, options(exchange, &server.address, None))
        .await
        .unwrap();
    for expected in [13, 14] {
        assert_eq!(trade_id(&mut items).await, expected);
    }
    items.reconnecting().await;
    items.reconnected().await;
    for expected in [18, 15, 16, 17, 19] {
        assert_eq!(trade_id(&mut items).await, expected);
    }
}

/// The trade's time: the second of its id.
fn rfc3339(id: u64) -> String {
    let at = DateTime::from_timestamp(1_700_000_000 + id as i64, 0).unwrap();
    at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}

#[tokio::test]
async fn the_last_match_of_coinbase_is_no_news_unless_it_was_missed() {
    fn row(id: u64, kind: &str) -> Value {
        json!({
            "type": kind, "trade_id": id, "maker_order_id": "m", "taker_order_id": "t", "side": "sell", "size": "0.04",
            "price": "14.7775", "product_id": "BTC-USD", "sequence": 333938798, "time": rfc3339(id)
        })
    }
    check(Repeater {
        exchange: ExchangeId::Coinbase,
        instrument: Spot,
        assets: ("btc", "usd"),
        acknowledgement: json!({
            "type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["BTC-USD"]}]
        }),
        history: |ids| ids.iter().map(|id| row(*id, "last_match")).collect(),
        live: |id| row(id, "match"),
    })
    .await;
}

#[tokio::test]
async fn the_partial_table_of_bitmex_is_no_news_except_for_what_was_missed() {
    fn table(ids: &[u64], action: &str) -> Value {
        let row = |id: &u64| {
            json!({
                "timestamp": rfc3339(*id), "symbol": "XBTUSD", "side": "Sell", "size": 200, "price": 24564.5,
                "trdMatchID": id.to_string()
            })
        };
        json!({"table": "trade", "action": action, "data": ids.iter().map(row).collect::<Vec<_>>()})
    }
    check(Repeater {
        exchange: ExchangeId::Bitmex,
        instrument: Perpetual,
        assets: ("btc", "usd"),
        acknowledgement: json!({"success": true, "subscribe": "trade:XBTUSD", "request": {"op": "subscribe"}}),
        history: |ids| vec![table(ids, "partial")],
        live: |id| table(&[id], "insert"),
    })
    .await;
}

#[tokio::test]
async fn the_snapshot_of_bitfinex_is_no_news_except_for_what_was_missed_oldest_first() {
    fn row(id: &u64) -> Value {
        json!([id, 1_700_000_000_000 + 1_000 * id, -0.005, 7244.9])
    }
    check(Repeater {
        exchange: ExchangeId::Bitfinex,
        instrument: Spot,
        assets: ("btc", "usd"),
        acknowledgement: json!({
            "event": "subscribed", "channel": "trades", "chanId": 19111, "symbol": "tBTCUSD", "pair": "BTCUSD"
        }),
        history: |ids| vec![json!([19111, ids.iter().rev().map(row).collect::<Vec<_>>()])],
        live: |id| json!([19111, "te", row(&id)]),
    })
    .await;
}

#[tokio::test]
async fn the_last_trade_of_okx_that_comes_again_after_a_reconnect_is_delivered_once() {
    let push = |id: u64| {
        json!({"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [{
            "instId": "BTC-USDT", "tradeId": id.to_string(), "px": "30236", "sz": "0.0002", "side": "buy",
            "ts": (1_652_459_224_818 + id).to_string()
        }]})
    };
    let server = server::websocket(move |mut session| async move {
        session.receive().await;
        session
            .send_json(&json!({"event": "subscribe", "arg": {"channel": "trades", "instId": "BTC-USDT"}, "connId": "1"}))
            .await;
        session.send_json(&push(1)).await;
        if session.number == 0 {
            session.close(1001, "").await;
        }
        session.send_json(&push(2)).await;
        session.hold().await;
    })
    .await;
    let plan = plan(ExchangeId::Okx, SubKind::Trades, &[("btc", "usdt")], &Spot);
    let options = options(ExchangeId::Okx, &server.address, None);
    let (_carrying, mut items) = open(plan, options).await.unwrap();
    assert_eq!(trade_id(&mut items).await, 1);
    items.reconnecting().await;
    items.reconnected().await;
    assert_eq!(trade_id(&mut items).await, 2);
}
