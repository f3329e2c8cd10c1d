//! Streams from in-memory channels, for tests here and of dependants: what an [`Injector`] is given goes through the
//! same outlets, pumps and queues as what a socket brings, so a test without a network runs the code of a live stream.
//!
//! ```
//! use barter_cffi::{subscription::SubKind, testing};
//! use barter_data::error::DataError;
//! use barter_instrument::exchange::ExchangeId;
//!
//! let (mut dynamic, injector) = testing::in_memory(&[(ExchangeId::Kraken, SubKind::Trades)]);
//! injector.error(ExchangeId::Kraken, SubKind::Trades, DataError::Socket("boom".into())).unwrap();
//! drop(injector);
//! let mut trades = dynamic.select_trades(ExchangeId::Kraken).unwrap().into_inner();
//! assert!(trades.blocking_recv().is_some());
//! assert!(trades.blocking_recv().is_none());
//! ```

use crate::{
    instrument::Instruments,
    options::Queues,
    outlet::{AnyOutlet, Outlet, OutletClosed, ReconnectedNote, ReconnectingNote},
    runtime,
    status::{Error, Result, Status},
    streams::{Channels, SourceKey, Streams},
    subscription::SubKind,
};
use barter_data::{
    error::DataError,
    event::{DataKind, MarketEvent},
    streams::{builder::dynamic::DynamicStreams, reconnect::Event},
};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc};

/// The producers' side of in-memory streams; dropping it ends them all.
pub struct Injector {
    outlets: Mutex<HashMap<SourceKey, AnyOutlet>>,
    instruments: Arc<Instruments>,
}

/// A `DynamicStreams` whose producer is the injector.
pub fn in_memory(sources: &[(ExchangeId, SubKind)]) -> (DynamicStreams<InstrumentIndex>, Injector) {
    let (channels, injector) = channels(sources);
    (channels.dynamic, injector)
}

/// A set of streams whose producer is the injector.
pub fn streams(
    sources: &[(ExchangeId, SubKind)],
    options: impl Into<Queues>,
) -> Result<(Arc<Streams>, Arc<Injector>)> {
    let (Channels { dynamic, doors, .. }, injector) = channels(sources);
    let instruments = injector.instruments.clone();
    let streams = Streams::from_channels(dynamic, doors, instruments, &options.into())?;
    Ok((streams, Arc::new(injector)))
}

fn channels(sources: &[(ExchangeId, SubKind)]) -> (Channels, Injector) {
    let mut channels = Channels::new(sources.iter().map(|(exchange, kind)| (*kind, *exchange)));
    let injector = Injector {
        outlets: Mutex::new(std::mem::take(&mut channels.outlets)),
        instruments: Arc::default(),
    };
    (channels, injector)
}

/// Runs the same expression on an outlet of any kind.
macro_rules! any {
    ($outlet:expr, $bound:ident => $body:expr) => {
        match $outlet {
            AnyOutlet::Trades($bound) => $body,
            AnyOutlet::L1($bound) => $body,
            AnyOutlet::L2($bound) => $body,
            AnyOutlet::Liquidations($bound) => $body,
        }
    };
}

impl Injector {
    /// The instruments of the streams.
    pub fn instruments(&self) -> &Arc<Instruments> {
        &self.instruments
    }

    /// Injects a market event into the stream of its exchange and kind.
    pub fn event(&self, event: MarketEvent<InstrumentIndex, DataKind>) -> Result<()> {
        let exchange = event.exchange;
        let send = |kind: SubKind| self.outlet(exchange, kind);
        match event.kind.clone() {
            DataKind::Trade(payload) => match send(SubKind::Trades)? {
                AnyOutlet::Trades(outlet) => inject(&outlet, event.map_kind(|_| payload)),
                _ => Err(not_there(exchange, SubKind::Trades)),
            },
            DataKind::OrderBookL1(payload) => match send(SubKind::L1)? {
                AnyOutlet::L1(outlet) => inject(&outlet, event.map_kind(|_| payload)),
                _ => Err(not_there(exchange, SubKind::L1)),
            },
            DataKind::OrderBook(payload) => match send(SubKind::L2)? {
                AnyOutlet::L2(outlet) => inject(&outlet, event.map_kind(|_| payload)),
                _ => Err(not_there(exchange, SubKind::L2)),
            },
            DataKind::Liquidation(payload) => match send(SubKind::Liquidations)? {
                AnyOutlet::Liquidations(outlet) => inject(&outlet, event.map_kind(|_| payload)),
                _ => Err(not_there(exchange, SubKind::Liquidations)),
            },
            DataKind::Candle(_) => Err(Error::new(
                Status::InvalidArgument,
                "there are no streams of candles",
            )),
        }
    }

    /// Injects an error.
    pub fn error(&self, exchange: ExchangeId, kind: SubKind, error: DataError) -> Result<()> {
        let outlet = self.outlet(exchange, kind)?;
        any!(outlet, outlet => outlet.send(Event::Item(Err(error)))).map_err(stream_closed)
    }

    /// Injects upstream's bare marker of a broken connection.
    pub fn reconnecting(&self, exchange: ExchangeId, kind: SubKind) -> Result<()> {
        let outlet = self.outlet(exchange, kind)?;
        any!(outlet, outlet => outlet.reconnecting(ReconnectingNote::default()))
            .map_err(stream_closed)
    }

    /// Injects the marker of a connection that carries events again.
    pub fn reconnected(
        &self,
        exchange: ExchangeId,
        kind: SubKind,
        note: ReconnectedNote,
    ) -> Result<()> {
        let outlet = self.outlet(exchange, kind)?;
        any!(outlet, outlet => outlet.reconnected(note)).map_err(stream_closed)
    }

    /// Waits until the queue has taken or refused everything injected so far into this stream.
    pub fn settle(&self, exchange: ExchangeId, kind: SubKind) -> Result<()> {
        let outlet = self.outlet(exchange, kind)?;
        any!(outlet, outlet => runtime::block_on(outlet.taken())?).map_err(stream_closed)
    }

    /// Ends one producer: its stream ends when everything was read.
    pub fn close(&self, exchange: ExchangeId, kind: SubKind) -> Result<()> {
        let ended = self.outlets.lock().remove(&(kind, exchange));
        ended.map(drop).ok_or_else(|| not_there(exchange, kind))
    }

    fn outlet(&self, exchange: ExchangeId, kind: SubKind) -> Result<AnyOutlet> {
        let outlets = self.outlets.lock();
        let outlet = outlets.get(&(kind, exchange)).cloned();
        outlet.ok_or_else(|| not_there(exchange, kind))
    }
}

fn inject<K>(outlet: &Outlet<K>, event: MarketEvent<InstrumentIndex, K>) -> Result<()> {
    outlet.send(Event::Item(Ok(event))).map_err(stream_closed)
}

fn not_there(exchange: ExchangeId, kind: SubKind) -> Error {
    Error::new(
        Status::NotFound,
        format!(
            "there is no in-memory producer of {} {}",
            exchange.as_str(),
            kind.name()
        ),
    )
}

fn stream_closed(_: OutletClosed) -> Error {
    Error::new(Status::Closed, "the stream was closed")
}
