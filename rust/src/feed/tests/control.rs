//! Frames that are no market data while events flow: they are neither events nor errors, and those that announce the end
//! of the connection start a reconnect with that reason.

use super::{Item, open, options, plan, server};
use crate::subscription::SubKind;
use barter_data::event::DataKind;
use barter_instrument::{
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{self, Perpetual, Spot},
};
use serde_json::{Value, json};

/// How an exchange acknowledges a subscription to one market, and a trade of it.
struct Venue {
    exchange: ExchangeId,
    assets: (&'static str, &'static str),
    instrument: MarketDataInstrumentKind,
    acknowledgement: Value,
    trade: fn(u64) -> Value,
}

fn venue(exchange: ExchangeId) -> Venue {
    let (assets, instrument, acknowledgement, trade): (_, _, _, fn(u64) -> Value) = match exchange {
        ExchangeId::BinanceSpot => (
            ("btc", "usdt"),
            Spot,
            json!({"result": null, "id": 1}),
            |id| json!({"e": "trade", "s": "BTCUSDT", "t": id, "p": "1", "q": "1", "T": 1672515782135i64, "m": false}),
        ),
        ExchangeId::BybitSpot => (
            ("btc", "usdt"),
            Spot,
            json!({"success": true, "ret_msg": "subscribe", "conn_id": "2", "req_id": "", "op": "subscribe"}),
            |id| {
                json!({"topic": "publicTrade.BTCUSDT", "type": "snapshot", "ts": 1672304486868i64, "data": [{
                    "T": 1672304486865i64, "s": "BTCUSDT", "S": "Buy", "v": "1", "p": "1", "i": id.to_string()
                }]})
            },
        ),
        ExchangeId::Okx => (
            ("btc", "usdt"),
            Spot,
            json!({"event": "subscribe", "arg": {"channel": "trades", "instId": "BTC-USDT"}, "connId": "1"}),
            |id| {
                json!({"arg": {"channel": "trades", "instId": "BTC-USDT"}, "data": [{
                    "instId": "BTC-USDT", "tradeId": id.to_string(), "px": "1", "sz": "1", "side": "buy",
                    "ts": "1630048897897"
                }]})
            },
        ),
        ExchangeId::Kraken => (
            ("btc", "usd"),
            Spot,
            json!({
                "channelID": 1, "channelName": "trade", "event": "subscriptionStatus", "pair": "XBT/USD",
                "status": "subscribed", "subscription": {"name": "trade"}
            }),
            |id| {
                json!([
                    1,
                    [[id.to_string(), "1", "1534614057.321597", "s", "l", ""]],
                    "trade",
                    "XBT/USD"
                ])
            },
        ),
        ExchangeId::Coinbase => (
            ("btc", "usd"),
            Spot,
            json!({"type": "subscriptions", "channels": [{"name": "matches", "product_ids": ["BTC-USD"]}]}),
            |id| {
                json!({
                    "type": "match", "trade_id": id, "time": "2014-11-07T08:19:27.028459Z", "product_id": "BTC-USD",
                    "size": "1", "price": "1", "side": "sell"
                })
            },
        ),
        ExchangeId::Bitfinex => (
            ("btc", "usd"),
            Spot,
            json!({"event": "subscribed", "channel": "trades", "chanId": 7, "symbol": "tBTCUSD", "pair": "BTCUSD"}),
            |id| json!([7, "te", [id, 1574694478808i64, 1, 1]]),
        ),
        ExchangeId::Bitmex => (
            ("btc", "usd"),
            Perpetual,
            json!({"success": true, "subscribe": "trade:XBTUSD", "request": {"op": "subscribe", "args": []}}),
            |id| {
                json!({"table": "trade", "action": "insert", "data": [{
                    "timestamp": "2023-02-18T09:27:59.701Z", "symbol": "XBTUSD", "side": "Sell", "size": 1, "price": 1,
                    "trdMatchID": id.to_string()
                }]})
            },
        ),
        ExchangeId::GateioPerpetualsUsd => (
            ("btc", "usdt"),
            Perpetual,
            json!({"time": 1, "channel": "futures.trades", "event": "subscribe", "result": {"status": "success"}}),
            |id| {
                json!({"time": 1, "channel": "futures.trades", "event": "update", "result": [{
                    "size": 1, "id": id, "create_time_ms": 1606292218213i64, "price": "1", "contract": "BTC_USDT"
                }]})
            },
        ),
        other => panic!("{other:?} is not in the table"),
    };
    Venue {
        exchange,
        assets,
        instrument,
        acknowledgement,
        trade,
    }
}

