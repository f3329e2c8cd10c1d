//! What happens to a connection after it has opened: control frames, drops, gaps in a book, and its end.

use super::{
    FIRST_INDEX, Items, acknowledged, open, options, outlet, plan, server, trade, trades_plan,
};
use crate::{
    feed::{
        FeedError,
        reconnect::{Carrier, Link},
        retry,
    },
    options::{ReconnectPolicy, StreamOptions},
    outlet::{self, AnyOutlet},
    subscription::SubKind,
};
use barter_data::{event::DataKind, subscription::trade::PublicTrade};
use barter_instrument::{
    exchange::ExchangeId,
    instrument::market_data::kind::MarketDataInstrumentKind::{Perpetual, Spot},
};
use std::{
    ops::ControlFlow,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

fn policy(initial_ms: u64, multiplier: f64, max_ms: u64) -> ReconnectPolicy {
    ReconnectPolicy {
        initial: Duration::from_millis(initial_ms),
        multiplier,
        max: Duration::from_millis(max_ms),
        jitter: 0.0,
        ..ReconnectPolicy::default()
    }
}

/// The id of the next item, which must be a trade.
async fn trade_id(items: &mut Items) -> String {
    match items.event().await.kind {
        DataKind::Trade(trade) => trade.id,
        other => panic!("expected a trade, got {other:?}"),
    }
}

#[tokio::test]
async fn a_dropped_connection_is_told_with_its_reason_and_opened_again() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.send_json(&trade(session.number as u64)).await;
        if session.number == 0 {
            session.close(1001, "maintenance").await;
        }
        session.hold().await;
    })
    .await;
    let options = options(ExchangeId::BinanceSpot, &server.address, None);
    let (_carrying, mut items) = open(trades_plan(), options).await.unwrap();
    let first = items.event().await;
    let note = items.reconnecting().await;
    assert_eq!(
        note.reason,
        "the exchange ended the connection with close code 1001: maintenance"
    );
    assert_eq!(
        note.last_event_ns,
        first.time_received.timestamp_nanos_opt()
    );
    assert_eq!(note.instruments, [FIRST_INDEX as u32]);
    let again = items.reconnected().await;
    assert_eq!(again.attempts, 1);
    let second = items.event().await;
    let gap = second.time_received - first.time_received;
    assert_eq!(again.gap_ns, gap.num_nanoseconds());
    assert_eq!(server.accepted(), 2);
}

#[tokio::test]
async fn attempts_that_fail_are_told_and_counted_and_wait_longer_each_time() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        match session.number {
            0 | 4 => {
                session.send_json(&acknowledged()).await;
                session.send_json(&trade(session.number as u64)).await;
                if session.number == 0 {
                    return;
                }
            }
            // Accepts and drops, without an event between: no reason to try faster.
            1 => {
                session.send_json(&acknowledged()).await;
                return;
            }
            _ => {
                session
                    .send(r#"{"error":{"code":3,"msg":"busy"},"id":1}"#)
                    .await;
            }
        }
        session.hold().await;
    })
    .await;
    let mut options = options(ExchangeId::BinanceSpot, &server.address, None);
    options.reconnect = policy(10, 2.0, 1_000);
    let (_carrying, mut items) = open(trades_plan(), options).await.unwrap();
    let first = items.event().await;
    let began = Instant::now();
    let mut reasons = Vec::new();
    for _ in 0..4 {
        let note = items.reconnecting().await;
        assert_eq!(
            note.last_event_ns,
            first.time_received.timestamp_nanos_opt()
        );
        reasons.push(note.reason);
    }
    assert_eq!(items.reconnected().await.attempts, 4);
    assert!(began.elapsed() >= Duration::from_millis(10 + 20 + 40 + 80));
    assert_eq!(trade_id(&mut items).await, "4");
    assert!(
        reasons[0].starts_with("the connection broke") || reasons[0].contains("ended"),
        "{reasons:?}"
    );
    let refused = "binance_spot refuses the subscription to BTCUSDT: code 3: busy";
    assert_eq!(&reasons[2..], [refused, refused]);
}

#[tokio::test]
async fn a_connection_whose_first_opening_failed_begins_with_that_error() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.send_json(&trade(1)).await;
        session.hold().await;
    })
    .await;
    let failed = FeedError::Closed {
        exchange: ExchangeId::BinanceSpot,
        reason: "it was not its day".to_owned(),
    };
    let options = Arc::new(options(ExchangeId::BinanceSpot, &server.address, None));
    let (outlet, mut items) = outlet(ExchangeId::BinanceSpot, SubKind::Trades);
    let running = tokio::spawn(retry(trades_plan(), options, outlet, failed.clone()));
    assert_eq!(items.error().await, format!("SocketError: {failed}"));
    let note = items.reconnecting().await;
    assert_eq!(
        (note.reason, note.last_event_ns),
        (failed.to_string(), None)
    );
    let note = items.reconnected().await;
    assert_eq!((note.attempts, note.gap_ns), (1, None));
    assert_eq!(trade_id(&mut items).await, "1");
    running.abort();
}

