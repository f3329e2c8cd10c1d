//! When the next message or connection may go, so that no period has more of them than an exchange allows. The
//! connections of this process to one exchange share their turns.

use super::{Rate, of};
use barter_instrument::exchange::ExchangeId;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::LazyLock,
};
use tokio::time::{Instant, sleep_until};
use url::{Host, Url};

/// Gives turns so that no period has more of them than its rate allows.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: Rate,
    /// The turns that a later one may have to wait for.
    given: VecDeque<Instant>,
}

impl Pacer {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            given: VecDeque::new(),
        }
    }

    /// The next turn: now, or as soon as a period allows it.
    pub(crate) fn turn(&mut self, now: Instant) -> Instant {
        let period = self.rate.period_on_the_wire();
        while self.given.front().is_some_and(|at| *at + period <= now) {
            self.given.pop_front();
        }
        let mut turn = now.max(self.given.back().copied().unwrap_or(now));
        let period_ago = self.given.len().checked_sub(self.rate.count);
        if let Some(earlier) = period_ago.and_then(|place| self.given.get(place)) {
            turn = turn.max(*earlier + period);
        }
        self.given.push_back(turn);
        turn
    }

    fn give_back(&mut self, turn: Instant) {
        if let Some(place) = self.given.iter().position(|given| *given == turn) {
            self.given.remove(place);
        }
    }

    fn idle(&self, now: Instant) -> bool {
        let last = self.given.back();
        last.is_none_or(|last| *last + self.rate.period_on_the_wire() < now)
    }
}

/// Exchange and host.
type Place = (ExchangeId, String);

/// The connections that this process opens.
static CONNECTS: LazyLock<Mutex<HashMap<Place, Pacer>>> = LazyLock::new(Mutex::default);

/// The turn of a connection, given back where it is dropped before the connection is made.
#[derive(Debug)]
pub(crate) struct ConnectTurn {
    /// `None` once it is made, and for a server on this machine, which is no exchange that counts.
    ahead: Option<(Place, Instant)>,
}

impl ConnectTurn {
    fn next(exchange: ExchangeId, address: &Url) -> Self {
        let rate = of(exchange).connects.filter(|_| !on_this_machine(address));
        let ahead = rate.map(|rate| {
            let now = Instant::now();
            let mut connects = CONNECTS.lock();
            connects.retain(|_, pacer| !pacer.idle(now));
            let place = (exchange, address.authority().to_owned());
            let pacer = connects.entry(place.clone());
            let turn = pacer.or_insert_with(|| Pacer::new(rate)).turn(now);
            (place, turn)
        });
        Self { ahead }
    }

    /// The exchange counts the connection.
    pub(crate) fn connected(mut self) {
        self.ahead = None;
    }
}

impl Drop for ConnectTurn {
    fn drop(&mut self) {
        if let Some((place, turn)) = &self.ahead
            && let Some(pacer) = CONNECTS.lock().get_mut(place)
        {
            pacer.give_back(*turn);
        }
    }
}

/// Waits until the exchange allows another connection to this address.
pub(crate) async fn connect_turn(exchange: ExchangeId, address: &Url) -> ConnectTurn {
    let connect = ConnectTurn::next(exchange, address);
    if let Some((_, turn)) = connect.ahead {
        let wait = turn.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            tracing::debug!(
                exchange = exchange.as_str(),
                wait_s = wait.as_secs_f64(),
                "another connection is not allowed yet"
            );
            sleep_until(turn).await;
        }
    }
    connect
}

/// Whether a server is on this machine.
pub(crate) fn on_this_machine(address: &Url) -> bool {
    match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::limits::{HOUR, SECOND};
    use std::time::Duration;

    #[test]
    fn no_period_has_more_turns_than_its_rate_allows() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Rate {
            count: 3,
            period: SECOND,
        });
        let turns: Vec<_> = (0..8)
            .map(|_| (pacer.turn(start) - start).as_millis())
            .collect();
        assert_eq!(turns, [0, 0, 0, 1_100, 1_100, 1_100, 2_200, 2_200]);
        let later = start + Duration::from_secs(60);
        assert_eq!(pacer.turn(later), later, "what was long ago does not count");
    }

    #[tokio::test(start_paused = true)]
    async fn connections_to_an_exchange_wait_for_their_turn_and_those_to_this_machine_do_not() {
        let exchange = "wss://limits.test/ws".parse().unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            connect_turn(ExchangeId::Okx, &exchange).await.connected();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        connect_turn(ExchangeId::Okx, &exchange).await.connected();
        assert!(start.elapsed() >= SECOND, "{:?}", start.elapsed());

        let start = Instant::now();
        let here = "ws://127.0.0.1:9/ws".parse().unwrap();
        for _ in 0..100 {
            connect_turn(ExchangeId::Okx, &here).await.connected();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_to_connect_that_made_no_connection_is_given_back_and_others_still_count() {
        let address = "wss://given-back.test/realtime".parse().unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            drop(connect_turn(ExchangeId::Bitmex, &address).await);
        }
        for _ in 0..20 {
            connect_turn(ExchangeId::Bitmex, &address).await.connected();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..2 {
            let waiting = connect_turn(ExchangeId::Bitmex, &address);
            let cancelled = tokio::time::timeout(SECOND, waiting).await;
            assert!(cancelled.is_err(), "the hour's connections are made");
        }
        connect_turn(ExchangeId::Bitmex, &address).await.connected();
        assert_eq!(start.elapsed(), HOUR + HOUR / 10);
    }
}
