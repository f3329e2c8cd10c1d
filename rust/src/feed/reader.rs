//! From frames to events. Upstream's transformers are used as they are where they read what the exchange sends; where
//! they cannot, [`Rows`] makes one of ours from the shape of a frame, for the same connector.

use super::{
    snapshot::Snapshot,
    venue::{Kind, Venue},
};
use async_trait::async_trait;
use barter_data::{
    error::DataError,
    event::MarketEvent,
    subscription::{Map, SubscriptionKind},
    transformer::ExchangeTransformer,
};
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{
    Transformer, protocol::websocket::WsMessage, subscription::SubscriptionId,
};
use chrono::{DateTime, Utc};
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use tokio::sync::mpsc::UnboundedSender;

/// What a transformer takes.
pub(crate) trait Input: Sized + Send + 'static {
    /// Reads a frame.
    fn frame(text: &str) -> serde_json::Result<Self>;

    /// Takes a snapshot; `None` where the kind has none.
    fn snapshot(_snapshot: Snapshot) -> Option<Self> {
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

/// A transformer, upstream's or ours, for a kind of market data of an exchange. What it sends "to the exchange" while it
/// runs is a request for a snapshot, as [`snapshot::request`](super::snapshot::request) makes it.
pub(crate) trait Reader<Ex, K: Kind>:
    ExchangeTransformer<Ex, InstrumentIndex, K>
    + Transformer<Input: Input, Output = EventOf<K>, Error = DataError>
    + Send
    + 'static
{
}

impl<Ex, K, T> Reader<Ex, K> for T
where
    K: Kind,
    T: ExchangeTransformer<Ex, InstrumentIndex, K>
        + Transformer<Input: Input, Output = EventOf<K>, Error = DataError>
        + Send
        + 'static,
{
}

/// One event of a frame: which subscription it belongs to, its time on the exchange, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row<E> {
    pub(crate) id: SubscriptionId,
    pub(crate) time_exchange: DateTime<Utc>,
    pub(crate) event: E,
}

/// A frame of market data as the exchange sends it.
pub(crate) trait Rows<E>: DeserializeOwned + Send + 'static {
    /// Its events in order.
    fn rows(self) -> Vec<Row<E>>;
}

/// The transformer of a frame type `F` of ours: every row goes to its own instrument.
pub(crate) struct RowReader<Ex, K, F> {
    map: Map<InstrumentIndex>,
    reads: PhantomData<(Ex, K, F)>,
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
    type OutputIter = Vec<Result<Self::Output, Self::Error>>;

    fn transform(&mut self, frame: F) -> Self::OutputIter {
        let time_received = Utc::now();
        let event = |row: Row<K::Event>| {
            Ok(MarketEvent {
                time_exchange: row.time_exchange,
                time_received,
                exchange: Ex::ID,
                instrument: *self.map.find(&row.id)?,
                kind: row.event,
            })
        };
        frame.rows().into_iter().map(event).collect()
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
        let reads = PhantomData;
        Ok(Self { map, reads })
    }
}
