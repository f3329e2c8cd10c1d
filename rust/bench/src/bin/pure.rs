//! The consumer that everything is measured against: upstream's own parser, transformer and stream for Binance spot,
//! read in this process with nothing behind it.
//!
//! Usage: `pure <trades|mixed|l1|l2|l2-book> <address> <events> [CA_FILE]`; prints events per second. `l2-book` keeps
//! upstream's order book too. With `SAMPLE_FILE` in the environment it writes what so many events say instead, a line of
//! JSON each, as the consumers in Python do.

use barter_bench::{
    Outcome,
    workload::{FIRST_UPDATE_ID, symbol},
};
use barter_data::{
    ExchangeWsStream, Identifier,
    books::{Level, OrderBook},
    error::DataError,
    event::MarketEvent,
    exchange::{Connector, StreamSelector, binance::spot::BinanceSpot},
    instrument::MarketInstrumentData,
    subscriber::mapper::{SubscriptionMapper, WebSocketSubMapper},
    subscription::{
        Subscription, SubscriptionKind, SubscriptionMeta,
        book::{OrderBookEvent, OrderBookL1, OrderBooksL1, OrderBooksL2},
        trade::{PublicTrade, PublicTrades},
    },
    transformer::ExchangeTransformer,
};
use barter_instrument::{
    exchange::ExchangeId,
    instrument::{
        InstrumentIndex, market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange,
    },
};
use barter_integration::protocol::websocket::WebSocketSerdeParser;
use chrono::Utc;
use futures::{SinkExt, Stream, StreamExt};
use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    fs::File,
    io::{BufWriter, Write as _},
    sync::Arc,
    time::Instant,
};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};
use tokio_tungstenite::{Connector as Tls, connect_async_tls_with_config};

const USAGE: &str = "usage: pure <trades|mixed|l1|l2|l2-book> <address> <events> [CA_FILE]";
const MARKETS_OF_MIXED: u64 = 200;

type Instrument = MarketInstrumentData<InstrumentIndex>;
type Item<E> = Result<MarketEvent<InstrumentIndex, E>, DataError>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or(USAGE);
    let (workload, address, events) = (next()?, next()?, next()?.parse()?);
    let tls = next().ok().map(|path| trusting(&path)).transpose()?;
    let one = || vec![market(0, "BTCUSDT".to_owned())];
    let many = || (0..MARKETS_OF_MIXED).map(|n| market(n as usize, symbol(n)));
    match workload.as_str() {
        "trades" => measure(open(&address, tls, PublicTrades, one(), &[]).await?, events).await,
        "mixed" => {
            let markets = many().collect();
            measure(
                open(&address, tls, PublicTrades, markets, &[]).await?,
                events,
            )
            .await
        }
        "l1" => measure(open(&address, tls, OrderBooksL1, one(), &[]).await?, events).await,
        "l2" => {
            measure(
                open(&address, tls, OrderBooksL2, one(), &[before()]).await?,
                events,
            )
            .await
        }
        "l2-book" => {
            let mut book = OrderBook::default();
            let updates = open(&address, tls, OrderBooksL2, one(), &[before()]).await?;
            let kept = updates.inspect(move |item| {
                if let Ok(event) = item {
                    book.update(&event.kind);
                }
            });
            measure(Box::pin(kept), events).await
        }
        _ => Err(USAGE.into()),
    }
}

fn market(index: usize, name: String) -> Instrument {
    MarketInstrumentData {
        key: InstrumentIndex(index),
        name_exchange: InstrumentNameExchange::new(name),
        kind: MarketDataInstrumentKind::Spot,
    }
}

/// The order book before the first update.
fn before() -> MarketEvent<InstrumentIndex, OrderBookEvent> {
    let no_levels = Vec::<Level>::new();
    let empty = OrderBook::new(FIRST_UPDATE_ID - 1, None, no_levels.clone(), no_levels);
    MarketEvent {
        time_exchange: Utc::now(),
        time_received: Utc::now(),
        exchange: ExchangeId::BinanceSpot,
        instrument: InstrumentIndex(0),
        kind: OrderBookEvent::Snapshot(empty),
    }
}

fn trusting(path: &str) -> Outcome<Tls> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(path)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Tls::Rustls(Arc::new(config)))
}

