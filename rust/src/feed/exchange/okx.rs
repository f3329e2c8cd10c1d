//! OKX, API version 5: market names, acknowledgements, pongs and notices.

use super::{AmountUnit, Exchange, InstrumentClass, joined_upper};
use crate::feed::venue::{Accepted, Meaning, Venue, subscription_id};
use barter_data::exchange::okx::Okx;
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

impl Venue for Okx {
    const SERVER: &'static Exchange = &Exchange {
        number: 5,
        id: ExchangeId::Okx,
        name: c"okx",
        websocket: "wss://ws.okx.com:8443",
        rest: None,
        instruments: &[
            (InstrumentClass::Spot, AmountUnit::Base),
            (InstrumentClass::Perpetual, AmountUnit::Contracts),
            (InstrumentClass::Future, AmountUnit::Contracts),
            (InstrumentClass::Option, AmountUnit::Contracts),
        ],
        source: "https://www.okx.com/docs-v5/en/#order-book-trading-market-data-ws-trades-channel",
        market_name,
    };

    fn may_be_data(text: &str) -> bool {
        text != PONG
    }

    fn meaning(text: &str) -> Meaning {
        if text == PONG {
            return Meaning::Control;
        }
        let Ok(event) = serde_json::from_str::<Event>(text) else {
            return Meaning::Data;
        };
        match event.event.as_str() {
            "subscribe" => Meaning::Accepted(match event.arg {
                Some(arg) => Accepted::These(vec![subscription_id(&arg.channel, &arg.inst_id)]),
                None => Accepted::Next,
            }),
            "error" => Meaning::Refused {
                reason: event.words(),
                market: event.arg.map(|arg| arg.inst_id),
            },
            "notice" => Meaning::Ending(event.words()),
            "channel-conn-count" => Meaning::Control,
            _ => Meaning::Data,
        }
    }
}

/// The answer to a `ping`, plain text.
const PONG: &str = "pong";

/// Every frame that has an `event`.
#[derive(Deserialize)]
struct Event {
    event: String,
    code: Option<String>,
    #[serde(default)]
    msg: String,
    arg: Option<Arg>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arg {
    channel: String,
    inst_id: String,
}

impl Event {
    fn words(&self) -> String {
        match &self.code {
            Some(code) => format!("code {code}: {}", self.msg),
            None => self.msg.clone(),
        }
    }
}

fn market_name(base: &str, quote: &str, kind: &MarketDataInstrumentKind) -> SmolStr {
    let pair = joined_upper(base, "-", quote);
    SmolStr::new(match kind {
        Spot => return pair,
        Perpetual => format!("{pair}-SWAP"),
        Future(contract) => format!("{pair}-{}", expiry(contract.expiry)),
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

/// The day by the calendar: year, month and day in two digits each.
fn expiry(at: DateTime<Utc>) -> String {
    at.format("%y%m%d").to_string()
}
