//! One order book as the queue keeps it, exact to the last digit. It gives what upstream's `OrderBook` gives:
//! a side is ordered worst level first, so that what changes most, the top, is at the end where a change moves little,
//! and a level is looked for from where the one before it was found.

use crate::event::{BarterDecimal, BarterEvent, BarterLevel, Records, flag};
use std::cmp::Ordering;

/// One order book: its levels, and what its last event said.
#[derive(Clone, Default)]
pub(crate) struct Book {
    bids: Side,
    asks: Side,
    last: Option<BarterEvent>,
    live: bool,
    /// Whether it was unsubscribed: what was on its way then does not make it live.
    left: bool,
}

impl Book {
    /// Takes in a record of a book: a snapshot replaces the book, an update changes levels and an amount of zero removes one.
    pub(crate) fn apply(&mut self, records: &Records, event: &BarterEvent) {
        let Some(book) = event.book() else {
            return;
        };
        let range = |offset: u32, len: u32| &records.levels[offset as usize..][..len as usize];
        let bids = range(book.bids_offset, book.bids_len);
        let asks = range(book.asks_offset, book.asks_len);
        if event.flags & flag::SNAPSHOT != 0 {
            self.bids.replace(bids);
            self.asks.replace(asks);
            // One made here after a loss is no news of the exchange's.
            self.live |= event.flags & flag::RECOVERED == 0;
        } else {
            self.bids.update(bids, BarterDecimal::compare);
            self.asks.update(asks, |a, b| b.compare(a));
        }
        self.last = Some(*event);
    }

    /// The last event that changed it, whose offsets mean nothing here; `None` before the first.
    pub(crate) fn last(&self) -> Option<&BarterEvent> {
        self.last.as_ref()
    }

    /// The sequence number of the last event.
    pub(crate) fn sequence(&self) -> Option<u64> {
        self.last.as_ref()?.book().map(|book| book.sequence)
    }

    /// Whether it is the exchange's book: it had a snapshot, and no connection broke and no update is missing since.
    pub(crate) fn live(&self) -> bool {
        self.live && !self.left
    }

    /// Whether there is anything of it: it is subscribed or had an event.
    pub(super) fn exists(&self) -> bool {
        !self.left || self.last.is_some()
    }

    /// It is no longer known to be the exchange's, until the next snapshot.
    pub(super) fn stale(&mut self) {
        self.live = false;
    }

    /// It is subscribed, or was unsubscribed: either way no longer known to be the exchange's.
    pub(super) fn subscribed(&mut self, subscribed: bool) {
        self.left = !subscribed;
        self.stale();
    }

    /// The bids, best first.
    pub(crate) fn bids(&self) -> impl ExactSizeIterator<Item = &BarterLevel> {
        self.bids.0.iter().rev()
    }

    /// The asks, best first.
    pub(crate) fn asks(&self) -> impl ExactSizeIterator<Item = &BarterLevel> {
        self.asks.0.iter().rev()
    }

    /// Appends the book as it is now as a snapshot that the exchange did not send; nothing before the first event.
    pub(crate) fn push_snapshot(&self, records: &mut Records) {
        let Some(mut made) = self.last else {
            return;
        };
        made.flags |= flag::SNAPSHOT | flag::RECOVERED;
        let mut append = |side: &Side| {
            let offset = records.levels.len() as u32;
            records.levels.extend(side.0.iter().rev());
            (offset, side.0.len() as u32)
        };
        if let Some(book) = made.book_mut() {
            (book.bids_offset, book.bids_len) = append(&self.bids);
            (book.asks_offset, book.asks_len) = append(&self.asks);
        }
        records.push(made);
    }

    /// Levels of both sides.
    pub(crate) fn levels(&self) -> usize {
        self.bids.0.len() + self.asks.0.len()
    }
}

/// The levels of one side, worst first.
#[derive(Clone, Default)]
struct Side(Vec<BarterLevel>);

impl Side {
    /// Levels of a snapshot, best first.
    fn replace(&mut self, levels: &[BarterLevel]) {
        self.0.clear();
        self.0.extend(levels.iter().rev());
    }

    /// Levels of an update, meant to be best first; `order` is `Less` where the first price is the worse one.
    fn update(
        &mut self,
        levels: &[BarterLevel],
        order: impl Fn(&BarterDecimal, &BarterDecimal) -> Ordering,
    ) {
        let mut end = self.0.len();
        for level in levels {
            let reached = |at: &BarterLevel| order(&at.price, &level.price) != Ordering::Greater;
            if self.0.get(end).is_some_and(reached) {
                end = self.0.len();
            }
            let found = place(&self.0[..end], |at| order(&at.price, &level.price));
            let removes = level.amount.mantissa() == 0;
            match (found, removes) {
                (Ok(at), true) => drop(self.0.remove(at)),
                (Ok(at), false) => self.0[at].amount = level.amount,
                (Err(_), true) => {}
                (Err(at), false) => self.0.insert(at, *level),
            }
            // The same price may come once more, so what was found stays within reach.
            let at = found.unwrap_or_else(|at| at);
            end = self.0.len().min(at + 1);
        }
    }
}

