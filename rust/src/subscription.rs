//! Subscriptions: what callers ask for in JSON, checked against what the exchanges offer, and the plan of
//! connections that it makes. Pure functions; nothing here opens anything.

use crate::{
    feed::{exchange, limits},
    instrument::{Instrument, Instruments},
    json::from_json,
    options::{Raw, StreamOptions},
    status::{Error, Result, Status},
};
use barter_data::instrument::MarketInstrumentData;
use barter_instrument::{
    exchange::ExchangeId,
    instrument::{InstrumentIndex, market_data::kind::MarketDataInstrumentKind},
};
use serde::{Deserialize, Serialize, Serializer};
use std::collections::HashSet;

/// The kinds of market data a set has streams of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum SubKind {
    /// Public trades.
    Trades = 1,
    /// Best bid and ask.
    L1 = 2,
    /// Order book snapshots and updates.
    L2 = 3,
    /// Liquidations.
    Liquidations = 4,
}

/// Every kind with its number, its NUL-terminated name, and upstream's spellings.
const KINDS: &[(SubKind, &std::ffi::CStr, &[&str])] = &[
    (
        SubKind::Trades,
        c"trades",
        &["public_trades", "PublicTrades"],
    ),
    (SubKind::L1, c"l1", &["order_books_l1", "OrderBooksL1"]),
    (SubKind::L2, c"l2", &["order_books_l2", "OrderBooksL2"]),
    (SubKind::Liquidations, c"liquidations", &["Liquidations"]),
];

impl SubKind {
    /// Every kind, in the order of its number.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, ..)| *kind)
    }

    /// The kind of this number.
    pub fn from_number(number: u8) -> Option<Self> {
        Self::all().find(|kind| *kind as u8 == number)
    }

    /// The short name, NUL-terminated.
    pub fn c_name(self) -> &'static std::ffi::CStr {
        KINDS[self as usize - 1].1
    }

    /// The short name: `trades`, `l1`, `l2` or `liquidations`.
    pub fn name(self) -> &'static str {
        self.c_name().to_str().expect("the names are ASCII")
    }

    /// The kind of this short name, or of one of upstream's spellings.
    pub fn named(name: &str) -> Result<Self> {
        KINDS
            .iter()
            .find(|(kind, _, aliases)| kind.name() == name || aliases.contains(&name))
            .map(|(kind, ..)| *kind)
            .ok_or_else(|| {
                Error::new(
                    Status::UnknownKind,
                    format!(
                        "no subscription kind is called {name:?}; {}",
                        nearest(name, Self::all().map(SubKind::name))
                    ),
                )
            })
    }
}

impl Serialize for SubKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        self.name().serialize(serializer)
    }
}

/// What connects one socket: an exchange, a kind, and the instruments it carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectionPlan {
    /// The exchange server.
    pub exchange: ExchangeId,
    /// The one kind of market data.
    pub kind: SubKind,
    /// At least one, each once.
    pub instruments: Vec<MarketInstrumentData<InstrumentIndex>>,
}

