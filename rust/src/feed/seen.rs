//! Which trades of an instrument were seen, over all connections of one plan. What an exchange repeats at a
//! subscription is history on the first connection and fills the gap on a later one; a trade is delivered once.
//! [`RowReader`](super::reader::RowReader) asks for each trade that the exchange may send again.

use barter_instrument::instrument::InstrumentIndex;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use smol_str::SmolStr;
use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

/// Trades of an instrument whose ids are kept. What is repeated at a subscription is fewer.
const RECENT_MAX: usize = 256;

/// A trade that the exchange may send more than once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// The exchange's id.
    pub(crate) id: SmolStr,
    /// Whether the exchange sends it because of the subscription, not because it has just happened.
    pub(crate) history: bool,
}

/// The memory of one plan, shared by its connections.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen(Arc<Mutex<Memory>>);

#[derive(Debug, Default)]
struct Memory {
    /// The number of the connection.
    connection: u64,
    instruments: HashMap<InstrumentIndex, Trades>,
}

#[derive(Debug)]
struct Trades {
    /// The connection of the newest trade.
    connection: u64,
    newest: DateTime<Utc>,
    /// The newest before this connection; `None` where there was none.
    newest_before: Option<DateTime<Utc>>,
    recent: VecDeque<Recent>,
}

#[derive(Debug)]
struct Recent {
    id: SmolStr,
    delivered: bool,
}

impl Seen {
    /// The memory for the next connection.
    pub(crate) fn next_connection(&self) -> Self {
        self.0.lock().connection += 1;
        self.clone()
    }

    /// Whether the trade is to be delivered; it is remembered either way.
    pub(crate) fn is_news(
        &self,
        instrument: InstrumentIndex,
        time: DateTime<Utc>,
        told: &Told,
    ) -> bool {
        let Memory {
            connection,
            instruments,
        } = &mut *self.0.lock();
        let trades = instruments.entry(instrument).or_insert_with(|| Trades {
            connection: *connection,
            newest: time,
            newest_before: None,
            recent: VecDeque::new(),
        });
        if trades.connection != *connection {
            trades.connection = *connection;
            trades.newest_before = Some(trades.newest);
        }
        trades.newest = trades.newest.max(time);
        trades.is_news(time, told)
    }
}

impl Trades {
    fn is_news(&mut self, time: DateTime<Utc>, told: &Told) -> bool {
        let known = self
            .recent
            .iter_mut()
            .rev()
            .find(|known| known.id == told.id);
        if let Some(known) = known {
            let news = !told.history && !known.delivered;
            known.delivered |= news;
            return news;
        }
        // Several trades have one time: that of the newest before is told apart by the ids.
        let delivered = !told.history || self.newest_before.is_some_and(|before| time >= before);
        if self.recent.len() == RECENT_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back(Recent {
            id: told.id.clone(),
            delivered,
        });
        delivered
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSTRUMENT: InstrumentIndex = InstrumentIndex(3);

    /// Whether a trade of this id and second is news, where `history` says that it is repeated.
    fn news(seen: &Seen, id: u32, history: bool) -> bool {
        let time = DateTime::from_timestamp(i64::from(id), 0).unwrap();
        let id = id.to_string().into();
        seen.is_news(INSTRUMENT, time, &Told { id, history })
    }

    #[test]
    fn history_is_no_news_on_the_first_connection_but_fills_the_gap_on_the_next_each_trade_once() {
        let seen = Seen::default().next_connection();
        assert!([1, 2].iter().all(|id| !news(&seen, *id, true)));
        assert!([3, 4].iter().all(|id| news(&seen, *id, false)));
        seen.next_connection();
        // A live trade may come before the history.
        assert!(news(&seen, 8, false));
        let delivered: Vec<_> = (1..=8).filter(|id| news(&seen, *id, true)).collect();
        assert_eq!(delivered, [5, 6, 7]);
        let delivered: Vec<_> = (3..=9).filter(|id| news(&seen, *id, false)).collect();
        assert_eq!(delivered, [9]);
    }

    #[test]
    fn history_of_an_instrument_that_nothing_was_seen_of_is_no_news_on_any_connection() {
        let seen = Seen::default().next_connection();
        seen.next_connection();
        assert!([1, 2].iter().all(|id| !news(&seen, *id, true)));
        // What was not delivered as history is delivered where it comes as news.
        assert!(news(&seen, 2, false) && !news(&seen, 2, false));
        seen.next_connection();
        let delivered: Vec<_> = (1..=4).filter(|id| news(&seen, *id, true)).collect();
        assert_eq!(delivered, [3, 4]);
    }

    #[test]
    fn the_ids_that_are_kept_are_bounded() {
        let seen = Seen::default().next_connection();
        for id in 0..2 * RECENT_MAX as u32 {
            assert!(news(&seen, id, false));
        }
        assert_eq!(
            seen.0.lock().instruments[&INSTRUMENT].recent.len(),
            RECENT_MAX
        );
    }
}
