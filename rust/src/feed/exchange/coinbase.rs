//! Coinbase Exchange: acknowledgements, which list everything subscribed so far, and control frames.

use super::{AmountUnit, Exchange, InstrumentClass, joined_upper};
use crate::feed::venue::{Accepted, Meaning, Venue, subscription_id};
use barter_data::exchange::coinbase::Coinbase;
use barter_instrument::{
    exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use serde::Deserialize;
use smol_str::SmolStr;

impl Venue for Coinbase {
    const SERVER: &'static Exchange = &Exchange {
        number: 7,
        id: ExchangeId::Coinbase,
        name: c"coinbase",
        websocket: "wss://ws-feed.exchange.coinbase.com",
        rest: None,
        instruments: &[(InstrumentClass::Spot, AmountUnit::Base)],
        source: "https://docs.cdp.coinbase.com/exchange/websocket-feed/channels",
        market_name,
    };

    fn meaning(text: &str) -> Meaning {
        let Ok(reply) = serde_json::from_str::<Reply>(text) else {
            return Meaning::Data;
        };
        match reply.kind.as_str() {
            "subscriptions" => {
                let channels = reply.channels.into_iter();
                let ids = channels.flat_map(|Channel { name, product_ids }| {
                    let id = move |product: String| subscription_id(&name, &product);
                    product_ids.into_iter().map(id)
                });
                Meaning::Accepted(Accepted::These(ids.collect()))
            }
            "error" => Meaning::Refused {
                market: None,
                reason: [reply.message, reply.reason]
                    .into_iter()
                    .flatten()
                    .collect::<Vec<_>>()
                    .join(": "),
            },
            "heartbeat" | "status" => Meaning::Control,
            _ => Meaning::Data,
        }
    }
}

fn market_name(base: &str, quote: &str, _: &MarketDataInstrumentKind) -> SmolStr {
    joined_upper(base, "-", quote)
}

/// Every frame that is no market data.
#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "type")]
    kind: String,
    #[serde(default)]
    channels: Vec<Channel>,
    message: Option<String>,
    reason: Option<String>,
}

#[derive(Deserialize)]
struct Channel {
    name: String,
    #[serde(default)]
    product_ids: Vec<String>,
}