/// The first items where the exchange sends these between two trades, and a third trade on the next connection.
async fn items_around(exchange: ExchangeId, between: Vec<Value>, count: usize) -> Vec<Item> {
    let Venue {
        exchange,
        assets,
        instrument,
        acknowledgement,
        trade,
    } = venue(exchange);
    let server = server::websocket(move |mut session| {
        let (acknowledgement, between) = (acknowledgement.clone(), between.clone());
        async move {
            session.receive().await;
            session.send_json(&acknowledgement).await;
            let number = 2 * session.number as u64;
            session.send_json(&trade(number)).await;
            for frame in &between {
                session.send_json(frame).await;
            }
            session.send_json(&trade(number + 1)).await;
            session.hold().await;
        }
    })
    .await;
    let plan = plan(exchange, SubKind::Trades, &[assets], &instrument);
    let (_carrying, mut items) = open(plan, options(exchange, &server.address, None))
        .await
        .unwrap();
    let mut taken = Vec::new();
    for _ in 0..count {
        taken.push(items.next().await);
    }
    taken
}

fn is_trade(item: &Item) -> bool {
    matches!(item, Item::Event(event) if matches!(event.kind, DataKind::Trade(_)))
}

async fn is_control(exchange: ExchangeId, frames: Vec<Value>) {
    let items = items_around(exchange, frames, 2).await;
    assert!(items.iter().all(is_trade), "{exchange:?}: {items:?}");
}

/// The reason of the reconnect that a frame starts.
async fn ending(exchange: ExchangeId, frame: Value) -> String {
    let mut items = items_around(exchange, vec![frame], 4).await.into_iter();
    let mut next = || items.next().expect("four items");
    assert!(is_trade(&next()));
    let reason = match next() {
        Item::Reconnecting(note) => note.reason,
        other => panic!("expected Reconnecting, got {other:?}"),
    };
    assert!(matches!(next(), Item::Reconnected(_)));
    assert!(is_trade(&next()));
    reason
}

#[tokio::test]
async fn an_announced_shutdown_of_binance_starts_a_reconnect_with_that_reason() {
    let frame = json!({"e": "serverShutdown", "E": 1770123456789i64});
    assert_eq!(
        ending(ExchangeId::BinanceSpot, frame).await,
        "Binance announces that this server shuts down"
    );
}

#[tokio::test]
async fn a_notice_of_okx_starts_a_reconnect_with_that_reason() {
    let msg = "The connection will soon be closed for a service upgrade. Please reconnect.";
    let frame = json!({"event": "notice", "code": "64008", "msg": msg, "connId": "a4d3ae55"});
    let reason = ending(ExchangeId::Okx, frame).await;
    assert_eq!(reason, format!("code 64008: {msg}"));
}

#[tokio::test]
async fn code_20051_of_bitfinex_starts_a_reconnect_with_that_reason() {
    let frame = json!({"event": "info", "code": 20051, "msg": "Stopping. Please try to reconnect"});
    assert_eq!(
        ending(ExchangeId::Bitfinex, frame).await,
        "Bitfinex asks to reconnect, code 20051: Stopping. Please try to reconnect"
    );
}

#[tokio::test]
async fn an_upgrade_of_gateio_starts_a_reconnect_with_that_reason() {
    let frame = json!({
        "time": 1784800711, "time_ms": 1784800711140i64, "channel": "futures.system", "event": "update",
        "result": {"type": "upgrade", "msg": "please reconnect"}
    });
    assert_eq!(
        ending(ExchangeId::GateioPerpetualsUsd, frame).await,
        "Gate.io asks to reconnect, it upgrades its server: please reconnect"
    );
}

