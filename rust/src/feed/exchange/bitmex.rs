//! BitMEX: market names, acknowledgements, which come one a topic, control frames, and trades.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{Float, Name, Rfc3339},
};
use crate::feed::{
    reader::{Row, Rows},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue, subscription_id},
};
use barter_data::{exchange::bitmex::Bitmex, subscription::trade::PublicTrade};
use barter_instrument::{
    Side, exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use barter_integration::subscription::SubscriptionId;
use chrono::{DateTime, Utc};
use serde::{Deserialize, de::IgnoredAny};
use smol_str::SmolStr;

impl Venue for Bitmex {
    const SERVER: &'static Exchange = &Exchange {
        number: 9,
        id: ExchangeId::Bitmex,
        name: c"bitmex",
        websocket: "wss://ws.bitmex.com",
        rest: None,
        instruments: &[(InstrumentClass::Perpetual, AmountUnit::Contracts)],
        source: "https://www.bitmex.com/app/wsAPI",
        market_name,
        unsubscribe: Unsubscribe::Verb("op", "unsubscribe"),
    };

    fn meaning(text: &str) -> Meaning {
        if text == "pong" {
            return Meaning::Control;
        }
        let Ok(reply) = serde_json::from_str::<Reply>(text) else {
            return Meaning::Data;
        };
        match reply {
            Reply {
                error: Some(reason),
                request,
                ..
            } => Meaning::Refused {
                market: request.and_then(Request::only_market),
                reason,
            },
            Reply {
                success: Some(true),
                subscribe: Some(topic),
                ..
            } => Meaning::Accepted(Accepted::These(topic_id(&topic).into_iter().collect())),
            Reply {
                success: Some(false),
                subscribe: Some(topic),
                ..
            } => Meaning::Refused {
                market: topic.split_once(':').map(|(_, market)| market.to_owned()),
                reason: format!("no subscription to {topic}"),
            },
            Reply { info: Some(_), .. }
            | Reply {
                success: Some(true),
                unsubscribe: Some(_),
                ..
            } => Meaning::Control,
            _ => Meaning::Data,
        }
    }
}

/// BitMEX keeps its own name of Bitcoin.
fn market_name(base: &str, quote: &str, _: &MarketDataInstrumentKind) -> SmolStr {
    joined_upper(if base == "btc" { "xbt" } else { base }, "", quote)
}

/// Every frame that is no market data.
#[derive(Deserialize)]
struct Reply {
    info: Option<IgnoredAny>,
    success: Option<bool>,
    subscribe: Option<String>,
    unsubscribe: Option<IgnoredAny>,
    error: Option<String>,
    request: Option<Request>,
}

/// The request that an answer repeats.
#[derive(Deserialize)]
struct Request {
    #[serde(default)]
    args: Vec<String>,
}

impl Request {
    fn only_market(self) -> Option<String> {
        match self.args.as_slice() {
            [topic] => topic.split_once(':').map(|(_, market)| market.to_owned()),
            _ => None,
        }
    }
}

fn topic_id(topic: &str) -> Option<SubscriptionId> {
    topic
        .split_once(':')
        .map(|(channel, market)| subscription_id(channel, market))
}

/// A frame of the table of trades.
#[derive(Debug, Deserialize)]
pub(crate) struct Trades {
    table: String,
    action: Action,
    data: Vec<Trade>,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// What the table holds already, sent at each subscription.
    Partial,
    Insert,
}

#[derive(Debug, Deserialize)]
struct Trade {
    timestamp: Rfc3339,
    symbol: Name,
    side: Side,
    size: Float,
    price: Float,
    #[serde(rename = "trdMatchID")]
    id: Name,
}

impl Rows<PublicTrade> for Trades {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let history = self.action == Action::Partial;
        self.data.into_iter().map(move |row| {
            let trade = PublicTrade {
                id: row.id.0.to_string(),
                price: row.price.0,
                amount: row.size.0,
                side: row.side,
            };
            let topic = Topic::new(self.table.clone(), row.symbol.0);
            Row::repeatable(topic, row.timestamp.0, trade, history)
        })
    }
}
