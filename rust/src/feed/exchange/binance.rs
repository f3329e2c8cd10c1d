//! Binance spot and USD-M futures: addresses, acknowledgements, depth snapshots, trades, best prices and liquidations.

use super::{
    AmountUnit, Exchange, InstrumentClass, joined_upper,
    values::{EpochMillis, Exact, Float, Name, PriceLevel, Whole},
};
use crate::feed::{
    listing::Listing,
    reader::{Row, Rows},
    snapshot::{BookEvent, SnapshotSource},
    unsubscribe::Unsubscribe,
    venue::{Accepted, Meaning, Topic, Venue},
};
use barter_data::{
    books::{Level, OrderBook},
    event::MarketEvent,
    exchange::binance::{channel::BinanceChannel, futures::BinanceFuturesUsd, spot::BinanceSpot},
    subscription::{
        book::{OrderBookEvent, OrderBookL1},
        liquidation::Liquidation,
        trade::PublicTrade,
    },
};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{InstrumentIndex, market_data::kind::MarketDataInstrumentKind},
};
use chrono::{DateTime, Utc};
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
        unsubscribe: Unsubscribe::Verb("method", "UNSUBSCRIBE"),
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
        unsubscribe: Unsubscribe::Verb("method", "UNSUBSCRIBE"),
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

/// A snapshot of an order book, as both servers' REST interfaces give it.
#[derive(Deserialize)]
struct DepthSnapshot {
    #[serde(rename = "lastUpdateId")]
    last_update_id: Whole,
    /// USD-M futures only, like the next.
    #[serde(rename = "E")]
    time: Option<EpochMillis>,
    #[serde(rename = "T")]
    time_engine: Option<EpochMillis>,
    bids: Vec<PriceLevel>,
    asks: Vec<PriceLevel>,
}

fn read_depth(
    exchange: ExchangeId,
    instrument: InstrumentIndex,
    body: &[u8],
) -> serde_json::Result<BookEvent> {
    let snapshot: DepthSnapshot = serde_json::from_slice(body)?;
    let time_received = Utc::now();
    Ok(MarketEvent {
        time_exchange: snapshot.time.map_or(time_received, |time| time.0),
        time_received,
        exchange,
        instrument,
        kind: OrderBookEvent::Snapshot(OrderBook::new(
            snapshot.last_update_id.0,
            snapshot.time_engine.map(|time| time.0),
            snapshot.bids,
            snapshot.asks,
        )),
    })
}

/// A trade. The stream of USD-M futures also has rows that are no trades.
#[derive(Debug, Deserialize)]
pub(crate) struct Trade {
    #[serde(rename = "s")]
    market: Name,
    #[serde(rename = "T")]
    time: EpochMillis,
    #[serde(rename = "t")]
    id: Whole,
    #[serde(rename = "p")]
    price: Float,
    #[serde(rename = "q")]
    amount: Float,
    #[serde(rename = "m")]
    buyer_is_maker: bool,
    /// The kind of the order behind it, on USD-M futures.
    #[serde(rename = "X", default)]
    order: Order,
}

/// Only what it is not matters.
#[derive(Debug, Default, PartialEq, Deserialize)]
enum Order {
    /// The row is no trade; its price and quantity are zero.
    #[serde(rename = "NA")]
    NotATrade,
    #[default]
    #[serde(other)]
    Any,
}

impl Rows<PublicTrade> for Trade {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<PublicTrade>> {
        (self.order != Order::NotATrade).then(|| {
            let trade = PublicTrade {
                id: self.id.0.to_string(),
                price: self.price.0,
                amount: self.amount.0,
                side: if self.buyer_is_maker {
                    Side::Sell
                } else {
                    Side::Buy
                },
            };
            let topic = Topic::of(BinanceChannel::TRADES.0, self.market.0);
            Row::once(topic, self.time.0, trade)
        })
    }
}

/// Best bid and ask; zero prices stand for none.
#[derive(Debug, Deserialize)]
pub(crate) struct BookTicker {
    #[serde(rename = "s")]
    market: Name,
    /// USD-M futures only.
    #[serde(rename = "T")]
    time: Option<EpochMillis>,
    #[serde(rename = "b")]
    bid: Exact,
    #[serde(rename = "B")]
    bid_amount: Exact,
    #[serde(rename = "a")]
    ask: Exact,
    #[serde(rename = "A")]
    ask_amount: Exact,
}

impl Rows<OrderBookL1> for BookTicker {
    fn rows(self, time_received: DateTime<Utc>) -> impl IntoIterator<Item = Row<OrderBookL1>> {
        let time = self.time.map_or(time_received, |time| time.0);
        let best = |Exact(price): Exact, Exact(amount): Exact| {
            (!price.is_zero()).then(|| Level::new(price, amount))
        };
        let book = OrderBookL1 {
            last_update_time: time,
            best_bid: best(self.bid, self.bid_amount),
            best_ask: best(self.ask, self.ask_amount),
        };
        let topic = Topic::of(BinanceChannel::ORDER_BOOK_L1.0, self.market.0);
        [Row::once(topic, time, book)]
    }
}

/// A forced order of USD-M futures.
#[derive(Debug, Deserialize)]
pub(crate) struct ForcedOrder {
    #[serde(rename = "o")]
    order: LiquidationOrder,
}

#[derive(Debug, Deserialize)]
struct LiquidationOrder {
    #[serde(rename = "s")]
    market: Name,
    #[serde(rename = "S")]
    side: Side,
    #[serde(rename = "p")]
    price: Float,
    #[serde(rename = "q")]
    quantity: Float,
    #[serde(rename = "T")]
    time: EpochMillis,
}

impl Rows<Liquidation> for ForcedOrder {
    fn rows(self, _: DateTime<Utc>) -> impl IntoIterator<Item = Row<Liquidation>> {
        let Self { order } = self;
        let liquidation = Liquidation {
            side: order.side,
            price: order.price.0,
            quantity: order.quantity.0,
            time: order.time.0,
        };
        let topic = Topic::of(BinanceChannel::LIQUIDATIONS.0, order.market.0);
        [Row::once(topic, order.time.0, liquidation)]
    }
}