async fn open<Kind, T>(
    address: &str,
    tls: Option<Tls>,
    kind: Kind,
    markets: Vec<Instrument>,
    snapshots: &[MarketEvent<InstrumentIndex, Kind::Event>],
) -> Outcome<ExchangeWsStream<WebSocketSerdeParser, T>>
where
    BinanceSpot:
        StreamSelector<Instrument, Kind, Stream = ExchangeWsStream<WebSocketSerdeParser, T>>,
    Kind: SubscriptionKind + Send + Sync + Clone,
    T: ExchangeTransformer<BinanceSpot, InstrumentIndex, Kind>,
    T::Input: for<'de> serde::Deserialize<'de>,
    Subscription<BinanceSpot, Instrument, Kind>: Identifier<<BinanceSpot as Connector>::Channel>
        + Identifier<<BinanceSpot as Connector>::Market>,
{
    let subscriptions: Vec<_> = markets
        .into_iter()
        .map(|market| Subscription::new(BinanceSpot::default(), market, kind.clone()))
        .collect();
    let SubscriptionMeta {
        instrument_map,
        ws_subscriptions,
    } = WebSocketSubMapper::map::<BinanceSpot, Instrument, Kind>(&subscriptions);
    let (mut websocket, _) = connect_async_tls_with_config(address, None, true, tls).await?;
    for request in ws_subscriptions {
        websocket.send(request).await?;
    }
    websocket.next().await.ok_or("no acknowledgement came")??;
    let (_, frames) = websocket.split();
    let (requests, _) = tokio::sync::mpsc::unbounded_channel();
    let transformer = T::init(instrument_map, snapshots, requests).await?;
    Ok(ExchangeWsStream::new(frames, transformer, VecDeque::new()))
}

async fn measure<E>(mut stream: impl Stream<Item = Item<E>> + Unpin, events: u64) -> Outcome<()>
where
    MarketEvent<InstrumentIndex, E>: Row,
{
    if let Some(path) = std::env::var_os("SAMPLE_FILE") {
        let mut file = BufWriter::new(File::create(path)?);
        for _ in 0..events {
            let event = stream.next().await.ok_or("the stream ended")??;
            writeln!(file, "{}", event.row()?)?;
        }
        file.flush()?;
        println!("{events}");
        return Ok(());
    }
    for _ in 0..events / 10 {
        stream.next().await.ok_or("the stream ended")??;
    }
    let began = Instant::now();
    for _ in 0..events {
        stream.next().await.ok_or("the stream ended")??;
    }
    println!("{}", events as f64 / began.elapsed().as_secs_f64());
    Ok(())
}

/// What an event says, as all consumers write it.
trait Row {
    fn row(&self) -> Outcome<Value>;
}

impl Row for MarketEvent<InstrumentIndex, PublicTrade> {
    fn row(&self) -> Outcome<Value> {
        let PublicTrade {
            id,
            price,
            amount,
            side,
        } = &self.kind;
        let side = side.to_string();
        let time_ms = self.time_exchange.timestamp_millis();
        Ok(json!([price, amount, id, side, time_ms]))
    }
}

impl Row for MarketEvent<InstrumentIndex, OrderBookL1> {
    fn row(&self) -> Outcome<Value> {
        let [bid, ask] = [self.kind.best_bid, self.kind.best_ask]
            .map(|best| numbers(&best.ok_or("a side is empty")?));
        let ([bid_price, bid_amount], [ask_price, ask_amount]) = (bid?, ask?);
        Ok(json!([bid_price, bid_amount, ask_price, ask_amount]))
    }
}

impl Row for MarketEvent<InstrumentIndex, OrderBookEvent> {
    fn row(&self) -> Outcome<Value> {
        let OrderBookEvent::Update(book) = &self.kind else {
            return Err("a snapshot came".into());
        };
        let side = |levels: &[Level]| levels.iter().map(numbers).collect::<Outcome<Vec<_>>>();
        let (bids, asks) = (side(book.bids().levels())?, side(book.asks().levels())?);
        Ok(json!([book.sequence(), bids, asks]))
    }
}

/// Price and amount of a level.
fn numbers(level: &Level) -> Outcome<[f64; 2]> {
    Ok([
        level.price.to_string().parse()?,
        level.amount.to_string().parse()?,
    ])
}
