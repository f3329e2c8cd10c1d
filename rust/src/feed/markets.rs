//! The markets that an exchange has, from the list that it publishes over HTTP. One request for each list, page and
//! underlying, each within its time and of bounded size; what goes wrong is told with exchange, address, HTTP status
//! and the exchange's words.

mod lists;
mod shapes;

use super::{
    exchange::{self, InstrumentClass},
    http::{self, Client},
};
use crate::{
    json::from_json,
    options::{Raw, StreamOptions},
    status::{Error, Result, Status},
    subscription::nearest,
};
use barter_instrument::{
    exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind,
};
use lists::{List, Paging};
use serde::{Deserialize, Serialize};
use shapes::{Page, Unread};
use smol_str::SmolStr;
use url::Url;

/// Pages of one list that are asked for at most.
const PAGES_MAX: usize = 100;

/// One market that an exchange lists and that trades now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Market {
    /// The market's name on the exchange, as subscriptions have it in `name_exchange`.
    pub name: SmolStr,
    /// Base asset, lower case, by its usual name.
    pub base: SmolStr,
    /// Quote asset, likewise.
    pub quote: SmolStr,
    /// Spot, perpetual, future or option, in upstream's serde form.
    #[serde(rename = "instrument_kind")]
    pub kind: MarketDataInstrumentKind,
}

/// A checked request for an exchange's markets.
#[derive(Debug)]
pub struct Query {
    /// The exchange server.
    pub exchange: ExchangeId,
    /// The one kind wanted, all that the exchange has where `None`.
    pub class: Option<InstrumentClass>,
    /// Where the exchange is, and the time for one answer.
    pub options: StreamOptions,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawQuery {
    exchange: String,
    #[serde(default)]
    instrument_kind: Option<String>,
    #[serde(default)]
    options: Raw,
}

impl Query {
    /// Parses and checks `{"exchange", "instrument_kind", "options"}`.
    pub fn parse(json: &str) -> Result<Self> {
        let raw: RawQuery = from_json(json)?;
        let exchange = exchange::named(&raw.exchange)?;
        let class = match raw.instrument_kind {
            Some(name) => Some(class_named(exchange, &name)?),
            None => None,
        };
        Ok(Self {
            exchange,
            class,
            options: raw.options.checked()?,
        })
    }
}

fn class_named(exchange: ExchangeId, name: &str) -> Result<InstrumentClass> {
    let class = InstrumentClass::ALL
        .iter()
        .find(|class| class.name() == name);
    let Some(class) = class else {
        let names = InstrumentClass::ALL.iter().map(|class| class.name());
        let offer = nearest(name, names);
        return Err(Error::new(
            Status::UnknownKind,
            format!("no instrument kind is called {name:?}; {offer}"),
        ));
    };
    let offered = exchange::instrument_kind_names(exchange);
    if !offered.contains(&name) {
        return Err(Error::new(
            Status::Unsupported,
            format!(
                "{} has no {name} instruments; it has {}",
                exchange.as_str(),
                offered.join(", ")
            ),
        ));
    }
    Ok(*class)
}

/// The base of an exchange's REST addresses where its lists are.
pub(crate) fn rest_base(exchange: ExchangeId) -> Option<&'static str> {
    let own = exchange::by_id(exchange).and_then(|row| row.rest);
    own.or_else(|| lists::of(exchange).map(|source| source.rest))
}

/// The markets that the exchange lists, in its order.
pub async fn fetch(query: &Query) -> Result<Vec<Market>> {
    let (Some(source), Some(base)) = (lists::of(query.exchange), rest_base(query.exchange)) else {
        let exchange = query.exchange.as_str();
        let message = format!("{exchange} publishes no list of its markets");
        return Err(Error::new(Status::Unsupported, message));
    };
    let given = query.options.endpoints.get(&query.exchange);
    let given = given.and_then(|endpoint| endpoint.rest.clone());
    let own = || Url::parse(base).expect("the addresses in the table are valid");
    let base = given.unwrap_or_else(own);
    let fetcher = Fetcher {
        exchange: query.exchange,
        client: http::client(&query.options, &base, query.options.subscribe_timeout),
        base,
        document: source.document,
    };
    let wanted = |list: &&List| query.class.is_none_or(|class| class == list.class);
    let mut markets = Vec::new();
    for list in source.lists.iter().filter(wanted) {
        fetcher.list(list, &mut markets).await?;
    }
    Ok(markets)
}

struct Fetcher {
    exchange: ExchangeId,
    base: Url,
    client: std::result::Result<Client, String>,
    /// What says how the answers read.
    document: &'static str,
}

