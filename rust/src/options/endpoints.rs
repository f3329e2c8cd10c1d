//! Where an exchange is reached: its addresses, and the proxy on the way. What cannot be connected to is refused here,
//! and no error has the credentials of an address.

use super::{at, refused};
use crate::{
    feed::{
        error::shown,
        exchange,
        proxy::{ProxyRule, destination},
    },
    status::{Error, Result, Status},
    subscription::SubKind,
};
use barter_instrument::exchange::ExchangeId;
use serde::Deserialize;
use std::{collections::HashMap, fmt};
use url::Url;

/// Bases of an exchange's addresses (`scheme://host[:port][/prefix]`); the exchange's own paths are appended.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Endpoint {
    /// `ws://` or `wss://`.
    pub websocket: Option<Url>,
    /// `http://` or `https://`.
    pub rest: Option<Url>,
    /// Paths of the WebSocket, by kind, in place of the exchange's own.
    pub paths: HashMap<SubKind, String>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "an address, or an object with `websocket`, `rest` and `paths`"
)]
pub(super) enum RawEndpoint {
    Websocket(String),
    Addresses(RawAddresses),
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAddresses {
    websocket: Option<String>,
    rest: Option<String>,
    #[serde(default)]
    paths: HashMap<String, String>,
}

pub(super) fn endpoint((name, raw): (String, RawEndpoint)) -> Result<(ExchangeId, Endpoint)> {
    let exchange =
        exchange::named(&name).map_err(|error| at(&format!("endpoints.{name}"), error))?;
    let RawAddresses {
        websocket,
        rest,
        paths,
    } = match raw {
        RawEndpoint::Websocket(address) => RawAddresses {
            websocket: Some(address),
            ..RawAddresses::default()
        },
        RawEndpoint::Addresses(addresses) => addresses,
    };
    let base = |key: &str, address: Option<String>, schemes: [&str; 2]| {
        address
            .map(|a| address_of(&name, key, &a, schemes))
            .transpose()
    };
    Ok((
        exchange,
        Endpoint {
            websocket: base("websocket", websocket, ["ws", "wss"])?,
            rest: base("rest", rest, ["http", "https"])?,
            paths: paths
                .into_iter()
                .map(|path| path_of(exchange, path))
                .collect::<Result<_>>()?,
        },
    ))
}

/// The path of a kind that the exchange has.
fn path_of(exchange: ExchangeId, (kind, path): (String, String)) -> Result<(SubKind, String)> {
    let error = |reason: String| {
        let place = format!("options.endpoints.{}.paths.{kind}", exchange.as_str());
        Error::new(Status::InvalidOption, format!("{place}: {reason}"))
    };
    let kind = SubKind::named(&kind).map_err(|unknown| error(unknown.to_string()))?;
    if exchange::pair(exchange, kind).is_none() {
        let offers = exchange::offers(exchange);
        return Err(error(format!("{} has {offers}", exchange.as_str())));
    }
    if !path.starts_with('/') || path.contains(['?', '#']) {
        return Err(error(format!(
            "{path:?} is no path: it begins with / and has no query"
        )));
    }
    Ok((kind, path))
}

/// An address that can be connected to; the error has none of its credentials.
fn address_of(exchange: &str, key: &str, address: &str, schemes: [&str; 2]) -> Result<Url> {
    let error = |reason: String| refused(&format!("endpoints.{exchange}.{key}"), reason);
    let [plain, secure] = schemes;
    let form = format!("it must begin with {plain}:// or {secure}:// and name a host");
    let url = Url::parse(address)
        .map_err(|reason| error(format!("this is not an address, {form}: {reason}")))?;
    // Without a host whatever follows the first colon is the path, credentials too.
    if !url.has_host() {
        return Err(error(form));
    }
    if !schemes.contains(&url.scheme()) {
        return Err(error(format!("{:?}: {form}", shown(&url))));
    }
    destination(plain, &url).map_err(|reason| error(format!("{:?}: {reason}", shown(&url))))?;
    Ok(url)
}

/// Not printed: an address may have credentials.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the address of a proxy, or false for none")]
pub(super) enum RawProxy {
    Used(bool),
    Address(String),
}

impl fmt::Debug for RawProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawProxy")
    }
}

impl RawProxy {
    pub(super) fn rule(self) -> Result<ProxyRule> {
        let rule = match self {
            Self::Used(false) => Ok(ProxyRule::Direct),
            Self::Used(true) => Err("true names no proxy, give its address".to_owned()),
            Self::Address(address) => ProxyRule::always(&address),
        };
        rule.map_err(|reason| refused("proxy", reason))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;

    #[test]
    fn an_address_alone_is_the_websocket_and_an_object_has_both() {
        let json = r#"{"endpoints":{"kraken":"ws://h:1/p","binance_spot":{"rest":"http://h"}}}"#;
        let endpoints = options(json).unwrap().endpoints;
        let kraken = &endpoints[&ExchangeId::Kraken];
        assert_eq!(kraken.websocket.as_ref().unwrap().as_str(), "ws://h:1/p");
        let binance = &endpoints[&ExchangeId::BinanceSpot];
        assert_eq!((&binance.websocket, binance.rest.is_some()), (&None, true));
    }

    #[test]
    fn an_address_that_cannot_be_connected_to_is_refused_without_its_credentials() {
        for (key, address, words) in [
            (
                "websocket",
                "ws://aladdin:sesame@{host}:1/",
                "\"ws://{host}:1/\": \"{host}\" is no name of a host",
            ),
            (
                "rest",
                "https://aladdin:sesame@ho`st/?key=sesame",
                "\"https://ho`st/\": \"ho`st\" is no name of a host",
            ),
            (
                "websocket",
                "http://aladdin:sesame@h/",
                "\"http://h/\": it must begin with ws:// or wss:// and name a host",
            ),
            (
                "rest",
                "aladdin:sesame@h:1",
                "it must begin with http:// or https:// and name a host",
            ),
            (
                "websocket",
                "wss://aladdin:sesame@h:port",
                "this is not an address, it must begin with ws:// or wss:// and name a host: invalid port",
            ),
        ] {
            let endpoints = serde_json::json!({"endpoints": {"kraken": {key: address}}});
            let error = options(&endpoints.to_string()).unwrap_err();
            assert_eq!(error.status, Status::InvalidOption, "{address}");
            let message = &error.message;
            let begins = format!("options.endpoints.kraken.{key}: {words}");
            assert!(message.starts_with(&begins), "{message}");
            for secret in ["aladdin", "sesame"] {
                assert!(!message.contains(secret), "{message}");
            }
        }
    }
}
