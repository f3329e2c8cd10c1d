//! Order book snapshots over HTTP for exchanges whose books begin with one. A task of the connection serves requests, a
//! few at a time; whatever is not a snapshot is told with exchange, market, HTTP status and the exchange's words, and
//! how long it asks to be left alone.

use super::{
    error::{FeedError, http_status_meaning},
    http::{self, Answer, Client},
    weights::Turns,
};
use barter_data::{event::MarketEvent, subscription::book::OrderBookEvent};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use barter_integration::{protocol::websocket::WsMessage, subscription::SubscriptionId};
use futures::{StreamExt, stream::FuturesUnordered};
use std::{
    collections::HashMap,
    future::Future,
    task::{Context, Poll},
    time::Duration,
};
use tokio::sync::mpsc;
use url::Url;

/// Requests under way at once.
const AT_ONCE: usize = 4;
/// How often one connection asks for the same book before it is given up.
const ATTEMPTS_MAX: u32 = 8;
/// The wait before the second repetition; it doubles from then on. The first is at once, as the exchanges advise.
const REPETITION_DELAY: Duration = Duration::from_millis(250);
/// How much of an answer that is no snapshot is quoted.
const QUOTED_CHARS: usize = 200;

/// An event that is an order book.
pub(crate) type BookEvent = MarketEvent<InstrumentIndex, OrderBookEvent>;

/// Where an exchange's snapshots are and how they read.
#[derive(Debug)]
pub(crate) struct SnapshotSource {
    /// Appended to the base of the exchange's REST address.
    pub(crate) path: &'static str,
    /// The `limit` to ask for, given the depth wanted (`None`: the largest sensible).
    pub(crate) limit: fn(Option<u32>) -> u32,
    /// Reads an answer.
    pub(crate) read: fn(InstrumentIndex, &[u8]) -> serde_json::Result<BookEvent>,
}

/// A snapshot and the subscription it is for.
#[derive(Debug)]
pub(crate) struct Snapshot {
    pub(crate) id: SubscriptionId,
    pub(crate) event: BookEvent,
}

/// Asks for snapshots. It is the channel that upstream gives every transformer for messages to the exchange; a market
/// asks for one snapshot at a time, which bounds it.
pub(crate) type Requests = mpsc::UnboundedSender<WsMessage>;

/// The message that asks for the snapshot of a subscription.
pub(crate) fn request(id: &SubscriptionId) -> WsMessage {
    WsMessage::text(id.as_ref())
}

/// The answers.
pub(crate) type Replies = mpsc::Receiver<Result<Snapshot, FeedError>>;

/// What the task that serves requests knows.
pub(crate) struct Fetcher {
    pub(crate) exchange: ExchangeId,
    pub(crate) source: &'static SnapshotSource,
    /// The exchange's address with the source's path.
    pub(crate) address: Url,
    /// For that address; why there is none otherwise.
    pub(crate) client: Result<Client, String>,
    pub(crate) depth: Option<u32>,
    /// When requests may go.
    pub(crate) turns: Turns,
    /// Market and instrument of each subscription.
    pub(crate) markets: HashMap<SubscriptionId, (String, InstrumentIndex)>,
}

impl Fetcher {
    /// The ends of the two channels and the task between them.
    pub(crate) fn serve(self) -> (Requests, Replies, impl Future<Output = ()> + Send) {
        let room = self.markets.len().max(1);
        let (requests, requested) = mpsc::unbounded_channel();
        let (answer, replies) = mpsc::channel(room);
        (requests, replies, self.run(requested, answer))
    }

