//! The handshake of a connection: sends the requests at the exchange's pace, waits for the acknowledgement of every
//! subscription and for every snapshot, and keeps what comes meanwhile in its order. One deadline holds over all of
//! it, whatever traffic there is; what is kept is bounded; a refusal is told at once in the exchange's own words.

use super::{
    error::{FeedError, listed},
    frames::Kept,
    limits,
    resync::{Replies, Reply, Requests},
    socket::{Arrived, Incoming, Outgoing},
    venue::{Accepted, Meaning, Venue, market_of},
};
use crate::metrics::Meter;
use barter_data::subscription::Map;
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{protocol::websocket::WsMessage, subscription::SubscriptionId};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    marker::PhantomData,
    sync::Arc,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Frames that are kept at most.
const KEPT_FRAMES_MAX: usize = 65_536;
/// Bytes of frames that are kept at most.
const KEPT_BYTES_MAX: usize = 32 << 20;

/// Where the snapshots of a connection come from.
pub(crate) struct SnapshotLink {
    pub(crate) requests: Requests,
    pub(crate) replies: Replies,
}

/// One request: the subscriptions that the exchange's answer is about.
pub(crate) struct Request {
    /// Its number, where answers repeat one.
    pub(crate) number: u64,
    pub(crate) ids: Vec<SubscriptionId>,
    /// One message, or one for each subscription.
    pub(crate) messages: Vec<WsMessage>,
}

/// What a handshake leaves.
pub(crate) struct Handshaken {
    /// Which subscription is whose, by the names that data frames use.
    pub(crate) map: Map<InstrumentIndex>,
    /// What came meanwhile, in its order.
    pub(crate) kept: VecDeque<Kept>,
}

/// A handshake under way.
pub(crate) struct Handshake<Ex> {
    /// Not yet accepted, in the order of the requests.
    unaccepted: Vec<SubscriptionId>,
    /// Not yet answered as a whole, in their order.
    unanswered: VecDeque<Request>,
    /// Still without a snapshot.
    bookless: Vec<SubscriptionId>,
    /// Why some of these take longer.
    delayed: HashMap<SubscriptionId, FeedError>,
    map: Map<InstrumentIndex>,
    kept: VecDeque<Kept>,
    kept_bytes: usize,
    meter: Arc<Meter>,
    venue: PhantomData<fn() -> Ex>,
}

impl<Ex: Venue> Handshake<Ex> {
    /// A handshake for the subscriptions of `map`.
    pub(crate) fn new(
        map: Map<InstrumentIndex>,
        requests: Vec<Request>,
        meter: Arc<Meter>,
    ) -> Self {
        let ids = requests.iter().flat_map(|request| &request.ids);
        Self {
            unaccepted: ids.cloned().collect(),
            unanswered: requests.into(),
            bookless: Vec::new(),
            delayed: HashMap::new(),
            map,
            kept: VecDeque::new(),
            kept_bytes: 0,
            meter,
            venue: PhantomData,
        }
    }

    /// Runs the handshake within `limit` and what the pace of the requests adds to it.
    pub(crate) async fn run(
        mut self,
        outgoing: &Outgoing,
        incoming: &mut Incoming,
        snapshots: Option<&mut SnapshotLink>,
        limit: Duration,
    ) -> Result<Handshaken, FeedError> {
        let messages = self.unanswered.iter_mut();
        let messages: Vec<_> = messages
            .flat_map(|request| request.messages.drain(..))
            .collect();
        let limit = limit + limits::of(Ex::ID).sending_time(messages.len());
        let deadline = Instant::now() + limit;
        let shaking = self.shake(outgoing, incoming, messages, snapshots, deadline);
        match tokio::time::timeout(limit, shaking).await {
            Ok(Ok(())) => Ok(Handshaken {
                map: self.map,
                kept: self.kept,
            }),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(self.late(limit)),
        }
    }

