//! The options of a set of streams, parsed from JSON and checked here once for every caller. Keys are only ever
//! added; an unknown one is an error that names its path.

use crate::{
    feed::{
        error::shown,
        exchange,
        proxy::{ProxyRule, destination},
        trust::Trust,
    },
    status::{Error, Result, Status},
    subscription::SubKind,
};
use barter_instrument::exchange::ExchangeId;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::error::Category;
use std::{collections::HashMap, fmt, time::Duration};
use url::Url;

/// How a set of streams connects, reconnects and queues.
#[derive(Debug, Clone)]
pub struct StreamOptions {
    /// Whether every connection must open at first.
    pub start: Start,
    /// Bound on TCP, TLS and upgrade of one connection.
    pub connect_timeout: Duration,
    /// Bound on the whole handshake after it: acknowledgements and snapshots.
    pub subscribe_timeout: Duration,
    /// Addresses other than the exchanges' own.
    pub endpoints: HashMap<ExchangeId, Endpoint>,
    /// Which connections take a proxy; as the environment says unless given.
    pub proxy: ProxyRule,
    /// Whom TLS trusts.
    pub trust: Trust,
    /// The longest message that is read of a WebSocket, in bytes; a longer one ends its connection.
    pub max_message_size: usize,
    /// Bounds and policies of the streams' queues.
    pub queues: Queues,
    /// Delays between attempts to reconnect.
    pub reconnect: ReconnectPolicy,
    /// Pings of ours, and how long a connection may bring no frame.
    pub keepalive: Keepalive,
    /// When a subscription without data is told of.
    pub silence: SilenceOptions,
    /// Levels a side asked of an order book snapshot; the exchange's largest sensible where `None`.
    pub snapshot_depth: Option<u32>,
}

impl StreamOptions {
    /// How long a connection takes at most to fail once its turn to open has come.
    pub(crate) fn patience(&self) -> Duration {
        self.connect_timeout.saturating_add(self.subscribe_timeout)
    }
}

impl Default for StreamOptions {
    fn default() -> Self {
        Raw::default()
            .checked()
            .expect("the defaults are within their ranges")
    }
}

/// Whether every connection must open at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Start {
    /// One that fails makes the initialisation fail.
    #[default]
    All,
    /// One that fails is reported in its stream and retried; the initialisation fails only if none opens.
    Any,
}

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

/// Bounds of a queue, whichever is reached first, what happens then, and how its reader waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueOptions {
    /// Events and errors, at least 1.
    pub capacity: usize,
    /// Bytes of events, levels and text, at least 4096.
    pub max_bytes: usize,
    /// What happens when the queue is full.
    pub policy: QueuePolicy,
    /// How long a reader looks again and again before it sleeps.
    pub spin: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            max_bytes: 64 << 20,
            policy: QueuePolicy::DropOldest,
            spin: Duration::ZERO,
        }
    }
}

/// What happens when a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueuePolicy {
    /// The oldest chunk goes, and a `Dropped` notice stands in its place.
    #[default]
    DropOldest,
    /// What does not fit is refused, and a `Dropped` notice stands in its place.
    DropNewest,
    /// Nothing more is read from the sockets until there is room.
    Block,
    /// Also before it is full: the newest best bid and ask of an instrument takes the place of the one that waits, and
    /// order book events become one snapshot. What is replaced is counted in a `Dropped` notice.
    Conflate,
    /// What waits is delivered, then an error that says why, then the stream ends.
    Close,
}

impl QueuePolicy {
    /// The name it has in the options.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop_oldest",
            Self::DropNewest => "drop_newest",
            Self::Block => "block",
            Self::Conflate => "conflate",
            Self::Close => "close",
        }
    }
}

/// The options of each kind's queues.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    every: QueueOptions,
    of: HashMap<SubKind, QueueOptions>,
}

