//! A new beginning for one order book while its connection goes on: the book's reader asks for it where updates
//! are missing, and a task of the connection brings it, a snapshot over HTTP or a new subscription. What fails is tried
//! again, ever later; where that does not bring the book in order, the connection is given up for that reason.

use super::{
    error::FeedError,
    frame_json,
    reader::Input,
    snapshot::Snapshot,
    socket::Outgoing,
    unsubscribe::Unwanted,
    venue::{Topic, market_of},
};
use barter_data::subscription::book::OrderBookEvent;
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use barter_integration::{
    error::SocketError, protocol::websocket::WsMessage, subscription::SubscriptionId,
};
use futures::{StreamExt, future::pending, stream::FuturesUnordered};
use serde::de::DeserializeOwned;
use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};
use tokio::{sync::mpsc, time::Instant};

/// The wait before the second repetition; it doubles from then on. The first is at once, as the exchanges advise.
const REPETITION_DELAY: Duration = Duration::from_millis(250);
/// A book that needed no new beginning for so long is in order: the next time counts as the first.
const SETTLED_AFTER: Duration = Duration::from_secs(30);
/// New subscriptions in a row of one market.
const SUBSCRIPTIONS_MAX: u32 = 4;

/// Asks for the new beginning of a subscription's book; a market asks for one at a time, which bounds it.
pub(crate) type Requests = mpsc::UnboundedSender<SubscriptionId>;

/// What comes of a request.
#[derive(Debug)]
pub(crate) enum Reply {
    /// The book.
    Snapshot(Snapshot),
    /// It takes longer, for this reason; told once a request.
    Delayed(SubscriptionId, FeedError),
    /// A new subscription was made a while ago: where it has not brought a snapshot, another is to be asked for.
    Due(SubscriptionId),
    /// There will be none.
    GivenUp(FeedError),
}

/// The answers.
pub(crate) type Replies = mpsc::Receiver<Reply>;

/// What a book's reader takes.
#[derive(Debug)]
pub(crate) enum BookInput<F> {
    /// A frame of the socket.
    Frame(F),
    /// An answer to its request.
    Reply(Reply),
}

impl<F: DeserializeOwned + Send + 'static> Input for BookInput<F> {
    fn frame(text: &str) -> serde_json::Result<Self> {
        frame_json::from_str(text).map(Self::Frame)
    }

    fn reply(reply: Reply) -> Option<Self> {
        Some(Self::Reply(reply))
    }
}

/// The requests of each market, as many as follow each other closely.
struct Attempts {
    most: u32,
    made: HashMap<SubscriptionId, (u32, Instant)>,
}

impl Attempts {
    /// Allows so many in a row.
    fn new(most: u32) -> Self {
        Self {
            most,
            made: HashMap::new(),
        }
    }

    /// Counts one; the wait before it, `None` where there were too many.
    fn next(&mut self, id: &SubscriptionId, now: Instant) -> Option<Duration> {
        let (made, last) = self.made.entry(id.clone()).or_insert((0, now));
        if now.saturating_duration_since(*last) >= SETTLED_AFTER {
            *made = 0;
        }
        *last = now;
        *made += 1;
        (*made <= self.most).then(|| repetition_delay(*made - 1))
    }
}

/// The wait before a repetition, so many after the first time.
pub(crate) fn repetition_delay(before: u32) -> Duration {
    match before {
        0 | 1 => Duration::ZERO,
        more => REPETITION_DELAY * 2u32.saturating_pow(more - 2),
    }
}

/// The ends of the two channels that are the task's.
pub(crate) struct Ends {
    asked: mpsc::UnboundedReceiver<SubscriptionId>,
    pub(crate) answer: mpsc::Sender<Reply>,
}

impl Ends {
    /// Those of the channels for so many markets, and the ends that are the connection's.
    pub(crate) fn of(markets: usize) -> (Requests, Replies, Self) {
        let (requests, asked) = mpsc::unbounded_channel();
        let (answer, replies) = mpsc::channel(markets.max(1));
        (requests, replies, Self { asked, answer })
    }
}

/// Answers each request with what `bring` makes of it, several at a time, until nobody asks or listens any more.
/// `bring` takes the wait before it, `None` after so many in a row of one market as `most`.
pub(crate) async fn answer_all<F>(
    mut ends: Ends,
    most: u32,
    bring: impl Fn(SubscriptionId, Option<Duration>) -> F,
) where
    F: Future<Output = Reply>,
{
    let mut attempts = Attempts::new(most);
    let mut under_way = FuturesUnordered::new();
    // Of several under way for one market only the newest may say that its snapshot is due.
    let mut newest: HashMap<SubscriptionId, u64> = HashMap::new();
    loop {
        tokio::select! {
            request = ends.asked.recv() => {
                let Some(id) = request else { return };
                let delay = attempts.next(&id, Instant::now());
                let number = newest.entry(id.clone()).or_default();
                *number += 1;
                let (number, bringing) = (*number, bring(id, delay));
                under_way.push(async move { (number, bringing.await) });
            }
            Some((number, reply)) = under_way.next() => {
                let superseded = matches!(&reply, Reply::Due(id) if newest.get(id) != Some(&number));
                if !superseded && ends.answer.send(reply).await.is_err() {
                    return;
                }
            }
        }
    }
}

