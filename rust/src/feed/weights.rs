//! What requests for order books weigh on the way to an exchange's limit, and when they may go. A connection reserves
//! the turns of its books before it opens, so that books past the limit wait for their minute instead of ending in
//! HTTP 429 for all of this machine; what is asked for again takes another turn.

use super::limits::{Rate, on_this_machine};
use barter_instrument::exchange::ExchangeId;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, LazyLock},
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use url::Url;

/// What an exchange server documents of its requests for order books.
#[derive(Debug)]
pub struct DepthWeights {
    /// The exchange server.
    pub exchange: ExchangeId,
    /// The weight that all requests of an address may have together.
    pub allowed: Rate,
    /// The weight of a request for up to so many levels.
    pub weights: &'static [(u32, usize)],
    /// Where this is documented.
    pub source: &'static str,
}

const MINUTE: Duration = Duration::from_secs(60);

/// Every exchange server whose books begin with a request.
pub static DEPTH_WEIGHTS: &[DepthWeights] = &[
    DepthWeights {
        exchange: ExchangeId::BinanceSpot,
        allowed: Rate {
            count: 6_000,
            period: MINUTE,
        },
        weights: &[(100, 5), (500, 25), (1_000, 50), (5_000, 250)],
        source: "https://developers.binance.com/docs/binance-spot-api-docs/rest-api/market-data-endpoints#order-book",
    },
    DepthWeights {
        exchange: ExchangeId::BinanceFuturesUsd,
        allowed: Rate {
            count: 2_400,
            period: MINUTE,
        },
        weights: &[(50, 2), (100, 5), (500, 10), (1_000, 20)],
        source: "https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Order-Book",
    },
];

/// Requests for books that leave within a second at most. It is ours: what an exchange answers to a few at once.
const OF_A_SECOND: usize = 20;

impl DepthWeights {
    fn of(exchange: ExchangeId) -> Option<&'static Self> {
        DEPTH_WEIGHTS.iter().find(|row| row.exchange == exchange)
    }

    /// The weight of one request for so many levels.
    fn weight(&self, levels: u32) -> usize {
        let fits = self.weights.iter().find(|(most, _)| levels <= *most);
        let heaviest = self.weights.last();
        fits.or(heaviest).map_or(0, |(_, weight)| *weight)
    }

    /// A tenth less than is allowed: other requests of this address weigh too.
    fn budget(&self) -> usize {
        self.allowed.count - self.allowed.count / 10
    }

    /// Requests of this weight that one period has.
    fn in_a_row(&self, weight: usize) -> usize {
        self.budget() / weight.max(1)
    }
}

/// Books of so many levels that one period has; `None` where no weight is known.
pub(crate) fn books_of_a_period(exchange: ExchangeId, levels: u32) -> Option<usize> {
    let row = DepthWeights::of(exchange)?;
    Some(row.in_a_row(row.weight(levels)))
}

/// Turns whose weight in any period stays within the budget: when each is, in their order, and what it weighs.
#[derive(Debug, Default)]
struct Spent(VecDeque<(Instant, usize)>);

impl Spent {
    /// Turns in a row, as close as a second allows, so that what comes meanwhile is not kept for a minute; more than
    /// fit into a period are as few such rows as they fit in.
    fn turns(
        &mut self,
        row: &DepthWeights,
        weight: usize,
        count: usize,
        now: Instant,
    ) -> Vec<Instant> {
        let Self(given) = self;
        let period = row.allowed.period_on_the_wire();
        while given.front().is_some_and(|(at, _)| *at + period <= now) {
            given.pop_front();
        }
        let in_a_row = row.in_a_row(weight);
        let mut turn = given.back().map_or(now, |(last, _)| now.max(*last));
        let next = |place: usize| {
            if place.is_multiple_of(in_a_row) {
                let mut together = weight * in_a_row.min(count - place);
                let full = given.iter().rev().find(|(_, earlier)| {
                    together += earlier;
                    together > row.budget()
                });
                turn = full.map_or(turn, |(at, _)| turn.max(*at + period));
            }
            let second_ago = given.len().checked_sub(OF_A_SECOND);
            if let Some((earlier, _)) = second_ago.and_then(|place| given.get(place)) {
                turn = turn.max(*earlier + Duration::from_secs(1));
            }
            given.push_back((turn, weight));
            turn
        };
        (0..count).map(next).collect()
    }

