//! The consumer that everything is measured against: upstream's own parser, transformer and stream for Binance spot,
//! read in this process with nothing behind it.
//!
//! Usage: `pure <trades|l1> <address> <events>`; prints events per second.

use barter_data::{
    ExchangeWsStream, Identifier,
    event::MarketEvent,
    exchange::{StreamSelector, binance::spot::BinanceSpot},
    instrument::MarketInstrumentData,
    subscriber::mapper::{SubscriptionMapper, WebSocketSubMapper},
    subscription::{
        Subscription, SubscriptionKind, SubscriptionMeta, book::OrderBooksL1, trade::PublicTrades,
    },
    transformer::ExchangeTransformer,
};
use barter_instrument::instrument::{
    InstrumentIndex, market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange,
};
use barter_integration::protocol::websocket::WebSocketSerdeParser;
use futures::{SinkExt, Stream, StreamExt};
use std::{collections::VecDeque, error::Error, time::Instant};

type Instrument = MarketInstrumentData<InstrumentIndex>;
type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || {
        arguments
            .next()
            .ok_or("usage: pure <trades|l1> <address> <events>")
    };
    let (workload, address, events) = (next()?, next()?, next()?.parse()?);
    match workload.as_str() {
        "trades" => measure(open(&address, PublicTrades).await?, events).await,
        "l1" => measure(open(&address, OrderBooksL1).await?, events).await,
        _ => Err("the workload is trades or l1".into()),
    }
}

async fn open<Kind, T>(
    address: &str,
    kind: Kind,
) -> Outcome<ExchangeWsStream<WebSocketSerdeParser, T>>
where
    BinanceSpot:
        StreamSelector<Instrument, Kind, Stream = ExchangeWsStream<WebSocketSerdeParser, T>>,
    Kind: SubscriptionKind + Send + Sync,
    T: ExchangeTransformer<BinanceSpot, InstrumentIndex, Kind>,
    T::Input: for<'de> serde::Deserialize<'de>,
    Subscription<BinanceSpot, Instrument, Kind>: Identifier<<BinanceSpot as barter_data::exchange::Connector>::Channel>
        + Identifier<<BinanceSpot as barter_data::exchange::Connector>::Market>,
{
    let instrument = MarketInstrumentData {
        key: InstrumentIndex(0),
        name_exchange: InstrumentNameExchange::new("BTCUSDT"),
        kind: MarketDataInstrumentKind::Spot,
    };
    let subscriptions = [Subscription::new(BinanceSpot::default(), instrument, kind)];
    let SubscriptionMeta {
        instrument_map,
        ws_subscriptions,
    } = WebSocketSubMapper::map::<BinanceSpot, Instrument, Kind>(&subscriptions);
    let (mut websocket, _) = tokio_tungstenite::connect_async(address).await?;
    for request in ws_subscriptions {
        websocket.send(request).await?;
    }
    websocket.next().await.ok_or("no acknowledgement came")??;
    let (_, frames) = websocket.split();
    let (requests, _) = tokio::sync::mpsc::unbounded_channel();
    let transformer = T::init(instrument_map, &[], requests).await?;
    Ok(ExchangeWsStream::new(frames, transformer, VecDeque::new()))
}

async fn measure<E>(
    mut stream: impl Stream<
        Item = Result<MarketEvent<InstrumentIndex, E>, barter_data::error::DataError>,
    > + Unpin,
    events: u64,
) -> Outcome<()> {
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
