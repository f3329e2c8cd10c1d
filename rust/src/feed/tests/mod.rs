//! The feed against scripted servers on loopback, which speak as the exchanges do.

mod books;
mod control;
mod corrections;
mod faults;
mod liveness;
mod news;
mod pairs;
mod pairs_binance;
mod pairs_bybit;
mod pairs_gateio;
mod pairs_others;
mod policy;
mod reconnecting;
mod refusals;
mod secrets;
mod server;
mod silence;
mod values;

use super::{FeedError, Running, connect, exchange, proxy::ProxyRule};
use crate::{
    options::{Endpoint, ReconnectPolicy, StreamOptions},
    outlet::{AnyOutlet, Gate, Note, Outlet, ReconnectedNote, ReconnectingNote, SilentNote},
    subscription::{ConnectionPlan, SubKind},
};
use barter_data::{
    error::DataError,
    event::{DataKind, MarketEvent},
    instrument::MarketInstrumentData,
    streams::{consumer::MarketStreamResult, reconnect::Event},
};
use barter_instrument::{
    exchange::ExchangeId,
    instrument::{
        InstrumentIndex, market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange,
    },
};
use futures::{FutureExt, future::BoxFuture};
use serde_json::{Value, json};
use std::{sync::Arc, time::Duration};
use tokio::{sync::mpsc, task::JoinHandle, time::timeout};
use url::Url;

/// Longer than anything that is waited for takes.
const PATIENCE: Duration = Duration::from_secs(20);

type AnyEvent = MarketEvent<InstrumentIndex, DataKind>;

/// One item of a stream.
#[derive(Debug, PartialEq)]
enum Item {
    Event(AnyEvent),
    Error(DataError),
    Reconnecting(ReconnectingNote),
    Reconnected(ReconnectedNote),
    Silent(SilentNote),
}

/// The far end of an outlet.
struct Items {
    next: Box<dyn FnMut() -> BoxFuture<'static, Option<Item>> + Send>,
}

impl Items {
    /// The next item; a stream that has none in time fails the test.
    async fn next(&mut self) -> Item {
        let item = timeout(PATIENCE, (self.next)()).await;
        item.expect("an item in time")
            .expect("an item before the end")
    }

    async fn event(&mut self) -> AnyEvent {
        match self.next().await {
            Item::Event(event) => event,
            other => panic!("expected an event, got {other:?}"),
        }
    }

    /// The error's text.
    async fn error(&mut self) -> String {
        match self.next().await {
            Item::Error(error) => error.to_string(),
            other => panic!("expected an error, got {other:?}"),
        }
    }

    async fn reconnecting(&mut self) -> ReconnectingNote {
        match self.next().await {
            Item::Reconnecting(note) => note,
            other => panic!("expected Reconnecting, got {other:?}"),
        }
    }

    async fn reconnected(&mut self) -> ReconnectedNote {
        match self.next().await {
            Item::Reconnected(note) => note,
            other => panic!("expected Reconnected, got {other:?}"),
        }
    }

    async fn silent(&mut self) -> SilentNote {
        match self.next().await {
            Item::Silent(note) => note,
            other => panic!("expected Silent, got {other:?}"),
        }
    }
}

/// An outlet of this exchange and kind, and what comes out of it.
fn outlet(exchange: ExchangeId, kind: SubKind) -> (AnyOutlet, Items) {
    match kind {
        SubKind::Trades => channel(exchange, AnyOutlet::Trades),
        SubKind::L1 => channel(exchange, AnyOutlet::L1),
        SubKind::L2 => channel(exchange, AnyOutlet::L2),
        SubKind::Liquidations => channel(exchange, AnyOutlet::Liquidations),
    }
}

