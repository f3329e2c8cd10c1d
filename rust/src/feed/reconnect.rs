//! Carries a connection's events for as long as somebody listens: when the connection breaks it says so with the
//! reason, waits by the policy, opens the next one, and says so when events flow again.

use super::{
    backoff::Backoff,
    error::{FeedError, listed},
    silence::{Found, Silence},
    venue::{Market, market_name},
};
use crate::{
    event::NO_INSTRUMENT,
    options::StreamOptions,
    outlet::{Item, Outlet, OutletClosed, ReconnectedNote, ReconnectingNote, SilentNote},
    queue::KeptBook,
    subscription::ConnectionPlan,
};
use barter_data::error::DataError;
use barter_instrument::instrument::InstrumentIndex;
use chrono::{DateTime, Utc};
use futures::FutureExt;
use std::{
    future::{Future, poll_fn},
    ops::ControlFlow,
    panic::AssertUnwindSafe,
    pin::pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};

/// Items, and bytes of their frames, at which nothing more is read in one go.
const READ_MAX: usize = 1_024;
const READ_BYTES_MAX: usize = 256 << 10;
/// Items for which memory is kept while nothing is read.
const KEPT_MAX: usize = 64;

/// An open connection.
pub(crate) trait Link<E> {
    /// Reads what comes next and appends the items that it makes, if any; how many bytes it had, or a break when the
    /// connection has ended.
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        items: &mut Vec<Item<E>>,
    ) -> Poll<ControlFlow<(), usize>>;

    /// Why it ended.
    fn ended(&self) -> String;

    /// What was waited for is no longer: for how long nobody polls says nothing about the far side.
    fn paused(&mut self) {}
}

/// What all connections of one plan have in common.
pub(crate) struct Carrier<E> {
    outlet: Outlet<E>,
    backoff: Backoff,
    /// Draws from 0 to 1 for the jitter.
    draw: Box<dyn FnMut() -> f64 + Send + Sync>,
    plan: ConnectionPlan,
    /// Where silences are told of.
    silence: Option<Silence>,
    /// Whether a silence ends the connection.
    reconnect_silent: bool,
    history: History,
    /// What was read and not handed over yet.
    read: Vec<Item<E>>,
}

/// What is known of the connections so far.
#[derive(Default)]
struct History {
    /// Attempts since events last flowed.
    attempts: u32,
    /// `time_received` of the last event.
    last_event: Option<DateTime<Utc>>,
}

/// How a connection ended.
struct End {
    reason: String,
    /// Because it, or a subscription of it, brought no data for so long.
    silence: Duration,
}

impl From<String> for End {
    fn from(reason: String) -> Self {
        Self {
            reason,
            silence: Duration::ZERO,
        }
    }
}

