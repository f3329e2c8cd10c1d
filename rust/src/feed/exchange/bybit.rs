//! Bybit spot and USD perpetuals, API version 5: addresses, acknowledgements and trades.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{EpochMillis, Float, Name},
};
use crate::feed::{
    reader::{Row, Rows},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue},
};
use barter_data::{
    exchange::bybit::{futures::BybitPerpetualsUsd, spot::BybitSpot},
    subscription::trade::PublicTrade,
};
use barter_instrument::{
    Side, exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use chrono::{DateTime, Utc};
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
        unsubscribe: Unsubscribe::Verb("op", "unsubscribe"),
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
        unsubscribe: Unsubscribe::Verb("op", "unsubscribe"),
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

/// Every frame of market data.
#[derive(Debug, Deserialize)]
pub(crate) struct Frame<T> {
    topic: String,
    #[serde(rename = "type")]
    pub(super) kind: FrameKind,
    #[serde(rename = "ts")]
    pub(super) time: EpochMillis,
    pub(super) data: T,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum FrameKind {
    Snapshot,
    Delta,
}

impl<T> Frame<T> {
    /// Of the topic: the market is what stands after the last point.
    pub(super) fn topic(&self) -> Topic {
        let (channel, market) = self.topic.rsplit_once('.').unwrap_or(("", &self.topic));
        Topic::new(channel, market)
    }
}

/// A row of a frame of trades.
#[derive(Debug, Deserialize)]
pub(crate) struct Trade {
    #[serde(rename = "T")]
    time: EpochMillis,
    #[serde(rename = "S")]
    side: Side,
    #[serde(rename = "v")]
    amount: Float,
    #[serde(rename = "p")]
    price: Float,
    #[serde(rename = "i")]
    id: Name,
}

impl Rows<PublicTrade> for Frame<Vec<Trade>> {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        let topic = self.topic();
        self.data.into_iter().map(move |row| {
            let trade = PublicTrade {
                id: row.id.0.to_string(),
                price: row.price.0,
                amount: row.amount.0,
                side: row.side,
            };
            Row::once(topic.clone(), row.time.0, trade)
        })
    }
}