/// A checked request: its options and the connections it takes.
#[derive(Debug)]
pub struct Request {
    /// The options.
    pub options: StreamOptions,
    /// One connection a batch, exchange and kind, in the order of first appearance; several where the exchange
    /// does not let one carry so much.
    pub connections: Vec<ConnectionPlan>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRequest {
    batches: Vec<Vec<RawSubscription>>,
    #[serde(default)]
    options: Raw,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBatches {
    batches: Vec<Vec<RawSubscription>>,
}

/// An instrument as callers write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawInstrument {
    exchange: String,
    base: String,
    quote: String,
    #[serde(default)]
    instrument_kind: Option<MarketDataInstrumentKind>,
    #[serde(default)]
    name_exchange: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSubscription {
    exchange: String,
    base: String,
    quote: String,
    #[serde(default)]
    instrument_kind: Option<MarketDataInstrumentKind>,
    #[serde(default)]
    name_exchange: Option<String>,
    #[serde(alias = "type")]
    kind: String,
}

/// Parses and checks a request; registers its instruments in the order of their first appearance.
pub fn parse_request(json: &str, instruments: &Instruments) -> Result<Request> {
    let raw: RawRequest = from_json(json)?;
    let options = raw.options.checked()?;
    let connections = connections(checked(raw.batches)?, instruments, options.snapshot_depth);
    Ok(Request {
        options,
        connections,
    })
}

/// What is asked for, by batch.
pub type Batches = Vec<Vec<(SubKind, Instrument)>>;

/// Parses and checks batches alone, `{"batches": …}`, and registers nothing.
pub fn parse_batches(json: &str) -> Result<Batches> {
    let raw: RawBatches = from_json(json)?;
    checked(raw.batches)
}

fn checked(batches: Vec<Vec<RawSubscription>>) -> Result<Batches> {
    if batches.iter().all(Vec::is_empty) {
        return Err(Error::new(
            Status::NoSubscriptions,
            "there is nothing to subscribe to: every batch is empty",
        ));
    }
    let batch = |(number, batch): (usize, Vec<RawSubscription>)| {
        let subscription = |(place, subscription): (usize, RawSubscription)| {
            subscription.checked().map_err(|error| {
                let at = format!("batches[{number}][{place}]");
                Error::new(error.status, format!("{at}: {error}"))
            })
        };
        batch.into_iter().enumerate().map(subscription).collect()
    };
    batches.into_iter().enumerate().map(batch).collect()
}

/// The connections that batches take; registers their instruments in the order of their first appearance.
pub fn connections(
    batches: Batches,
    instruments: &Instruments,
    snapshot_depth: Option<u32>,
) -> Vec<ConnectionPlan> {
    let mut seen = HashSet::new();
    let mut connections: Vec<ConnectionPlan> = Vec::new();
    for batch in batches {
        let first_of_batch = connections.len();
        for (kind, instrument) in batch {
            let exchange = instrument.exchange;
            let instrument = instruments.market_data(instrument);
            if !seen.insert((kind, instrument.key)) {
                continue;
            }
            let plan = connections[first_of_batch..]
                .iter_mut()
                .find(|plan| plan.exchange == exchange && plan.kind == kind);
            match plan {
                Some(plan) => plan.instruments.push(instrument),
                None => connections.push(ConnectionPlan {
                    exchange,
                    kind,
                    instruments: vec![instrument],
                }),
            }
        }
    }
    connections
        .into_iter()
        .flat_map(|plan| limits::connections(plan, snapshot_depth))
        .collect()
}

/// Parses and checks one instrument object.
pub fn parse_instrument(json: &str) -> Result<Instrument> {
    from_json::<RawInstrument>(json)?.checked()
}

impl RawSubscription {
    fn checked(self) -> Result<(SubKind, Instrument)> {
        let kind = SubKind::named(&self.kind)?;
        let instrument = RawInstrument {
            exchange: self.exchange,
            base: self.base,
            quote: self.quote,
            instrument_kind: self.instrument_kind,
            name_exchange: self.name_exchange,
        }
        .checked()?;
        if !exchange::supports(instrument.exchange, &instrument.kind, kind) {
            let offered = exchange::offers(instrument.exchange);
            return Err(Error::new(
                Status::Unsupported,
                format!(
                    "{} has no {} of {} instruments; it has {offered}",
                    instrument.exchange.as_str(),
                    kind.name(),
                    exchange::kind_name(&instrument.kind),
                ),
            ));
        }
        Ok((kind, instrument))
    }
}

impl RawInstrument {
    fn checked(self) -> Result<Instrument> {
        let exchange = exchange::named(&self.exchange)?;
        for (key, value) in [("base", &self.base), ("quote", &self.quote)] {
            let plain = |c: char| !c.is_whitespace() && !c.is_control();
            if value.is_empty() || !value.chars().all(plain) {
                return Err(Error::new(
                    Status::InvalidInstrument,
                    format!("{key}: {value:?} is not the name of an asset"),
                ));
            }
        }
        if self.name_exchange.as_deref() == Some("") {
            return Err(Error::new(
                Status::InvalidInstrument,
                "name_exchange: it is empty; leave it out for the exchange's usual name",
            ));
        }
        let kind = match self.instrument_kind {
            Some(kind) => kind,
            None => exchange::only_instrument_kind(exchange).ok_or_else(|| {
                Error::new(
                    Status::InvalidInstrument,
                    format!(
                        "instrument_kind: {} has instruments of several kinds, or kinds with terms; name one of {}",
                        exchange.as_str(),
                        exchange::instrument_kind_names(exchange).join(", "),
                    ),
                )
            })?,
        };
        Ok(Instrument::new(
            exchange,
            &self.base,
            &self.quote,
            kind,
            self.name_exchange.as_deref(),
        ))
    }
}

/// "did you mean …" with the names nearest to `name`, or all of them where none is near.
pub(crate) fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut scored: Vec<(f64, &str)> = names
        .map(|known| (strsim::jaro_winkler(&name.to_lowercase(), known), known))
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let near: Vec<&str> = scored
        .iter()
        .filter(|(score, _)| *score > 0.75)
        .take(3)
        .map(|(_, known)| *known)
        .collect();
    if near.is_empty() {
        let all: Vec<&str> = scored.iter().map(|(_, known)| *known).collect();
        format!("there are {}", all.join(", "))
    } else {
        format!("did you mean {}?", near.join(" or "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(batches: &str) -> Result<Request> {
        let json = batches
            .replace("BTC", r#"{"exchange":"binance_spot","base":"BTC","quote":"usdt","kind":"trades"}"#)
            .replace("ETH", r#"{"exchange":"binance_spot","base":"eth","quote":"usdt","kind":"PublicTrades"}"#)
            .replace("BOOK", r#"{"exchange":"binance_spot","base":"btc","quote":"usdt","type":"order_books_l2"}"#);
        parse_request(&format!(r#"{{"batches":{json}}}"#), &Instruments::default())
    }

    fn plans(batches: &str) -> Vec<(SubKind, Vec<usize>)> {
        let connections = request(batches).unwrap().connections;
        let keys = |plan: ConnectionPlan| plan.instruments.iter().map(|i| i.key.0).collect();
        connections
            .into_iter()
            .map(|plan| (plan.kind, keys(plan)))
            .collect()
    }

    #[test]
    fn a_batch_is_a_connection_of_each_exchange_and_kind_and_a_repetition_is_none() {
        use SubKind::{L2, Trades};
        assert_eq!(plans("[[BTC,ETH]]"), [(Trades, vec![0, 1])]);
        assert_eq!(
            plans("[[BTC],[ETH]]"),
            [(Trades, vec![0]), (Trades, vec![1])]
        );
        assert_eq!(plans("[[BTC,BTC],[BTC]]"), [(Trades, vec![0])]);
        assert_eq!(
            plans("[[ETH,BOOK,BTC]]"),
            [(Trades, vec![0, 1]), (L2, vec![1])]
        );
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        let error = request("[[BTC],[BTC,{}]]").unwrap_err();
        assert_eq!(error.status, Status::InvalidJson);
        assert!(
            error.message.starts_with("batches[1][1]: missing field"),
            "{error}"
        );
        let error =
            request(r#"[[{"exchange":"gateio_options","base":"b","quote":"q","kind":"trades"}]]"#);
        let error = error.unwrap_err();
        assert_eq!(error.status, Status::InvalidInstrument);
        assert!(
            error.message.contains("batches[0][0]: instrument_kind"),
            "{error}"
        );
        assert_eq!(
            request("[[],[]]").unwrap_err().status,
            Status::NoSubscriptions
        );
    }

    #[test]
    fn the_nearest_names_are_offered_or_all_of_them() {
        let names = || ["trades", "l1", "l2"].into_iter();
        assert_eq!(nearest("trade", names()), "did you mean trades?");
        assert_eq!(nearest("zzz", names()), "there are trades, l1, l2");
    }
}
