//! Order book snapshots over HTTP for exchanges whose books begin with one. A task of the connection serves requests, a
//! few at a time. What is not a snapshot is told with exchange, market, HTTP status and the exchange's words; where it
//! may pass it is asked for again, ever later, and never before the time for which the exchange asks to be left alone.

use super::{
    error::FeedError,
    http::{self, Client},
    resync::{Ends, Replies, Reply, Requests, answer_all, repetition_delay},
    unsubscribe::Unwanted,
    weights::Turns,
};
use barter_data::{event::MarketEvent, subscription::book::OrderBookEvent};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use barter_integration::subscription::SubscriptionId;
use futures::future::pending;
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::{
    sync::{Semaphore, mpsc},
    time::{Instant, sleep, sleep_until},
};
use url::Url;

/// Requests under way at once.
const AT_ONCE: usize = 4;
/// Snapshots in a row of one market that did not bring its book in order before it is given up.
const SNAPSHOTS_MAX: u32 = 8;
/// Failures in a row to get one snapshot before it is given up.
const FAILURES_MAX: u32 = 8;

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
    /// What is to be left in peace.
    pub(crate) unwanted: Arc<Unwanted>,
    /// Market and instrument of each subscription.
    pub(crate) markets: HashMap<SubscriptionId, (String, InstrumentIndex)>,
}

impl Fetcher {
    /// The ends of the two channels and the task between them.
    pub(crate) fn serve(self) -> (Requests, Replies, impl Future<Output = ()> + Send) {
        let (requests, replies, ends) = Ends::of(self.markets.len());
        (requests, replies, self.run(ends))
    }

    async fn run(self, ends: Ends) {
        let at_once = Semaphore::new(AT_ONCE);
        let answer = ends.answer.clone();
        let bring = |id, delay| self.fetch(&at_once, id, delay, &answer);
        answer_all(ends, SNAPSHOTS_MAX, bring).await;
    }

    /// Asks until there is a snapshot, or no hope of one.
    async fn fetch(
        &self,
        at_once: &Semaphore,
        id: SubscriptionId,
        delay: Option<Duration>,
        answer: &mpsc::Sender<Reply>,
    ) -> Reply {
        let Some((market, instrument)) = self.markets.get(&id) else {
            return self.given_up(id.as_ref(), "it is not subscribed to".into());
        };
        let Some(delay) = delay else {
            let reason = format!("{SNAPSHOTS_MAX} in a row did not bring it in order");
            return self.given_up(market, reason.into());
        };
        let client = match &self.client {
            Ok(client) => client,
            Err(reason) => return self.given_up(market, reason.clone().into()),
        };
        sleep(delay).await;
        let (mut told, mut failures) = (false, 0);
        loop {
            let (failure, until) = match left_alone(&self.address) {
                Some(until) => (Failure::left_alone(until), until),
                None => {
                    self.turns.next().await;
                    let asked = {
                        let _turn = at_once.acquire().await;
                        self.ask(client, market, *instrument).await
                    };
                    let failure = match asked {
                        Ok(event) => return Reply::Snapshot(Snapshot { id, event }),
                        Err(failure) => failure,
                    };
                    if self.unwanted.has(*instrument) {
                        return pending().await;
                    }
                    failures += 1;
                    if !failure.may_pass || failures > FAILURES_MAX {
                        return self.given_up(market, failure);
                    }
                    let until = Instant::now() + failure.wait(failures);
                    if failure.retry_after.is_some() {
                        leave_alone(&self.address, until);
                    }
                    (failure, until)
                }
            };
            tracing::warn!(
                exchange = self.exchange.as_str(),
                market,
                reason = failure.reason,
                next_attempt_s = until
                    .saturating_duration_since(Instant::now())
                    .as_secs_f64(),
                "an order book snapshot could not be had"
            );
            if !told {
                told = true;
                let delayed = Reply::Delayed(id.clone(), self.failed(market, failure));
                // Nobody listens where the connection has ended, and this ends with it.
                let _ = answer.send(delayed).await;
            }
            sleep_until(until).await;
        }
    }

