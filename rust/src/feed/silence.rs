//! Silence: subscriptions of an open connection that bring no data. Arithmetic over times that
//! [`reconnect`](super::reconnect) hands in: each silence is found once, only the time in which the connection was read
//! counts, and what counts is kept over reconnections, so that a connection that breaks again and again hides none.

use crate::subscription::ConnectionPlan;
use barter_instrument::instrument::InstrumentIndex;
use std::time::Duration;
use tokio::time::Instant;

/// An instrument without data, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Silent {
    pub(crate) instrument: InstrumentIndex,
    pub(crate) length: Duration,
}

/// What a check finds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Found {
    /// Whose silence has begun to count, each once until data comes.
    pub(crate) silent: Vec<Silent>,
    /// Whether everything is silent, this connection has brought nothing for the limit, and was not found so before.
    pub(crate) mute: bool,
}

/// The silences of one plan's connections. Times are those of listening, since the beginning.
pub(crate) struct Silence {
    limit: Duration,
    /// In the order of the instruments.
    subscriptions: Vec<Subscription>,
    began: Instant,
    /// Time in which nobody listened.
    missed: Duration,
    /// Since when nobody listens.
    paused: Option<Instant>,
    /// When the connection opened, or was found mute.
    opened: Duration,
    next_check: Duration,
}

struct Subscription {
    instrument: InstrumentIndex,
    heard: Duration,
    told: bool,
}

impl Silence {
    /// The silences from `limit` on. Nobody listens yet.
    pub(crate) fn new(limit: Duration, plan: &ConnectionPlan, now: Instant) -> Self {
        let instruments = plan.instruments.iter().map(|market| market.key);
        let mut subscriptions: Vec<_> = instruments
            .map(|instrument| Subscription {
                instrument,
                heard: Duration::ZERO,
                told: false,
            })
            .collect();
        subscriptions.sort_by_key(|subscription| subscription.instrument);
        Self {
            limit,
            subscriptions,
            began: now,
            missed: Duration::ZERO,
            paused: Some(now),
            opened: Duration::ZERO,
            next_check: limit,
        }
    }

    /// How long a subscription is without data when its silence begins to count.
    pub(crate) fn limit(&self) -> Duration {
        self.limit
    }

    /// Goes on with these alone.
    pub(crate) fn retain(&mut self, wanted: impl Fn(InstrumentIndex) -> bool) {
        self.subscriptions
            .retain(|subscription| wanted(subscription.instrument));
    }

    /// A connection is open and is read from now on.
    pub(crate) fn opened(&mut self, now: Instant) {
        self.resumed(now);
        self.opened = self.time(now);
    }

    /// It is not read from now on.
    pub(crate) fn paused(&mut self, now: Instant) {
        self.paused.get_or_insert(now);
    }

    /// It is read again from now on.
    pub(crate) fn resumed(&mut self, now: Instant) {
        if let Some(since) = self.paused.take() {
            self.missed += now - since;
        }
    }

    /// Data came; whether the next check is due.
    pub(crate) fn heard(&mut self, instrument: InstrumentIndex, now: Instant) -> bool {
        let time = self.time(now);
        let place = |subscription: &Subscription| subscription.instrument;
        if let Ok(place) = self.subscriptions.binary_search_by_key(&instrument, place) {
            let subscription = &mut self.subscriptions[place];
            subscription.heard = time;
            subscription.told = false;
        }
        time >= self.next_check
    }

    /// When to check, while it is read.
    pub(crate) fn due(&self) -> Instant {
        self.began + self.missed + self.next_check
    }

    /// What is silent now.
    pub(crate) fn check(&mut self, now: Instant) -> Found {
        let now = self.time(now);
        let mut found = Found::default();
        if now < self.next_check {
            return found;
        }
        self.next_check = now + self.limit;
        let mut last = self.opened;
        for subscription in &mut self.subscriptions {
            last = last.max(subscription.heard);
            if subscription.told {
                continue;
            }
            let due = subscription.heard + self.limit;
            if due > now {
                self.next_check = self.next_check.min(due);
                continue;
            }
            subscription.told = true;
            found.silent.push(Silent {
                instrument: subscription.instrument,
                length: now - subscription.heard,
            });
        }
        if self
            .subscriptions
            .iter()
            .all(|subscription| subscription.told)
        {
            found.mute = last + self.limit <= now;
            if found.mute {
                self.opened = now;
            } else {
                self.next_check = self.next_check.min(last + self.limit);
            }
        }
        found
    }