fn channel<E>(exchange: ExchangeId, wrap: fn(Outlet<E>) -> AnyOutlet) -> (AnyOutlet, Items)
where
    E: Into<DataKind> + Send + 'static,
{
    let (tx, rx) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate::default());
    let outlet = wrap(Outlet::new(exchange, tx, gate.clone()));
    let rx = Arc::new(tokio::sync::Mutex::new(rx));
    let next = Box::new(move || take(rx.clone(), gate.clone()).boxed());
    (outlet, Items { next })
}

async fn take<E: Into<DataKind>>(
    rx: Arc<tokio::sync::Mutex<mpsc::UnboundedReceiver<MarketStreamResult<InstrumentIndex, E>>>>,
    gate: Arc<Gate>,
) -> Option<Item> {
    let item = match rx.lock().await.recv().await? {
        Event::Item(Ok(event)) => Item::Event(event.map_kind(Into::into)),
        Event::Item(Err(error)) => Item::Error(error),
        Event::Reconnecting(_) => match gate.note() {
            Note::Reconnecting(note) => Item::Reconnecting(note),
            Note::Reconnected(note) => Item::Reconnected(note),
            Note::Silent(note) => Item::Silent(note),
        },
    };
    gate.took(1);
    Some(item)
}

/// Instruments as callers name them, numbered from 7 so that an index is not mistaken for a default.
fn markets(
    exchange: ExchangeId,
    pairs: &[(&str, &str)],
    kind: &MarketDataInstrumentKind,
) -> Vec<MarketInstrumentData<InstrumentIndex>> {
    let named = |(number, (base, quote)): (usize, &(&str, &str))| MarketInstrumentData {
        key: InstrumentIndex(FIRST_INDEX + number),
        name_exchange: InstrumentNameExchange::new(exchange::market_name(
            exchange, base, quote, kind,
        )),
        kind: kind.clone(),
    };
    pairs.iter().enumerate().map(named).collect()
}

const FIRST_INDEX: usize = 7;

fn plan(
    exchange: ExchangeId,
    kind: SubKind,
    pairs: &[(&str, &str)],
    instrument: &MarketDataInstrumentKind,
) -> ConnectionPlan {
    ConnectionPlan {
        exchange,
        kind,
        instruments: markets(exchange, pairs, instrument),
    }
}

/// Options with the exchange at these addresses, and short times.
fn options(exchange: ExchangeId, websocket: &Url, rest: Option<&Url>) -> StreamOptions {
    let endpoint = Endpoint {
        websocket: Some(websocket.clone()),
        rest: rest.cloned(),
        ..Endpoint::default()
    };
    StreamOptions {
        connect_timeout: PATIENCE,
        subscribe_timeout: PATIENCE,
        endpoints: [(exchange, endpoint)].into(),
        proxy: ProxyRule::Direct,
        reconnect: ReconnectPolicy {
            initial: Duration::from_millis(1),
            multiplier: 2.0,
            max: Duration::from_millis(50),
            ..ReconnectPolicy::default()
        },
        ..StreamOptions::default()
    }
}

/// A connection that is open and carries events; it is closed when this is dropped.
struct Carrying(JoinHandle<()>);

impl Drop for Carrying {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn open(
    plan: ConnectionPlan,
    options: StreamOptions,
) -> Result<(Carrying, Items), FeedError> {
    let (outlet, items) = outlet(plan.exchange, plan.kind);
    let running: Running = connect(plan, Arc::new(options), outlet).await?;
    Ok((Carrying(tokio::spawn(running)), items))
}

/// The trades of one market of Binance.
fn trades_plan() -> ConnectionPlan {
    plan(
        ExchangeId::BinanceSpot,
        SubKind::Trades,
        &[("btc", "usdt")],
        &MarketDataInstrumentKind::Spot,
    )
}

/// Binance accepts the subscription of [`trades_plan`].
fn acknowledged() -> Value {
    json!({"result": null, "id": 1})
}

/// A trade of that market.
fn trade(id: u64) -> Value {
    json!({
        "e": "trade", "E": 1, "s": "BTCUSDT", "t": id, "p": "1.5", "q": "2", "T": 1672515782135i64, "m": false, "M": true
    })
}
