//! Carries a connection's events for as long as somebody listens: when the connection breaks it says so with the
//! reason, waits by the policy, opens the next one, and says so when events flow again.

use super::error::FeedError;
use crate::{
    options::{ReconnectPolicy, StreamOptions},
    outlet::{Outlet, OutletClosed, ReconnectedNote, ReconnectingNote},
    subscription::ConnectionPlan,
};
use barter_data::{error::DataError, event::MarketEvent};
use barter_instrument::instrument::InstrumentIndex;
use chrono::{DateTime, Utc};
use futures::{FutureExt, Stream, StreamExt};
use std::{future::Future, panic::AssertUnwindSafe, time::Duration};
use tokio::time::Instant;

/// A connection that carried events for so long is in order: what broke it afterwards is a new trouble.
const SETTLED_AFTER: Duration = Duration::from_secs(10);

/// The delay before an attempt to reconnect: the first after `failures` connections in a row that did not last.
pub fn backoff(policy: &ReconnectPolicy, failures: u32) -> Duration {
    let exponent = i32::try_from(failures).unwrap_or(i32::MAX);
    let seconds = policy.initial.as_secs_f64() * policy.multiplier.powi(exponent);
    // Compared as numbers: the product may be past every duration.
    if seconds < policy.max.as_secs_f64() {
        Duration::from_secs_f64(seconds)
    } else {
        policy.max
    }
}

/// An open connection.
pub(crate) trait Link<E>:
    Stream<Item = Result<MarketEvent<InstrumentIndex, E>, DataError>> + Unpin
{
    /// Why the stream ended.
    fn ended(&self) -> String;
}

/// What all connections of one plan have in common.
pub(crate) struct Carrier<E> {
    outlet: Outlet<E>,
    policy: ReconnectPolicy,
    /// Indices of the instruments.
    instruments: Vec<u32>,
}

/// What is known of the connections so far.
#[derive(Default)]
struct History {
    /// Connections in a row that did not last, and attempts that failed.
    failures: u32,
    /// Attempts since events last flowed.
    attempts: u32,
    /// `time_received` of the last event.
    last_event: Option<DateTime<Utc>>,
}

impl<E> Carrier<E> {
    /// For the connections of this plan.
    pub(crate) fn new(outlet: Outlet<E>, plan: &ConnectionPlan, options: &StreamOptions) -> Self {
        let indices = plan.instruments.iter().map(|market| market.key.0);
        Self {
            outlet,
            policy: options.reconnect,
            instruments: indices.filter_map(|index| index.try_into().ok()).collect(),
        }
    }

    /// Carries the events of `first` and of every connection that `open` makes after it.
    pub(crate) async fn carry<L, O, F>(self, first: L, open: O) -> Result<(), OutletClosed>
    where
        L: Link<E>,
        O: FnMut() -> F,
        F: Future<Output = Result<L, FeedError>>,
    {
        self.run(Ok(first), open).await
    }

    /// The same where the first opening failed: `error` is the first item.
    pub(crate) async fn retry<L, O, F>(self, error: FeedError, open: O) -> Result<(), OutletClosed>
    where
        L: Link<E>,
        O: FnMut() -> F,
        F: Future<Output = Result<L, FeedError>>,
    {
        self.outlet.item(Err(error.clone().into())).await?;
        self.run(Err(error), open).await
    }

    async fn run<L, O, F>(
        self,
        mut opened: Result<L, FeedError>,
        mut open: O,
    ) -> Result<(), OutletClosed>
    where
        L: Link<E>,
        O: FnMut() -> F,
        F: Future<Output = Result<L, FeedError>>,
    {
        let mut history = History::default();
        loop {
            let (reason, asked_to_wait) = match opened {
                Ok(connection) => (self.carry_one(connection, &mut history).await?, None),
                Err(error) => (error.to_string(), error.retry_after()),
            };
            self.outlet.reconnecting(ReconnectingNote {
                reason,
                last_event_ns: history.last_event.and_then(|at| at.timestamp_nanos_opt()),
                instruments: self.instruments.clone(),
            })?;
            let delay = backoff(&self.policy, history.failures);
            tokio::time::sleep(delay.max(asked_to_wait.unwrap_or_default())).await;
            history.failures = history.failures.saturating_add(1);
            history.attempts = history.attempts.saturating_add(1);
            opened = open().await;
        }
    }

    /// Carries one connection's events; the reason why it ended.
    async fn carry_one<L: Link<E>>(
        &self,
        connection: L,
        history: &mut History,
    ) -> Result<String, OutletClosed> {
        // Whatever a frame does to its reader, it must not end the stream for good.
        let carrying = AssertUnwindSafe(self.carry_events(connection, history)).catch_unwind();
        carrying
            .await
            .unwrap_or_else(|_| Ok("a frame could not be read: the reader panicked".to_owned()))
    }

    async fn carry_events<L: Link<E>>(
        &self,
        mut connection: L,
        history: &mut History,
    ) -> Result<String, OutletClosed> {
        let opened = Instant::now();
        let mut carried = false;
        let reason = loop {
            match connection.next().await {
                Some(Ok(event)) => {
                    if history.attempts > 0 {
                        self.reconnected(&event, history)?;
                    }
                    history.last_event = Some(event.time_received);
                    carried = true;
                    self.outlet.item(Ok(event)).await?;
                }
                Some(Err(error)) => {
                    let terminal = error.is_terminal().then(|| error.to_string());
                    self.outlet.item(Err(error)).await?;
                    if let Some(reason) = terminal {
                        break reason;
                    }
                }
                None => break connection.ended(),
            }
        };
        if carried && opened.elapsed() >= SETTLED_AFTER {
            history.failures = 0;
        }
        Ok(reason)
    }

    fn reconnected(
        &self,
        event: &MarketEvent<InstrumentIndex, E>,
        history: &mut History,
    ) -> Result<(), OutletClosed> {
        let gap = history
            .last_event
            .and_then(|last| (event.time_received - last).num_nanoseconds());
        self.outlet.reconnected(ReconnectedNote {
            attempts: std::mem::take(&mut history.attempts),
            gap_ns: gap,
        })
    }
}
