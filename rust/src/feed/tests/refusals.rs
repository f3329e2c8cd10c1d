//! Subscriptions that an exchange refuses, or accepts though it has no such market.

use super::faults::{answering, failure};
use super::{open, options, plan, server};
use crate::{
    feed::{FeedError, exchange},
    status::Status,
    subscription::SubKind,
};
use barter_instrument::{
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{self, Perpetual, Spot},
};
use serde_json::{Value, json};

/// Who refuses which assets of what kind with which frame; the market and the words that must be told.
type Refusal = (
    ExchangeId,
    (&'static str, &'static str),
    MarketDataInstrumentKind,
    Value,
    &'static str,
    &'static str,
);

#[tokio::test]
async fn a_refused_subscription_fails_at_once_with_exchange_market_and_the_exchanges_words() {
    use ExchangeId::*;
    let gate = |error: Value, result: Value| json!({"time": 1, "channel": "spot.trades", "event": "subscribe", "error": error, "result": result});
    let refusals: Vec<Refusal> = vec![
        (
            BinanceSpot,
            ("btc", "usdt"),
            Spot,
            json!({"error": {"code": 2, "msg": "Invalid request: unknown parameter"}, "id": 1}),
            "BTCUSDT",
            "code 2: Invalid request: unknown parameter",
        ),
        (
            BinanceFuturesUsd,
            ("btc", "usdt"),
            Perpetual,
            json!({"code": 2, "msg": "Invalid request: invalid stream", "id": 1}),
            "BTCUSDT",
            "code 2: Invalid request: invalid stream",
        ),
        (
            BybitSpot,
            ("btc", "nope"),
            Spot,
            json!({"success": false, "ret_msg": "Invalid symbol :[publicTrade.BTCNOPE]", "conn_id": "1", "op": "subscribe"}),
            "BTCNOPE",
            "Invalid symbol :[publicTrade.BTCNOPE]",
        ),
        (
            BybitPerpetualsUsd,
            ("btc", "nope"),
            Perpetual,
            json!({"success": false, "ret_msg": "error:handler not found,topic:publicTrade.BTCNOPE", "op": "subscribe"}),
            "BTCNOPE",
            "error:handler not found,topic:publicTrade.BTCNOPE",
        ),
        (
            Okx,
            ("btc", "nope"),
            Spot,
            json!({"event": "error", "code": "60018", "msg": "Wrong URL or channel:trades,instId:BTC-NOPE doesn't exist."}),
            "BTC-NOPE",
            "code 60018: Wrong URL or channel:trades,instId:BTC-NOPE doesn't exist.",
        ),
        (
            Kraken,
            ("btc", "nope"),
            Spot,
            json!({"errorMessage": "Currency pair not supported XBT/NOPE", "event": "subscriptionStatus",
                "pair": "XBT/NOPE", "status": "error", "subscription": {"name": "trade"}}),
            "XBT/NOPE",
            "Currency pair not supported XBT/NOPE",
        ),
        (
            Coinbase,
            ("btc", "nope"),
            Spot,
            json!({"type": "error", "message": "Failed to subscribe", "reason": "BTC-NOPE is not a valid product"}),
            "BTC-NOPE",
            "Failed to subscribe: BTC-NOPE is not a valid product",
        ),
        (
            Coinbase,
            ("btc", "usd"),
            Spot,
            json!({"type": "error", "message": "Rate limit exceeded"}),
            "BTC-USD",
            "Rate limit exceeded",
        ),
        (
            Bitfinex,
            ("btc", "nope"),
            Spot,
            json!({"event": "error", "msg": "symbol: invalid", "code": 10300, "channel": "trades", "symbol": "tBTC:NOPE"}),
            "tBTC:NOPE",
            "code 10300: symbol: invalid",
        ),
        (
            Bitmex,
            ("btc", "nope"),
            Perpetual,
            json!({"status": 400, "error": "Unknown or expired symbol.", "meta": {},
                "request": {"op": "subscribe", "args": ["trade:XBTNOPE"]}}),
            "XBTNOPE",
            "Unknown or expired symbol.",
        ),
        (
            GateioSpot,
            ("btc", "nope"),
            Spot,
            gate(
                json!({"code": 2, "message": "unknown currency pair BTC_NOPE"}),
                json!({"status": "fail"}),
            ),
            "BTC_NOPE",
            "code 2: unknown currency pair BTC_NOPE",
        ),
        (
            GateioSpot,
            ("btc", "nope"),
            Spot,
            gate(
                json!({"code": 2, "message": "unknown currency pair BTC_NOPE"}),
                Value::Null,
            ),
            "BTC_NOPE",
            "code 2: unknown currency pair BTC_NOPE",
        ),
    ];
    for (exchange, assets, kind, answer, market, reason) in refusals {
        let mut server = answering(answer).await;
        let plan = plan(exchange, SubKind::Trades, &[assets], &kind);
        let error = failure(plan, options(exchange, &server.address, None)).await;
        let (market, reason) = (market.to_owned(), reason.to_owned());
        assert_eq!(
            error,
            FeedError::Refused {
                exchange,
                market: market.clone(),
                reason: reason.clone()
            }
        );
        assert_eq!(error.status(), Status::SubscriptionRefused);
        let text = error.to_string();
        for part in [exchange.as_str(), &market, &reason] {
            assert!(text.contains(part), "{text}");
        }
        server.open_connections(0).await;
    }
}

