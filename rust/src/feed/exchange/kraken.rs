//! Kraken, WebSocket API version 1: market names, acknowledgements, control frames, trades and best prices. Frames
//! that are objects are never market data.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{EpochSeconds, Exact, Float},
};
use crate::feed::{
    reader::{Row, Rows},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue, subscription_id},
};
use barter_data::{
    books::Level,
    exchange::kraken::Kraken,
    subscription::{book::OrderBookL1, trade::PublicTrade},
};
use barter_instrument::{
    Side, exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::IgnoredAny};
use smol_str::SmolStr;

impl Venue for Kraken {
    const SERVER: &'static Exchange = &Exchange {
        number: 6,
        id: ExchangeId::Kraken,
        name: c"kraken",
        websocket: "wss://ws.kraken.com",
        rest: None,
        instruments: &[(InstrumentClass::Spot, AmountUnit::Base)],
        source: "https://docs.kraken.com/api/docs/websocket-v1/trade",
        market_name,
        unsubscribe: Unsubscribe::Verb("event", "unsubscribe"),
    };

    fn may_be_data(text: &str) -> bool {
        text.trim_start().starts_with('[')
    }

    fn meaning(text: &str) -> Meaning {
        if Self::may_be_data(text) {
            return Meaning::Data;
        }
        let Ok(event) = serde_json::from_str::<Event>(text) else {
            return Meaning::Data;
        };
        match (event.event.as_str(), event.status.as_deref()) {
            ("subscriptionStatus", Some("subscribed")) => {
                let channel = event.subscription.map(|subscription| subscription.name);
                match (channel, event.pair) {
                    (Some(channel), Some(pair)) => {
                        Meaning::Accepted(Accepted::These(vec![subscription_id(&channel, &pair)]))
                    }
                    _ => Meaning::Accepted(Accepted::Next),
                }
            }
            ("subscriptionStatus", Some("error")) | ("error", _) => Meaning::Refused {
                market: event.pair,
                reason: event
                    .error_message
                    .unwrap_or_else(|| format!("the answer is {text}")),
            },
            ("heartbeat" | "systemStatus" | "pong" | "subscriptionStatus", _) => Meaning::Control,
            _ => Meaning::Data,
        }
    }
}

/// Kraken keeps its own names of two assets.
fn market_name(base: &str, quote: &str, _: &MarketDataInstrumentKind) -> SmolStr {
    let asset = |asset| match asset {
        "btc" => "xbt",
        "doge" => "xdg",
        other => other,
    };
    joined_upper(asset(base), "/", asset(quote))
}

/// Every frame that is an object.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    event: String,
    status: Option<String>,
    pair: Option<String>,
    subscription: Option<Subscription>,
    error_message: Option<String>,
}

#[derive(Deserialize)]
struct Subscription {
    name: String,
}

/// `[channel number, …, channel, pair]`.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame<T>(IgnoredAny, T, String, String);

/// A row of a frame of trades.
#[derive(Debug, Deserialize)]
pub(crate) struct Trade {
    price: Float,
    volume: Float,
    time: EpochSeconds,
    side: Side,
    _order: IgnoredAny,
    _misc: IgnoredAny,
}

impl Rows<PublicTrade> for Frame<Vec<Trade>> {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let Self(_, trades, channel, pair) = self;
        let topic = Topic::new(channel, pair);
        trades.into_iter().map(move |row| {
            let trade = PublicTrade {
                id: row.id(),
                price: row.price.0,
                amount: row.volume.0,
                side: row.side,
            };
            Row::once(topic.clone(), row.time.0, trade)
        })
    }
}

impl Trade {
    /// This version of the API gives trades no id; it is made of the same parts as upstream makes it of.
    fn id(&self) -> String {
        let Self {
            price: Float(price),
            volume: Float(volume),
            time,
            side,
            ..
        } = self;
        format!("{}_{side}_{price}_{volume}", time.0.timestamp_micros())
    }
}

/// Best bid and ask.
#[derive(Debug, Deserialize)]
pub(crate) struct Spread {
    bid: Exact,
    ask: Exact,
    time: EpochSeconds,
    bid_volume: Exact,
    ask_volume: Exact,
}

impl Rows<OrderBookL1> for Frame<Spread> {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<OrderBookL1>> {
        let Self(_, spread, channel, pair) = self;
        let best = |Exact(price): Exact, Exact(volume): Exact| {
            (!price.is_zero()).then(|| Level::new(price, volume))
        };
        let book = OrderBookL1 {
            last_update_time: spread.time.0,
            best_bid: best(spread.bid, spread.bid_volume),
            best_ask: best(spread.ask, spread.ask_volume),
        };
        let topic = Topic::new(channel, pair);
        [Row::once(topic, spread.time.0, book)]
    }
}
