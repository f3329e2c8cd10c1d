//! Subscriptions that bring no data: by a clock of the test's own, and against a server that answers pings.

use super::{
    FIRST_INDEX, Item, Items, acknowledged, open, options, outlet, plan, server, trade, trades_plan,
};
use crate::{
    feed::{
        FeedError,
        reconnect::{Carrier, Link},
    },
    options::{Keepalive, SilenceOptions, StreamOptions},
    outlet::{AnyOutlet, SilentNote, WAITING_MAX},
    subscription::SubKind,
};
use barter_data::{error::DataError, event::MarketEvent, subscription::trade::PublicTrade};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{InstrumentIndex, market_data::kind::MarketDataInstrumentKind::Spot},
};
use chrono::Utc;
use futures::{StreamExt, channel::mpsc};
use parking_lot::Mutex;
use std::{
    collections::VecDeque,
    future::ready,
    ops::ControlFlow,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep},
};

/// Less than the patience with which an item is waited for.
const LIMIT: Duration = Duration::from_secs(10);

type Trade = MarketEvent<InstrumentIndex, PublicTrade>;

/// A connection that brings what the test sends, and stays open.
struct Fed(mpsc::UnboundedReceiver<Trade>);

impl Link<PublicTrade> for Fed {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        items: &mut Vec<Result<Trade, DataError>>,
    ) -> Poll<ControlFlow<(), usize>> {
        self.0.poll_next_unpin(cx).map(|event| match event {
            Some(event) => {
                items.push(Ok(event));
                ControlFlow::Continue(0)
            }
            None => ControlFlow::Break(()),
        })
    }

    fn ended(&self) -> String {
        "the test ended it".to_owned()
    }
}

fn event(index: usize) -> Trade {
    MarketEvent {
        time_exchange: Utc::now(),
        time_received: Utc::now(),
        exchange: ExchangeId::BinanceSpot,
        instrument: InstrumentIndex(index),
        kind: PublicTrade {
            id: "1".to_owned(),
            price: 1.0,
            amount: 1.0,
            side: Side::Buy,
        },
    }
}

/// The first of two instruments on one connection.
const BTC: usize = FIRST_INDEX;
/// The other.
const ETH: usize = FIRST_INDEX + 1;

fn silent(index: usize, length: Duration) -> Item {
    Item::Silent(SilentNote {
        instrument: index as u32,
        length_ns: length.as_nanos() as i64,
    })
}

fn silence(limit: Duration, reconnect: bool) -> SilenceOptions {
    SilenceOptions {
        limits: [(SubKind::Trades, limit)].into(),
        reconnect,
    }
}

/// Connections that bring what is sent to the senders, one after the other, with what comes of it.
fn carried(
    reconnect: bool,
    connections: usize,
) -> (Vec<mpsc::UnboundedSender<Trade>>, Items, JoinHandle<()>) {
    let (outlet, items) = outlet(ExchangeId::BinanceSpot, SubKind::Trades);
    let AnyOutlet::Trades(outlet) = outlet else {
        panic!("the outlet is of another kind");
    };
    let options = StreamOptions {
        silence: silence(LIMIT, reconnect),
        ..StreamOptions::default()
    };
    let pairs = [("btc", "usdt"), ("eth", "usdt")];
    let plan = plan(ExchangeId::BinanceSpot, SubKind::Trades, &pairs, &Spot);
    let carrier = Carrier::new(outlet, &plan, &options).drawing(|| 1.0);
    let (senders, receivers): (Vec<_>, VecDeque<_>) =
        (0..connections).map(|_| mpsc::unbounded()).unzip();
    let receivers = Arc::new(Mutex::new(receivers));
    let next = move || receivers.lock().pop_front().map(Fed);
    let first = next().expect("there is one at least");
    let open = move || {
        ready(next().ok_or(FeedError::Closed {
            exchange: ExchangeId::BinanceSpot,
            reason: "the test has no more".to_owned(),
        }))
    };
    let carrying = tokio::spawn(async move {
        let _ = carrier.carry(first, open).await;
    });
    (senders, items, carrying)
}

