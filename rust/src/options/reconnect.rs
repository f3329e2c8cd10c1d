//! When attempts to reconnect are made.

use super::{check, ms};
use crate::status::Result;
use serde::Deserialize;
use std::time::Duration;

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

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawReconnect {
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

impl RawReconnect {
    pub(super) fn checked(self) -> Result<ReconnectPolicy> {
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
