//! Bitfinex, API version 2: market names, acknowledgements, which give each channel a number, control frames, and
//! trades. Frames that are objects are never market data.

use super::{
    AmountUnit, Exchange, InstrumentClass,
    values::{EpochMillis, Float, Name, Whole},
};
use crate::feed::{
    reader::{Row, Rows},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue, subscription_id},
};
use barter_data::{exchange::bitfinex::Bitfinex, subscription::trade::PublicTrade};
use barter_instrument::{
    Side, exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use barter_integration::subscription::SubscriptionId;
use chrono::{DateTime, Utc};
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess},
};
use smol_str::SmolStr;
use std::fmt;

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
        unsubscribe: Unsubscribe::Channel,
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
                alias: SubscriptionId(chan_id.0),
            }),
            Event::Error { msg, code, symbol } => Meaning::Refused {
                market: symbol,
                reason: format!("code {}: {msg}", code.0),
            },
            Event::Info {
                code: Some(Whole(RESTARTS)),
                msg,
                ..
            } => Meaning::Ending(format!(
                "Bitfinex asks to reconnect, code {RESTARTS}: {}",
                msg.unwrap_or_default()
            )),
            Event::Info {
                platform: Some(Platform { status: Whole(0) }),
                ..
            } => Meaning::Ending("Bitfinex is under maintenance".to_owned()),
            Event::Info { .. } | Event::Pong | Event::Conf | Event::Unsubscribed => {
                Meaning::Control
            }
        }
    }
}

/// The server stops or restarts: "please reconnect". Others, 20060 and 20061 among them, the beginning and the end of a
/// pause while the connection stays, ask for nothing.
const RESTARTS: u64 = 20_051;

/// `[channel, "hb", …]` is a heartbeat.
fn array_meaning(text: &str) -> Meaning {
    let is_heartbeat = serde_json::from_str::<Vec<serde_json::Value>>(text)
        .is_ok_and(|elements| elements.get(1).is_some_and(|tag| tag == "hb"));
    if is_heartbeat {
        Meaning::Control
    } else {
        Meaning::Data
    }
}

/// Every frame that is an object.
#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Event {
    Info {
        code: Option<Whole>,
        msg: Option<String>,
        platform: Option<Platform>,
    },
    Subscribed {
        channel: String,
        symbol: String,
        #[serde(rename = "chanId")]
        chan_id: Name,
    },
    Error {
        msg: String,
        code: Name,
        symbol: Option<String>,
    },
    Pong,
    Conf,
    Unsubscribed,
}

#[derive(Deserialize)]
struct Platform {
    status: Whole,
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

/// A frame of a channel of trades.
#[derive(Debug)]
pub(crate) struct Frame {
    channel: Name,
    payload: Payload,
}

#[derive(Debug)]
enum Payload {
    /// `[channel, [[…], …]]`: what happened before, newest first, sent at each subscription.
    History(Vec<Trade>),
    /// `[channel, "te", […]]`.
    Executed(Trade),
    /// `[channel, "tu", […]]`: an execution again, later.
    Updated,
}

/// `[id, milliseconds, amount, price]`: the amount is negative where the taker sells.
#[derive(Debug)]
struct Trade {
    id: Whole,
    time: EpochMillis,
    amount: Float,
    price: Float,
}

impl Trade {
    fn row(self, channel: &Name, history: bool) -> Row<PublicTrade> {
        let Float(amount) = self.amount;
        let trade = PublicTrade {
            id: self.id.0.to_string(),
            price: self.price.0,
            amount: amount.abs(),
            side: if amount.is_sign_negative() {
                Side::Sell
            } else {
                Side::Buy
            },
        };
        let topic = Topic::new(channel.0.clone(), "");
        Row::repeatable(topic, self.time.0, trade, history)
    }
}

impl Rows<PublicTrade> for Frame {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let Self { channel, payload } = self;
        let (trades, history) = match payload {
            Payload::History(trades) => (trades, true),
            Payload::Executed(trade) => (vec![trade], false),
            Payload::Updated => (Vec::new(), false),
        };
        let trades = trades.into_iter().rev();
        trades.map(move |trade| trade.row(&channel, history))
    }
}

/// The next element of an array that must have one.
fn next<'de, A: SeqAccess<'de>, T: Deserialize<'de>>(sequence: &mut A) -> Result<T, A::Error> {
    let element = sequence.next_element()?;
    element.ok_or_else(|| de::Error::custom("the array is too short"))
}

/// Reads past what an array may have besides.
fn skip_rest<'de, A: SeqAccess<'de>>(sequence: &mut A) -> Result<(), A::Error> {
    while sequence.next_element::<IgnoredAny>()?.is_some() {}
    Ok(())
}

impl<'de> Deserialize<'de> for Trade {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> de::Visitor<'de> for Elements {
            type Value = Trade;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a trade: [id, milliseconds, amount, price]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Trade, A::Error> {
                let trade = Trade {
                    id: next(&mut sequence)?,
                    time: next(&mut sequence)?,
                    amount: next(&mut sequence)?,
                    price: next(&mut sequence)?,
                };
                skip_rest(&mut sequence)?;
                Ok(trade)
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}

/// The second element of a frame.
#[derive(Deserialize)]
#[serde(untagged)]
enum Second {
    Tag(Tag),
    History(Vec<Trade>),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Tag {
    Te,
    Tu,
}

impl<'de> Deserialize<'de> for Frame {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements;

        impl<'de> de::Visitor<'de> for Elements {
            type Value = Frame;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter
                    .write_str("a frame of trades: [channel, [[…], …]] or [channel, \"te\", […]]")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Frame, A::Error> {
                let channel = next(&mut sequence)?;
                let payload = match next(&mut sequence)? {
                    Second::History(trades) => Payload::History(trades),
                    Second::Tag(Tag::Te) => Payload::Executed(next(&mut sequence)?),
                    Second::Tag(Tag::Tu) => Payload::Updated,
                };
                skip_rest(&mut sequence)?;
                Ok(Frame { channel, payload })
            }
        }

        deserializer.deserialize_seq(Elements)
    }
}