#[tokio::test]
async fn pongs_of_bybit_are_neither_events_nor_errors() {
    let pong = json!({"success": true, "ret_msg": "pong", "conn_id": "2324d924", "op": "ping"});
    let other =
        json!({"req_id": "", "op": "pong", "args": ["1672916271846"], "conn_id": "2324d924"});
    is_control(ExchangeId::BybitSpot, vec![pong, other]).await;
}

#[tokio::test]
async fn pongs_of_okx_and_the_count_of_connections_are_neither_events_nor_errors() {
    let count = json!({"event": "channel-conn-count", "channel": "trades", "connCount": "2", "connId": "a4d3ae55"});
    let notice = json!({"event": "notice", "code": "64000", "msg": "Of another matter.", "connId": "a4d3ae55"});
    is_control(ExchangeId::Okx, vec![json!("pong"), count, notice]).await;
}

#[tokio::test]
async fn heartbeats_and_the_status_of_kraken_are_neither_events_nor_errors() {
    let status = json!({"connectionID": 1, "event": "systemStatus", "status": "cancel_only", "version": "1.9.0"});
    is_control(
        ExchangeId::Kraken,
        vec![json!({"event": "heartbeat"}), status],
    )
    .await;
}

#[tokio::test]
async fn heartbeats_and_the_beginning_and_end_of_a_pause_of_bitfinex_are_neither_events_nor_errors()
{
    let frames = vec![
        json!([7, "hb"]),
        // With its place in the sequence of all frames.
        json!([7, "hb", 42]),
        json!({"event": "info", "code": 20060, "msg": "Entering in Maintenance mode. Please pause any activity"}),
        json!({"event": "info", "code": 20061, "msg": "Maintenance ended. You can resume normal activity"}),
        json!({"event": "info", "version": 2, "serverId": "5b73a436", "platform": {"status": 1}}),
    ];
    is_control(ExchangeId::Bitfinex, frames).await;
}

#[tokio::test]
async fn acknowledgements_that_come_again_or_late_are_neither_events_nor_errors() {
    for exchange in [
        ExchangeId::BinanceSpot,
        ExchangeId::BybitSpot,
        ExchangeId::Okx,
        ExchangeId::Kraken,
        ExchangeId::Coinbase,
        ExchangeId::Bitfinex,
        ExchangeId::Bitmex,
        ExchangeId::GateioPerpetualsUsd,
    ] {
        let again = venue(exchange).acknowledgement;
        is_control(exchange, vec![again.clone(), again]).await;
    }
}

#[tokio::test]
async fn bitmex_acknowledges_each_topic_and_every_acknowledgement_is_awaited() {
    let acknowledgement =
        |topic: &str| json!({"success": true, "subscribe": topic, "request": {"op": "subscribe"}});
    let server = server::websocket(move |mut session| async move {
        session.receive().await;
        session.send_json(&acknowledgement("trade:XBTUSD")).await;
        session.hold().await;
    })
    .await;
    let assets = [("btc", "usd"), ("eth", "usd")];
    let plan = plan(ExchangeId::Bitmex, SubKind::Trades, &assets, &Perpetual);
    let mut options = options(ExchangeId::Bitmex, &server.address, None);
    options.subscribe_timeout = std::time::Duration::from_millis(200);
    let error = super::faults::failure(plan, options).await.to_string();
    assert_eq!(error, "bitmex: no acknowledgement of ETHUSD within 0.2 s");
}

#[tokio::test]
async fn other_words_of_gateios_system_channel_are_neither_events_nor_errors() {
    let frames = vec![
        json!({"time": 1, "channel": "futures.system", "event": "update", "result": {"type": "note", "msg": "hello"}}),
        json!({"time": 1, "channel": "futures.pong", "event": "", "error": null, "result": null}),
    ];
    is_control(ExchangeId::GateioPerpetualsUsd, frames).await;
}