    async fn run(
        self,
        mut requested: mpsc::UnboundedReceiver<WsMessage>,
        answer: mpsc::Sender<Result<Snapshot, FeedError>>,
    ) {
        let mut attempts: HashMap<SubscriptionId, u32> = HashMap::new();
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                request = requested.recv(), if under_way.len() < AT_ONCE => match request {
                    Some(message) => {
                        let id = SubscriptionId::from(message.to_text().unwrap_or_default());
                        let before = attempts.entry(id.clone()).or_default();
                        under_way.push(self.fetch(id, *before));
                        *before += 1;
                    }
                    None => return,
                },
                Some(fetched) = under_way.next() => {
                    if answer.send(fetched).await.is_err() {
                        return;
                    }
                }
            }
        }
    }

    async fn fetch(&self, id: SubscriptionId, attempts_before: u32) -> Result<Snapshot, FeedError> {
        let Some((market, instrument)) = self.markets.get(&id) else {
            return Err(self.failed(id.as_ref(), "it is not subscribed to".to_owned(), None));
        };
        if attempts_before >= ATTEMPTS_MAX {
            let reason = format!("{ATTEMPTS_MAX} in a row were older than the updates");
            return Err(self.failed(market, reason, None));
        }
        tokio::time::sleep(delay_before(attempts_before)).await;
        self.turns.next().await;
        let failed = |reason| self.failed(market, reason, None);
        let client = self
            .client
            .as_ref()
            .map_err(|reason| failed(reason.clone()))?;
        let answer = http::get(client, self.address_of(market)).await;
        let Answer {
            status,
            retry_after,
            body,
        } = answer.map_err(failed)?;
        let text = String::from_utf8_lossy(&body);
        if !(200..300).contains(&status) {
            let meaning = rest_status_meaning(status);
            let mut reason = format!("HTTP {status}, {meaning}: {}", quoted(&text));
            if let Some(wait) = retry_after {
                reason.push_str(&format!(" (retry after {} s)", wait.as_secs()));
            }
            return Err(self.failed(market, reason, retry_after));
        }
        let event = (self.source.read)(*instrument, &body).map_err(|error| {
            let reason = format!("not a snapshot ({error}): {}", quoted(&text));
            self.failed(market, reason, None)
        })?;
        Ok(Snapshot { id, event })
    }

    fn address_of(&self, market: &str) -> Url {
        let limit = (self.source.limit)(self.depth);
        let mut address = self.address.clone();
        address
            .query_pairs_mut()
            .append_pair("symbol", market)
            .append_pair("limit", &limit.to_string());
        address
    }

    fn failed(&self, market: &str, reason: String, retry_after: Option<Duration>) -> FeedError {
        FeedError::Snapshot {
            exchange: self.exchange,
            market: market.to_owned(),
            reason,
            retry_after,
        }
    }
}

fn delay_before(attempts_before: u32) -> Duration {
    match attempts_before {
        0 | 1 => Duration::ZERO,
        more => REPETITION_DELAY * 2u32.pow(more - 2),
    }
}

/// What an HTTP status means as the answer to a request.
pub(super) fn rest_status_meaning(status: u16) -> &'static str {
    match status {
        400 => "the exchange refuses the request",
        _ => http_status_meaning(status),
    }
}

/// As much of an answer as a message has room for.
pub(super) fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED_CHARS) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}

/// Polls the replies as the inner stream does.
pub(crate) fn poll_reply(
    replies: &mut Option<Replies>,
    cx: &mut Context<'_>,
) -> Option<Result<Snapshot, FeedError>> {
    match replies.as_mut()?.poll_recv(cx) {
        Poll::Ready(reply) => reply,
        Poll::Pending => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_repetition_is_at_once_and_the_delay_doubles_from_then_on() {
        let delays: Vec<_> = (0..ATTEMPTS_MAX)
            .map(|n| delay_before(n).as_millis())
            .collect();
        assert_eq!(delays, [0, 0, 250, 500, 1_000, 2_000, 4_000, 8_000]);
    }

    /// A fetcher of nothing, and the one subscription it knows; it may ask as often as `host` allows.
    fn fetcher(host: &str) -> (Fetcher, SubscriptionId) {
        static SOURCE: SnapshotSource = SnapshotSource {
            path: "/depth",
            limit: |depth| depth.unwrap_or(1),
            read: |_, _| Err(serde::de::Error::custom("nothing is read")),
        };
        let id = SubscriptionId::from("@depth|BTCUSDT");
        let exchange = ExchangeId::BinanceSpot;
        let fetcher = Fetcher {
            exchange,
            source: &SOURCE,
            address: "http://127.0.0.1:9/depth".parse().unwrap(),
            depth: None,
            client: Err("nobody is asked".to_owned()),
            turns: Turns::reserve(exchange, &host.parse().unwrap(), 5_000, 0),
            markets: [(id.clone(), ("BTCUSDT".to_owned(), InstrumentIndex(0)))].into(),
        };
        (fetcher, id)
    }

    #[tokio::test(start_paused = true)]
    async fn a_book_is_asked_for_when_it_has_its_turn() {
        let (fetcher, id) = fetcher("https://turns.test");
        let start = tokio::time::Instant::now();
        for requests in 0..22 {
            let fetched = fetcher.fetch(id.clone(), 0).await;
            fetched.unwrap_err();
            // 5,400 of 6,000 a minute, and 250 each.
            let minute_over = start.elapsed() >= Duration::from_secs(60);
            assert_eq!(minute_over, requests == 21, "{requests}");
        }
    }

    #[tokio::test]
    async fn a_book_whose_snapshots_stay_older_than_its_updates_is_given_up() {
        let (fetcher, id) = fetcher("http://127.0.0.1:9");
        let fetched = fetcher.fetch(id, ATTEMPTS_MAX).await;
        assert_eq!(
            fetched.unwrap_err().to_string(),
            "binance_spot: no order book snapshot of BTCUSDT: 8 in a row were older than the updates"
        );
    }
}
