//! OKX, API version 5: market names, acknowledgements, pings, notices and trades.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{EpochMillis, Float, Name},
};
use crate::feed::{
    reader::{Row, Rows},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue, subscription_id},
};
use barter_data::{
    exchange::{Connector, PingInterval, okx::Okx},
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
use std::time::Duration;

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
        unsubscribe: Unsubscribe::Verb("op", "unsubscribe"),
    };

    fn may_be_data(text: &str) -> bool {
        text != PONG
    }

    fn ping_interval() -> Option<PingInterval> {
        let theirs = <Self as Connector>::ping_interval();
        theirs.map(|pings| PingInterval {
            interval: tokio::time::interval(PING_INTERVAL),
            ..pings
        })
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
            "notice" if event.code.as_ref().is_some_and(|code| code.0 == UPGRADE) => {
                Meaning::Ending(event.words())
            }
            "notice" | "channel-conn-count" | "unsubscribe" => Meaning::Control,
            _ => Meaning::Data,
        }
    }
}

/// The exchange ends a connection that carries nothing for 30 s: two pings may be late or lost.
const PING_INTERVAL: Duration = Duration::from_secs(10);

/// The code of the notice that the connection will end; others ask for nothing.
const UPGRADE: &str = "64008";

/// The answer to a `ping`, plain text.
const PONG: &str = "pong";

/// Every frame that has an `event`.
#[derive(Deserialize)]
struct Event {
    event: String,
    code: Option<Name>,
    #[serde(default)]
    msg: String,
    arg: Option<Arg>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Arg {
    channel: String,
    inst_id: String,
}

impl Event {
    fn words(&self) -> String {
        match &self.code {
            Some(Name(code)) => format!("code {code}: {}", self.msg),
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

/// A frame of trades.
#[derive(Debug, Deserialize)]
pub(crate) struct Trades {
    arg: Arg,
    data: Vec<Trade>,
}

#[derive(Debug, Deserialize)]
struct Trade {
    #[serde(rename = "tradeId")]
    id: Name,
    #[serde(rename = "px")]
    price: Float,
    #[serde(rename = "sz")]
    amount: Float,
    side: Side,
    #[serde(rename = "ts")]
    time: EpochMillis,
}

impl Rows<PublicTrade> for Trades {
    /// The last trade of a market comes at each subscription, and looks like any other.
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let topic = Topic::new(self.arg.channel, self.arg.inst_id);
        self.data.into_iter().map(move |row| {
            let trade = PublicTrade {
                id: row.id.0.to_string(),
                price: row.price.0,
                amount: row.amount.0,
                side: row.side,
            };
            Row::repeatable(topic.clone(), row.time.0, trade, false)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn two_pings_may_be_lost_within_the_time_that_okx_waits() {
        let pings = <Okx as Venue>::ping_interval().expect("OKX is pinged");
        assert!(3 * pings.interval.period() <= Duration::from_secs(30));
        assert_eq!((pings.ping)().into_text().unwrap().as_str(), "ping");
    }
}
