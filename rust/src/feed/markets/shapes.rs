//! How the exchanges' lists of markets read: one reader for each shape, named in the table. A reader gives the markets
//! that trade now, of the one kind that its row says.

use super::Market;
use crate::feed::exchange::values::{EpochMillis, EpochSeconds, Exact};
use barter_instrument::instrument::{
    kind::option::{OptionExercise, OptionKind},
    market_data::kind::{
        MarketDataFutureContract, MarketDataInstrumentKind, MarketDataOptionContract,
    },
};
use serde::{Deserialize, de::DeserializeOwned};
use smol_str::SmolStr;
use std::collections::BTreeMap;

/// Why an answer could not be read.
#[derive(Debug)]
pub(super) enum Unread {
    /// The exchange refuses, in its own words, though the HTTP status is that of success.
    Refused(String),
    /// It is of another shape.
    Shape(serde_json::Error),
}

impl From<serde_json::Error> for Unread {
    fn from(error: serde_json::Error) -> Self {
        Self::Shape(error)
    }
}

/// One answer.
pub(super) struct Page {
    pub(super) markets: Vec<Market>,
    /// Rows of the answer, those left out included.
    pub(super) rows: usize,
    /// What names the next page.
    pub(super) cursor: Option<String>,
}

/// The page of these rows; a row of which `market` makes nothing is left out.
fn page<Row>(rows: Vec<Row>, market: impl FnMut(Row) -> Option<Market>) -> Page {
    Page {
        rows: rows.len(),
        markets: rows.into_iter().filter_map(market).collect(),
        cursor: None,
    }
}

fn market(name: &str, base: &str, quote: &str, kind: MarketDataInstrumentKind) -> Option<Market> {
    let named = !(name.is_empty() || base.is_empty() || quote.is_empty());
    named.then(|| Market {
        name: SmolStr::new(name),
        base: base.to_lowercase().into(),
        quote: quote.to_lowercase().into(),
        kind,
    })
}

fn option(
    kind: OptionKind,
    EpochSeconds(expiry): EpochSeconds,
    Exact(strike): Exact,
) -> MarketDataInstrumentKind {
    MarketDataInstrumentKind::Option(MarketDataOptionContract {
        kind,
        exercise: OptionExercise::European,
        expiry,
        strike,
    })
}

