//! Coinbase Exchange: acknowledgements, which list everything subscribed so far, control frames, and trades.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{Float, Name, Rfc3339, Whole},
};
use crate::feed::{
    reader::{Row, Rows},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue, subscription_id},
};
use barter_data::{
    exchange::coinbase::{Coinbase, channel::CoinbaseChannel},
    subscription::trade::PublicTrade,
};
use barter_instrument::{
    Side, exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use chrono::{DateTime, Utc};
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
        unsubscribe: Unsubscribe::Verb("type", "unsubscribe"),
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

/// A trade.
#[derive(Debug, Deserialize)]
pub(crate) struct Match {
    #[serde(rename = "type")]
    kind: MatchKind,
    trade_id: Whole,
    product_id: Name,
    time: Rfc3339,
    size: Float,
    price: Float,
    /// Of the order that waited in the book.
    side: Side,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum MatchKind {
    Match,
    /// The market's last trade, sent at each subscription.
    LastMatch,
}

impl Rows<PublicTrade> for Match {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let trade = PublicTrade {
            id: self.trade_id.0.to_string(),
            price: self.price.0,
            amount: self.size.0,
            side: match self.side {
                Side::Buy => Side::Sell,
                Side::Sell => Side::Buy,
            },
        };
        let topic = Topic::of(CoinbaseChannel::TRADES.0, self.product_id.0);
        let history = self.kind == MatchKind::LastMatch;
        [Row::repeatable(topic, self.time.0, trade, history)]
    }
}
