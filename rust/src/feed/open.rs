//! Opens one connection of one exchange and kind: socket, handshake, reader. What it returns brings the events of the
//! connection's frames; every task that serves it ends when it is dropped.

use super::{
    connect::open_socket,
    error::{FeedError, listed, shown},
    exchange::Pair,
    frames::Frames,
    handshake::{Handshake, Handshaken, Request, SnapshotLink},
    http, limits, listing,
    reader::Reader,
    reconnect::Link,
    resync::Resubscriber,
    seen::Seen,
    snapshot::Fetcher,
    socket::{self, Outgoing},
    unsubscribe::{Leaving, Unwanted},
    venue::{Kind, Market, Offers, Venue, market_name, market_of},
    weights::Turns,
};
use crate::{metrics::Meter, options::StreamOptions, outlet::Item};
use barter_data::{
    exchange::PingInterval,
    subscription::{Map, SubscriptionMeta},
};
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{protocol::websocket::WsMessage, subscription::SubscriptionId};
use futures::future::{Either, select};
use std::{
    collections::HashMap,
    marker::PhantomData,
    ops::ControlFlow,
    pin::pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::task::JoinSet;

/// An open connection that is subscribed.
pub(crate) struct Connection<Ex, K, T>
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    frames: Frames<Ex, T::Input>,
    reader: T,
    /// The pings and the snapshots; they end with the connection.
    _tasks: JoinSet<()>,
    kind: PhantomData<fn() -> K>,
}

/// Opens the connection of these instruments, and looks their markets up where the exchange has a list.
pub(crate) async fn open_listed<Ex, K, T>(
    pair: &'static Pair,
    instruments: &[Market],
    options: &StreamOptions,
    meter: &Arc<Meter>,
    unwanted: &Arc<Unwanted>,
) -> Result<Connection<Ex, K, T>, FeedError>
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    let opening = pin!(open(pair, instruments, options, meter, unwanted));
    let looking_up = pin!(async {
        match pair.listing_address(options) {
            Some(address) => listing::unlisted(address, instruments, options).await,
            None => None,
        }
    });
    let refused = |market| FeedError::Refused {
        exchange: Ex::ID,
        market,
        reason: "the exchange lists no such market, though it acknowledges the subscription"
            .to_owned(),
    };
    match select(opening, looking_up).await {
        Either::Left((opened, looking_up)) => {
            let connection = opened?;
            match looking_up.await {
                Some(market) => Err(refused(market)),
                None => Ok(connection),
            }
        }
        Either::Right((Some(market), _)) => Err(refused(market)),
        Either::Right((None, opening)) => opening.await,
    }
}

