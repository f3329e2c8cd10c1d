//! Counting. A [`Meter`] counts what one connection of a plan does over all its reconnections, in relaxed atomics that
//! only the connection's own task writes; [`Meters`] are those of a stream.

use super::{ConnectionMetrics, ConnectionState, Metrics};
use crate::{
    event::{self, NO_TIME},
    subscription::{ConnectionPlan, SubKind},
};
use barter_data::instrument::MarketInstrumentData;
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use barter_integration::protocol::websocket::WsMessage;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use std::sync::{
    Arc,
    atomic::{AtomicI64, AtomicU64, Ordering::Relaxed},
};

/// Counts what one connection does. All but reading it is for the one task that carries the connection.
#[derive(Debug)]
pub struct Meter {
    frames: AtomicU64,
    bytes: AtomicU64,
    control_frames: AtomicU64,
    events: AtomicU64,
    errors: AtomicU64,
    reconnects: AtomicU64,
    silences: AtomicU64,
    attempts: AtomicU64,
    last_frame_ns: AtomicI64,
    last_event_ns: AtomicI64,
    rare: Mutex<Rare>,
}

/// What changes too seldom to be an atomic.
#[derive(Debug)]
struct Rare {
    instruments: Vec<u32>,
    state: ConnectionState,
    since_ns: i64,
    last_error: Option<String>,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            frames: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            control_frames: AtomicU64::new(0),
            events: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            reconnects: AtomicU64::new(0),
            silences: AtomicU64::new(0),
            attempts: AtomicU64::new(0),
            last_frame_ns: AtomicI64::new(NO_TIME),
            last_event_ns: AtomicI64::new(NO_TIME),
            rare: Mutex::new(Rare {
                instruments: Vec::new(),
                state: ConnectionState::Connecting,
                since_ns: now_ns(),
                last_error: None,
            }),
        }
    }
}

type Market = MarketInstrumentData<InstrumentIndex>;

/// A counter with one writer needs no locked instruction.
fn add(counter: &AtomicU64, more: u64) {
    counter.store(counter.load(Relaxed).wrapping_add(more), Relaxed);
}

fn now_ns() -> i64 {
    event::nanoseconds(Utc::now())
}

fn indices(instruments: &[Market]) -> Vec<u32> {
    let indices = instruments.iter().map(|market| market.key.0);
    indices.filter_map(|index| index.try_into().ok()).collect()
}

impl Meter {
    /// An attempt begins to open it for these instruments.
    pub(crate) fn connecting(&self, instruments: &[Market]) {
        add(&self.attempts, 1);
        self.is(ConnectionState::Connecting);
        self.rare.lock().instruments = indices(instruments);
    }

    /// It is subscribed.
    pub(crate) fn open(&self) {
        self.is(ConnectionState::Open);
    }

    /// It broke, or could not be opened.
    pub(crate) fn broke(&self, reason: &str) {
        add(&self.reconnects, 1);
        self.failed(reason);
        self.is(ConnectionState::Waiting);
    }

    /// A subscription of its was silent for too long.
    pub(crate) fn silence(&self) {
        add(&self.silences, 1);
    }

    /// A frame was read.
    pub(crate) fn frame(&self, frame: &WsMessage) {
        add(&self.frames, 1);
        add(&self.bytes, frame.len() as u64);
        if !matches!(frame, WsMessage::Text(_) | WsMessage::Binary(_)) {
            self.control_frame();
        }
    }

    /// That is when the frames came that are read now.
    pub(crate) fn arrived(&self, at: DateTime<Utc>) {
        self.last_frame_ns.store(event::nanoseconds(at), Relaxed);
    }

    /// The frame was neither market data nor an error; those of the WebSocket protocol are counted by themselves.
    pub(crate) fn control_frame(&self) {
        add(&self.control_frames, 1);
    }

    /// So many events were read, the last of which was received then.
    pub(crate) fn events(&self, count: u64, last_received_ns: i64) {
        add(&self.events, count);
        // A snapshot is asked for, and comes, after updates that follow it in the stream.
        let last = self.last_event_ns.load(Relaxed).max(last_received_ns);
        self.last_event_ns.store(last, Relaxed);
    }