#[tokio::test]
async fn a_connection_ends_when_nobody_listens() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        for id in 0.. {
            session.send_json(&trade(id)).await;
            if session.number > 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
    let options = options(ExchangeId::BinanceSpot, &server.address, None);
    let (mut carrying, mut items) = open(trades_plan(), options).await.unwrap();
    trade_id(&mut items).await;
    drop(items);
    let ended = tokio::time::timeout(super::PATIENCE, &mut carrying.0).await;
    ended.expect("in time").expect("without a panic");
}

#[tokio::test]
async fn dropping_a_connection_closes_its_socket_within_100_ms_though_it_pings() {
    let mut server = server::websocket(|mut session| async move {
        session.receive().await;
        session
            .send(r#"{"success":true,"ret_msg":"subscribe","conn_id":"1","op":"subscribe"}"#)
            .await;
        session.hold().await;
    })
    .await;
    let exchange = ExchangeId::BybitPerpetualsUsd;
    let plan = plan(exchange, SubKind::L2, &[("btc", "usdt")], &Perpetual);
    let (carrying, _items) = open(plan, options(exchange, &server.address, None))
        .await
        .unwrap();
    server.open_connections(1).await;
    drop(carrying);
    let began = Instant::now();
    server.open_connections(0).await;
    assert!(began.elapsed() < Duration::from_millis(100));
}

#[tokio::test]
async fn the_exchanges_own_pings_are_sent_and_their_answers_are_no_errors() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session
            .send(r#"{"event":"subscribe","arg":{"channel":"trades","instId":"BTC-USDT"},"connId":"1"}"#)
            .await;
        if session.receive().await.as_deref() == Some("ping") {
            session.send("pong").await;
            session
                .send(r#"{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"tradeId":"7","px":"1","sz":"1","side":"sell","ts":"1630048897897"}]}"#)
                .await;
        }
        session.hold().await;
    })
    .await;
    let plan = plan(ExchangeId::Okx, SubKind::Trades, &[("btc", "usdt")], &Spot);
    let options = options(ExchangeId::Okx, &server.address, None);
    let (_carrying, mut items) = open(plan, options).await.unwrap();
    assert_eq!(trade_id(&mut items).await, "7");
}

#[tokio::test]
async fn a_frame_that_is_not_known_is_an_error_and_the_next_one_still_arrives() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.send(r#"{"e":"riddle"}"#).await;
        session.send_json(&acknowledged()).await;
        session
            .send(r#"{"e":"trade","s":"ETHUSDT","t":1,"p":"1","q":"1","T":1,"m":true}"#)
            .await;
        session.send_json(&trade(3)).await;
        session.hold().await;
    })
    .await;
    let options = options(ExchangeId::BinanceSpot, &server.address, None);
    let (_carrying, mut items) = open(trades_plan(), options).await.unwrap();
    let error = items.error().await;
    assert!(error.contains(r#"for payload: {"e":"riddle"}"#), "{error}");
    assert_eq!(
        items.error().await,
        "SocketError: consumed unidentifiable message: @trade|ETHUSDT"
    );
    assert_eq!(trade_id(&mut items).await, "3");
}

/// A connection whose reader panics.
struct Panicking;

impl Link<PublicTrade> for Panicking {
    fn poll_read(
        &mut self,
        _: &mut Context<'_>,
        _: &mut Vec<outlet::Item<PublicTrade>>,
    ) -> Poll<ControlFlow<(), usize>> {
        panic!("a frame that nobody thought of")
    }

    fn ended(&self) -> String {
        "it did not end".to_owned()
    }
}

#[tokio::test]
async fn a_reader_that_panics_is_a_broken_connection_and_not_the_end() {
    let (outlet, mut items) = outlet(ExchangeId::BinanceSpot, SubKind::Trades);
    let AnyOutlet::Trades(outlet) = outlet else {
        panic!("the outlet is of another kind");
    };
    let carrier = Carrier::new(outlet, &trades_plan(), &StreamOptions::default());
    let open = || std::future::pending::<Result<Panicking, FeedError>>();
    let running = tokio::spawn(carrier.carry(Panicking, open));
    assert!(items.reconnecting().await.reason.contains("panicked"));
    running.abort();
}
