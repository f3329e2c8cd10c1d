//! Gate.io, API version 4, six servers: addresses, market names, acknowledgements, which come in the order of the
//! requests, control frames, and trades.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{EpochMillis, Float, Name, Whole},
};
use crate::feed::{
    reader::{Row, Rows},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue},
};
use barter_data::{
    exchange::gateio::{
        future::{GateioFuturesBtc, GateioFuturesUsd},
        option::GateioOptions,
        perpetual::{GateioPerpetualsBtc, GateioPerpetualsUsd},
        spot::GateioSpot,
    },
    subscription::trade::PublicTrade,
};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{
        kind::option::OptionKind,
        market_data::kind::MarketDataInstrumentKind::{
            self, Future, Option as OptionContract, Perpetual, Spot,
        },
    },
};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use smol_str::SmolStr;

macro_rules! servers {
    ($($connector:ty = $number:literal, $id:ident, $name:literal, $websocket:literal, $class:ident, $unit:ident,
        $source:literal;)*) => {$(
        impl Venue for $connector {
            const SERVER: &'static Exchange = &Exchange {
                number: $number,
                id: ExchangeId::$id,
                name: $name,
                websocket: $websocket,
                rest: None,
                instruments: &[(InstrumentClass::$class, AmountUnit::$unit)],
                source: $source,
                market_name,
                unsubscribe: Unsubscribe::Verb("event", "unsubscribe"),
            };

            fn meaning(text: &str) -> Meaning {
                meaning(text)
            }
        }
    )*};
}

servers! {
    GateioSpot = 10, GateioSpot, c"gateio_spot", "wss://api.gateio.ws", Spot, Base,
        "https://www.gate.com/docs/developers/apiv4/ws/en/";
    GateioFuturesUsd = 11, GateioFuturesUsd, c"gateio_futures_usd", "wss://fx-ws.gateio.ws", Future, Contracts,
        "https://www.gate.com/docs/developers/delivery/ws/en/";
    GateioFuturesBtc = 12, GateioFuturesBtc, c"gateio_futures_btc", "wss://fx-ws.gateio.ws", Future, Contracts,
        "https://www.gate.com/docs/developers/delivery/ws/en/";
    GateioPerpetualsUsd = 13, GateioPerpetualsUsd, c"gateio_perpetuals_usd", "wss://fx-ws.gateio.ws", Perpetual,
        Contracts, "https://www.gate.com/docs/developers/futures/ws/en/";
    GateioPerpetualsBtc = 14, GateioPerpetualsBtc, c"gateio_perpetuals_btc", "wss://fx-ws.gateio.ws", Perpetual,
        Contracts, "https://www.gate.com/docs/developers/futures/ws/en/";
    GateioOptions = 15, GateioOptions, c"gateio_options", "wss://op-ws.gateio.live", Option, Contracts,
        "https://www.gate.com/docs/developers/options/ws/en/";
}

fn market_name(base: &str, quote: &str, kind: &MarketDataInstrumentKind) -> SmolStr {
    let pair = joined_upper(base, "_", quote);
    SmolStr::new(match kind {
        Spot | Perpetual => return pair,
        Future(contract) => format!("{pair}_{}", expiry(contract.expiry)),
        OptionContract(contract) => format!(
            "{pair}-{}-{}-{}",
            expiry(contract.expiry),
            contract.strike.normalize(),
            match contract.kind {
                OptionKind::Call => "C",
                OptionKind::Put => "P",
            }
        ),
    })
}

fn expiry(at: DateTime<Utc>) -> String {
    at.format("%Y%m%d").to_string()
}

/// Every frame, as far as it matters here.
#[derive(Deserialize)]
struct Frame {
    #[serde(default)]
    channel: String,
    #[serde(default)]
    event: String,
    error: Option<Fault>,
    #[serde(default)]
    payload: Vec<String>,
    #[serde(default)]
    result: serde_json::Value,
}

#[derive(Deserialize)]
struct Fault {
    code: Name,
    message: String,
}

fn meaning(text: &str) -> Meaning {
    let Ok(frame) = serde_json::from_str::<Frame>(text) else {
        return Meaning::Data;
    };
    match frame {
        Frame {
            error: Some(Fault { code, message }),
            payload,
            ..
        } => Meaning::Refused {
            market: payload.into_iter().next(),
            reason: format!("code {}: {message}", code.0),
        },
        Frame { event, .. } if event == "subscribe" => Meaning::Accepted(Accepted::Next),
        Frame { event, .. } if event == "unsubscribe" => Meaning::Control,
        Frame { channel, .. } if channel.ends_with(".pong") => Meaning::Control,
        Frame {
            channel, result, ..
        } if channel.ends_with(".system") => match result["type"].as_str() {
            Some("upgrade") => Meaning::Ending(format!(
                "Gate.io asks to reconnect, it upgrades its server: {}",
                result["msg"].as_str().unwrap_or_default()
            )),
            _ => Meaning::Control,
        },
        _ => Meaning::Data,
    }
}

/// A frame of market data.
#[derive(Debug, Deserialize)]
pub(crate) struct Update<T> {
    channel: String,
    result: T,
}

/// A trade of spot.
#[derive(Debug, Deserialize)]
pub(crate) struct SpotTrade {
    #[serde(rename = "currency_pair")]
    market: Name,
    #[serde(rename = "create_time_ms")]
    time: EpochMillis,
    id: Whole,
    price: Float,
    amount: Float,
    side: Side,
}

impl Rows<PublicTrade> for Update<SpotTrade> {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let Self { channel, result } = self;
        let trade = PublicTrade {
            id: result.id.0.to_string(),
            price: result.price.0,
            amount: result.amount.0,
            side: result.side,
        };
        let topic = Topic::new(channel, result.market.0);
        [Row::repeatable(topic, result.time.0, trade, false)]
    }
}

/// A trade of contracts: the size is negative where the taker sells.
#[derive(Debug, Deserialize)]
pub(crate) struct ContractTrade {
    #[serde(rename = "contract")]
    market: Name,
    #[serde(rename = "create_time_ms")]
    time: EpochMillis,
    id: Whole,
    price: Float,
    size: Float,
}

impl Rows<PublicTrade> for Update<Vec<ContractTrade>> {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let Self { channel, result } = self;
        result.into_iter().map(move |row| {
            let Float(size) = row.size;
            let trade = PublicTrade {
                id: row.id.0.to_string(),
                price: row.price.0,
                amount: size.abs(),
                side: if size.is_sign_negative() {
                    Side::Sell
                } else {
                    Side::Buy
                },
            };
            let topic = Topic::new(channel.clone(), row.market.0);
            Row::repeatable(topic, row.time.0, trade, false)
        })
    }
}
