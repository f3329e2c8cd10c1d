//! The one table of what is served: every exchange and kind of market data with its path, its snapshot source and the
//! reader of its frames. Each row is the same generic code for other types.

use super::{
    Exchange, binance,
    binance_book::{Books, SpotUpdate, UsdMarginUpdate},
    bitfinex, bitmex, bybit,
    bybit_book::{BestPrices, OrderBooks},
    coinbase, gateio, kraken, okx,
};
use crate::{
    feed::{
        FeedError, Running, Unwanted,
        listing::Listing,
        open::{Connection, open, open_listed},
        reader::{Reader, RowReader},
        reconnect::Carrier,
        seen::Seen,
        snapshot::SnapshotSource,
        venue::{Kind, Market, Offers},
    },
    metrics::Meter,
    options::{Endpoint, StreamOptions},
    outlet::AnyOutlet,
    subscription::{ConnectionPlan, SubKind},
};
use barter_data::{
    exchange::{
        binance::{futures::BinanceFuturesUsd, spot::BinanceSpot},
        bitfinex::Bitfinex,
        bitmex::Bitmex,
        bybit::{futures::BybitPerpetualsUsd, spot::BybitSpot},
        coinbase::Coinbase,
        gateio::{
            future::{GateioFuturesBtc, GateioFuturesUsd},
            option::GateioOptions,
            perpetual::{GateioPerpetualsBtc, GateioPerpetualsUsd},
            spot::GateioSpot,
        },
        kraken::Kraken,
        okx::Okx,
    },
    subscription::{
        book::{OrderBooksL1, OrderBooksL2},
        liquidation::Liquidations,
        trade::PublicTrades,
    },
};
use futures::{FutureExt, future::BoxFuture};
use std::sync::Arc;
use url::Url;

/// One exchange and kind.
#[derive(Debug)]
pub struct Pair {
    /// The exchange server.
    pub exchange: &'static Exchange,
    /// The kind of market data.
    pub kind: SubKind,
    /// Path of the WebSocket, appended to the exchange's base address.
    pub path: &'static str,
    pub(crate) snapshot: Option<&'static SnapshotSource>,
    pub(crate) listing: Option<&'static Listing>,
    pub(crate) connect: Connect,
    pub(crate) retry: Retry,
}

type Connect = fn(
    &'static Pair,
    ConnectionPlan,
    Arc<StreamOptions>,
    AnyOutlet,
) -> BoxFuture<'static, Result<Running, FeedError>>;

type Retry = fn(&'static Pair, ConnectionPlan, Arc<StreamOptions>, AnyOutlet, FeedError) -> Running;

/// Contracts of Gate.io.
type GateioTrades<Ex> = RowReader<Ex, PublicTrades, gateio::Update<Vec<gateio::ContractTrade>>>;

/// Every exchange and kind that is served.
pub static PAIRS: &[Pair] = &[
    pair::<BinanceSpot, PublicTrades, RowReader<_, _, binance::Trade>>("/ws")
        .with_listing(&binance::SPOT_LISTING),
    pair::<BinanceSpot, OrderBooksL1, RowReader<_, _, binance::BookTicker>>("/ws")
        .with_listing(&binance::SPOT_LISTING),
    pair::<BinanceSpot, OrderBooksL2, Books<SpotUpdate>>("/ws").with_snapshot(&binance::SPOT_DEPTH),
    pair::<BinanceFuturesUsd, PublicTrades, RowReader<_, _, binance::Trade>>("/market/ws")
        .with_listing(&binance::USD_MARGIN_LISTING),
    pair::<BinanceFuturesUsd, OrderBooksL1, RowReader<_, _, binance::BookTicker>>("/public/ws")
        .with_listing(&binance::USD_MARGIN_LISTING),
    pair::<BinanceFuturesUsd, OrderBooksL2, Books<UsdMarginUpdate>>("/public/ws")
        .with_snapshot(&binance::USD_MARGIN_DEPTH),
    pair::<BinanceFuturesUsd, Liquidations, RowReader<_, _, binance::ForcedOrder>>("/market/ws")
        .with_listing(&binance::USD_MARGIN_LISTING),
    pair::<BybitSpot, PublicTrades, RowReader<_, _, bybit::Frame<Vec<bybit::Trade>>>>(
        "/v5/public/spot",
    ),
    pair::<BybitSpot, OrderBooksL1, BestPrices<_>>("/v5/public/spot"),
    pair::<BybitSpot, OrderBooksL2, OrderBooks<_>>("/v5/public/spot"),
    pair::<BybitPerpetualsUsd, PublicTrades, RowReader<_, _, bybit::Frame<Vec<bybit::Trade>>>>(
        "/v5/public/linear",
    ),
    pair::<BybitPerpetualsUsd, OrderBooksL1, BestPrices<_>>("/v5/public/linear"),
    pair::<BybitPerpetualsUsd, OrderBooksL2, OrderBooks<_>>("/v5/public/linear"),
    pair::<Okx, PublicTrades, RowReader<_, _, okx::Trades>>("/ws/v5/public"),
    pair::<Kraken, PublicTrades, RowReader<_, _, kraken::Frame<Vec<kraken::Trade>>>>("/"),
    pair::<Kraken, OrderBooksL1, RowReader<_, _, kraken::Frame<kraken::Spread>>>("/"),
    pair::<Coinbase, PublicTrades, RowReader<_, _, coinbase::Match>>("/"),
    pair::<Bitfinex, PublicTrades, RowReader<_, _, bitfinex::Frame>>("/ws/2"),
    pair::<Bitmex, PublicTrades, RowReader<_, _, bitmex::Trades>>("/realtime"),
    pair::<GateioSpot, PublicTrades, RowReader<_, _, gateio::Update<gateio::SpotTrade>>>("/ws/v4/"),
    pair::<GateioFuturesUsd, PublicTrades, GateioTrades<_>>("/v4/ws/delivery/usdt"),
    pair::<GateioFuturesBtc, PublicTrades, GateioTrades<_>>("/v4/ws/delivery/btc"),
    pair::<GateioPerpetualsUsd, PublicTrades, GateioTrades<_>>("/v4/ws/usdt"),
    pair::<GateioPerpetualsBtc, PublicTrades, GateioTrades<_>>("/v4/ws/btc"),
    pair::<GateioOptions, PublicTrades, GateioTrades<_>>("/v4/ws"),
];

const fn pair<Ex, K, T>(path: &'static str) -> Pair
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    Pair {
        exchange: Ex::SERVER,
        kind: K::SUB_KIND,
        path,
        snapshot: None,
        listing: None,
        connect: connect::<Ex, K, T>,
        retry: retry::<Ex, K, T>,
    }
}

fn connect<Ex, K, T>(
    pair: &'static Pair,
    plan: ConnectionPlan,
    options: Arc<StreamOptions>,
    outlet: AnyOutlet,
) -> BoxFuture<'static, Result<Running, FeedError>>
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    async move {
        let Some(outlet) = K::outlet(outlet) else {
            return Err(FeedError::not_offered(&plan));
        };
        let (seen, meter) = (Seen::default(), outlet.meter().clone());
        let unwanted = outlet.unwanted().clone();
        let first =
            open_listed::<Ex, K, T>(pair, &plan.instruments, &options, &meter, &unwanted).await?;
        let first = first.after(&seen);
        let carrier = Carrier::new(outlet, &plan, &options);
        let running = async move {
            let open = || reopen::<Ex, K, T>(pair, &plan, &options, &seen, (&meter, &unwanted));
            // It ends when the outlet is closed or the policy gives up, which is in the stream then.
            let _ = carrier.carry(first, open).await;
        };
        Ok(running.boxed())
    }
    .boxed()
}

