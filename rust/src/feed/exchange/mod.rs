//! The exchanges: one module each with its addresses, market names and what its frames mean, the table of the servers,
//! and in `pairs` the table of every exchange and kind that is served. Everything that the library says of what it
//! offers comes from these two tables.

mod binance;
mod binance_book;
mod bitfinex;
mod bitmex;
mod bybit;
mod bybit_book;
mod coinbase;
mod gateio;
mod kraken;
mod okx;
mod pairs;
pub(crate) mod values;

pub use pairs::{PAIRS, Pair};

use super::{markets, unsubscribe::Unsubscribe, venue::Venue};
use crate::{
    status::{Error, Result, Status},
    subscription::{SubKind, nearest},
};
use barter_data::exchange::{
    binance::{futures::BinanceFuturesUsd, spot::BinanceSpot},
    bitfinex::Bitfinex,
    bitmex::Bitmex,
    bybit::{futures::BybitPerpetualsUsd, spot::BybitSpot},
    coinbase::Coinbase,
    gateio::{
        future::{GateioFuturesBtc, GateioFuturesUsd},
        option::GateioOptions,
        perpetual::{GateioPerpetualsBtc, GateioPerpetualsUsd},
        spot::GateioSpot,
    },
    kraken::Kraken,
    okx::Okx,
};
use barter_instrument::{
    exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use serde::Serialize;
use smol_str::SmolStr;
use std::{
    collections::BTreeMap,
    ffi::{CStr, CString},
    sync::OnceLock,
};

/// What an amount of an instrument counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AmountUnit {
    /// Units of the base asset.
    Base,
    /// Units of the quote asset.
    Quote,
    /// Contracts, of the size that the exchange lists for the market.
    Contracts,
}

/// Spot, perpetual, future or option, without the terms of a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstrumentClass {
    /// Base against quote, delivered at once.
    Spot,
    /// A future without an expiry.
    Perpetual,
    /// A future with an expiry.
    Future,
    /// An option.
    Option,
}

impl InstrumentClass {
    /// Every class.
    pub const ALL: &[Self] = &[Self::Spot, Self::Perpetual, Self::Future, Self::Option];

    /// The name in subscriptions.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Spot => "spot",
            Self::Perpetual => "perpetual",
            Self::Future => "future",
            Self::Option => "option",
        }
    }
}

impl From<&MarketDataInstrumentKind> for InstrumentClass {
    fn from(kind: &MarketDataInstrumentKind) -> Self {
        match kind {
            MarketDataInstrumentKind::Spot => Self::Spot,
            MarketDataInstrumentKind::Perpetual => Self::Perpetual,
            MarketDataInstrumentKind::Future(_) => Self::Future,
            MarketDataInstrumentKind::Option(_) => Self::Option,
        }
    }
}

/// One exchange server.
#[derive(Debug)]
pub struct Exchange {
    /// Its number in the ABI: given once, never reused, not derived from any order.
    pub number: u16,
    /// Upstream's id.
    pub id: ExchangeId,
    /// Upstream's name of the id.
    pub name: &'static CStr,
    /// Base of its WebSocket addresses.
    pub websocket: &'static str,
    /// Base of its REST addresses, where any is used.
    pub rest: Option<&'static str>,
    /// The instruments it has, and what their amounts count.
    pub instruments: &'static [(InstrumentClass, AmountUnit)],
    /// Where the units and the frames are documented.
    pub source: &'static str,
    /// The name of a market by its assets, which are in lower case.
    pub(crate) market_name: fn(&str, &str, &MarketDataInstrumentKind) -> SmolStr,
    /// How subscriptions are ended.
    pub unsubscribe: Unsubscribe,
}

/// Every exchange server, in the order of its number.
pub static EXCHANGES: &[&Exchange] = &[
    BinanceSpot::SERVER,
    BinanceFuturesUsd::SERVER,
    BybitSpot::SERVER,
    BybitPerpetualsUsd::SERVER,
    Okx::SERVER,
    Kraken::SERVER,
    Coinbase::SERVER,
    Bitfinex::SERVER,
    Bitmex::SERVER,
    GateioSpot::SERVER,
    GateioFuturesUsd::SERVER,
    GateioFuturesBtc::SERVER,
    GateioPerpetualsUsd::SERVER,
    GateioPerpetualsBtc::SERVER,
    GateioOptions::SERVER,
];

impl Exchange {
    /// The kinds of market data it offers.
    pub fn kinds(&self) -> impl Iterator<Item = SubKind> {
        let of_this = |pair: &&Pair| pair.exchange.id == self.id;
        PAIRS.iter().filter(of_this).map(|pair| pair.kind)
    }
}

/// The exchange of this id.
pub fn by_id(id: ExchangeId) -> Option<&'static Exchange> {
    EXCHANGES.iter().copied().find(|row| row.id == id)
}

/// The exchange of this number.
pub fn by_number(number: u16) -> Option<&'static Exchange> {
    EXCHANGES.iter().copied().find(|row| row.number == number)
}

/// The exchange of this name.
pub fn by_name(name: &str) -> Option<&'static Exchange> {
    EXCHANGES
        .iter()
        .copied()
        .find(|row| row.id.as_str() == name)
}

