//! The options of a set of streams, parsed from JSON and checked here once for every caller. Keys are only ever
//! added; an unknown one is an error that names its path.

mod endpoints;
mod liveness;
mod queue;
mod reconnect;

pub use endpoints::Endpoint;
pub use liveness::{Keepalive, SilenceOptions};
pub use queue::{QueueOptions, QueuePolicy, Queues};
pub use reconnect::ReconnectPolicy;

use crate::{
    feed::{proxy::ProxyRule, trust::Trust},
    status::{Error, Result, Status},
};
use barter_instrument::exchange::ExchangeId;
use endpoints::{RawEndpoint, RawProxy, endpoint};
use liveness::{RawSilence, keepalive};
use queue::{RawQueue, queues};
use reconnect::RawReconnect;
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};

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

const MS_MAX: u64 = 86_400_000;

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
            queues: queues(self.queue, self.queues)?,
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

fn ms(path: &str, value: u64) -> Result<Duration> {
    check(
        path,
        (1..=MS_MAX).contains(&value),
        value,
        "from 1 to 86400000 ms",
    )?;
    Ok(Duration::from_millis(value))
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

/// An error of something else, with the path of the option that it is about.
fn at(path: &str, error: Error) -> Error {
    Error::new(error.status, format!("options.{path}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{json::from_json, subscription::SubKind};

    pub(super) fn options(json: &str) -> Result<StreamOptions> {
        from_json::<Raw>(json)?.checked()
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
    fn an_unknown_key_and_what_follows_the_json_are_refused() {
        let error = options(r#"{"queue":{"capcity":1}}"#).unwrap_err();
        assert!(
            error.message.starts_with("queue.capcity: unknown field"),
            "{error}"
        );
        assert_eq!(options("{} {}").unwrap_err().status, Status::InvalidJson);
    }
}
