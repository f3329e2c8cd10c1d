//! From frames to events. [`Rows`] is what the exchanges' modules make of a frame and [`RowReader`] the reader of any such
//! frame; order books, which have a state, have readers of their own.

use super::{
    frame_json,
    resync::{Reply, Requests},
    seen::{Seen, Told},
    venue::{Kind, Topic, Topics, Venue},
};
use crate::outlet::Item;
use barter_data::{
    event::MarketEvent,
    subscription::{Map, trade::PublicTrade},
};
use barter_instrument::instrument::InstrumentIndex;
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;

/// What a reader takes.
pub(crate) trait Input: Sized + Send + 'static {
    /// Reads a frame.
    fn frame(text: &str) -> serde_json::Result<Self>;

    /// Takes the answer to a request of the reader's; `None` where it makes none.
    fn reply(_reply: Reply) -> Option<Self> {
        None
    }
}

impl<I: DeserializeOwned + Send + 'static> Input for I {
    fn frame(text: &str) -> serde_json::Result<Self> {
        frame_json::from_str(text)
    }
}

/// Makes the events of one connection of its frames.
pub(crate) trait Reader<Ex, K: Kind>: Send + Sized + 'static {
    /// A frame, or the answer to a request.
    type Input: Input;

    /// For these subscriptions; `requests` is for new beginnings of books.
    fn new(map: Map<InstrumentIndex>, requests: Requests) -> Self;

    /// Appends what an input says that came at this time.
    fn read(
        &mut self,
        input: Self::Input,
        time_received: DateTime<Utc>,
        items: &mut Vec<Item<K::Event>>,
    );

    /// Takes over what earlier connections of the plan saw, before the first frame.
    fn resume(&mut self, _seen: &Seen) {}
}

/// One event of a frame: which subscription it belongs to, its time on the exchange, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row<E> {
    pub(crate) topic: Topic,
    pub(crate) time_exchange: DateTime<Utc>,
    pub(crate) event: E,
    /// Where the exchange may send it again.
    pub(crate) told: Option<Told>,
}

impl<E> Row<E> {
    /// An event that the exchange sends once.
    pub(crate) fn once(topic: Topic, time_exchange: DateTime<Utc>, event: E) -> Self {
        Self {
            topic,
            time_exchange,
            event,
            told: None,
        }
    }
}

impl Row<PublicTrade> {
    /// A trade that the exchange may send again, or sends again now: as `history`.
    pub(crate) fn repeatable(
        topic: Topic,
        time_exchange: DateTime<Utc>,
        trade: PublicTrade,
        history: bool,
    ) -> Self {
        let told = Some(Told {
            id: trade.id.as_str().into(),
            history,
        });
        Self {
            topic,
            time_exchange,
            event: trade,
            told,
        }
    }
}

/// A frame of market data as the exchange sends it.
pub(crate) trait Rows<E>: DeserializeOwned + Send + 'static {
    /// Its events in order, with the time of its arrival where it has none.
    fn rows(self, time_received: DateTime<Utc>) -> impl IntoIterator<Item = Row<E>>;
}

/// The reader of a frame type `F`: every row goes to its own instrument.
pub(crate) struct RowReader<Ex, K, F> {
    instruments: Topics<InstrumentIndex>,
    seen: Seen,
    reads: PhantomData<(Ex, K, F)>,
}

impl<Ex, K, F> Reader<Ex, K> for RowReader<Ex, K, F>
where
    Ex: Venue,
    K: Kind,
    F: Rows<K::Event>,
{
    type Input = F;

    fn new(map: Map<InstrumentIndex>, _: Requests) -> Self {
        Self {
            instruments: Topics::new(map, |instrument| instrument),
            seen: Seen::default(),
            reads: PhantomData,
        }
    }

    fn read(&mut self, frame: F, time_received: DateTime<Utc>, items: &mut Vec<Item<K::Event>>) {
        for row in frame.rows(time_received) {
            let instrument = match self.instruments.find(&row.topic) {
                Ok(instrument) => *instrument,
                Err(unknown) => {
                    items.push(Err(unknown.into()));
                    continue;
                }
            };
            // Delivered before, or history.
            if let Some(told) = &row.told
                && !self.seen.is_news(instrument, row.time_exchange, told)
            {
                continue;
            }
            items.push(Ok(MarketEvent {
                time_exchange: row.time_exchange,
                time_received,
                exchange: Ex::ID,
                instrument,
                kind: row.event,
            }));
        }
    }

    fn resume(&mut self, seen: &Seen) {
        self.seen = seen.next_connection();
    }
}