impl Queues {
    /// The options of the queues of a kind.
    pub fn of(&self, kind: SubKind) -> QueueOptions {
        self.of.get(&kind).copied().unwrap_or(self.every)
    }

    /// Refuses a policy that does not go with the kind of a stream there will be.
    pub(crate) fn check(&self, kinds: impl IntoIterator<Item = SubKind>) -> Result<()> {
        kinds
            .into_iter()
            .try_for_each(|kind| fits("queue", kind, self.of(kind).policy))
    }
}

/// Conflation is only for what the newest of says all.
fn fits(path: &str, kind: SubKind, policy: QueuePolicy) -> Result<()> {
    if policy != QueuePolicy::Conflate || matches!(kind, SubKind::L1 | SubKind::L2) {
        return Ok(());
    }
    Err(Error::new(
        Status::InvalidOption,
        format!(
            "options.{path}.policy: conflate is for l1 and l2, of which the newest says all; every one of the {} counts",
            kind.name()
        ),
    ))
}

impl From<QueueOptions> for Queues {
    fn from(every: QueueOptions) -> Self {
        Self {
            every,
            of: HashMap::new(),
        }
    }
}

/// How a connection is known to be alive: whatever frame comes, the pong to a ping included, says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Time between our WebSocket pings.
    pub interval: Duration,
    /// Without a frame for so long a connection is dead.
    pub timeout: Duration,
}

/// When a subscription that brings no data is told of, and whether its connection is opened again then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SilenceOptions {
    /// The time without data after which a subscription counts as silent; never where a kind has none.
    pub limits: HashMap<SubKind, Duration>,
    /// Whether a silence ends the connection.
    pub reconnect: bool,
}

impl SilenceOptions {
    /// The limit of this kind.
    pub fn limit(&self, kind: SubKind) -> Option<Duration> {
        self.limits.get(&kind).copied()
    }
}

/// The time without data that is told of unless the options say otherwise; 0 is never. A whole order book that
/// nobody changes is rare even in small markets, a best price may stand for minutes. Nobody promises a trade or a
/// liquidation in any time: a number for those would be wrong in most markets.
fn silence_ms(kind: SubKind) -> u64 {
    match kind {
        SubKind::Trades | SubKind::Liquidations => 0,
        SubKind::L1 => 300_000,
        SubKind::L2 => 60_000,
    }
}

/// When attempts to reconnect are made. The longest delay is `initial`, then each time `multiplier` times the last, up
/// to `max`; the delay is drawn from its last part, `jitter` of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ReconnectPolicy {
    /// The longest first delay.
    pub initial: Duration,
    /// At least 1.
    pub multiplier: f64,
    /// The longest delay of all.
    pub max: Duration,
    /// The part of a delay that is random: 0 is none, 1 is all ("full jitter", which may be no delay).
    pub jitter: f64,
    /// Attempts in a row after which a connection is given up; never where `None`.
    pub max_attempts: Option<u32>,
    /// A connection that is open for so long makes the delays begin anew.
    pub stable: Duration,
}

impl Default for ReconnectPolicy {
    fn default() -> Self {
        let checked = RawReconnect::default().checked();
        checked.expect("the defaults are within their ranges")
    }
}

/// The options as they stand in JSON.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Raw {
    start: Start,
    connect_timeout_ms: u64,
    subscribe_timeout_ms: u64,
    endpoints: HashMap<String, RawEndpoint>,
    proxy: Option<RawProxy>,
    ca_file: Option<String>,
    max_message_size: usize,
    queue: RawQueue,
    queues: HashMap<String, RawQueue>,
    reconnect: RawReconnect,
    keepalive_ms: u64,
    keepalive_timeout_ms: Option<u64>,
    silence_ms: RawSilence,
    silence_reconnect: bool,
    snapshot_depth: Option<u32>,
}