    /// An error was read.
    pub(crate) fn error(&self, message: &str) {
        add(&self.errors, 1);
        self.failed(message);
    }

    /// Ends the meter when it is dropped, however the connection's task ends.
    pub(crate) fn until_dropped(self: Arc<Self>) -> impl Drop {
        Ending(self)
    }

    fn failed(&self, message: &str) {
        self.rare.lock().last_error = Some(message.to_owned());
    }

    fn is(&self, state: ConnectionState) {
        let mut rare = self.rare.lock();
        (rare.state, rare.since_ns) = (state, now_ns());
    }

    fn has_ended(&self) -> bool {
        self.rare.lock().state == ConnectionState::Ended
    }

    fn read(&self, exchange: ExchangeId, kind: SubKind) -> ConnectionMetrics {
        let rare = self.rare.lock();
        ConnectionMetrics {
            exchange,
            kind,
            instruments: rare.instruments.clone(),
            state: rare.state,
            since_ns: rare.since_ns,
            frames: self.frames.load(Relaxed),
            bytes: self.bytes.load(Relaxed),
            control_frames: self.control_frames.load(Relaxed),
            events: self.events.load(Relaxed),
            errors: self.errors.load(Relaxed),
            reconnects: self.reconnects.load(Relaxed),
            silences: self.silences.load(Relaxed),
            attempts: self.attempts.load(Relaxed),
            last_frame_ns: self.last_frame_ns.load(Relaxed),
            last_event_ns: self.last_event_ns.load(Relaxed),
            last_error: rare.last_error.clone(),
        }
    }

    /// Takes in what another one, which has ended as this one has, has counted.
    fn absorb(&self, other: &Self) {
        for (sum, more) in self.counters().into_iter().zip(other.counters()) {
            add(sum, more.load(Relaxed));
        }
        for (last, other) in self.times().into_iter().zip(other.times()) {
            last.fetch_max(other.load(Relaxed), Relaxed);
        }
        let (mut rare, other) = (self.rare.lock(), other.rare.lock());
        rare.instruments.clear();
        if other.since_ns >= rare.since_ns {
            rare.since_ns = other.since_ns;
            if other.last_error.is_some() {
                rare.last_error.clone_from(&other.last_error);
            }
        }
    }

    fn counters(&self) -> [&AtomicU64; 8] {
        [
            &self.frames,
            &self.bytes,
            &self.control_frames,
            &self.events,
            &self.errors,
            &self.reconnects,
            &self.silences,
            &self.attempts,
        ]
    }

    fn times(&self) -> [&AtomicI64; 2] {
        [&self.last_frame_ns, &self.last_event_ns]
    }
}

struct Ending(Arc<Meter>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.is(ConnectionState::Ended);
    }
}

/// The meters of a stream's connections.
#[derive(Debug, Default)]
pub(crate) struct Meters(Vec<Metered>);

#[derive(Debug)]
struct Metered {
    exchange: ExchangeId,
    kind: SubKind,
    meter: Arc<Meter>,
}

impl Meters {
    /// The meter of one more connection. Of those that have ended only one an exchange and kind stays, with the sum
    /// of their counts: however often connections come and go, the list does not grow and no count is lost.
    pub(crate) fn add(&mut self, plan: &ConnectionPlan) -> Arc<Meter> {
        let (exchange, kind) = (plan.exchange, plan.kind);
        let (mut ended, left): (Vec<_>, Vec<_>) = std::mem::take(&mut self.0)
            .into_iter()
            .partition(|of| (of.exchange, of.kind) == (exchange, kind) && of.meter.has_ended());
        self.0 = left;
        if let Some(sum) = ended.pop() {
            ended
                .iter()
                .for_each(|other| sum.meter.absorb(&other.meter));
            self.0.push(sum);
        }
        let meter = Arc::<Meter>::default();
        meter.rare.lock().instruments = indices(&plan.instruments);
        self.0.push(Metered {
            exchange,
            kind,
            meter: meter.clone(),
        });
        meter
    }