#[derive(Deserialize)]
struct BinanceSymbols {
    symbols: Vec<BinanceSymbol>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BinanceSymbol {
    symbol: String,
    status: String,
    base_asset: String,
    quote_asset: String,
    #[serde(default)]
    contract_type: String,
}

pub(super) fn binance_spot(body: &[u8]) -> Result<Page, Unread> {
    binance(body, MarketDataInstrumentKind::Spot, |_| true)
}

/// `PERPETUAL` and, of assets that are no crypto currencies, `TRADIFI_PERPETUAL`; the others expire.
pub(super) fn binance_perpetual(body: &[u8]) -> Result<Page, Unread> {
    binance(body, MarketDataInstrumentKind::Perpetual, |contract| {
        contract.ends_with("PERPETUAL")
    })
}

fn binance(
    body: &[u8],
    kind: MarketDataInstrumentKind,
    of_kind: fn(&str) -> bool,
) -> Result<Page, Unread> {
    let BinanceSymbols { symbols } = serde_json::from_slice(body)?;
    Ok(page(symbols, |row| {
        let trades = row.status == "TRADING" && of_kind(&row.contract_type);
        trades.then(|| market(&row.symbol, &row.base_asset, &row.quote_asset, kind.clone()))?
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BybitAnswer {
    ret_code: i64,
    #[serde(default)]
    ret_msg: String,
    result: Option<BybitResult>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct BybitResult {
    list: Vec<BybitInstrument>,
    next_page_cursor: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BybitInstrument {
    symbol: String,
    status: String,
    base_coin: String,
    quote_coin: String,
    #[serde(default)]
    contract_type: String,
}

pub(super) fn bybit_spot(body: &[u8]) -> Result<Page, Unread> {
    bybit(body, MarketDataInstrumentKind::Spot, "")
}

pub(super) fn bybit_perpetual(body: &[u8]) -> Result<Page, Unread> {
    bybit(body, MarketDataInstrumentKind::Perpetual, "LinearPerpetual")
}

fn bybit(body: &[u8], kind: MarketDataInstrumentKind, contract_type: &str) -> Result<Page, Unread> {
    let answer: BybitAnswer = serde_json::from_slice(body)?;
    if answer.ret_code != 0 {
        let words = format!("retCode {}: {}", answer.ret_code, answer.ret_msg);
        return Err(Unread::Refused(words));
    }
    let BybitResult {
        list,
        next_page_cursor: cursor,
    } = answer.result.unwrap_or_default();
    let page = page(list, |row| {
        let trades = row.status == "Trading" && row.contract_type == contract_type;
        trades.then(|| market(&row.symbol, &row.base_coin, &row.quote_coin, kind.clone()))?
    });
    Ok(Page {
        cursor: (!cursor.is_empty()).then_some(cursor),
        ..page
    })
}

#[derive(Deserialize)]
struct OkxAnswer<T> {
    code: String,
    #[serde(default)]
    msg: String,
    #[serde(default = "Vec::new")]
    data: Vec<T>,
}

impl<T: DeserializeOwned> OkxAnswer<T> {
    fn read(body: &[u8]) -> Result<Vec<T>, Unread> {
        let answer: Self = serde_json::from_slice(body)?;
        if answer.code != "0" {
            let words = format!("code {}: {}", answer.code, answer.msg);
            return Err(Unread::Refused(words));
        }
        Ok(answer.data)
    }
}

/// Every field is there and empty where it does not apply.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct OkxInstrument {
    inst_type: String,
    inst_id: String,
    state: String,
    base_ccy: String,
    quote_ccy: String,
    uly: String,
    exp_time: String,
    opt_type: String,
    stk: String,
}

pub(super) fn okx_underlyings(body: &[u8]) -> Result<Vec<String>, Unread> {
    Ok(OkxAnswer::<Vec<String>>::read(body)?.concat())
}

pub(super) fn okx(body: &[u8]) -> Result<Page, Unread> {
    let rows = OkxAnswer::<OkxInstrument>::read(body)?;
    Ok(page(rows, |row| {
        let kind = okx_kind(&row)?;
        let (base, quote) = match row.uly.split_once('-') {
            Some(assets) if kind != MarketDataInstrumentKind::Spot => assets,
            _ => (row.base_ccy.as_str(), row.quote_ccy.as_str()),
        };
        (row.state == "live").then(|| market(&row.inst_id, base, quote, kind))?
    }))
}

fn okx_kind(row: &OkxInstrument) -> Option<MarketDataInstrumentKind> {
    let expiry = || row.exp_time.parse::<EpochMillis>().ok().map(|at| at.0);
    Some(match row.inst_type.as_str() {
        "SPOT" => MarketDataInstrumentKind::Spot,
        "SWAP" => MarketDataInstrumentKind::Perpetual,
        "FUTURES" => {
            MarketDataInstrumentKind::Future(MarketDataFutureContract { expiry: expiry()? })
        }
        "OPTION" => {
            let kind = match row.opt_type.as_str() {
                "C" => OptionKind::Call,
                "P" => OptionKind::Put,
                _ => return None,
            };
            option(kind, EpochSeconds(expiry()?), row.stk.parse().ok()?)
        }
        _ => return None,
    })
}

#[derive(Deserialize)]
struct KrakenAnswer {
    error: Vec<String>,
    #[serde(default)]
    result: BTreeMap<String, KrakenPair>,
}

#[derive(Deserialize)]
struct KrakenPair {
    /// Missing where the pair has no WebSocket.
    wsname: Option<String>,
    #[serde(default)]
    status: String,
}

/// The name in WebSockets, in which Kraken keeps its own names of two assets.
pub(super) fn kraken(body: &[u8]) -> Result<Page, Unread> {
    let answer: KrakenAnswer = serde_json::from_slice(body)?;
    if !answer.error.is_empty() {
        return Err(Unread::Refused(answer.error.join(", ")));
    }
    let asset = |asset: &str| match asset {
        "XBT" => "btc".to_owned(),
        "XDG" => "doge".to_owned(),
        other => other.to_owned(),
    };
    Ok(page(answer.result.into_values().collect(), |row| {
        let name = row.wsname.filter(|_| row.status == "online")?;
        let (base, quote) = name.split_once('/')?;
        let kind = MarketDataInstrumentKind::Spot;
        market(&name, &asset(base), &asset(quote), kind)
    }))
}

#[derive(Deserialize)]
struct CoinbaseProduct {
    id: String,
    base_currency: String,
    quote_currency: String,
    status: String,
    #[serde(default)]
    trading_disabled: bool,
}

pub(super) fn coinbase(body: &[u8]) -> Result<Page, Unread> {
    let rows: Vec<CoinbaseProduct> = serde_json::from_slice(body)?;
    Ok(page(rows, |row| {
        let trades = row.status == "online" && !row.trading_disabled;
        let kind = MarketDataInstrumentKind::Spot;
        trades.then(|| market(&row.id, &row.base_currency, &row.quote_currency, kind))?
    }))
}

/// `[["BTCUSD","DOGE:USD",…]]`: subscriptions have a `t` before the name; a name without a colon is of two assets of
/// three letters.
pub(super) fn bitfinex(body: &[u8]) -> Result<Page, Unread> {
    let lists: Vec<Vec<String>> = serde_json::from_slice(body)?;
    let asset = |asset: &str| match asset {
        "UST" => "usdt".to_owned(),
        other => other.to_owned(),
    };
    Ok(page(lists.concat(), |pair| {
        let (base, quote) = pair.split_once(':').or_else(|| pair.split_at_checked(3))?;
        let kind = MarketDataInstrumentKind::Spot;
        market(&format!("t{pair}"), &asset(base), &asset(quote), kind)
    }))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct BitmexInstrument {
    symbol: String,
    state: String,
    typ: String,
    underlying: String,
    quote_currency: String,
}

/// `FFWCSX` are perpetual contracts, `FFWCSF` those on exchange rates.
pub(super) fn bitmex(body: &[u8]) -> Result<Page, Unread> {
    let rows: Vec<BitmexInstrument> = serde_json::from_slice(body)?;
    let asset = |asset: String| {
        if asset == "XBT" {
            "btc".to_owned()
        } else {
            asset
        }
    };
    Ok(page(rows, |row| {
        let trades = row.state == "Open" && matches!(row.typ.as_str(), "FFWCSX" | "FFWCSF");
        let (base, quote) = (asset(row.underlying), asset(row.quote_currency));
        let kind = MarketDataInstrumentKind::Perpetual;
        trades.then(|| market(&row.symbol, &base, &quote, kind))?
    }))
}

#[derive(Deserialize)]
struct GatePair {
    id: String,
    base: String,
    quote: String,
    trade_status: String,
}

/// `tradable`, and what can only be bought or sold: it has trades too.
pub(super) fn gate_spot(body: &[u8]) -> Result<Page, Unread> {
    let rows: Vec<GatePair> = serde_json::from_slice(body)?;
    Ok(page(rows, |row| {
        let trades = row.trade_status != "untradable";
        let kind = MarketDataInstrumentKind::Spot;
        trades.then(|| market(&row.id, &row.base, &row.quote, kind))?
    }))
}

#[derive(Deserialize)]
struct GateContract {
    name: String,
    #[serde(default)]
    underlying: String,
    #[serde(default)]
    in_delisting: bool,
    expire_time: Option<EpochSeconds>,
}

pub(super) fn gate_perpetual(body: &[u8]) -> Result<Page, Unread> {
    let rows: Vec<GateContract> = serde_json::from_slice(body)?;
    Ok(page(rows, |row| {
        let (base, quote) = row.name.split_once('_')?;
        let kind = MarketDataInstrumentKind::Perpetual;
        (!row.in_delisting).then(|| market(&row.name, base, quote, kind))?
    }))
}

pub(super) fn gate_future(body: &[u8]) -> Result<Page, Unread> {
    let rows: Vec<GateContract> = serde_json::from_slice(body)?;
    Ok(page(rows, |row| {
        let (base, quote) = row.underlying.split_once('_')?;
        let EpochSeconds(expiry) = row.expire_time?;
        let kind = MarketDataInstrumentKind::Future(MarketDataFutureContract { expiry });
        (!row.in_delisting).then(|| market(&row.name, base, quote, kind))?
    }))
}

#[derive(Deserialize)]
struct GateUnderlying {
    name: String,
}

pub(super) fn gate_underlyings(body: &[u8]) -> Result<Vec<String>, Unread> {
    let rows: Vec<GateUnderlying> = serde_json::from_slice(body)?;
    Ok(rows.into_iter().map(|row| row.name).collect())
}

#[derive(Deserialize)]
struct GateOption {
    name: String,
    underlying: String,
    expiration_time: EpochSeconds,
    is_call: bool,
    strike_price: Exact,
}

pub(super) fn gate_option(body: &[u8]) -> Result<Page, Unread> {
    let rows: Vec<GateOption> = serde_json::from_slice(body)?;
    Ok(page(rows, |row| {
        let (base, quote) = row.underlying.split_once('_')?;
        let kind = if row.is_call {
            OptionKind::Call
        } else {
            OptionKind::Put
        };
        let kind = option(kind, row.expiration_time, row.strike_price);
        market(&row.name, base, quote, kind)
    }))
}

#[cfg(test)]
mod tests;