fn listing(symbols: &[&str]) -> String {
    let rows: Vec<_> = symbols
        .iter()
        .map(|symbol| json!({"symbol": symbol, "price": "1"}))
        .collect();
    Value::from(rows).to_string()
}

#[tokio::test]
async fn a_market_that_is_acknowledged_but_not_listed_is_refused() {
    let mut server = answering(json!({"result": null, "id": 1})).await;
    let rest = server::http(|_, _| ("200 OK".to_owned(), listing(&["BTCUSDT"]))).await;
    let assets = [("btc", "usdt"), ("nope", "usdt")];
    let plan = plan(ExchangeId::BinanceSpot, SubKind::Trades, &assets, &Spot);
    let options = options(
        ExchangeId::BinanceSpot,
        &server.address,
        Some(&rest.address),
    );
    let error = failure(plan, options).await;
    assert_eq!(error.status(), Status::SubscriptionRefused);
    assert_eq!(
        error.to_string(),
        "binance_spot refuses the subscription to NOPEUSDT: \
         the exchange lists no such market, though it acknowledges the subscription"
    );
    server.open_connections(0).await;
}

#[tokio::test]
async fn a_list_of_markets_that_cannot_be_had_says_nothing() {
    for (head, body) in [
        ("404 Not Found", ""),
        ("200 OK", "{}"),
        ("429 Too Many Requests", "[]"),
    ] {
        let server = answering(json!({"result": null, "id": 1})).await;
        let rest = server::http(move |_, _| (head.to_owned(), body.to_owned())).await;
        let plan = plan(
            ExchangeId::BinanceSpot,
            SubKind::Trades,
            &[("btc", "usdt")],
            &Spot,
        );
        let options = options(
            ExchangeId::BinanceSpot,
            &server.address,
            Some(&rest.address),
        );
        let opened = open(plan, options).await;
        assert!(opened.is_ok(), "{head}");
        assert_eq!(rest.accepted(), 1);
    }
}

#[tokio::test]
async fn markets_of_another_address_are_not_looked_up_at_the_exchange() {
    let mut options = options(
        ExchangeId::BinanceSpot,
        &"ws://127.0.0.1:9".parse().unwrap(),
        None,
    );
    let pair = exchange::pair(ExchangeId::BinanceSpot, SubKind::Trades).unwrap();
    assert_eq!(pair.listing_address(&options), None);
    options.endpoints.clear();
    let own = pair.listing_address(&options).unwrap();
    assert_eq!(own.as_str(), "https://api.binance.com/api/v3/ticker/price");
}
