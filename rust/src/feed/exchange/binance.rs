//! Binance spot and USD-M futures: addresses, acknowledgements, depth snapshots, and the futures' trades.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{EpochMillis, Float},
};
use crate::feed::{
    listing::Listing,
    reader::{Row, Rows},
    snapshot::{BookEvent, SnapshotSource},
    venue::{Accepted, Meaning, Venue, subscription_id},
};
use barter_data::{
    event::MarketEvent,
    exchange::binance::{
        book::l2::BinanceOrderBookL2Snapshot, channel::BinanceChannel, futures::BinanceFuturesUsd,
        spot::BinanceSpot, trade::de_side_from_buyer_is_maker,
    },
    subscription::trade::PublicTrade,
};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{InstrumentIndex, market_data::kind::MarketDataInstrumentKind},
};
use serde::Deserialize;
use smol_str::SmolStr;

impl Venue for BinanceSpot {
    const SERVER: &'static Exchange = &Exchange {
        number: 1,
        id: ExchangeId::BinanceSpot,
        name: c"binance_spot",
        websocket: "wss://stream.binance.com:9443",
        rest: Some("https://api.binance.com"),
        instruments: &[(InstrumentClass::Spot, AmountUnit::Base)],
        source: "https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
        market_name,
    };

    fn meaning(text: &str) -> Meaning {
        meaning(text)
    }
}

impl Venue for BinanceFuturesUsd {
    const SERVER: &'static Exchange = &Exchange {
        number: 2,
        id: ExchangeId::BinanceFuturesUsd,
        name: c"binance_futures_usd",
        websocket: "wss://fstream.binance.com",
        rest: Some("https://fapi.binance.com"),
        instruments: &[(InstrumentClass::Perpetual, AmountUnit::Base)],
        source: "https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
        market_name,
    };

    fn meaning(text: &str) -> Meaning {
        meaning(text)
    }
}

fn market_name(base: &str, quote: &str, _: &MarketDataInstrumentKind) -> SmolStr {
    joined_upper(base, "", quote)
}

/// Every frame of either server that is no market data.
#[derive(Deserialize)]
struct Reply {
    #[serde(rename = "e")]
    event: Option<String>,
    id: Option<serde_json::Value>,
    error: Option<Fault>,
    /// Some servers put the fault at the top.
    code: Option<i64>,
    msg: Option<String>,
    #[serde(default, deserialize_with = "present")]
    result: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct Fault {
    code: i64,
    msg: String,
}

/// Tells a `null` from a key that is not there.
fn present<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<serde_json::Value>, D::Error> {
    serde_json::Value::deserialize(deserializer).map(Some)
}

fn meaning(text: &str) -> Meaning {
    let Ok(reply) = serde_json::from_str::<Reply>(text) else {
        return Meaning::Data;
    };
    if reply.event.as_deref() == Some("serverShutdown") {
        return Meaning::Ending("Binance announces that this server shuts down".to_owned());
    }
    let fault = match reply {
        Reply { event: Some(_), .. } => return Meaning::Data,
        Reply {
            error: Some(fault), ..
        } => fault,
        Reply {
            code: Some(code),
            msg: Some(msg),
            ..
        } => Fault { code, msg },
        Reply {
            id: Some(_),
            result: Some(serde_json::Value::Null),
            ..
        } => {
            return Meaning::Accepted(Accepted::All);
        }
        Reply {
            id: Some(_),
            result: Some(other),
            ..
        } => {
            return Meaning::Refused {
                market: None,
                reason: format!("the answer is {other}"),
            };
        }
        _ => return Meaning::Data,
    };
    Meaning::Refused {
        market: None,
        reason: format!("code {}: {}", fault.code, fault.msg),
    }
}

/// `GET /api/v3/depth`. A request for up to 1,000 levels has a fifth of the weight of one for the largest, 5,000.
pub(crate) static SPOT_DEPTH: SnapshotSource = SnapshotSource {
    path: "/api/v3/depth",
    limit: |depth| depth.unwrap_or(1_000).clamp(1, 5_000),
    read: |instrument, body| read_depth(ExchangeId::BinanceSpot, instrument, body),
};

/// `GET /fapi/v1/depth`, which takes only some limits.
pub(crate) static USD_MARGIN_DEPTH: SnapshotSource = SnapshotSource {
    path: "/fapi/v1/depth",
    limit: |depth| {
        let enough = |limit: &u32| depth.is_some_and(|depth| *limit >= depth);
        let limits = [5, 10, 20, 50, 100, 500, 1_000];
        limits.into_iter().find(enough).unwrap_or(1_000)
    },
    read: |instrument, body| read_depth(ExchangeId::BinanceFuturesUsd, instrument, body),
};

/// `GET /api/v3/ticker/price`: every market of the server. An unknown name in a subscription is acknowledged.
pub(crate) static SPOT_LISTING: Listing = Listing {
    path: "/api/v3/ticker/price",
};

/// `GET /fapi/v1/ticker/price`, likewise.
pub(crate) static USD_MARGIN_LISTING: Listing = Listing {
    path: "/fapi/v1/ticker/price",
};

fn read_depth(
    exchange: ExchangeId,
    instrument: InstrumentIndex,
    body: &[u8],
) -> serde_json::Result<BookEvent> {
    let snapshot: BinanceOrderBookL2Snapshot = serde_json::from_slice(body)?;
    Ok(MarketEvent::from((exchange, instrument, snapshot)))
}

/// A trade of USD-M futures, whose stream also has rows that are no trades.
#[derive(Debug, Deserialize)]
pub(crate) struct UsdMarginTrade {
    #[serde(rename = "s")]
    market: String,
    #[serde(rename = "T")]
    time: EpochMillis,
    #[serde(rename = "t")]
    id: u64,
    #[serde(rename = "p")]
    price: Float,
    #[serde(rename = "q")]
    amount: Float,
    #[serde(rename = "m", deserialize_with = "de_side_from_buyer_is_maker")]
    side: Side,
    /// The kind of the order behind it.
    #[serde(rename = "X")]
    order: Option<String>,
}

/// `X` of a row that is no trade; its price and quantity are zero.
const NOT_A_TRADE: &str = "NA";

impl Rows<PublicTrade> for UsdMarginTrade {
    fn rows(self) -> Vec<Row<PublicTrade>> {
        if self.order.as_deref() == Some(NOT_A_TRADE) {
            return Vec::new();
        }
        vec![Row {
            id: subscription_id(BinanceChannel::TRADES.as_ref(), &self.market),
            time_exchange: self.time.0,
            event: PublicTrade {
                id: self.id.to_string(),
                price: self.price.0,
                amount: self.amount.0,
                side: self.side,
            },
        }]
    }
}