fn retry<Ex, K, T>(
    pair: &'static Pair,
    plan: ConnectionPlan,
    options: Arc<StreamOptions>,
    outlet: AnyOutlet,
    error: FeedError,
) -> Running
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    async move {
        if let Some(outlet) = K::outlet(outlet) {
            let (seen, meter) = (Seen::default(), outlet.meter().clone());
            let unwanted = outlet.unwanted().clone();
            let carrier = Carrier::new(outlet, &plan, &options);
            let open = || reopen::<Ex, K, T>(pair, &plan, &options, &seen, (&meter, &unwanted));
            // It ends when the outlet is closed or the policy gives up, which is in the stream then.
            let _ = carrier.retry(error, open).await;
        }
    }
    .boxed()
}

/// The next connection of a plan.
async fn reopen<Ex, K, T>(
    pair: &'static Pair,
    plan: &ConnectionPlan,
    options: &StreamOptions,
    seen: &Seen,
    (meter, unwanted): (&Arc<Meter>, &Arc<Unwanted>),
) -> Result<Connection<Ex, K, T>, FeedError>
where
    Ex: Offers<K>,
    K: Kind,
    T: Reader<Ex, K>,
{
    let wanted = |market: &&Market| !unwanted.has(market.key);
    let instruments: Vec<_> = plan.instruments.iter().filter(wanted).cloned().collect();
    let opened = open(pair, &instruments, options, meter, unwanted).await?;
    Ok(opened.after(seen))
}

impl Pair {
    const fn with_snapshot(mut self, source: &'static SnapshotSource) -> Self {
        self.snapshot = Some(source);
        self
    }

    const fn with_listing(mut self, listing: &'static Listing) -> Self {
        self.listing = Some(listing);
        self
    }

    /// Where the WebSocket is: the exchange's own base and path, or those that the options name.
    pub fn websocket_address(&self, options: &StreamOptions) -> Url {
        let given = options.endpoints.get(&self.exchange.id);
        let base = given.and_then(|endpoint| endpoint.websocket.as_ref());
        let path = given.and_then(|endpoint| endpoint.paths.get(&self.kind));
        let path = path.map_or(self.path, String::as_str);
        joined(base, self.exchange.websocket, path)
    }

    /// The address of the snapshots; `None` where there are none.
    pub(crate) fn snapshot_address(&self, options: &StreamOptions) -> Option<Url> {
        let given = options.endpoints.get(&self.exchange.id);
        let given = given.and_then(|endpoint| endpoint.rest.as_ref());
        Some(joined(given, self.exchange.rest?, self.snapshot?.path))
    }

    /// The address of the list of markets; `None` where there is none, or where it may be another exchange's: the
    /// options name another address of the WebSocket only.
    pub(crate) fn listing_address(&self, options: &StreamOptions) -> Option<Url> {
        let given = match options.endpoints.get(&self.exchange.id) {
            Some(Endpoint {
                websocket: Some(_),
                rest: None,
                ..
            }) => return None,
            given => given.and_then(|endpoint| endpoint.rest.as_ref()),
        };
        Some(joined(given, self.exchange.rest?, self.listing?.path))
    }
}

fn joined(given: Option<&Url>, own: &'static str, path: &str) -> Url {
    let own = || Url::parse(own).expect("the addresses in the table are valid");
    let mut address = given.cloned().unwrap_or_else(own);
    let prefix = address.path().trim_end_matches('/').to_owned();
    address.set_path(&format!("{prefix}{path}"));
    address
}