impl Default for Raw {
    fn default() -> Self {
        Self {
            start: Start::All,
            connect_timeout_ms: 10_000,
            subscribe_timeout_ms: 10_000,
            endpoints: HashMap::new(),
            proxy: None,
            ca_file: None,
            max_message_size: 16 << 20,
            queue: RawQueue::default(),
            queues: HashMap::new(),
            reconnect: RawReconnect::default(),
            keepalive_ms: 15_000,
            keepalive_timeout_ms: None,
            silence_ms: RawSilence::Kinds(HashMap::new()),
            silence_reconnect: false,
            snapshot_depth: None,
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawQueue {
    capacity: Option<usize>,
    max_bytes: Option<usize>,
    policy: QueuePolicy,
    spin_us: u64,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "an address, or an object with `websocket`, `rest` and `paths`"
)]
enum RawEndpoint {
    Websocket(String),
    Addresses(RawAddresses),
}

/// Not printed: an address may have credentials.
#[derive(Deserialize)]
#[serde(untagged, expecting = "the address of a proxy, or false for none")]
enum RawProxy {
    Used(bool),
    Address(String),
}

impl fmt::Debug for RawProxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RawProxy")
    }
}

impl RawProxy {
    fn rule(self) -> Result<ProxyRule> {
        let rule = match self {
            Self::Used(false) => Ok(ProxyRule::Direct),
            Self::Used(true) => Err("true names no proxy, give its address".to_owned()),
            Self::Address(address) => ProxyRule::always(&address),
        };
        rule.map_err(|reason| refused("proxy", reason))
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawAddresses {
    websocket: Option<String>,
    rest: Option<String>,
    #[serde(default)]
    paths: HashMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a number of ms, or an object of kinds with a number of ms each"
)]
enum RawSilence {
    Every(u64),
    Kinds(HashMap<String, u64>),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RawReconnect {
    initial_ms: u64,
    multiplier: f64,
    max_ms: u64,
    jitter: f64,
    max_attempts: Option<u32>,
    stable_ms: u64,
}

impl Default for RawReconnect {
    fn default() -> Self {
        Self {
            initial_ms: 250,
            multiplier: 3.0,
            max_ms: 60_000,
            jitter: 0.8,
            max_attempts: None,
            stable_ms: 30_000,
        }
    }
}

const MS_MAX: u64 = 86_400_000;
const SPIN_US_MAX: u64 = 1_000_000;

impl Raw {
    /// The options, every value within its range.
    pub(crate) fn checked(self) -> Result<StreamOptions> {
        check(
            "max_message_size",
            (1024..=1 << 30).contains(&self.max_message_size),
            self.max_message_size,
            "from 1024 to 1073741824 bytes",
        )?;
        if let Some(depth) = self.snapshot_depth {
            check(
                "snapshot_depth",
                (1..=5000).contains(&depth),
                depth,
                "from 1 to 5000 levels",
            )?;
        }
        Ok(StreamOptions {
            start: self.start,
            connect_timeout: ms("connect_timeout_ms", self.connect_timeout_ms)?,
            subscribe_timeout: ms("subscribe_timeout_ms", self.subscribe_timeout_ms)?,
            endpoints: self
                .endpoints
                .into_iter()
                .map(endpoint)
                .collect::<Result<_>>()?,
            proxy: match self.proxy {
                Some(proxy) => proxy.rule()?,
                None => ProxyRule::from_environment(),
            },
            trust: match self.ca_file {
                Some(path) => Trust::with_file(&path).map_err(|e| refused("ca_file", e))?,
                None => Trust::default(),
            },
            max_message_size: self.max_message_size,
            queues: Queues {
                every: self.queue.checked("queue")?,
                of: self
                    .queues
                    .into_iter()
                    .map(queue_of)
                    .collect::<Result<_>>()?,
            },
            reconnect: self.reconnect.checked()?,
            keepalive: keepalive(self.keepalive_ms, self.keepalive_timeout_ms)?,
            silence: SilenceOptions {
                limits: self.silence_ms.limits()?,
                reconnect: self.silence_reconnect,
            },
            snapshot_depth: self.snapshot_depth,
        })
    }
}

impl RawReconnect {
    fn checked(self) -> Result<ReconnectPolicy> {
        check(
            "reconnect.multiplier",
            (1.0..=100.0).contains(&self.multiplier),
            self.multiplier,
            "from 1 to 100",
        )?;
        check(
            "reconnect.max_ms",
            self.max_ms >= self.initial_ms,
            self.max_ms,
            "no less than reconnect.initial_ms",
        )?;
        check(
            "reconnect.jitter",
            (0.0..=1.0).contains(&self.jitter),
            self.jitter,
            "from 0 to 1",
        )?;
        Ok(ReconnectPolicy {
            initial: ms("reconnect.initial_ms", self.initial_ms)?,
            multiplier: self.multiplier,
            max: ms("reconnect.max_ms", self.max_ms)?,
            jitter: self.jitter,
            max_attempts: self.max_attempts,
            stable: ms("reconnect.stable_ms", self.stable_ms)?,
        })
    }
}

impl RawSilence {
    /// The limits of the kinds that have one.
    fn limits(self) -> Result<HashMap<SubKind, Duration>> {
        let mut limits = HashMap::new();
        for kind in SubKind::all() {
            limits.insert(kind, silence_ms(kind));
        }
        match self {
            Self::Every(limit_ms) => limits.values_mut().for_each(|limit| *limit = limit_ms),
            Self::Kinds(kinds) => {
                for (name, limit_ms) in kinds {
                    let kind = SubKind::named(&name).map_err(|error| {
                        let message = format!("options.silence_ms.{name}: {error}");
                        Error::new(error.status, message)
                    })?;
                    limits.insert(kind, limit_ms);
                }
            }
        }
        limits.retain(|_, limit_ms| *limit_ms > 0);
        let limit = |(kind, limit_ms)| Ok((kind, ms("silence_ms", limit_ms)?));
        limits.into_iter().map(limit).collect()
    }
}

fn keepalive(interval_ms: u64, timeout_ms: Option<u64>) -> Result<Keepalive> {
    let interval = ms("keepalive_ms", interval_ms)?;
    let timeout = match timeout_ms {
        Some(timeout_ms) => ms("keepalive_timeout_ms", timeout_ms)?,
        None => 2 * interval,
    };
    check(
        "keepalive_timeout_ms",
        timeout > interval,
        timeout.as_millis(),
        "more than keepalive_ms",
    )?;
    Ok(Keepalive { interval, timeout })
}

fn ms(path: &str, value: u64) -> Result<Duration> {
    check(
        path,
        (1..=MS_MAX).contains(&value),
        value,
        "from 1 to 86400000 ms",
    )?;
    Ok(Duration::from_millis(value))
}

impl RawQueue {
    fn checked(self, path: &str) -> Result<QueueOptions> {
        let default = QueueOptions::default();
        let capacity = self.capacity.unwrap_or(default.capacity);
        let max_bytes = self.max_bytes.unwrap_or(default.max_bytes);
        check(
            &format!("{path}.capacity"),
            (1..=1 << 30).contains(&capacity),
            capacity,
            "from 1 to 1073741824 events",
        )?;
        check(
            &format!("{path}.max_bytes"),
            (4096..=1 << 40).contains(&max_bytes),
            max_bytes,
            "from 4096 to 1099511627776 bytes",
        )?;
        check(
            &format!("{path}.spin_us"),
            self.spin_us <= SPIN_US_MAX,
            self.spin_us,
            "from 0 to 1000000 microseconds",
        )?;
        Ok(QueueOptions {
            capacity,
            max_bytes,
            policy: self.policy,
            spin: Duration::from_micros(self.spin_us),
        })
    }
}

fn queue_of((kind, raw): (String, RawQueue)) -> Result<(SubKind, QueueOptions)> {
    let path = format!("queues.{kind}");
    let kind = SubKind::named(&kind)
        .map_err(|error| Error::new(error.status, format!("options.{path}: {error}")))?;
    let options = raw.checked(&path)?;
    fits(&path, kind, options.policy)?;
    Ok((kind, options))
}

fn check(path: &str, holds: bool, value: impl std::fmt::Display, range: &str) -> Result<()> {
    if holds {
        return Ok(());
    }
    let reason = format!("{value} is out of range, it must be {range}");
    Err(refused(path, reason))
}

fn refused(path: &str, reason: String) -> Error {
    Error::new(Status::InvalidOption, format!("options.{path}: {reason}"))
}

fn endpoint((name, raw): (String, RawEndpoint)) -> Result<(ExchangeId, Endpoint)> {
    let exchange = exchange::named(&name)
        .map_err(|error| Error::new(error.status, format!("options.endpoints.{name}: {error}")))?;
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

/// Parses JSON into `T`; what does not fit is an error that names its path.
pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        let message = match reason.classify() {
            Category::Syntax | Category::Eof => format!("malformed JSON: {reason}"),
            _ if path == "." => format!("JSON of another shape: {reason}"),
            _ => format!("{path}: {reason}"),
        };
        Error::new(Status::InvalidJson, message)
    })?;
    deserializer
        .end()
        .map_err(|error| Error::new(Status::InvalidJson, format!("malformed JSON: {error}")))?;
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(json: &str) -> Result<StreamOptions> {
        from_json::<Raw>(json)?.checked()
    }

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