/// Opens the connection of these instruments.
pub(crate) async fn open<Ex, K, T>(
    pair: &'static Pair,
    instruments: &[Market],
    options: &StreamOptions,
    meter: &Arc<Meter>,
    unwanted: &Arc<Unwanted>,
) -> Result<Connection<Ex, K, T>, FeedError>
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    meter.connecting(instruments);
    let address = pair.websocket_address(options);
    let (kind, shown) = (K::SUB_KIND.name(), shown(&address));
    tracing::debug!(
        exchange = Ex::ID.as_str(),
        kind,
        address = shown,
        "connecting"
    );
    let books = pair.snapshot.zip(pair.snapshot_address(options));
    let books = books.map(|(source, address)| {
        let levels = (source.limit)(options.snapshot_depth);
        let turns = Turns::reserve(Ex::ID, &address, levels, instruments.len());
        (source, address, turns)
    });
    if let Some((_, _, turns)) = &books {
        turns.begin().await;
    }
    let socket = open_socket(Ex::ID, &address, options).await?;
    tracing::debug!(
        exchange = Ex::ID.as_str(),
        kind,
        markets = instruments.len(),
        "connected, subscribing"
    );
    let (outgoing, mut incoming) = socket::halves(socket, options.keepalive, meter.clone());
    let (map, requests) = requests::<Ex, K>(instruments);

    let mut tasks = JoinSet::new();
    let mut limit = options.subscribe_timeout;
    let mut snapshots = match books {
        Some((source, address, turns)) => {
            limit += turns.left();
            let market = |id: &SubscriptionId| market_of(id).to_owned();
            let markets: HashMap<_, _> = map
                .0
                .iter()
                .map(|(id, instrument)| (id.clone(), (market(id), *instrument)))
                .collect();
            let fetcher = Fetcher {
                exchange: Ex::ID,
                source,
                client: http::client(options, &address, options.subscribe_timeout),
                address,
                depth: options.snapshot_depth,
                turns,
                markets,
                unwanted: unwanted.clone(),
            };
            let (requests, replies, task) = fetcher.serve();
            tasks.spawn(task);
            Some(SnapshotLink { requests, replies })
        }
        None => None,
    };
    let Handshaken { map, kept } = Handshake::<Ex>::new(map, requests, meter.clone())
        .run(&outgoing, &mut incoming, snapshots.as_mut(), limit)
        .await?;

    if let Some(pings) = <Ex as Venue>::ping_interval() {
        tasks.spawn(ping(outgoing.clone(), pings));
    }
    let leaving = Leaving::<Ex, K>::new(unwanted.clone(), outgoing.clone(), instruments, &map);
    tasks.spawn(leaving.run());
    let SnapshotLink { requests, replies } = snapshots.unwrap_or_else(|| {
        // Where there are no snapshots a book begins with its subscription.
        let resubscriber = Resubscriber {
            exchange: Ex::ID,
            messages: instruments.iter().map(resubscription::<Ex, K>).collect(),
            outgoing,
            time_limit: options.subscribe_timeout,
            unwanted: unwanted.clone(),
        };
        let (requests, replies, task) = resubscriber.serve();
        tasks.spawn(task);
        SnapshotLink { requests, replies }
    });
    meter.open();
    let markets = listed(instruments.iter().map(market_name));
    tracing::info!(
        exchange = Ex::ID.as_str(),
        kind,
        address = shown,
        markets,
        "connection opened"
    );
    Ok(Connection {
        frames: Frames::new(incoming, kept, replies),
        reader: T::new(map, requests),
        _tasks: tasks,
        kind: PhantomData,
    })
}

/// The requests that subscribe to these, none larger than the exchange takes, and which subscription is whose.
fn requests<Ex, K>(instruments: &[Market]) -> (Map<InstrumentIndex>, Vec<Request>)
where
    Ex: Offers<K>,
{
    let limits = limits::of(Ex::ID);
    let mut map = Map(Default::default());
    let request = |(number, part): (u64, &[Market])| {
        let SubscriptionMeta {
            instrument_map,
            ws_subscriptions,
        } = Ex::subscriptions(part);
        map.0.extend(instrument_map.0);
        let messages = ws_subscriptions.into_iter();
        Request {
            number,
            ids: part.iter().map(Ex::id).collect(),
            messages: messages
                .map(|message| limits.numbered(message, number))
                .collect(),
        }
    };
    let requests = (1..)
        .zip(limits.requests(instruments))
        .map(request)
        .collect();
    (map, requests)
}

/// What ends the subscription to this and makes another.
fn resubscription<Ex, K>(instrument: &Market) -> (SubscriptionId, (InstrumentIndex, Vec<WsMessage>))
where
    Ex: Offers<K>,
{
    let id = Ex::id(instrument);
    let subscribing = Ex::subscriptions(std::slice::from_ref(instrument)).ws_subscriptions;
    let mut messages = Ex::SERVER
        .unsubscribe
        .requests(subscribing.clone(), std::slice::from_ref(&id));
    messages.extend(subscribing);
    (id, (instrument.key, messages))
}

/// Sends the exchange's own kind of pings until the connection breaks.
async fn ping(outgoing: Outgoing, pings: PingInterval) {
    let PingInterval { mut interval, ping } = pings;
    loop {
        interval.tick().await;
        if outgoing.send(ping()).await.is_err() {
            return;
        }
    }
}

impl<Ex, K, T> Connection<Ex, K, T>
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    /// The connection after those that saw this.
    pub(crate) fn after(mut self, seen: &Seen) -> Self {
        self.reader.resume(seen);
        self
    }
}

impl<Ex, K, T> Link<K::Event> for Connection<Ex, K, T>
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        items: &mut Vec<Item<K::Event>>,
    ) -> Poll<ControlFlow<(), usize>> {
        let reader = &mut self.reader;
        self.frames.poll_read(cx, |input, at| match input {
            Ok(input) => reader.read(input, at, items),
            Err(error) => items.push(Err(error.into())),
        })
    }

    fn ended(&self) -> String {
        self.frames.ended().unwrap_or_default().to_owned()
    }

    fn paused(&mut self) {
        self.frames.paused();
    }
}