    fn give_back(&mut self, turn: (Instant, usize)) {
        // What is not found was so long ago that it counts no more.
        if let Some(place) = self.0.iter().position(|given| *given == turn) {
            self.0.remove(place);
        }
    }
}

/// What this process has spent, by exchange and host.
static SPENT: LazyLock<Mutex<HashMap<(ExchangeId, String), Spent>>> = LazyLock::new(Mutex::default);

/// That requests for books wait for their turn at this address, until when and why; `None` where none waits.
pub(crate) fn waits(exchange: ExchangeId, address: &Url) -> Option<String> {
    let Rate { count, period } = DepthWeights::of(exchange)?.allowed;
    let place = (exchange, address.authority().to_owned());
    let (last, weight) = *SPENT.lock().get(&place)?.0.back()?;
    let left = last.checked_duration_since(Instant::now())?;
    (!left.is_zero()).then(|| {
        format!(
            "{}: requests for order books wait for their turn, the last for another {} s: it weighs {weight} of the {count} \
             allowed in {} s",
            exchange.as_str(),
            left.as_secs_f64().ceil(),
            period.as_secs(),
        )
    })
}

/// The turns of one connection's requests for books. Those that are reserved and not taken are given back.
#[derive(Debug)]
pub(crate) struct Turns {
    /// What is spent where, by each; `None` where no weight is known, and on this machine, which is no exchange.
    paced: Option<Arc<Paced>>,
    reserved: Mutex<VecDeque<Turn>>,
}

#[derive(Debug)]
struct Paced {
    weight: usize,
    row: &'static DepthWeights,
    place: (ExchangeId, String),
}

/// One request's turn, given back where it is dropped before it came.
#[derive(Debug)]
struct Turn {
    at: Instant,
    /// `None` once it came.
    ahead: Option<Arc<Paced>>,
}

impl Turn {
    async fn come(mut self) {
        sleep_until(self.at).await;
        self.ahead = None;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if let Some(paced) = &self.ahead
            && let Some(spent) = SPENT.lock().get_mut(&paced.place)
        {
            spent.give_back((self.at, paced.weight));
        }
    }
}

impl Turns {
    /// Reserves the turns of so many requests for so many levels each.
    pub(crate) fn reserve(
        exchange: ExchangeId,
        address: &Url,
        levels: u32,
        requests: usize,
    ) -> Self {
        let row = DepthWeights::of(exchange).filter(|_| !on_this_machine(address));
        let paced = row.map(|row| {
            Arc::new(Paced {
                weight: row.weight(levels),
                row,
                place: (exchange, address.authority().to_owned()),
            })
        });
        let turns = paced.iter().flat_map(|paced| paced.turns(requests));
        Self {
            reserved: Mutex::new(turns.collect()),
            paced,
        }
    }

    /// Waits for the first.
    pub(crate) async fn begin(&self) {
        let first = self.reserved.lock().front().map(|turn| turn.at);
        if let Some(first) = first {
            sleep_until(first).await;
        }
    }

    /// How long it is until the last of those that are reserved.
    pub(crate) fn left(&self) -> Duration {
        let last = self.reserved.lock().back().map(|turn| turn.at);
        last.map_or(Duration::ZERO, |last| {
            last.saturating_duration_since(Instant::now())
        })
    }