/// The row of an exchange and kind.
pub fn pair(exchange: ExchangeId, kind: SubKind) -> Option<&'static Pair> {
    let wanted = |pair: &&Pair| pair.exchange.id == exchange && pair.kind == kind;
    PAIRS.iter().find(wanted)
}

/// The id of an exchange's name; where there is none the message offers the nearest.
pub fn named(name: &str) -> Result<ExchangeId> {
    by_name(name).map(|row| row.id).ok_or_else(|| {
        let names = EXCHANGES.iter().map(|row| row.id.as_str());
        let offer = nearest(name, names);
        Error::new(
            Status::UnknownExchange,
            format!("no exchange is called {name:?}; {offer}"),
        )
    })
}

/// The number of an exchange; 0 where it is none of these.
pub fn number(id: ExchangeId) -> u16 {
    by_id(id).map_or(0, |row| row.number)
}

/// The name of the exchange of this number, NUL-terminated.
pub fn c_name(number: u16) -> Option<&'static CStr> {
    by_number(number).map(|row| row.name)
}

/// What an exchange offers, in words: `trades, l1, l2 of spot instruments`.
pub fn offers(id: ExchangeId) -> String {
    let Some(row) = by_id(id) else {
        return "nothing".to_owned();
    };
    let kinds: Vec<_> = row.kinds().map(SubKind::name).collect();
    let (kinds, instruments) = (kinds.join(", "), instrument_kind_names(id).join(", "));
    format!("{kinds} of {instruments} instruments")
}

/// The name of an instrument kind in subscriptions, without its terms.
pub fn kind_name(kind: &MarketDataInstrumentKind) -> &'static str {
    InstrumentClass::from(kind).name()
}

/// The names of the instrument kinds that an exchange has.
pub fn instrument_kind_names(id: ExchangeId) -> Vec<&'static str> {
    let instruments = by_id(id).map_or(&[][..], |row| row.instruments);
    instruments.iter().map(|(class, _)| class.name()).collect()
}

/// The instrument kind that goes without saying: the only one of the exchange, where it has no terms.
pub fn only_instrument_kind(id: ExchangeId) -> Option<MarketDataInstrumentKind> {
    match by_id(id)?.instruments {
        [(InstrumentClass::Spot, _)] => Some(MarketDataInstrumentKind::Spot),
        [(InstrumentClass::Perpetual, _)] => Some(MarketDataInstrumentKind::Perpetual),
        _ => None,
    }
}

/// Whether the exchange offers this kind of market data for this kind of instrument.
pub fn supports(id: ExchangeId, instrument: &MarketDataInstrumentKind, kind: SubKind) -> bool {
    unit(id, instrument).is_some() && pair(id, kind).is_some()
}

/// What an amount of such an instrument counts on the exchange.
pub fn amount_unit(id: ExchangeId, instrument: &MarketDataInstrumentKind) -> AmountUnit {
    unit(id, instrument).unwrap_or(AmountUnit::Base)
}

fn unit(id: ExchangeId, instrument: &MarketDataInstrumentKind) -> Option<AmountUnit> {
    let class = InstrumentClass::from(instrument);
    let instruments = by_id(id)?.instruments.iter();
    instruments
        .copied()
        .find_map(|(known, unit)| (known == class).then_some(unit))
}

/// The exchange's name of the market of two assets in lower case.
pub fn market_name(
    id: ExchangeId,
    base: &str,
    quote: &str,
    instrument: &MarketDataInstrumentKind,
) -> SmolStr {
    match by_id(id) {
        Some(row) => (row.market_name)(base, quote, instrument),
        None => joined_upper(base, "", quote),
    }
}

/// `BASE` + `between` + `QUOTE`.
fn joined_upper(base: &str, between: &str, quote: &str) -> SmolStr {
    SmolStr::new(format!("{base}{between}{quote}").to_uppercase())
}

#[derive(Serialize)]
struct Support {
    exchange: &'static str,
    number: u16,
    instrument_kinds: Vec<&'static str>,
    kinds: Vec<&'static str>,
    amount_unit: BTreeMap<&'static str, AmountUnit>,
    websocket: &'static str,
    rest: Option<&'static str>,
    source: &'static str,
}

/// What every exchange offers, as a JSON array in the order of their numbers.
pub fn support_json() -> &'static CStr {
    static JSON: OnceLock<CString> = OnceLock::new();
    JSON.get_or_init(|| {
        let support: Vec<_> = EXCHANGES.iter().map(|row| Support::of(row)).collect();
        let json = serde_json::to_string(&support).expect("the table is plain text and numbers");
        CString::new(json).expect("JSON has no NUL")
    })
}

impl Support {
    fn of(row: &Exchange) -> Self {
        let units = row.instruments.iter();
        Self {
            exchange: row.id.as_str(),
            number: row.number,
            instrument_kinds: instrument_kind_names(row.id),
            kinds: row.kinds().map(SubKind::name).collect(),
            amount_unit: units.map(|(class, unit)| (class.name(), *unit)).collect(),
            websocket: row.websocket,
            rest: markets::rest_base(row.id),
            source: row.source,
        }
    }
}

#[cfg(test)]
mod book_laws;
#[cfg(test)]
mod tests;