    fn time(&self, now: Instant) -> Duration {
        (now - self.began).saturating_sub(self.missed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscription::SubKind;
    use barter_data::instrument::MarketInstrumentData;
    use barter_instrument::{
        exchange::ExchangeId,
        instrument::{market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange},
    };

    const LIMIT: u64 = 30;

    /// Silences of the instruments 3 and 5 on a connection that opened at 0, and its clock in seconds.
    struct Scene {
        began: Instant,
        silence: Silence,
    }

    impl Scene {
        fn new() -> Self {
            let began = Instant::now();
            let market = |index| MarketInstrumentData {
                key: InstrumentIndex(index),
                name_exchange: InstrumentNameExchange::new(index.to_string()),
                kind: MarketDataInstrumentKind::Spot,
            };
            let plan = ConnectionPlan {
                exchange: ExchangeId::Kraken,
                kind: SubKind::Trades,
                instruments: [5, 3].map(market).into(),
            };
            let mut silence = Silence::new(Duration::from_secs(LIMIT), &plan, began);
            silence.opened(began);
            Self { began, silence }
        }

        fn at(&self, second: u64) -> Instant {
            self.began + Duration::from_secs(second)
        }

        fn heard(&mut self, second: u64, index: usize) -> bool {
            let now = self.at(second);
            self.silence.heard(InstrumentIndex(index), now)
        }

        fn pause(&mut self, from: u64, to: u64) {
            let (from, to) = (self.at(from), self.at(to));
            self.silence.paused(from);
            self.silence.resumed(to);
        }

        /// Indices and seconds of what is silent, and whether all is.
        fn check(&mut self, second: u64) -> (Vec<(usize, u64)>, bool) {
            let found = self.silence.check(self.at(second));
            let silent = found.silent.iter();
            let silent = silent.map(|one| (one.instrument.0, one.length.as_secs()));
            (silent.collect(), found.mute)
        }

        /// The second of the next check.
        fn due(&self) -> u64 {
            (self.silence.due() - self.began).as_secs()
        }
    }

    #[test]
    fn each_silence_is_found_once_until_data_comes() {
        let mut scene = Scene::new();
        scene.heard(20, 3);
        assert_eq!((scene.due(), scene.check(29)), (30, (vec![], false)));
        // A connection that is never dry is looked at too.
        assert_eq!([scene.heard(20, 3), scene.heard(30, 4)], [false, true]);
        assert_eq!(scene.check(30), (vec![(5, 30)], false));
        assert_eq!((scene.due(), scene.check(49)), (50, (vec![], false)));
        scene.heard(49, 3);
        scene.heard(49, 5);
        assert_eq!((scene.check(50), scene.due()), ((vec![], false), 79));
        assert_eq!(scene.check(79), (vec![(3, 30), (5, 30)], true));
        assert_eq!(scene.check(80), (vec![], false));
        scene.heard(100, 5);
        assert_eq!(scene.check(129), (vec![], false));
        assert_eq!(scene.check(130), (vec![(5, 30)], true));
    }

    #[test]
    fn what_is_heard_of_no_subscription_changes_nothing() {
        let mut scene = Scene::new();
        scene.heard(29, 4);
        assert_eq!(scene.check(30).0.len(), 2);
    }

    #[test]
    fn time_without_listening_does_not_count_and_no_reconnection_hides_a_silence() {
        let mut scene = Scene::new();
        scene.heard(10, 3);
        scene.pause(20, 100);
        assert_eq!(scene.due(), 110);
        assert_eq!(scene.check(109), (vec![], false));
        assert_eq!(scene.check(110), (vec![(5, 30)], false));
        let (down, up) = (scene.at(115), scene.at(200));
        scene.silence.paused(down);
        scene.silence.opened(up);
        // It was heard at 10, then listened to from 10 to 20, from 100 to 115, and from 200 on.
        assert_eq!((scene.due(), scene.check(204)), (205, (vec![], false)));
        assert_eq!(scene.check(205), (vec![(3, 30)], false));
    }

    #[test]
    fn a_connection_is_mute_again_when_it_brings_nothing_for_the_limit_after_it_opened_anew() {
        let mut scene = Scene::new();
        assert_eq!(scene.check(30), (vec![(3, 30), (5, 30)], true));
        let (down, up) = (scene.at(30), scene.at(40));
        scene.silence.paused(down);
        scene.silence.opened(up);
        assert_eq!((scene.due(), scene.check(69)), (70, (vec![], false)));
        assert_eq!(scene.check(70), (vec![], true));
        assert_eq!((scene.due(), scene.check(99)), (100, (vec![], false)));
        scene.heard(80, 5);
        assert_eq!(scene.check(100), (vec![], false));
        assert_eq!(scene.check(110), (vec![(5, 30)], true));
    }
}