    /// Waits for the next: of those that are reserved, else another.
    pub(crate) async fn next(&self) {
        let reserved = self.reserved.lock().pop_front();
        let turn = reserved.or_else(|| self.paced.as_ref()?.turns(1).pop());
        if let Some(turn) = turn {
            turn.come().await;
        }
    }
}

impl Paced {
    fn turns(self: &Arc<Self>, count: usize) -> Vec<Turn> {
        let now = Instant::now();
        let mut spent = SPENT.lock();
        let spent = spent.entry(self.place.clone()).or_default();
        let turns = spent.turns(self.row, self.weight, count, now).into_iter();
        let turn = |at| Turn {
            at,
            ahead: Some(self.clone()),
        };
        turns.map(turn).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::exchange::PAIRS;

    fn turns(host: &str, exchange: ExchangeId, levels: u32, requests: usize) -> Turns {
        let address = format!("https://{host}/depth").parse().unwrap();
        Turns::reserve(exchange, &address, levels, requests)
    }

    fn offsets(turns: &Turns, start: Instant) -> Vec<u128> {
        let reserved = turns.reserved.lock();
        let offset = |turn: &Turn| (turn.at - start).as_millis();
        reserved.iter().map(offset).collect()
    }

    #[test]
    fn every_exchange_whose_books_are_asked_for_has_its_weights_and_their_source() {
        let asked = PAIRS.iter().filter(|pair| pair.snapshot.is_some());
        let asked: Vec<_> = asked.map(|pair| pair.exchange.id).collect();
        let rows: Vec<_> = DEPTH_WEIGHTS.iter().map(|row| row.exchange).collect();
        assert_eq!(rows, asked);
        for row in DEPTH_WEIGHTS {
            assert!(row.source.starts_with("https://"), "{row:?}");
            assert!(row.weights.is_sorted(), "{row:?}");
        }
    }

    #[test]
    fn a_request_weighs_what_its_levels_do() {
        let weights = |exchange, levels: &[u32]| -> Vec<_> {
            let row = DepthWeights::of(exchange).unwrap();
            levels.iter().map(|levels| row.weight(*levels)).collect()
        };
        let spot = weights(ExchangeId::BinanceSpot, &[1, 100, 101, 1_000, 5_000]);
        assert_eq!(spot, [5, 5, 25, 50, 250]);
        let usd_margin = weights(ExchangeId::BinanceFuturesUsd, &[5, 50, 100, 500, 1_000]);
        assert_eq!(usd_margin, [2, 2, 5, 10, 20]);
    }

    #[tokio::test(start_paused = true)]
    async fn in_no_minute_do_requests_for_books_weigh_more_than_is_allowed() {
        for (exchange, levels, weight) in [
            (ExchangeId::BinanceSpot, 100, 5),
            (ExchangeId::BinanceSpot, 1_000, 50),
            (ExchangeId::BinanceFuturesUsd, 1_000, 20),
        ] {
            let row = DepthWeights::of(exchange).unwrap();
            let host = format!("weights-{levels}.test");
            let start = Instant::now();
            let offsets = offsets(&turns(&host, exchange, levels, 1_025), start);
            assert!(offsets.is_sorted());
            for (place, from) in offsets.iter().enumerate() {
                let within = |period| {
                    let rest = offsets[place..].iter();
                    rest.take_while(|at| **at < from + period).count()
                };
                assert!(within(60_000) * weight <= row.allowed.count, "{place}");
                assert!(within(1_000) <= OF_A_SECOND, "{place}");
            }
            let minutes = 1_025 * weight / row.budget();
            let last = *offsets.last().unwrap();
            assert!(last <= 66_000 * (minutes as u128 + 1), "{last}");
        }
    }

    /// The README says how many.
    #[tokio::test(start_paused = true)]
    async fn many_books_come_so_many_a_minute_on_average() {
        let start = Instant::now();
        let a_minute = [100, 1_000, 5_000].map(|levels| {
            let host = format!("an-hour-{levels}.test");
            let turns = turns(&host, ExchangeId::BinanceSpot, levels, 70_000);
            let offsets = offsets(&turns, start).into_iter();
            let of_an_hour = offsets.filter(|at| *at < 60 * 60_000).count();
            (of_an_hour + 30) / 60
        });
        assert_eq!(a_minute, [550, 92, 19]);
    }

    #[tokio::test(start_paused = true)]
    async fn connections_to_one_host_share_what_it_allows_and_what_is_asked_again_counts() {
        let spot = ExchangeId::BinanceSpot;
        let start = Instant::now();
        let first = turns("shared.test", spot, 5_000, 21);
        assert_eq!(offsets(&first, start)[..20], [0; 20]);
        assert_eq!(first.left(), Duration::from_secs(1));
        let second = turns("shared.test", spot, 5_000, 1);
        assert_eq!(offsets(&second, start), [66_000]);
        let elsewhere = turns("other.test", spot, 5_000, 1);
        assert_eq!(offsets(&elsewhere, start), [0]);
        for _ in 0..21 {
            first.next().await;
        }
        assert_eq!(start.elapsed(), Duration::from_secs(1));
        first.next().await;
        assert_eq!(start.elapsed(), Duration::from_secs(66));
        second.begin().await;
        assert_eq!(start.elapsed(), Duration::from_secs(66));
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_wait_say_how_long_and_why() {
        let spot = ExchangeId::BinanceSpot;
        let waits = || waits(spot, &"https://waits.test".parse().unwrap());
        assert_eq!(waits(), None);
        let _turns = turns("waits.test", spot, 5_000, 43);
        tokio::time::advance(Duration::from_millis(31_500)).await;
        assert_eq!(
            waits().unwrap(),
            "binance_spot: requests for order books wait for their turn, the last for another 102 s: it weighs 250 of the \
             6000 allowed in 60 s"
        );
        tokio::time::advance(Duration::from_millis(101_500)).await;
        assert_eq!(waits(), None);
    }

    #[tokio::test(start_paused = true)]
    async fn turns_that_no_request_took_are_given_back_and_those_that_one_took_still_count() {
        let spot = ExchangeId::BinanceSpot;
        let start = Instant::now();
        let reserve = |requests| turns("given-back.test", spot, 5_000, requests);
        for _ in 0..3 {
            drop(reserve(21));
        }
        let connection = reserve(21);
        assert_eq!(offsets(&connection, start)[..20], [0; 20]);
        for _ in 0..20 {
            connection.next().await;
        }
        // The last of them is given back too where whoever waits for it is gone.
        let cancelled = tokio::time::timeout(Duration::from_millis(500), connection.next()).await;
        assert!(cancelled.is_err());
        drop(reserve(22));
        assert_eq!(offsets(&reserve(1), start), [1_000]);
        assert_eq!(offsets(&reserve(2), start), [66_000; 2]);
        drop(connection);
        assert_eq!(offsets(&reserve(1), start), [1_000]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_requests_of_a_connection_that_fit_into_a_minute_are_in_one() {
        let start = Instant::now();
        for (connection, begins) in [(0, 0), (1, 70_000), (2, 140_000)] {
            let turns = turns("in-one.test", ExchangeId::BinanceSpot, 1_000, 100);
            assert_eq!(offsets(&turns, start)[0], begins, "{connection}");
            turns.begin().await;
            assert_eq!(start.elapsed().as_millis(), begins);
            assert_eq!(turns.left(), Duration::from_secs(4));
            for _ in 0..100 {
                turns.next().await;
            }
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_on_this_machine_is_no_exchange_that_counts() {
        let here = turns("127.0.0.1:9", ExchangeId::BinanceSpot, 5_000, 1_025);
        let start = Instant::now();
        here.begin().await;
        for _ in 0..1_025 {
            here.next().await;
        }
        assert_eq!(start.elapsed() + here.left(), Duration::ZERO);
    }
}
