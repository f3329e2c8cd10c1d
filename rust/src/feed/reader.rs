//! From frames to events. [`Rows`] is what the exchanges' modules make of a frame and [`RowReader`] the transformer of
//! any such frame; order books, which have a state, have transformers of their own.

use super::{
    resync::Reply,
    seen::{Seen, Told},
    venue::{Kind, Venue},
};
use async_trait::async_trait;
use barter_data::{
    error::DataError,
    event::MarketEvent,
    subscription::{Map, SubscriptionKind, trade::PublicTrade},
    transformer::ExchangeTransformer,
};
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{
    Transformer, protocol::websocket::WsMessage, subscription::SubscriptionId,
};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use smallvec::SmallVec;
use std::marker::PhantomData;
use tokio::sync::mpsc::UnboundedSender;

/// What a transformer takes.
pub(crate) trait Input: Sized + Send + 'static {
    /// Reads a frame.
    fn frame(text: &str) -> serde_json::Result<Self>;

    /// Takes the answer to a request of the transformer's; `None` where it makes none.
    fn reply(_reply: Reply) -> Option<Self> {
        None
    }
}

impl<I: DeserializeOwned + Send + 'static> Input for I {
    fn frame(text: &str) -> serde_json::Result<Self> {
        serde_json::from_str(text)
    }
}

/// An event of the kind `K`.
pub(crate) type EventOf<K> = MarketEvent<InstrumentIndex, <K as SubscriptionKind>::Event>;

/// A transformer for a kind of market data of an exchange. What it sends "to the exchange" while it runs is a request
/// for a book's new beginning, as [`resync::request`](super::resync::request) makes it.
pub(crate) trait Reader<Ex, K: Kind>:
    ExchangeTransformer<Ex, InstrumentIndex, K>
    + Transformer<Input: Input, Output = EventOf<K>, Error = DataError>
    + Send
    + 'static
{
    /// Takes over what earlier connections of the plan saw, before the first frame.
    fn resume(&mut self, _seen: &Seen) {}
}

/// One event of a frame: which subscription it belongs to, its time on the exchange, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row<E> {
    pub(crate) id: SubscriptionId,
    pub(crate) time_exchange: DateTime<Utc>,
    pub(crate) event: E,
    /// Where the exchange may send it again.
    pub(crate) told: Option<Told>,
}

impl<E> Row<E> {
    /// An event that the exchange sends once.
    pub(crate) fn once(id: SubscriptionId, time_exchange: DateTime<Utc>, event: E) -> Self {
        Self {
            id,
            time_exchange,
            event,
            told: None,
        }
    }
}

impl Row<PublicTrade> {
    /// A trade that the exchange may send again, or sends again now: as `history`.
    pub(crate) fn repeatable(
        id: SubscriptionId,
        time_exchange: DateTime<Utc>,
        trade: PublicTrade,
        history: bool,
    ) -> Self {
        let told = Some(Told {
            id: trade.id.as_str().into(),
            history,
        });
        Self {
            id,
            time_exchange,
            event: trade,
            told,
        }
    }
}

/// A frame of market data as the exchange sends it.
pub(crate) trait Rows<E>: DeserializeOwned + Send + 'static {
    /// Its events in order.
    fn rows(self) -> impl IntoIterator<Item = Row<E>>;
}

/// The transformer of a frame type `F`: every row goes to its own instrument.
pub(crate) struct RowReader<Ex, K, F> {
    map: Map<InstrumentIndex>,
    seen: Seen,
    reads: PhantomData<(Ex, K, F)>,
}

impl<Ex, K, F> RowReader<Ex, K, F>
where
    Ex: Venue,
    K: Kind,
    F: Rows<K::Event>,
{
    /// The event of a row; `None` where it was delivered before, or is history.
    fn event(
        &self,
        row: Row<K::Event>,
        time_received: DateTime<Utc>,
    ) -> Option<Result<EventOf<K>, DataError>> {
        let instrument = match self.map.find(&row.id) {
            Ok(instrument) => *instrument,
            Err(unknown) => return Some(Err(unknown.into())),
        };
        if let Some(told) = &row.told {
            let news = self.seen.is_news(instrument, row.time_exchange, told);
            if !news {
                return None;
            }
        }
        Some(Ok(MarketEvent {
            time_exchange: row.time_exchange,
            time_received,
            exchange: Ex::ID,
            instrument,
            kind: row.event,
        }))
    }
}

impl<Ex, K, F> Transformer for RowReader<Ex, K, F>
where
    Ex: Venue,
    K: Kind,
    F: Rows<K::Event>,
{
    type Error = DataError;
    type Input = F;
    type Output = EventOf<K>;
    // Most frames have one row, for which nothing is allocated.
    type OutputIter = SmallVec<[Result<Self::Output, Self::Error>; 1]>;

    fn transform(&mut self, frame: F) -> Self::OutputIter {
        let mut rows = frame.rows().into_iter();
        // After the first row, whose time is that of its reading where the frame has none.
        let first = rows.next();
        let time_received = Utc::now();
        let rows = first.into_iter().chain(rows);
        rows.filter_map(|row| self.event(row, time_received))
            .collect()
    }
}

impl<Ex, K, F> Reader<Ex, K> for RowReader<Ex, K, F>
where
    Ex: Venue,
    K: Kind,
    F: Rows<K::Event>,
{
    fn resume(&mut self, seen: &Seen) {
        self.seen = seen.next_connection();
    }
}

#[async_trait]
impl<Ex, K, F> ExchangeTransformer<Ex, InstrumentIndex, K> for RowReader<Ex, K, F>
where
    Ex: Venue,
    K: Kind,
    F: Rows<K::Event>,
{
    async fn init(
        map: Map<InstrumentIndex>,
        _: &[EventOf<K>],
        _: UnboundedSender<WsMessage>,
    ) -> Result<Self, DataError> {
        Ok(Self {
            map,
            seen: Seen::default(),
            reads: PhantomData,
        })
    }
}