    /// Takes over another stream's.
    pub(crate) fn absorb(&mut self, mut other: Self) {
        self.0.append(&mut other.0);
    }

    /// Adds what the frames have come to.
    pub(crate) fn count_frames(&self, metrics: &mut Metrics) {
        for Metered { meter, .. } in &self.0 {
            metrics.frames += meter.frames.load(Relaxed);
            metrics.bytes += meter.bytes.load(Relaxed);
            metrics.control_frames += meter.control_frames.load(Relaxed);
        }
    }

    /// What each has come to.
    pub(crate) fn read(&self) -> Vec<ConnectionMetrics> {
        let rows = self.0.iter();
        rows.map(|of| of.meter.read(of.exchange, of.kind)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barter_instrument::instrument::{
        market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange,
    };

    fn plan(kind: SubKind, index: usize) -> ConnectionPlan {
        ConnectionPlan {
            exchange: ExchangeId::Kraken,
            kind,
            instruments: vec![MarketInstrumentData {
                key: InstrumentIndex(index),
                name_exchange: InstrumentNameExchange::new("XBT/USD"),
                kind: MarketDataInstrumentKind::Spot,
            }],
        }
    }

    #[test]
    fn connections_that_come_and_go_leave_one_row_with_the_sum_of_their_counts() {
        let mut meters = Meters::default();
        let other_kind = meters.add(&plan(SubKind::L1, 0));
        drop(other_kind.clone().until_dropped());
        for number in 0..100 {
            let meter = meters.add(&plan(SubKind::Trades, number));
            meter.connecting(&plan(SubKind::Trades, number).instruments);
            meter.frame(&WsMessage::text("four"));
            meter.frame(&WsMessage::Ping("".into()));
            meter.events(1, number as i64);
            meter.error(&format!("error {number}"));
            drop(meter.until_dropped());
        }
        let live = meters.add(&plan(SubKind::Trades, 100));
        let rows = meters.read();
        let [l1, sum, now] = rows.as_slice() else {
            panic!("there are {} rows", rows.len());
        };
        assert_eq!(
            (l1.kind, l1.instruments.as_slice()),
            (SubKind::L1, &[0][..])
        );
        assert_eq!(
            (
                sum.state,
                sum.instruments.len(),
                sum.attempts,
                sum.frames,
                sum.bytes
            ),
            (ConnectionState::Ended, 0, 100, 200, 400)
        );
        assert_eq!(
            (sum.control_frames, sum.events, sum.errors),
            (100, 100, 100)
        );
        assert_eq!(sum.last_event_ns, 99);
        assert_eq!(sum.last_error.as_deref(), Some("error 99"));
        assert_eq!(
            (now.state, now.instruments.as_slice(), now.frames),
            (ConnectionState::Connecting, &[100][..], 0)
        );
        live.frame(&WsMessage::text("é"));
        let mut counts = Metrics::default();
        meters.count_frames(&mut counts);
        assert_eq!(
            (counts.frames, counts.bytes, counts.control_frames),
            (201, 402, 100)
        );
    }

    #[test]
    fn a_connection_says_what_it_is_doing_and_why() {
        let meter = Arc::<Meter>::default();
        let state = || {
            let row = meter.read(ExchangeId::Kraken, SubKind::Trades);
            (row.state, row.last_error)
        };
        assert_eq!(state(), (ConnectionState::Connecting, None));
        let carried = meter.clone().until_dropped();
        meter.open();
        assert_eq!(state(), (ConnectionState::Open, None));
        meter.broke("the cable");
        let why = Some("the cable".to_owned());
        assert_eq!(state(), (ConnectionState::Waiting, why.clone()));
        meter.connecting(&[]);
        assert_eq!(state(), (ConnectionState::Connecting, why.clone()));
        drop(carried);
        assert_eq!(state(), (ConnectionState::Ended, why));
    }
}
