//! When to open a connection again, as arithmetic: no clock, no randomness of its own. [`reconnect`](super::reconnect)
//! asks for every delay and says how long every connection lasted. For every draw, however short the connections that
//! a server grants, the default policy opens at most ten in a minute.

use crate::options::ReconnectPolicy;
use std::time::Duration;

/// The attempts of one connection to come back.
#[derive(Debug, Clone)]
pub struct Backoff {
    policy: ReconnectPolicy,
    /// In a row without a connection that lasted.
    attempts: u32,
}

impl Backoff {
    /// Before the first attempt.
    pub fn new(policy: ReconnectPolicy) -> Self {
        Self {
            policy,
            attempts: 0,
        }
    }

    /// The delay before the next attempt; `None` where the policy allows no more. `draw`, from 0 to 1, places it in
    /// the range of the jitter, whose upper end is 1.
    pub fn next(&mut self, draw: f64) -> Option<Duration> {
        let limit = self.policy.max_attempts;
        if limit.is_some_and(|most| self.attempts >= most) {
            return None;
        }
        let delay = delay(&self.policy, self.attempts, draw);
        self.attempts = self.attempts.saturating_add(1);
        Some(delay)
    }

    /// A connection was open for so long: where that is long enough, what comes now is a new trouble.
    pub fn lasted(&mut self, open: Duration) {
        if open >= self.policy.stable {
            self.attempts = 0;
        }
    }

    /// Attempts in a row that led to no connection that lasted.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// The delay before an attempt, after so many in a row.
fn delay(policy: &ReconnectPolicy, attempts: u32, draw: f64) -> Duration {
    longest(policy, attempts).mul_f64(1.0 - policy.jitter * (1.0 - draw))
}

/// The upper end of the range that the delay is drawn from.
fn longest(policy: &ReconnectPolicy, attempts: u32) -> Duration {
    let exponent = i32::try_from(attempts).unwrap_or(i32::MAX);
    let seconds = policy.initial.as_secs_f64() * policy.multiplier.powi(exponent);
    // Compared as numbers: the product may be past every duration.
    if seconds < policy.max.as_secs_f64() {
        Duration::from_secs_f64(seconds)
    } else {
        policy.max
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(initial_ms: u64, multiplier: f64, max_ms: u64) -> ReconnectPolicy {
        ReconnectPolicy {
            initial: Duration::from_millis(initial_ms),
            multiplier,
            max: Duration::from_millis(max_ms),
            ..ReconnectPolicy::default()
        }
    }

    #[test]
    fn the_longest_delay_grows_by_the_multiplier_up_to_the_maximum() {
        let delays = |policy: ReconnectPolicy, attempts: &[u32]| -> Vec<u128> {
            let longest = attempts.iter().map(|n| longest(&policy, *n));
            longest.map(|delay| delay.as_millis()).collect()
        };
        let doubling = policy(125, 2.0, 60_000);
        assert_eq!(
            delays(doubling, &[0, 1, 2, 3, 8, 9, 10]),
            [125, 250, 500, 1_000, 32_000, 60_000, 60_000]
        );
        assert_eq!(delays(doubling, &[1_000, 1 << 30, u32::MAX]), [60_000; 3]);
        assert_eq!(
            delays(policy(100, 1.0, 60_000), &[0, 5, u32::MAX]),
            [100; 3]
        );
        assert_eq!(delays(policy(100, 1.5, 200), &[0, 1, 2]), [100, 150, 200]);
    }

    #[test]
    fn the_draw_places_the_delay_in_the_range_of_the_jitter() {
        let drawn = |jitter: f64| {
            let policy = ReconnectPolicy {
                jitter,
                ..policy(1_000, 3.0, 60_000)
            };
            [0.0, 0.5, 1.0].map(|draw| delay(&policy, 1, draw).as_millis())
        };
        assert_eq!(drawn(1.0), [0, 1_500, 3_000]);
        assert_eq!(drawn(0.8), [600, 1_800, 3_000]);
        assert_eq!(drawn(0.0), [3_000; 3]);
    }

    #[test]
    fn attempts_end_at_the_limit_and_count_anew_after_a_connection_that_lasted() {
        let mut backoff = Backoff::new(ReconnectPolicy {
            max_attempts: Some(2),
            jitter: 0.0,
            stable: Duration::from_secs(30),
            ..policy(100, 2.0, 60_000)
        });
        let mut next = |lasted: Option<u64>| {
            if let Some(seconds) = lasted {
                backoff.lasted(Duration::from_secs(seconds));
            }
            backoff.next(1.0).map(|delay| delay.as_millis())
        };
        assert_eq!([next(Some(0)), next(Some(29))], [Some(100), Some(200)]);
        assert_eq!([next(None), next(Some(29))], [None, None]);
        assert_eq!([next(Some(30)), next(None)], [Some(100), Some(200)]);
        let mut never = Backoff::new(ReconnectPolicy {
            max_attempts: Some(0),
            ..ReconnectPolicy::default()
        });
        assert_eq!(never.next(1.0), None);
    }

    #[test]
    fn the_shortest_delays_of_the_default_policy_allow_ten_connections_in_a_minute() {
        // The least that any draw gives; a connection that lasts for however short adds to it.
        let mut backoff = Backoff::new(ReconnectPolicy::default());
        let mut now = Duration::ZERO;
        let mut connections = 0;
        while now <= Duration::from_secs(60) {
            connections += 1;
            now += backoff.next(0.0).expect("there is no limit by default");
        }
        assert_eq!(connections, 10);
    }
}