#[tokio::test(start_paused = true)]
async fn a_subscription_without_data_is_told_once_while_another_one_flows() {
    let (senders, mut items, carrying) = carried(false, 1);
    let began = Instant::now();
    let feed = async {
        for second in (0..300).step_by(5) {
            senders[0].unbounded_send(event(BTC)).unwrap();
            if second == 200 {
                senders[0].unbounded_send(event(ETH)).unwrap();
            }
            sleep(Duration::from_secs(5)).await;
        }
    };
    let mut told = Vec::new();
    let watch = async {
        loop {
            match (items.next)().await {
                Some(Item::Event(_)) => {}
                Some(item) => told.push((began.elapsed().as_secs(), item)),
                None => return,
            }
        }
    };
    tokio::select! {
        () = feed => {}
        () = watch => panic!("the stream ended"),
    }
    let due = [LIMIT.as_secs(), 200 + LIMIT.as_secs()];
    assert_eq!(told.len(), due.len(), "{told:?}");
    for ((second, item), due) in told.into_iter().zip(due) {
        assert_eq!((second, item), (due, silent(ETH, LIMIT)));
    }
    carrying.abort();
}

#[tokio::test(start_paused = true)]
async fn a_silence_ends_the_connection_where_that_is_asked_for_and_is_still_told_once() {
    let (senders, mut items, carrying) = carried(true, 3);
    let began = Instant::now();
    senders[0].unbounded_send(event(BTC)).unwrap();
    items.event().await;
    // Both are silent at the same time.
    assert_eq!(items.next().await, silent(BTC, LIMIT));
    assert_eq!(items.next().await, silent(ETH, LIMIT));
    let note = items.reconnecting().await;
    assert_eq!(note.reason, "no data of BTCUSDT, ETHUSDT for 10 s");
    assert_eq!(began.elapsed(), LIMIT);
    // The next connection brings nothing either: it ends too, and is told of as a broken one.
    let note = items.reconnecting().await;
    assert_eq!(note.reason, "no data of BTCUSDT, ETHUSDT for 10 s");
    let delay = Duration::from_millis(250);
    assert_eq!(began.elapsed(), LIMIT + delay + LIMIT);
    senders[2].unbounded_send(event(ETH)).unwrap();
    assert_eq!(items.reconnected().await.attempts, 2);
    items.event().await;
    // What was told of and flows again is told of again; what never came back is not.
    assert_eq!(items.silent().await.instrument, ETH as u32);
    carrying.abort();
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_holds_a_connection_back_makes_no_silence() {
    let (senders, mut items, carrying) = carried(false, 1);
    for _ in 0..=WAITING_MAX {
        senders[0].unbounded_send(event(BTC)).unwrap();
        senders[0].unbounded_send(event(ETH)).unwrap();
    }
    sleep(10 * LIMIT).await;
    for _ in 0..2 * (WAITING_MAX + 1) {
        items.event().await;
    }
    let read = Instant::now();
    assert_eq!(items.next().await, silent(BTC, LIMIT));
    assert_eq!(items.next().await, silent(ETH, LIMIT));
    assert_eq!(read.elapsed(), LIMIT);
    carrying.abort();
}

#[tokio::test]
async fn a_server_that_answers_pings_and_sends_nothing_is_silent_and_is_left_where_that_is_asked_for()
 {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        if session.number == 1 {
            session.send_json(&trade(1)).await;
        }
        session.hold().await;
    })
    .await;
    let options = StreamOptions {
        silence: silence(Duration::from_millis(200), true),
        keepalive: Keepalive {
            interval: Duration::from_millis(10),
            timeout: Duration::from_secs(10),
        },
        ..options(ExchangeId::BinanceSpot, &server.address, None)
    };
    let (_carrying, mut items) = open(trades_plan(), options).await.unwrap();
    let note = items.silent().await;
    assert_eq!(note.instrument, FIRST_INDEX as u32);
    assert!(note.length_ns >= 200_000_000, "{note:?}");
    let note = items.reconnecting().await;
    assert_eq!(note.reason, "no data of BTCUSDT for 0.2 s");
    assert_eq!(items.reconnected().await.attempts, 1);
    items.event().await;
}
