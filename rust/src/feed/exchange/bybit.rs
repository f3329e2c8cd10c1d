//! Bybit spot and USD perpetuals, API version 5: addresses and acknowledgements.

use super::{AmountUnit, Exchange, InstrumentClass, joined_upper};
use crate::feed::venue::{Accepted, Meaning, Venue};
use barter_data::exchange::bybit::{futures::BybitPerpetualsUsd, spot::BybitSpot};
use barter_instrument::{
    exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use serde::Deserialize;
use smol_str::SmolStr;

impl Venue for BybitSpot {
    const SERVER: &'static Exchange = &Exchange {
        number: 3,
        id: ExchangeId::BybitSpot,
        name: c"bybit_spot",
        websocket: "wss://stream.bybit.com",
        rest: None,
        instruments: &[(InstrumentClass::Spot, AmountUnit::Base)],
        source: "https://bybit-exchange.github.io/docs/v5/websocket/public/trade",
        market_name,
    };

    fn meaning(text: &str) -> Meaning {
        meaning(text)
    }
}

impl Venue for BybitPerpetualsUsd {
    const SERVER: &'static Exchange = &Exchange {
        number: 4,
        id: ExchangeId::BybitPerpetualsUsd,
        name: c"bybit_perpetuals_usd",
        websocket: "wss://stream.bybit.com",
        rest: None,
        instruments: &[(InstrumentClass::Perpetual, AmountUnit::Base)],
        source: "https://bybit-exchange.github.io/docs/v5/websocket/public/trade",
        market_name,
    };

    fn meaning(text: &str) -> Meaning {
        meaning(text)
    }
}

fn market_name(base: &str, quote: &str, _: &MarketDataInstrumentKind) -> SmolStr {
    joined_upper(base, "", quote)
}

/// The answer to a request.
#[derive(Deserialize)]
struct Reply {
    op: Option<String>,
    success: Option<bool>,
    #[serde(default)]
    ret_msg: String,
}

fn meaning(text: &str) -> Meaning {
    let Ok(reply) = serde_json::from_str::<Reply>(text) else {
        return Meaning::Data;
    };
    let is_pong = reply.ret_msg == "pong" || matches!(reply.op.as_deref(), Some("ping" | "pong"));
    match reply.success {
        _ if is_pong => Meaning::Control,
        Some(true) => Meaning::Accepted(Accepted::All),
        Some(false) => Meaning::Refused {
            market: None,
            reason: reply.ret_msg,
        },
        None => Meaning::Data,
    }
}
