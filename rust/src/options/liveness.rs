//! When a connection counts as dead, and when a subscription that brings no data is told of.

use super::{at, check, ms};
use crate::{status::Result, subscription::SubKind};
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};

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

pub(super) fn keepalive(interval_ms: u64, timeout_ms: Option<u64>) -> Result<Keepalive> {
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

#[derive(Debug, Deserialize)]
#[serde(
    untagged,
    expecting = "a number of ms, or an object of kinds with a number of ms each"
)]
pub(super) enum RawSilence {
    Every(u64),
    Kinds(HashMap<String, u64>),
}

impl RawSilence {
    /// The limits of the kinds that have one.
    pub(super) fn limits(self) -> Result<HashMap<SubKind, Duration>> {
        let mut limits = HashMap::new();
        for kind in SubKind::all() {
            limits.insert(kind, silence_ms(kind));
        }
        match self {
            Self::Every(limit_ms) => limits.values_mut().for_each(|limit| *limit = limit_ms),
            Self::Kinds(kinds) => {
                for (name, limit_ms) in kinds {
                    let kind = SubKind::named(&name);
                    let kind = kind.map_err(|error| at(&format!("silence_ms.{name}"), error))?;
                    limits.insert(kind, limit_ms);
                }
            }
        }
        limits.retain(|_, limit_ms| *limit_ms > 0);
        let limit = |(kind, limit_ms)| Ok((kind, ms("silence_ms", limit_ms)?));
        limits.into_iter().map(limit).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::tests::options;
    use crate::status::Status;

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
}