/// Where a level is, or belongs, in levels ordered by `order`: looked for from the end in growing steps.
fn place(levels: &[BarterLevel], order: impl Fn(&BarterLevel) -> Ordering) -> Result<usize, usize> {
    let (mut low, mut high, mut step) = (0, levels.len(), 1);
    while step <= high {
        match order(&levels[high - step]) {
            Ordering::Greater => high -= step,
            Ordering::Equal => return Ok(high - step),
            Ordering::Less => {
                low = high - step + 1;
                break;
            }
        }
        step *= 2;
    }
    levels[low..high]
        .binary_search_by(order)
        .map(|at| low + at)
        .map_err(|at| low + at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::push_event;
    use barter_data::{
        books::{Level, OrderBook},
        event::MarketEvent,
        subscription::book::OrderBookEvent,
    };
    use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
    use chrono::DateTime;
    use rust_decimal::Decimal;

    /// Numbers that look drawn and are the same in every run.
    struct Draws(u64);

    impl Draws {
        fn below(&mut self, end: u64) -> u64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (self.0 >> 33) % end
        }
    }

    fn levels(draws: &mut Draws, most: u64, prices: u64) -> Vec<Level> {
        let count = draws.below(most + 1);
        let mut levels = std::collections::BTreeMap::new();
        for _ in 0..count {
            let zeros = draws.below(4) as u32;
            let price = Decimal::new((draws.below(prices) as i64 - 3) * 10_i64.pow(zeros), zeros);
            let amount = Decimal::new(
                [0, 0, 1, 25, 1_000][draws.below(5) as usize],
                draws.below(3) as u32,
            );
            levels.insert(price, Level { price, amount });
        }
        levels.into_values().collect()
    }

    fn side<'a>(levels: impl Iterator<Item = &'a BarterLevel>) -> Vec<(String, String)> {
        let text = |value: BarterDecimal| value.to_decimal().unwrap().to_string();
        levels
            .map(|level| (text(level.price), text(level.amount)))
            .collect()
    }

    fn upstream_side(levels: &[Level]) -> Vec<(String, String)> {
        let texts = |level: &Level| (level.price.to_string(), level.amount.to_string());
        levels.iter().map(texts).collect()
    }

    #[test]
    fn a_kept_book_is_upstreams_book_after_every_event_digit_for_digit() {
        for seed in 0..200 {
            let mut draws = Draws(seed);
            let (mut kept, mut upstream) = (Book::default(), OrderBook::default());
            let prices = 1 + draws.below(60);
            for sequence in 0..60 {
                let (most, snapshot) = (draws.below(30), draws.below(10) == 0);
                let (bids, asks) = (
                    levels(&mut draws, most, prices),
                    levels(&mut draws, most, prices),
                );
                let time = (draws.below(2) == 0).then(|| DateTime::from_timestamp_nanos(sequence));
                let book = OrderBook::new(sequence as u64, time, bids, asks);
                let event = MarketEvent {
                    time_exchange: DateTime::from_timestamp_nanos(sequence),
                    time_received: DateTime::from_timestamp_nanos(sequence),
                    exchange: ExchangeId::Kraken,
                    instrument: InstrumentIndex(0),
                    kind: match snapshot {
                        true => OrderBookEvent::Snapshot(book),
                        false => OrderBookEvent::Update(book),
                    },
                };
                upstream.update(&event.kind);
                let mut records = Records::default();
                push_event(&mut records, &event);
                kept.apply(&records, &records.events[0]);
                assert_eq!(
                    side(kept.bids()),
                    upstream_side(upstream.bids().levels()),
                    "seed {seed}"
                );
                assert_eq!(
                    side(kept.asks()),
                    upstream_side(upstream.asks().levels()),
                    "seed {seed}"
                );
                assert_eq!(kept.sequence(), Some(upstream.sequence()));
            }
        }
    }

    #[test]
    fn levels_in_any_order_and_twice_end_as_they_were_given() {
        let level = |price: i64, amount: i64| BarterLevel {
            price: crate::event::decimal(Decimal::from(price)),
            amount: crate::event::decimal(Decimal::from(amount)),
        };
        let mut bids = Side::default();
        bids.update(
            &[
                level(3, 1),
                level(9, 1),
                level(5, 1),
                level(9, 2),
                level(4, 1),
                level(4, 0),
                level(3, 7),
            ],
            BarterDecimal::compare,
        );
        assert_eq!(bids.0, [level(3, 7), level(5, 1), level(9, 2)]);
    }
}
