//! Gate.io, API version 4, six servers: addresses, market names, acknowledgements, which come in the order of the
//! requests, and control frames.

use super::{AmountUnit, Exchange, InstrumentClass, joined_upper};
use crate::feed::venue::{Accepted, Meaning, Venue};
use barter_data::exchange::gateio::{
    future::{GateioFuturesBtc, GateioFuturesUsd},
    option::GateioOptions,
    perpetual::{GateioPerpetualsBtc, GateioPerpetualsUsd},
    spot::GateioSpot,
};
use barter_instrument::{
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
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
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
            reason: format!("code {code}: {message}"),
        },
        Frame { event, .. } if event == "subscribe" => Meaning::Accepted(Accepted::Next),
        Frame { event, .. } if event == "unsubscribe" => Meaning::Control,
        Frame { channel, .. } if channel.ends_with(".pong") => Meaning::Control,
        _ => Meaning::Data,
    }
}