/// Brings new beginnings by new subscriptions on the same socket.
pub(crate) struct Resubscriber {
    pub(crate) exchange: ExchangeId,
    /// The messages to the exchange, in their order, for each subscription.
    pub(crate) messages: HashMap<SubscriptionId, (InstrumentIndex, Vec<WsMessage>)>,
    /// Where messages to the exchange go.
    pub(crate) outgoing: Outgoing,
    /// Time for a snapshot after a new subscription.
    pub(crate) time_limit: Duration,
    /// What is to be left in peace.
    pub(crate) unwanted: Arc<Unwanted>,
}

impl Resubscriber {
    /// The ends of the two channels and the task between them.
    pub(crate) fn serve(self) -> (Requests, Replies, impl Future<Output = ()> + Send) {
        let (requests, replies, ends) = Ends::of(self.messages.len());
        (requests, replies, self.run(ends))
    }

    async fn run(self, ends: Ends) {
        let bring = |id, delay| self.resubscribe(id, delay);
        answer_all(ends, SUBSCRIPTIONS_MAX, bring).await;
    }

    async fn resubscribe(&self, id: SubscriptionId, delay: Option<Duration>) -> Reply {
        let Some(delay) = delay else {
            let reason =
                format!("{SUBSCRIPTIONS_MAX} new subscriptions in a row did not bring it in order");
            return self.given_up(&id, reason);
        };
        tokio::time::sleep(delay).await;
        let Some((instrument, messages)) = self.messages.get(&id) else {
            return self.given_up(&id, "it is not subscribed to".to_owned());
        };
        if self.unwanted.has(*instrument) {
            return pending().await;
        }
        for message in messages {
            if self.outgoing.send(message.clone()).await.is_err() {
                return self.given_up(&id, "the connection takes no messages".to_owned());
            }
        }
        tokio::time::sleep(self.time_limit).await;
        Reply::Due(id)
    }

    fn given_up(&self, id: &SubscriptionId, reason: String) -> Reply {
        Reply::GivenUp(FeedError::Snapshot {
            exchange: self.exchange,
            market: market_of(id).to_owned(),
            reason,
            retry_after: None,
        })
    }
}

/// What a book's reader gives out.
// No other alias has this name: the header's generator tells them apart by their names alone.
pub(crate) type BookItem = crate::outlet::Item<OrderBookEvent>;

/// Whether what was read leaves a book in need of a new beginning.
#[must_use]
pub(crate) struct Resync(pub(crate) bool);

/// Asks for the new beginning of this subscription's book.
pub(crate) fn ask_anew(topic: &Topic, requests: &Requests, items: &mut Vec<BookItem>) {
    let sent = requests.send(topic.id());
    if let Err(mpsc::error::SendError(id)) = sent {
        let reason = format!("no new beginning of the book {id} can be asked for");
        items.push(Err(SocketError::Subscribe(reason).into()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn id() -> SubscriptionId {
        SubscriptionId::from("orderbook.50|BTCUSDT")
    }

    #[test]
    fn the_first_repetition_is_at_once_and_the_delay_doubles_from_then_on_as_often_as_is_allowed() {
        let mut attempts = Attempts::new(8);
        let now = Instant::now();
        let mut delays = || attempts.next(&id(), now).map(|delay| delay.as_millis());
        let first: Vec<_> = (0..8).map_while(|_| delays()).collect();
        assert_eq!(first, [0, 0, 250, 500, 1_000, 2_000, 4_000, 8_000]);
        assert_eq!(delays(), None);
    }

    #[test]
    fn attempts_count_by_market_and_only_those_in_a_row() {
        let mut attempts = Attempts::new(1);
        let now = Instant::now();
        assert!(attempts.next(&id(), now).is_some());
        assert!(attempts.next(&id(), now + SETTLED_AFTER - SECOND).is_none());
        let other = SubscriptionId::from("orderbook.50|ETHUSDT");
        assert!(attempts.next(&other, now).is_some());
        let later = now + 2 * SETTLED_AFTER;
        assert!(attempts.next(&id(), later).is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_new_subscription_is_due_after_its_time_unless_there_was_a_newer_one() {
        let (outgoing, mut sent) = mpsc::channel(8);
        let messages = vec![WsMessage::text("leave"), WsMessage::text("join")];
        let resubscriber = Resubscriber {
            exchange: ExchangeId::BybitSpot,
            messages: [(id(), (InstrumentIndex(0), messages.clone()))].into(),
            outgoing: Outgoing::to(outgoing),
            time_limit: 10 * SECOND,
            unwanted: Arc::default(),
        };
        let (requests, mut replies, task) = resubscriber.serve();
        let task = tokio::spawn(task);
        let began = Instant::now();
        requests.send(id()).unwrap();
        for message in &messages {
            assert_eq!(sent.recv().await.as_ref(), Some(message));
        }
        tokio::time::sleep(4 * SECOND).await;
        requests.send(id()).unwrap();
        let due = replies.recv().await;
        assert!(matches!(due, Some(Reply::Due(of)) if of == id()));
        assert_eq!(began.elapsed().as_secs(), 14);
        for _ in 2..SUBSCRIPTIONS_MAX {
            requests.send(id()).unwrap();
            assert!(matches!(replies.recv().await, Some(Reply::Due(_))));
        }
        requests.send(id()).unwrap();
        let Some(Reply::GivenUp(error)) = replies.recv().await else {
            panic!("expected that it is given up");
        };
        assert_eq!(
            error.to_string(),
            "bybit_spot: no order book snapshot of BTCUSDT: \
             4 new subscriptions in a row did not bring it in order"
        );
        drop(requests);
        task.await.unwrap();
    }
}
