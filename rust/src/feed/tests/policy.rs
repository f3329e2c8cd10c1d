//! The policy at work: paused time, connections that end at once, and draws that a seed decides.

use super::{Item, Items, acknowledged, options, outlet, server, trade, trades_plan};
use crate::{
    feed::{
        FeedError,
        reconnect::{Carrier, Link},
    },
    options::{ReconnectPolicy, StreamOptions},
    outlet::AnyOutlet,
    subscription::SubKind,
};
use barter_data::{error::DataError, event::MarketEvent, subscription::trade::PublicTrade};
use barter_instrument::{Side, exchange::ExchangeId, instrument::InstrumentIndex};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    cell::Cell,
    collections::BTreeMap,
    future::ready,
    ops::ControlFlow,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep, timeout};

/// A connection that brings nothing and ends after its time.
struct Kicked(Pin<Box<Sleep>>);

impl Kicked {
    fn after(time: Duration) -> Self {
        Self(Box::pin(sleep(time)))
    }
}

impl Link<PublicTrade> for Kicked {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        _: &mut Vec<Trade>,
    ) -> Poll<ControlFlow<(), usize>> {
        self.0.as_mut().poll(cx).map(ControlFlow::Break)
    }

    fn ended(&self) -> String {
        "kicked".to_owned()
    }
}

fn carrier(policy: ReconnectPolicy) -> (Carrier<PublicTrade>, Items) {
    let (outlet, items) = outlet(ExchangeId::BinanceSpot, SubKind::Trades);
    let AnyOutlet::Trades(outlet) = outlet else {
        panic!("the outlet is of another kind");
    };
    let options = StreamOptions {
        reconnect: policy,
        ..StreamOptions::default()
    };
    (Carrier::new(outlet, &trades_plan(), &options), items)
}

/// Connections, the first included, that a server sees in a minute which ends each after `lasting`.
async fn connections_in_a_minute(policy: ReconnectPolicy, seed: u64, lasting: Duration) -> usize {
    let (carrier, _items) = carrier(policy);
    let mut random = StdRng::seed_from_u64(seed);
    let carrier = carrier.drawing(move || random.random());
    let connections = Cell::new(1);
    let open = || {
        connections.set(connections.get() + 1);
        ready(Ok(Kicked::after(lasting)))
    };
    let carrying = carrier.carry(Kicked::after(lasting), open);
    let carried = timeout(Duration::from_secs(60), carrying).await;
    assert!(carried.is_err(), "nothing ends it but the minute");
    connections.get()
}

