//! Carries a connection's events for as long as somebody listens: when the connection breaks it says so with the
//! reason, waits by the policy, opens the next one, and says so when events flow again.

use super::{
    backoff::Backoff,
    error::{FeedError, listed},
    venue::market_name,
};
use crate::{
    options::StreamOptions,
    outlet::{Outlet, OutletClosed, ReconnectedNote, ReconnectingNote},
    subscription::ConnectionPlan,
};
use barter_data::{error::DataError, event::MarketEvent};
use barter_instrument::instrument::InstrumentIndex;
use chrono::{DateTime, Utc};
use futures::{FutureExt, Stream, StreamExt};
use std::{future::Future, panic::AssertUnwindSafe};
use tokio::time::Instant;

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
    backoff: Backoff,
    /// Draws from 0 to 1 for the jitter.
    draw: Box<dyn FnMut() -> f64 + Send + Sync>,
    /// Exchange, kind and markets, for messages.
    name: String,
    /// Indices of the instruments.
    instruments: Vec<u32>,
}

/// What is known of the connections so far.
#[derive(Default)]
struct History {
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
            backoff: Backoff::new(options.reconnect),
            draw: Box::new(rand::random),
            name: name_of(plan),
            instruments: indices.filter_map(|index| index.try_into().ok()).collect(),
        }
    }

    /// The same with other randomness.
    #[cfg(test)]
    pub(crate) fn drawing(mut self, draw: impl FnMut() -> f64 + Send + Sync + 'static) -> Self {
        self.draw = Box::new(draw);
        self
    }

    /// Carries the events of `first` and of every connection that `open` makes after it, until the policy allows no
    /// further attempt.
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
        mut self,
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
                Ok(connection) => {
                    let since = Instant::now();
                    let reason = self.carry_one(connection, &mut history).await?;
                    self.backoff.lasted(since.elapsed());
                    (reason, None)
                }
                Err(error) => (error.to_string(), error.retry_after()),
            };
            let Some(delay) = self.backoff.next((self.draw)()) else {
                return self.outlet.item(Err(self.given_up(&reason))).await;
            };
            self.outlet.reconnecting(ReconnectingNote {
                reason,
                last_event_ns: history.last_event.and_then(|at| at.timestamp_nanos_opt()),
                instruments: self.instruments.clone(),
            })?;
            tokio::time::sleep(delay.max(asked_to_wait.unwrap_or_default())).await;
            history.attempts = history.attempts.saturating_add(1);
            opened = open().await;
        }
    }

    fn given_up(&self, reason: &str) -> DataError {
        DataError::Socket(format!(
            "{}: given up after {} attempts to reconnect: {reason}",
            self.name,
            self.backoff.attempts()
        ))
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
        loop {
            match connection.next().await {
                Some(Ok(event)) => {
                    if history.attempts > 0 {
                        self.reconnected(&event, history)?;
                    }
                    history.last_event = Some(event.time_received);
                    self.outlet.item(Ok(event)).await?;
                }
                Some(Err(error)) => {
                    let terminal = error.is_terminal().then(|| error.to_string());
                    self.outlet.item(Err(error)).await?;
                    if let Some(reason) = terminal {
                        return Ok(reason);
                    }
                }
                None => return Ok(connection.ended()),
            }
        }
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

/// `binance_spot trades of BTCUSDT, ETHUSDT and 7 more`.
fn name_of(plan: &ConnectionPlan) -> String {
    let markets = plan.instruments.iter().map(market_name);
    format!(
        "{} {} of {}",
        plan.exchange.as_str(),
        plan.kind.name(),
        listed(markets)
    )
}
