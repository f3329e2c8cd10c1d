//! The cases of Gate.io's six servers.

use super::pairs::{Case, at_ms, decimal, trade};
use crate::subscription::SubKind;
use barter_data::event::DataKind;
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{
        kind::option::{OptionExercise, OptionKind},
        market_data::kind::{
            MarketDataFutureContract,
            MarketDataInstrumentKind::{self, Future, Option as OptionContract, Perpetual, Spot},
            MarketDataOptionContract,
        },
    },
};
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

/// 2026-10-09, 8 o'clock.
fn expiry() -> DateTime<Utc> {
    at_ms(1_791_532_800_000).unwrap()
}

fn case(
    exchange: ExchangeId,
    instrument: MarketDataInstrumentKind,
    path: &'static str,
    channel: &str,
    market: &str,
    result: Value,
    event: DataKind,
) -> Case {
    let quote = if market.starts_with("BTC_USDT") {
        "usdt"
    } else {
        "usd"
    };
    Case {
        exchange,
        kind: SubKind::Trades,
        assets: ("btc", quote),
        instrument,
        path,
        greeting: vec![],
        requests: vec![json!({"channel": channel, "event": "subscribe", "payload": [market]})],
        acknowledgements: vec![json!({
            "time": 1606292218, "time_ms": 1606292218231i64, "channel": channel, "event": "subscribe",
            "result": {"status": "success"}
        })],
        frames: vec![
            json!({"time": 1606292219, "channel": "spot.pong", "event": "", "result": null}),
            json!({
                "time": 1606292219, "time_ms": 1606292219001i64, "channel": channel, "event": "update",
                "result": result
            }),
        ],
        rest: None,
        events: vec![(at_ms(1606292218213), event)],
    }
}

pub(super) fn cases() -> Vec<Case> {
    let contract = |market: &str| {
        json!([{
            "size": 108, "id": 27753479, "create_time": 1606292218, "create_time_ms": 1606292218213i64,
            "price": "96.4", "contract": market
        }])
    };
    let contracts = |exchange, instrument, path, market: &str| {
        let event = trade("27753479", 96.4, 108.0, Side::Buy);
        case(
            exchange,
            instrument,
            path,
            "futures.trades",
            market,
            contract(market),
            event,
        )
    };
    let future = || Future(MarketDataFutureContract { expiry: expiry() });
    let option = OptionContract(MarketDataOptionContract {
        kind: OptionKind::Call,
        exercise: OptionExercise::European,
        expiry: expiry(),
        strike: decimal("50000"),
    });
    vec![
        case(
            ExchangeId::GateioSpot,
            Spot,
            "/ws/v4/",
            "spot.trades",
            "BTC_USDT",
            json!({
                "id": 309143071, "create_time": 1606292218, "create_time_ms": "1606292218213.0000", "side": "sell",
                "currency_pair": "BTC_USDT", "amount": "16.4700000000", "price": "0.4705000000"
            }),
            trade("309143071", 0.4705, 16.47, Side::Sell),
        ),
        contracts(
            ExchangeId::GateioFuturesUsd,
            future(),
            "/v4/ws/delivery/usdt",
            "BTC_USDT_20261009",
        ),
        contracts(
            ExchangeId::GateioFuturesBtc,
            future(),
            "/v4/ws/delivery/btc",
            "BTC_USD_20261009",
        ),
        contracts(
            ExchangeId::GateioPerpetualsUsd,
            Perpetual,
            "/v4/ws/usdt",
            "BTC_USDT",
        ),
        contracts(
            ExchangeId::GateioPerpetualsBtc,
            Perpetual,
            "/v4/ws/btc",
            "BTC_USD",
        ),
        case(
            ExchangeId::GateioOptions,
            option,
            "/v4/ws",
            "options.trades",
            "BTC_USDT-20261009-50000-C",
            contract("BTC_USDT-20261009-50000-C"),
            trade("27753479", 96.4, 108.0, Side::Buy),
        ),
    ]
}