    async fn shake(
        &mut self,
        outgoing: &Outgoing,
        incoming: &mut Incoming,
        messages: Vec<WsMessage>,
        snapshots: Option<&mut SnapshotLink>,
        deadline: Instant,
    ) -> Result<(), FeedError> {
        let wanted = match &snapshots {
            Some(_) => self.unaccepted.clone(),
            None => Vec::new(),
        };
        let mut pacer = limits::of(Ex::ID).message_pacer();
        for message in messages {
            if let Some(pacer) = &mut pacer {
                let turn = pacer.turn(Instant::now());
                self.listen_until(incoming, turn).await?;
            }
            if outgoing.send(message).await.is_err() {
                // Reading says why.
                break;
            }
        }
        while !self.unaccepted.is_empty() {
            self.message(incoming.next().await)?;
        }
        let exchange = Ex::ID.as_str();
        tracing::debug!(exchange, "every subscription is acknowledged");
        let Some(SnapshotLink { requests, replies }) = snapshots else {
            return Ok(());
        };
        self.bookless = wanted;
        for id in &self.bookless {
            let asked = requests.send(id.clone());
            asked.map_err(|_| closed::<Ex>("the snapshots' task ended".to_owned()))?;
        }
        let books = self.bookless.len();
        tracing::debug!(exchange, books, "waiting for order book snapshots");
        while !self.bookless.is_empty() {
            tokio::select! {
                message = incoming.next() => self.message(message)?,
                Some(reply) = replies.recv() => self.reply(reply, deadline)?,
            }
        }
        Ok(())
    }

    fn reply(&mut self, reply: Reply, deadline: Instant) -> Result<(), FeedError> {
        match &reply {
            Reply::GivenUp(error) => return Err(error.clone()),
            Reply::Snapshot(snapshot) => self.bookless.retain(|id| *id != snapshot.id),
            Reply::Delayed(id, error) => {
                let left = deadline.saturating_duration_since(Instant::now());
                if error.retry_after().is_some_and(|wait| wait >= left) {
                    return Err(error.clone());
                }
                self.delayed.insert(id.clone(), error.clone());
            }
            Reply::Due(_) => {}
        }
        self.kept.push_back(Kept::Reply(reply));
        Ok(())
    }

    /// Reads what comes until then.
    async fn listen_until(
        &mut self,
        incoming: &mut Incoming,
        moment: Instant,
    ) -> Result<(), FeedError> {
        while Instant::now() < moment {
            tokio::select! {
                () = sleep_until(moment) => {}
                message = incoming.next() => self.message(message)?,
            }
        }
        Ok(())
    }

    fn message(&mut self, arrived: Result<Arrived, String>) -> Result<(), FeedError> {
        let Arrived { frame, at } = arrived.map_err(closed::<Ex>)?;
        match frame {
            WsMessage::Text(text) => self.text(text, at),
            WsMessage::Binary(bytes) => match Utf8Bytes::try_from(bytes) {
                Ok(text) => self.text(text, at),
                Err(error) => Err(closed::<Ex>(format!("a frame is not UTF-8: {error}"))),
            },
            WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Close(_) | WsMessage::Frame(_) => {
                Ok(())
            }
        }
    }

    fn text(&mut self, text: Utf8Bytes, at: DateTime<Utc>) -> Result<(), FeedError> {
        match Ex::meaning(&text) {
            Meaning::Control => {
                self.meter.control_frame();
                Ok(())
            }
            Meaning::Accepted(accepted) => {
                self.meter.control_frame();
                self.accept(accepted, &text);
                Ok(())
            }
            Meaning::Refused { market, reason } => Err(FeedError::Refused {
                exchange: Ex::ID,
                market: market.unwrap_or_else(|| self.culprit(&text, &reason)),
                reason,
            }),
            Meaning::Ending(reason) => Err(closed::<Ex>(reason)),
            Meaning::Data => self.keep(text, at),
        }
    }