/// What this shows: the whole loop, waiting included, with the draws of 2,000 seeds, and that it holds for each of them.
/// That it holds for every draw there is shown by the shortest delays, in the tests of `backoff`.
#[tokio::test(start_paused = true)]
async fn a_server_that_accepts_and_kicks_sees_at_most_twelve_connections_in_a_minute() {
    for lasting in [Duration::ZERO, Duration::from_millis(50)] {
        let mut seen = BTreeMap::<usize, usize>::new();
        for seed in 0..1_000 {
            let policy = ReconnectPolicy::default();
            let connections = connections_in_a_minute(policy, seed, lasting).await;
            *seen.entry(connections).or_default() += 1;
        }
        println!("connections in a minute, each {lasting:?}: how many seeds: {seen:?}");
        assert!(
            seen.keys().all(|connections| *connections <= 12),
            "{seen:?}"
        );
        assert!(seen.len() > 1, "the delays are drawn: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_lasts_long_enough_is_opened_again_at_the_first_delay() {
    let policy = ReconnectPolicy {
        initial: Duration::from_secs(1),
        jitter: 0.0,
        stable: Duration::from_secs(10),
        ..ReconnectPolicy::default()
    };
    // Every eleven seconds another one; a shorter life lets the delays grow.
    let lasting = connections_in_a_minute(policy, 0, Duration::from_secs(10)).await;
    assert_eq!(lasting, 6);
    let short = connections_in_a_minute(policy, 0, Duration::from_millis(9_999)).await;
    assert_eq!(short, 4);
}

#[tokio::test(start_paused = true)]
async fn the_last_attempt_allowed_ends_the_connection_with_an_error_that_says_why() {
    let (carrier, mut items) = carrier(ReconnectPolicy {
        max_attempts: Some(2),
        ..ReconnectPolicy::default()
    });
    let busy = FeedError::Closed {
        exchange: ExchangeId::BinanceSpot,
        reason: "it is busy".to_owned(),
    };
    let refused = || ready(Err::<Kicked, _>(busy.clone()));
    let first = Kicked::after(Duration::from_secs(1));
    let carried = tokio::join!(carrier.carry(first, refused), async {
        let reasons = [items.reconnecting().await, items.reconnecting().await];
        assert_eq!(
            reasons.map(|note| note.reason),
            ["kicked".to_owned(), busy.to_string()]
        );
        assert_eq!(
            items.error().await,
            format!(
                "SocketError: binance_spot trades of BTCUSDT: given up after 2 attempts to reconnect: {busy}"
            )
        );
        assert!((items.next)().await.is_none(), "the producer is gone");
    });
    assert_eq!(carried.0, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_asks_to_be_left_alone_for_longer_than_the_delay_is() {
    let (carrier, mut items) = carrier(ReconnectPolicy {
        max_attempts: Some(1),
        ..ReconnectPolicy::default()
    });
    let busy = FeedError::Upgrade {
        exchange: ExchangeId::BinanceSpot,
        address: "ws://127.0.0.1".to_owned(),
        status: 503,
        meaning: "maintenance".to_owned(),
        retry_after: Some(Duration::from_secs(17)),
    };
    let began = Instant::now();
    let again = || ready(Ok(Kicked::after(Duration::ZERO)));
    let (carried, ()) = tokio::join!(carrier.retry(busy.clone(), again), async {
        assert_eq!(items.error().await, format!("SocketError: {busy}"));
        assert_eq!(items.reconnecting().await.reason, busy.to_string());
        assert_eq!(items.reconnecting().await.reason, "kicked");
        assert!(items.error().await.contains("given up after 1 attempts"));
    });
    assert_eq!(carried, Ok(()));
    assert_eq!(began.elapsed(), Duration::from_secs(17));
}

#[tokio::test]
async fn one_connection_of_two_that_gives_up_leaves_the_other_in_the_stream() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        if session.number == 0 {
            return session.close(1001, "maintenance").await;
        }
        let mut id = 0;
        while session.send_json(&trade(id)).await {
            id += 1;
            sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let mut options = options(ExchangeId::BinanceSpot, &server.address, None);
    options.reconnect.max_attempts = Some(0);
    let (outlet, mut items) = outlet(ExchangeId::BinanceSpot, SubKind::Trades);
    let options = Arc::new(options);
    let connect = || crate::feed::connect(trades_plan(), options.clone(), outlet.clone());
    let first = connect().await.unwrap();
    let second = tokio::spawn(connect().await.unwrap());
    drop(outlet);
    first.await;
    let (mut broken, mut after_the_error) = (false, None);
    while after_the_error != Some(3) {
        match items.next().await {
            Item::Reconnecting(note) => {
                assert_eq!(note.instruments, [super::FIRST_INDEX as u32]);
                broken = true;
            }
            Item::Error(error) => {
                let text = error.to_string();
                assert!(
                    broken,
                    "whatever is known of its instruments is told to be stale first"
                );
                assert!(text.contains("given up after 0 attempts"), "{text}");
                assert!(text.ends_with("1001: maintenance"), "{text}");
                assert_eq!(after_the_error.replace(0), None, "it is told once");
            }
            Item::Event(_) => after_the_error = after_the_error.map(|events| events + 1),
            other => panic!("expected events and one error, got {other:?}"),
        }
    }
    second.abort();
    while (items.next)().await.is_some() {}
}

/// A connection that has these at once, and panics at a `None`.
struct AtOnce(std::vec::IntoIter<Option<Trade>>);

type Trade = Result<MarketEvent<InstrumentIndex, PublicTrade>, DataError>;

impl Link<PublicTrade> for AtOnce {
    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        items: &mut Vec<Trade>,
    ) -> Poll<ControlFlow<(), usize>> {
        match self.0.next() {
            Some(Some(item)) => items.push(item),
            Some(None) => panic!("a frame that no reader expects"),
            None => return Poll::Pending,
        }
        Poll::Ready(ControlFlow::Continue(0))
    }

    fn ended(&self) -> String {
        unreachable!("it never ends")
    }
}

fn public_trade(id: u64) -> Option<Trade> {
    let time = chrono::DateTime::from_timestamp_nanos(1_000_000_000 * id as i64);
    let trade = PublicTrade {
        id: id.to_string(),
        price: 1.0,
        amount: 1.0,
        side: Side::Buy,
    };
    Some(Ok(MarketEvent {
        time_exchange: time,
        time_received: time,
        exchange: ExchangeId::BinanceSpot,
        instrument: InstrumentIndex(super::FIRST_INDEX),
        kind: trade,
    }))
}

#[tokio::test(start_paused = true)]
async fn what_was_read_with_a_frame_that_makes_its_reader_panic_is_delivered_before_the_reconnect()
{
    let (carrier, mut items) = carrier(ReconnectPolicy::default());
    let error = || Some(Err(DataError::Socket("boom".to_owned())));
    let first = AtOnce(vec![public_trade(1), error(), public_trade(2), None].into_iter());
    let mut next = vec![vec![error(), public_trade(7), public_trade(8)]].into_iter();
    let open = move || ready(Ok(AtOnce(next.next().expect("one more").into_iter())));
    let carrying = tokio::spawn(async move {
        let _ = carrier.carry(first, open).await;
    });
    let id = |item: Item| match item {
        Item::Event(event) => event.time_exchange.timestamp(),
        other => panic!("expected a trade, got {other:?}"),
    };
    assert_eq!(id(items.next().await), 1);
    assert!(matches!(items.next().await, Item::Error(_)));
    assert_eq!(id(items.next().await), 2);
    let note = items.reconnecting().await;
    assert!(note.reason.contains("panicked"), "{}", note.reason);
    assert_eq!(note.last_event_ns, Some(2_000_000_000));
    assert!(
        matches!(items.next().await, Item::Error(_)),
        "before the events that flow again"
    );
    assert_eq!(items.reconnected().await.gap_ns, Some(5_000_000_000));
    assert_eq!(id(items.next().await), 7);
    assert_eq!(id(items.next().await), 8);
    carrying.abort();
}
