//! What streams and sets of streams have come to: [`Metrics`], for C as numbers and for both languages as JSON. A
//! [`Meter`] is where it is counted.

mod meter;

pub use meter::Meter;
pub(crate) use meter::Meters;

use crate::{event::NO_TIME, subscription::SubKind};
use barter_instrument::exchange::ExchangeId;
use serde::{Serialize, Serializer};
use std::ops::AddAssign;

/// Counts since a stream was made, and its state now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Metrics {
    /// Market events that arrived in the queue.
    pub events: u64,
    /// Errors that arrived in the queue.
    pub errors: u64,
    /// Notices that arrived in the queue.
    pub notices: u64,
    /// Events and errors lost in the queue.
    pub dropped: u64,
    /// Connections that broke, and attempts to open one that failed: `Reconnecting` notices.
    pub reconnects: u64,
    /// `Silent` notices.
    pub silences: u64,
    /// WebSocket frames received.
    pub frames: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Frames that were neither market data nor errors.
    pub control_frames: u64,
    /// Records waiting.
    pub queued_events: u64,
    /// Bytes waiting.
    pub queued_bytes: u64,
    /// Most records that ever waited.
    pub high_water_events: u64,
    /// Most bytes that ever waited.
    pub high_water_bytes: u64,
    /// Bytes handed out and not freed.
    pub bytes_lent: u64,
    /// `time_received` of the last event, ns since the epoch.
    #[serde(serialize_with = "known_time")]
    pub last_event_ns: i64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self {
            events: 0,
            errors: 0,
            notices: 0,
            dropped: 0,
            reconnects: 0,
            silences: 0,
            frames: 0,
            bytes: 0,
            control_frames: 0,
            queued_events: 0,
            queued_bytes: 0,
            high_water_events: 0,
            high_water_bytes: 0,
            bytes_lent: 0,
            last_event_ns: NO_TIME,
        }
    }
}

impl AddAssign for Metrics {
    /// The metrics of two streams together. High waters add up to a bound: the two may not have stood at one time.
    fn add_assign(&mut self, other: Self) {
        self.events += other.events;
        self.errors += other.errors;
        self.notices += other.notices;
        self.dropped += other.dropped;
        self.reconnects += other.reconnects;
        self.silences += other.silences;
        self.frames += other.frames;
        self.bytes += other.bytes;
        self.control_frames += other.control_frames;
        self.queued_events += other.queued_events;
        self.queued_bytes += other.queued_bytes;
        self.high_water_events += other.high_water_events;
        self.high_water_bytes += other.high_water_bytes;
        self.bytes_lent += other.bytes_lent;
        self.last_event_ns = self.last_event_ns.max(other.last_event_ns);
    }
}

fn known_time<S: Serializer>(time_ns: &i64, serializer: S) -> Result<S::Ok, S::Error> {
    (*time_ns != NO_TIME)
        .then_some(*time_ns)
        .serialize(serializer)
}

/// A stream's metrics with those of its connections; exchange and kind are `None` where all were selected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamMetrics {
    /// The exchange server.
    pub exchange: Option<ExchangeId>,
    /// The kind of market data.
    pub kind: Option<SubKind>,
    /// The stream's counts.
    #[serde(flatten)]
    pub counts: Metrics,
    /// Its connections, in the order in which they were asked for.
    pub connections: Vec<ConnectionMetrics>,
}

/// The metrics of a set: the sum over its streams, and each of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SetMetrics {
    /// The sum.
    #[serde(flatten)]
    pub counts: Metrics,
    /// The streams to be selected, then those that were and are not freed.
    pub streams: Vec<StreamMetrics>,
}

impl SetMetrics {
    /// Of these streams.
    pub fn of(streams: Vec<StreamMetrics>) -> Self {
        let mut counts = Metrics::default();
        streams.iter().for_each(|stream| counts += stream.counts);
        Self { counts, streams }
    }
}

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConnectionState {
    /// It connects, subscribes, and waits for acknowledgements and snapshots.
    Connecting,
    /// It carries events.
    Open,
    /// It waits before the next attempt.
    Waiting,
    /// It is over: its stream was closed, or it was given up.
    Ended,
}

/// What one connection did, over all its reconnections.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ConnectionMetrics {
    /// The exchange server.
    pub exchange: ExchangeId,
    /// The kind of market data.
    pub kind: SubKind,
    /// Indices of its instruments.
    pub instruments: Vec<u32>,
    /// What it is doing.
    pub state: ConnectionState,
    /// Since when, ns since the epoch.
    pub since_ns: i64,
    /// WebSocket frames received.
    pub frames: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Frames that were neither market data nor errors.
    pub control_frames: u64,
    /// Market events read.
    pub events: u64,
    /// Errors read.
    pub errors: u64,
    /// Times it broke, and attempts to open it that failed.
    pub reconnects: u64,
    /// Times a subscription of its was silent for too long.
    pub silences: u64,
    /// Attempts to open it, the first included.
    pub attempts: u64,
    /// When the last frame was read, ns since the epoch.
    #[serde(serialize_with = "known_time")]
    pub last_frame_ns: i64,
    /// `time_received` of the last event, ns since the epoch.
    #[serde(serialize_with = "known_time")]
    pub last_event_ns: i64,
    /// The last error, or why it broke last.
    pub last_error: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_null() {
        let json = serde_json::to_value(Metrics::default()).unwrap();
        assert_eq!(json["last_event_ns"], serde_json::Value::Null);
        assert_eq!(json["events"], 0);
    }
}