    /// Asks once.
    async fn ask(
        &self,
        client: &Client,
        market: &str,
        instrument: InstrumentIndex,
    ) -> Result<BookEvent, Failure> {
        let answer = http::get(client, self.address_of(market)).await?;
        if let Some(reason) = answer.refusal() {
            return Err(Failure {
                reason,
                retry_after: answer.retry_after,
                may_pass: matches!(answer.status, 408 | 418 | 425 | 429 | 500..),
                refused: answer.status == 400,
            });
        }
        let event = (self.source.read)(instrument, &answer.body);
        event.map_err(|error| format!("not a snapshot ({error}): {}", answer.quoted()).into())
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

    fn given_up(&self, market: &str, failure: Failure) -> Reply {
        let (exchange, reason) = (self.exchange.as_str(), &failure.reason);
        tracing::warn!(
            exchange,
            market,
            reason,
            "an order book snapshot is given up"
        );
        Reply::GivenUp(self.failed(market, failure))
    }

    fn failed(&self, market: &str, failure: Failure) -> FeedError {
        let (exchange, market) = (self.exchange, market.to_owned());
        let Failure {
            reason,
            retry_after,
            refused,
            ..
        } = failure;
        if refused {
            return FeedError::Refused {
                exchange,
                market,
                reason,
            };
        }
        FeedError::Snapshot {
            exchange,
            market,
            reason,
            retry_after,
        }
    }
}

/// Why a request brought no snapshot.
struct Failure {
    reason: String,
    retry_after: Option<Duration>,
    /// Whether another request may bring one.
    may_pass: bool,
    /// Whether the exchange has no such market, though it acknowledges the subscription.
    refused: bool,
}

impl Failure {
    /// The exchange asked for this before.
    fn left_alone(until: Instant) -> Self {
        let left = until.saturating_duration_since(Instant::now());
        let seconds = left.as_secs_f64().ceil();
        Self {
            retry_after: Some(left),
            ..format!("the exchange asks to be left alone for {seconds} s more").into()
        }
    }

    /// How long to wait after it, the so manieth in a row.
    fn wait(&self, failures: u32) -> Duration {
        let asked = self.retry_after.unwrap_or_default();
        asked.max(repetition_delay(failures + 1))
    }
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self {
            reason,
            retry_after: None,
            may_pass: true,
            refused: false,
        }
    }
}

impl From<&str> for Failure {
    fn from(reason: &str) -> Self {
        reason.to_owned().into()
    }
}

/// Until when servers ask to be left alone. It holds for this machine, thus for every connection.
static LEFT_ALONE: LazyLock<Mutex<HashMap<String, Instant>>> = LazyLock::new(Default::default);

fn leave_alone(address: &Url, until: Instant) {
    let mut servers = LEFT_ALONE.lock();
    let known = servers
        .entry(address.authority().to_owned())
        .or_insert(until);
    *known = until.max(*known);
}

/// Until when the server is to be left alone.
fn left_alone(address: &Url) -> Option<Instant> {
    let until = LEFT_ALONE.lock().get(address.authority()).copied()?;
    (until > Instant::now()).then_some(until)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::options::StreamOptions;

    static SOURCE: SnapshotSource = SnapshotSource {
        path: "/depth",
        limit: |depth| depth.unwrap_or(1),
        read: |_, _| Err(serde::de::Error::custom("nothing is read")),
    };

    fn id() -> SubscriptionId {
        SubscriptionId::from("@depth|BTCUSDT")
    }

    fn fetcher(address: &str) -> Fetcher {
        let address = address.parse().unwrap();
        let client = http::client(&StreamOptions::default(), &address, Duration::from_secs(1));
        let turns = Turns::reserve(ExchangeId::BinanceSpot, &address, 1, 0);
        Fetcher {
            exchange: ExchangeId::BinanceSpot,
            source: &SOURCE,
            turns,
            unwanted: Arc::default(),
            address,
            depth: None,
            client,
            markets: [(id(), ("BTCUSDT".to_owned(), InstrumentIndex(0)))].into(),
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_book_that_no_snapshot_can_be_had_of_is_told_once_and_given_up_after_a_bounded_time()
    {
        let (requests, mut replies, task) = fetcher("http://127.0.0.1:1/depth").serve();
        let task = tokio::spawn(task);
        let began = Instant::now();
        requests.send(id()).unwrap();
        let told = replies.recv().await;
        assert!(matches!(told, Some(Reply::Delayed(of, _)) if of == id()));
        let Some(Reply::GivenUp(error)) = replies.recv().await else {
            panic!("expected that it is given up");
        };
        assert!(matches!(error, FeedError::Snapshot { .. }), "{error}");
        // 250 ms, doubled seven times; each request itself takes no more than a second.
        let waited = Duration::from_millis(250 * 255);
        let took = began.elapsed();
        assert!(
            took >= waited && took <= waited + Duration::from_secs(9),
            "{took:?}"
        );
        drop(requests);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_asks_to_be_left_alone_is_asked_by_nobody_until_then() {
        let address = "http://left-alone.test/depth".parse().unwrap();
        assert_eq!(left_alone(&address), None);
        leave_alone(&address, Instant::now() + Duration::from_secs(60));
        leave_alone(&address, Instant::now() + Duration::from_secs(30));
        let (requests, mut replies, task) = fetcher(address.as_str()).serve();
        let _task = tokio::spawn(task);
        requests.send(id()).unwrap();
        let Some(Reply::Delayed(_, error)) = replies.recv().await else {
            panic!("expected to be told why it takes longer");
        };
        assert_eq!(
            error.to_string(),
            "binance_spot: no order book snapshot of BTCUSDT: the exchange asks to be left alone for 60 s more"
        );
        assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
        tokio::time::advance(Duration::from_secs(61)).await;
        assert_eq!(left_alone(&address), None);
    }
}
