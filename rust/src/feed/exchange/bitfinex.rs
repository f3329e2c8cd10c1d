//! Bitfinex, API version 2: market names, acknowledgements, which give each channel a number, and control frames.
//! Frames that are objects are never market data.

use super::{AmountUnit, Exchange, InstrumentClass};
use crate::feed::venue::{Accepted, Meaning, Venue, subscription_id};
use barter_data::exchange::bitfinex::Bitfinex;
use barter_instrument::{
    exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use barter_integration::subscription::SubscriptionId;
use serde::{Deserialize, de::IgnoredAny};
use smol_str::{SmolStr, ToSmolStr};

impl Venue for Bitfinex {
    const SERVER: &'static Exchange = &Exchange {
        number: 8,
        id: ExchangeId::Bitfinex,
        name: c"bitfinex",
        websocket: "wss://api-pub.bitfinex.com",
        rest: None,
        instruments: &[(InstrumentClass::Spot, AmountUnit::Base)],
        source: "https://docs.bitfinex.com/reference/ws-public-trades",
        market_name,
    };

    fn may_be_data(text: &str) -> bool {
        text.trim_start().starts_with('[')
    }

    fn meaning(text: &str) -> Meaning {
        if Self::may_be_data(text) {
            return array_meaning(text);
        }
        let Ok(event) = serde_json::from_str::<Event>(text) else {
            return Meaning::Data;
        };
        match event {
            Event::Subscribed {
                channel,
                symbol,
                chan_id,
            } => Meaning::Accepted(Accepted::Aliased {
                id: subscription_id(&channel, &symbol),
                alias: SubscriptionId(chan_id.to_smolstr()),
            }),
            Event::Error { msg, code, symbol } => Meaning::Refused {
                market: symbol,
                reason: format!("code {code}: {msg}"),
            },
            Event::Info {
                code: Some(code @ 20_051),
                msg,
                ..
            } => Meaning::Ending(format!(
                "Bitfinex asks to reconnect, code {code}: {}",
                msg.unwrap_or_default()
            )),
            Event::Info {
                platform: Some(Platform { status: 0 }),
                ..
            } => Meaning::Ending("Bitfinex is under maintenance".to_owned()),
            Event::Info { .. } | Event::Pong | Event::Conf | Event::Unsubscribed => {
                Meaning::Control
            }
        }
    }
}

/// `[channel, [[…], …]]` is the history that a subscription begins with; `[channel, "te", […]]` and the like are not.
fn array_meaning(text: &str) -> Meaning {
    #[derive(Deserialize)]
    struct History(
        #[expect(dead_code)] u64,
        #[expect(dead_code)] Vec<IgnoredAny>,
    );
    match serde_json::from_str::<History>(text) {
        Ok(_) => Meaning::Control,
        Err(_) => Meaning::Data,
    }
}

/// Every frame that is an object.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Info {
        code: Option<u32>,
        msg: Option<String>,
        platform: Option<Platform>,
    },
    Subscribed {
        channel: String,
        symbol: String,
        #[serde(rename = "chanId")]
        chan_id: u32,
    },
    Error {
        msg: String,
        code: u32,
        symbol: Option<String>,
    },
    Pong,
    Conf,
    Unsubscribed,
}

#[derive(Deserialize)]
struct Platform {
    status: u8,
}

/// `tBASEQUOTE`, with a colon between where one of them has more than three letters. Tether is `UST`.
fn market_name(base: &str, quote: &str, _: &MarketDataInstrumentKind) -> SmolStr {
    let asset = |asset: &str| match asset {
        "usdt" => "UST".to_owned(),
        other => other.to_uppercase(),
    };
    let (base, quote) = (asset(base), asset(quote));
    let colon = if base.len() > 3 || quote.len() > 3 {
        ":"
    } else {
        ""
    };
    SmolStr::new(format!("t{base}{colon}{quote}"))
}