    #[test]
    fn what_is_left_out_has_its_default() {
        let default = options("{}").unwrap();
        let seconds = Duration::from_secs;
        assert_eq!(default.start, Start::All);
        assert_eq!(
            (default.connect_timeout, default.subscribe_timeout),
            (seconds(10), seconds(10))
        );
        assert!(default.endpoints.is_empty());
        assert_eq!(default.max_message_size, 16 * 1024 * 1024);
        let queue = QueueOptions {
            capacity: 65_536,
            max_bytes: 64 * 1024 * 1024,
            policy: QueuePolicy::DropOldest,
            spin: Duration::ZERO,
        };
        for kind in SubKind::all() {
            assert_eq!(default.queues.of(kind), queue, "{}", kind.name());
        }
        let reconnect = ReconnectPolicy {
            initial: Duration::from_millis(250),
            multiplier: 3.0,
            max: seconds(60),
            jitter: 0.8,
            max_attempts: None,
            stable: seconds(30),
        };
        assert_eq!(default.reconnect, reconnect);
        let keepalive = |options: StreamOptions| {
            let Keepalive { interval, timeout } = options.keepalive;
            (interval.as_millis(), timeout.as_millis())
        };
        assert!(!default.silence.reconnect);
        assert_eq!(default.snapshot_depth, None);
        assert_eq!(keepalive(default), (15_000, 30_000));
        assert_eq!(
            keepalive(options(r#"{"keepalive_ms":70}"#).unwrap()),
            (70, 140)
        );
    }

    #[test]
    fn a_value_out_of_range_is_refused_by_its_path() {
        for (json, path) in [
            (r#"{"queue":{"capacity":0}}"#, "options.queue.capacity: 0"),
            (r#"{"queue":{"max_bytes":1}}"#, "options.queue.max_bytes: 1"),
            (
                r#"{"connect_timeout_ms":0}"#,
                "options.connect_timeout_ms: 0",
            ),
            (
                r#"{"reconnect":{"multiplier":0.5}}"#,
                "options.reconnect.multiplier: 0.5",
            ),
            (
                r#"{"reconnect":{"initial_ms":9,"max_ms":8}}"#,
                "options.reconnect.max_ms: 8",
            ),
            (
                r#"{"reconnect":{"jitter":1.5}}"#,
                "options.reconnect.jitter: 1.5",
            ),
            (
                r#"{"reconnect":{"stable_ms":0}}"#,
                "options.reconnect.stable_ms: 0",
            ),
            (r#"{"keepalive_ms":0}"#, "options.keepalive_ms: 0"),
            (
                r#"{"keepalive_ms":5,"keepalive_timeout_ms":5}"#,
                "options.keepalive_timeout_ms: 5",
            ),
            (r#"{"snapshot_depth":0}"#, "options.snapshot_depth: 0"),
            (
                r#"{"max_message_size":1023}"#,
                "options.max_message_size: 1023",
            ),
            (
                r#"{"proxy":"ftp://u:secret@h"}"#,
                "options.proxy: it is no address of a proxy",
            ),
            (r#"{"proxy":true}"#, "options.proxy: true names no proxy"),
            (
                r#"{"ca_file":"/no/such/file"}"#,
                "options.ca_file: \"/no/such/file\" cannot be read",
            ),
            (
                r#"{"endpoints":{"kraken":"http://h"}}"#,
                "options.endpoints.kraken.websocket",
            ),
            (
                r#"{"endpoints":{"kraken":"nonsense"}}"#,
                "options.endpoints.kraken.websocket",
            ),
            (
                r#"{"endpoints":{"kraken":{"paths":{"trade":"/"}}}}"#,
                "options.endpoints.kraken.paths.trade: no subscription kind",
            ),
            (
                r#"{"endpoints":{"kraken":{"paths":{"l2":"/"}}}}"#,
                "options.endpoints.kraken.paths.l2: kraken has trades, l1",
            ),
            (
                r#"{"endpoints":{"kraken":{"paths":{"l1":"ws"}}}}"#,
                "options.endpoints.kraken.paths.l1: \"ws\" is no path",
            ),
        ] {
            let error = options(json).unwrap_err();
            assert_eq!(error.status, Status::InvalidOption, "{json}");
            assert!(error.message.starts_with(path), "{error}");
        }
        let unknown = options(r#"{"endpoints":{"krakem":"ws://h"}}"#).unwrap_err();
        assert_eq!(unknown.status, Status::UnknownExchange);
        assert!(unknown.message.contains("kraken"), "{unknown}");
    }

    #[test]
    fn silence_is_told_of_by_kind_and_0_is_never() {
        let limits = |json: &str| {
            let silence = options(json).unwrap().silence;
            let limits = SubKind::all().map(|kind| silence.limit(kind));
            limits
                .map(|limit| limit.map_or(0, |limit| limit.as_millis()))
                .collect::<Vec<_>>()
        };
        assert_eq!(limits("{}"), [0, 300_000, 60_000, 0]);
        assert_eq!(limits(r#"{"silence_ms":5}"#), [5; 4]);
        assert_eq!(limits(r#"{"silence_ms":0}"#), [0; 4]);
        assert_eq!(
            limits(r#"{"silence_ms":{"PublicTrades":7,"l2":0}}"#),
            [7, 300_000, 0, 0]
        );
        for (json, status, begins) in [
            (
                r#"{"silence_ms":{"tardes":7}}"#,
                Status::UnknownKind,
                "options.silence_ms.tardes: no subscription kind",
            ),
            (
                r#"{"silence_ms":86400001}"#,
                Status::InvalidOption,
                "options.silence_ms: 86400001",
            ),
            (
                r#"{"silence_ms":true}"#,
                Status::InvalidJson,
                "silence_ms: a number of ms, or an object",
            ),
        ] {
            let error = options(json).unwrap_err();
            assert_eq!(error.status, status, "{json}");
            assert!(error.message.starts_with(begins), "{error}");
        }
    }

    #[test]
    fn an_unknown_key_and_what_follows_the_json_are_refused() {
        let error = options(r#"{"queue":{"capcity":1}}"#).unwrap_err();
        assert!(
            error.message.starts_with("queue.capcity: unknown field"),
            "{error}"
        );
        assert_eq!(options("{} {}").unwrap_err().status, Status::InvalidJson);
    }
}