    fn accept(&mut self, accepted: Accepted, answer: &str) {
        match accepted {
            Accepted::All => self.accept_request(answer),
            Accepted::Next => {
                if !self.unaccepted.is_empty() {
                    self.unaccepted.remove(0);
                }
            }
            Accepted::These(ids) => self.unaccepted.retain(|id| !ids.contains(id)),
            Accepted::Aliased { id, alias } => {
                self.unaccepted.retain(|waiting| *waiting != id);
                if let Some(instrument) = self.map.0.remove(&id) {
                    self.map.0.insert(alias, instrument);
                }
            }
        }
    }

    /// All of one request is accepted; an answer to none that waits for one is late, or repeated.
    fn accept_request(&mut self, answer: &str) {
        let answered = self.answered(answer);
        if let Some(request) = answered.and_then(|place| self.unanswered.remove(place)) {
            let ids: HashSet<_> = request.ids.into_iter().collect();
            self.unaccepted.retain(|id| !ids.contains(id));
        }
    }

    /// The place of the request that an answer is to: that of its number, or the first.
    fn answered(&self, answer: &str) -> Option<usize> {
        match number_of(answer) {
            Some(number) => {
                let mut waiting = self.unanswered.iter();
                waiting.position(|request| request.number == number)
            }
            None => (!self.unanswered.is_empty()).then_some(0),
        }
    }

    fn keep(&mut self, text: Utf8Bytes, at: DateTime<Utc>) -> Result<(), FeedError> {
        self.kept_bytes += text.len();
        self.kept.push_back(Kept::Frame(text, at));
        if self.kept.len() <= KEPT_FRAMES_MAX && self.kept_bytes <= KEPT_BYTES_MAX {
            return Ok(());
        }
        Err(FeedError::Flooded {
            exchange: Ex::ID,
            missing: self.missing(),
            frames: self.kept.len(),
            bytes: self.kept_bytes,
        })
    }

    /// Why it did not finish in its time.
    fn late(&self, limit: Duration) -> FeedError {
        let mut bookless = self.bookless.iter();
        let known = bookless.find_map(|id| self.delayed.get(id));
        known
            .cloned()
            .unwrap_or_else(|| FeedError::HandshakeTimeout {
                exchange: Ex::ID,
                missing: self.missing(),
                limit,
            })
    }

    fn missing(&self) -> String {
        if self.unaccepted.is_empty() {
            format!("no order book snapshot of {}", names(&self.bookless))
        } else {
            format!("no acknowledgement of {}", names(&self.unaccepted))
        }
    }

    /// The market a refusal is about: the one it speaks of, or all of the request that are not accepted yet.
    fn culprit(&self, answer: &str, reason: &str) -> String {
        let request = self.answered(answer).map(|place| &self.unanswered[place]);
        let asked: HashSet<_> = request.into_iter().flat_map(|asked| &asked.ids).collect();
        let waiting = self.unaccepted.iter();
        let mut suspects: Vec<_> = waiting.filter(|id| asked.contains(id)).cloned().collect();
        if suspects.is_empty() {
            suspects.clone_from(&self.unaccepted);
        }
        let spoken_of = |id: &&SubscriptionId| reason.contains(market_of(id));
        match suspects.iter().find(spoken_of) {
            Some(id) => market_of(id).to_owned(),
            None => names(&suspects),
        }
    }
}

/// The number of the request that an answer is to, where it repeats one.
fn number_of(answer: &str) -> Option<u64> {
    #[derive(Deserialize)]
    struct Numbered {
        id: Option<u64>,
    }
    serde_json::from_str::<Numbered>(answer).ok()?.id
}

fn closed<Ex: Venue>(reason: String) -> FeedError {
    FeedError::Closed {
        exchange: Ex::ID,
        reason,
    }
}

fn names(ids: &[SubscriptionId]) -> String {
    listed(ids.iter().map(market_of))
}