impl<E: KeptBook> Carrier<E> {
    /// For the connections of this plan.
    pub(crate) fn new(outlet: Outlet<E>, plan: &ConnectionPlan, options: &StreamOptions) -> Self {
        let limit = options.silence.limit(plan.kind);
        Self {
            outlet,
            backoff: Backoff::new(options.reconnect),
            draw: Box::new(rand::random),
            plan: plan.clone(),
            silence: limit.map(|limit| Silence::new(limit, plan, Instant::now())),
            reconnect_silent: options.silence.reconnect,
            history: History::default(),
            read: Vec::new(),
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
        loop {
            let broke = opened.is_ok();
            let (title, reason, asked_to_wait) = match opened {
                Ok(connection) => {
                    let since = Instant::now();
                    let End { reason, silence } = self.carry_one(connection).await?;
                    self.backoff.lasted(since.elapsed().saturating_sub(silence));
                    ("a connection broke", reason, None)
                }
                Err(error) => (error.title(), error.to_string(), error.retry_after()),
            };
            let exchange = self.plan.exchange.as_str();
            let (kind, markets) = (self.plan.kind.name(), names_of(&self.plan));
            let Some(delay) = self.backoff.next((self.draw)()) else {
                tracing::error!(exchange, kind, markets, reason, "given up: {title}");
                // What was known of its instruments is stale from here on; of a failed attempt that was told.
                if broke {
                    self.reconnecting(reason.clone())?;
                }
                return self.outlet.item(Err(self.given_up(&reason))).await;
            };
            let delay = delay.max(asked_to_wait.unwrap_or_default());
            let next_attempt_s = delay.as_secs_f64();
            tracing::warn!(exchange, kind, markets, reason, next_attempt_s, "{title}");
            self.reconnecting(reason)?;
            tokio::time::sleep(delay).await;
            self.history.attempts = self.history.attempts.saturating_add(1);
            opened = open().await;
        }
    }

    /// Says that the connection broke, or could not be opened again.
    fn reconnecting(&self, reason: String) -> Result<(), OutletClosed> {
        let last_event = self.history.last_event;
        let instruments = self.plan.instruments.iter();
        self.outlet.reconnecting(ReconnectingNote {
            reason,
            last_event_ns: last_event.and_then(|at| at.timestamp_nanos_opt()),
            instruments: instruments.map(|market| number(market.key)).collect(),
        })
    }

    fn given_up(&self, reason: &str) -> DataError {
        DataError::Socket(format!(
            "{}: given up after {} attempts to reconnect: {reason}",
            name_of(&self.plan),
            self.backoff.attempts()
        ))
    }

    /// Carries one connection's events until it ends.
    async fn carry_one<L: Link<E>>(&mut self, connection: L) -> Result<End, OutletClosed> {
        if let Some(silence) = &mut self.silence {
            silence.opened(Instant::now());
        }
        // Whatever a frame does to its reader, it must not end the stream for good.
        let carried = AssertUnwindSafe(self.carry_events(connection)).catch_unwind();
        let end = carried.await;
        // What was read before a panic.
        self.hand_over().await?;
        if let Some(silence) = &mut self.silence {
            silence.paused(Instant::now());
        }
        end.unwrap_or_else(|_| {
            Ok("a frame could not be read: the reader panicked"
                .to_owned()
                .into())
        })
    }

    async fn carry_events<L: Link<E>>(&mut self, mut connection: L) -> Result<End, OutletClosed> {
        let mut alarm = pin!(sleep_until(Instant::now()));
        loop {
            let due = self.silence.as_ref().map(Silence::due);
            if let Some(due) = due.filter(|due| *due != alarm.deadline()) {
                alarm.as_mut().reset(due);
            }
            let overdue = tokio::select! {
                biased;
                more = read(&mut connection, &mut self.read) => {
                    let overdue = self.hand_over().await?;
                    if !more {
                        return Ok(connection.ended().into());
                    }
                    overdue
                }
                () = alarm.as_mut(), if due.is_some() => true,
            };
            if overdue && let Some(end) = self.look_for_silence()? {
                return Ok(end);
            }
        }
    }

    /// Hands over what was read; whether it is time to look for silences of others.
    async fn hand_over(&mut self) -> Result<bool, OutletClosed> {
        if self.history.attempts > 0
            && let Some(first) = self.read.iter().position(Result::is_ok)
        {
            let from_first = self.read.split_off(first);
            self.deliver().await?;
            self.read = from_first;
            self.reconnected()?;
        }
        let mut overdue = false;
        if let Some(silence) = &mut self.silence {
            let now = Instant::now();
            for event in self.read.iter().flatten() {
                overdue |= silence.heard(event.instrument, now);
            }
        }
        let last = self.read.iter().rev().flatten().next();
        let last = last.map(|event| event.time_received);
        self.history.last_event = last.max(self.history.last_event);
        let few = self.read.len() <= KEPT_MAX;
        self.deliver().await?;
        if few {
            self.read.shrink_to(KEPT_MAX);
        }
        Ok(overdue)
    }

    /// Delivers what was read. While the outlet holds it back the connection is not read, so no silence grows.
    async fn deliver(&mut self) -> Result<(), OutletClosed> {
        let mut delivering = pin!(self.outlet.items(&mut self.read));
        if let Poll::Ready(delivered) = futures::poll!(delivering.as_mut()) {
            return delivered;
        }
        if let Some(silence) = &mut self.silence {
            silence.paused(Instant::now());
        }
        let delivered = delivering.await;
        if let Some(silence) = &mut self.silence {
            silence.resumed(Instant::now());
        }
        delivered
    }

    /// Tells of every silence that has begun; the end of the connection where that is asked for.
    fn look_for_silence(&mut self) -> Result<Option<End>, OutletClosed> {
        let Some(silence) = &mut self.silence else {
            return Ok(None);
        };
        let unwanted = self.outlet.unwanted();
        silence.retain(|instrument| !unwanted.has(instrument));
        let Found { silent, mute } = silence.check(Instant::now());
        for one in &silent {
            let mut markets = self.plan.instruments.iter();
            let market = markets.find(|market| market.key == one.instrument);
            tracing::warn!(
                exchange = self.plan.exchange.as_str(),
                kind = self.plan.kind.name(),
                market = market.map(market_name),
                seconds = one.length.as_secs_f64(),
                "a subscription is silent"
            );
            self.outlet.silent(SilentNote {
                instrument: number(one.instrument),
                length_ns: one.length.as_nanos().try_into().unwrap_or(i64::MAX),
            })?;
        }
        if !self.reconnect_silent || (silent.is_empty() && !mute) {
            return Ok(None);
        }
        let limit = silence.limit();
        // Where none is named everything is silent, and was told of before.
        let named = |market: &&Market| silent.iter().any(|one| one.instrument == market.key);
        let mut markets: Vec<_> = self.plan.instruments.iter().filter(named).collect();
        if markets.is_empty() {
            markets.extend(&self.plan.instruments);
        }
        let names = listed(markets.into_iter().map(market_name));
        Ok(Some(End {
            reason: format!("no data of {names} for {} s", limit.as_secs_f64()),
            silence: limit,
        }))
    }

    /// Says that events flow again, the first of which is the first of what was read.
    fn reconnected(&mut self) -> Result<(), OutletClosed> {
        let first = self.read.iter().flatten().next();
        let times = first
            .map(|event| event.time_received)
            .zip(self.history.last_event);
        let gap = times.and_then(|(first, last)| (first - last).num_nanoseconds());
        tracing::info!(
            exchange = self.plan.exchange.as_str(),
            kind = self.plan.kind.name(),
            attempts = self.history.attempts,
            gap_s = gap.map(|gap_ns| gap_ns as f64 / 1e9),
            "events flow again"
        );
        self.outlet.reconnected(ReconnectedNote {
            attempts: std::mem::take(&mut self.history.attempts),
            gap_ns: gap,
        })
    }
}

/// Waits for an item and reads those that are there with it, so that what is done for each is done once for them all;
/// whether more may come.
async fn read<L: Link<E>, E>(connection: &mut L, items: &mut Vec<Item<E>>) -> bool {
    let mut left = READ_BYTES_MAX;
    poll_fn(|cx| {
        loop {
            match connection.poll_read(cx, items) {
                Poll::Ready(ControlFlow::Break(())) => return Poll::Ready(false),
                Poll::Ready(ControlFlow::Continue(bytes)) => {
                    left = left.saturating_sub(bytes);
                    if left == 0 || items.len() >= READ_MAX {
                        return Poll::Ready(true);
                    }
                }
                Poll::Pending if items.is_empty() => return Poll::Pending,
                Poll::Pending => {
                    // A queue may hold back what was read.
                    connection.paused();
                    return Poll::Ready(true);
                }
            }
        }
    })
    .await
}

/// The instrument's number in records.
fn number(instrument: InstrumentIndex) -> u32 {
    instrument.0.try_into().unwrap_or(NO_INSTRUMENT)
}

/// `binance_spot trades of BTCUSDT, ETHUSDT and 7 more`.
pub(crate) fn name_of(plan: &ConnectionPlan) -> String {
    format!(
        "{} {} of {}",
        plan.exchange.as_str(),
        plan.kind.name(),
        names_of(plan)
    )
}

/// `BTCUSDT, ETHUSDT and 7 more`.
fn names_of(plan: &ConnectionPlan) -> String {
    listed(plan.instruments.iter().map(market_name))
}