impl Fetcher {
    async fn list(&self, list: &List, markets: &mut Vec<Market>) -> Result<()> {
        let address = self.address_of(list.path);
        let Some(parts) = &list.parts else {
            return self.pages(list, address, markets).await;
        };
        let names = self.address_of(parts.path);
        let names = self.read(names, |body| (parts.read)(body)).await?;
        for name in names {
            let mut address = address.clone();
            address.query_pairs_mut().append_pair(parts.key, &name);
            self.pages(list, address, markets).await?;
        }
        Ok(())
    }

    async fn pages(&self, list: &List, first: Url, markets: &mut Vec<Market>) -> Result<()> {
        let mut address = first.clone();
        let mut rows = 0;
        for _ in 0..PAGES_MAX {
            let page: Page = self.read(address, |body| (list.read)(body)).await?;
            markets.extend(page.markets);
            rows += page.rows;
            let next = match list.paging {
                Paging::One => None,
                Paging::Cursor => page.cursor.map(|cursor| ("cursor", cursor)),
                Paging::Offset { limit } => {
                    (page.rows >= limit).then(|| ("offset", rows.to_string()))
                }
            };
            let Some((key, value)) = next else {
                return Ok(());
            };
            address = first.clone();
            address.query_pairs_mut().append_pair(key, &value);
        }
        Err(self.failed(&first, format!("it has more than {PAGES_MAX} pages")))
    }

    async fn read<T>(
        &self,
        address: Url,
        read: impl FnOnce(&[u8]) -> std::result::Result<T, Unread>,
    ) -> Result<T> {
        let failed = |reason| self.failed(&address, reason);
        let client = self
            .client
            .as_ref()
            .map_err(|reason| failed(reason.clone()))?;
        let answer = http::get(client, address.clone()).await;
        let answer = answer.map_err(failed)?;
        if let Some(reason) = answer.refusal() {
            return Err(failed(reason));
        }
        read(&answer.body).map_err(|error| match error {
            Unread::Refused(words) => failed(format!("the exchange refuses: {words}")),
            Unread::Shape(error) => failed(format!(
                "not as {} has it ({error}): {}",
                self.document,
                answer.quoted()
            )),
        })
    }

    fn address_of(&self, path_and_query: &str) -> Url {
        let (path, query) = match path_and_query.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (path_and_query, None),
        };
        let mut address = self.base.clone();
        let prefix = address.path().trim_end_matches('/').to_owned();
        address.set_path(&format!("{prefix}{path}"));
        address.set_query(query);
        address
    }

    fn failed(&self, address: &Url, reason: String) -> Error {
        let exchange = self.exchange.as_str();
        Error::new(
            Status::MarketsFailed,
            format!("{exchange}: no list of markets from {address}: {reason}"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::exchange::EXCHANGES;

    fn query(json: &str) -> Result<Query> {
        Query::parse(json)
    }

    #[test]
    fn every_exchange_has_a_list_of_each_kind_of_its_instruments() {
        for row in EXCHANGES {
            let source = lists::of(row.id).expect("it publishes one");
            let mut listed: Vec<_> = source.lists.iter().map(|list| list.class.name()).collect();
            listed.dedup();
            assert_eq!(listed, exchange::instrument_kind_names(row.id), "{row:?}");
            assert!(row.rest.is_none_or(|rest| rest == source.rest), "{row:?}");
            assert!(source.document.starts_with("https://"), "{row:?}");
        }
    }

    #[test]
    fn a_query_names_an_exchange_and_a_kind_that_it_has() {
        let all = query(r#"{"exchange":"okx"}"#).unwrap();
        assert_eq!((all.exchange, all.class), (ExchangeId::Okx, None));
        let one = query(r#"{"exchange":"okx","instrument_kind":"option"}"#).unwrap();
        assert_eq!(one.class, Some(InstrumentClass::Option));
        for (json, status, words) in [
            (r#"{"exchange":"okex"}"#, Status::UnknownExchange, "okx"),
            (
                r#"{"exchange":"okx","instrument_kind":"swap"}"#,
                Status::UnknownKind,
                "perpetual",
            ),
            (
                r#"{"exchange":"kraken","instrument_kind":"future"}"#,
                Status::Unsupported,
                "kraken has no future instruments; it has spot",
            ),
            (r#"{"exchang":"okx"}"#, Status::InvalidJson, "exchang"),
        ] {
            let error = query(json).unwrap_err();
            assert_eq!(error.status, status, "{error}");
            assert!(error.message.contains(words), "{error}");
        }
    }
}
