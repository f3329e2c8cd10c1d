//! Whether the far side is alive, and how a connection of ours ends.

use super::{
    FIRST_INDEX, Items, PATIENCE, acknowledged, open, options, server, trade, trades_plan,
};
use crate::{
    event::kind,
    feed::FeedError,
    options::{Keepalive, StreamOptions},
    outlet::WAITING_MAX,
    queue::Received,
    streams::Streams,
};
use barter_data::event::DataKind;
use barter_instrument::exchange::ExchangeId;
use chrono::Utc;
use serde_json::json;
use std::{
    future::pending,
    time::{Duration, Instant},
};
use tokio::{sync::mpsc, time::timeout};
use tokio_tungstenite::tungstenite::{Message, protocol::frame::coding::CloseCode};

/// Pings that a server has seen when a connection without frames would be dead.
const PINGS_OF_THE_TIMEOUT: usize = 15;

fn pinging(server: &server::Server, timeout_ms: u64) -> StreamOptions {
    let timeout = Duration::from_millis(timeout_ms);
    StreamOptions {
        keepalive: Keepalive {
            interval: timeout / (PINGS_OF_THE_TIMEOUT as u32 - 5),
            timeout,
        },
        ..options(ExchangeId::BinanceSpot, &server.address, None)
    }
}

async fn trade_id(items: &mut Items) -> u64 {
    match items.event().await.kind {
        DataKind::Trade(trade) => trade.id.parse().expect("a number"),
        other => panic!("expected a trade, got {other:?}"),
    }
}

#[tokio::test]
async fn a_connection_that_brings_no_frame_is_dead_and_is_opened_again_with_that_reason() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.send_json(&trade(session.number as u64)).await;
        if session.number == 0 {
            // Half-open: the socket is there, and nobody behind it.
            pending::<()>().await;
        }
        session.hold().await;
    })
    .await;
    let (_carrying, mut items) = open(trades_plan(), pinging(&server, 60)).await.unwrap();
    assert_eq!(trade_id(&mut items).await, 0);
    let note = items.reconnecting().await;
    assert_eq!(
        note.reason,
        "no frame came for 0.06 s, not even the answer to a ping: the connection is dead"
    );
    assert_eq!(note.instruments, [FIRST_INDEX as u32]);
    assert_eq!(items.reconnected().await.attempts, 1);
    assert_eq!(trade_id(&mut items).await, 1);
}

#[tokio::test]
async fn a_server_that_answers_pings_and_sends_nothing_is_alive() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        session.pings(PINGS_OF_THE_TIMEOUT).await;
        session.send_json(&trade(7)).await;
        session.hold().await;
    })
    .await;
    let (_carrying, mut items) = open(trades_plan(), pinging(&server, 600)).await.unwrap();
    assert_eq!(trade_id(&mut items).await, 7);
    assert_eq!(server.accepted(), 1);
}

/// A text frame as it is on the wire.
fn wire(frame: &serde_json::Value) -> Vec<u8> {
    let text = frame.to_string();
    let mut bytes = vec![0x81];
    match u8::try_from(text.len()) {
        Ok(length @ ..=125) => bytes.push(length),
        _ => {
            bytes.push(126);
            let length = u16::try_from(text.len()).expect("a frame of this length");
            bytes.extend(length.to_be_bytes());
        }
    }
    bytes.extend(text.as_bytes());
    bytes
}

#[tokio::test]
async fn a_frame_that_comes_slowly_in_parts_is_a_sign_of_life() {
    let timeout_ms = 800;
    let server = server::websocket(move |mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        let mut long = trade(7);
        long["padding"] = "x".repeat(100).into();
        for part in wire(&long).chunks(40) {
            session.bytes(part).await;
            tokio::time::sleep(Duration::from_millis(timeout_ms / 4)).await;
        }
        session.hold().await;
    })
    .await;
    let began = Instant::now();
    let (_carrying, mut items) = open(trades_plan(), pinging(&server, timeout_ms))
        .await
        .unwrap();
    assert_eq!(trade_id(&mut items).await, 7);
    assert!(began.elapsed() > Duration::from_millis(timeout_ms * 5 / 4));
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn the_time_of_an_event_is_that_of_the_arrival_of_its_bytes() {
    let server = server::websocket(move |mut session| async move {
        session.receive().await;
        session.send_json(&acknowledged()).await;
        let frames: Vec<_> = (0..3).flat_map(|id| wire(&trade(id))).collect();
        session.bytes(&frames).await;
        session.hold().await;
    })
    .await;
    let before = Utc::now();
    let (_carrying, mut items) = open(trades_plan(), pinging(&server, 600)).await.unwrap();
    let mut times = Vec::new();
    for _ in 0..3 {
        times.push(items.event().await.time_received);
    }
    assert!(times.iter().all(|time| *time == times[0]), "{times:?}");
    assert!(before < times[0] && times[0] <= Utc::now());
}

#[tokio::test]
async fn a_server_that_dies_during_the_handshake_is_found_out_before_the_handshakes_own_limit() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        pending::<()>().await;
    })
    .await;
    let failed = timeout(PATIENCE / 2, open(trades_plan(), pinging(&server, 60))).await;
    let error = failed.expect("before the handshake's limit").err();
    let Some(FeedError::Closed { reason, .. }) = error else {
        panic!("expected the end of the connection, got {error:?}");
    };
    assert!(reason.starts_with("no frame came for 0.06 s"), "{reason}");
}

#[tokio::test]
async fn a_connection_that_a_full_queue_keeps_from_reading_is_not_dead() {
    let (told, mut held_up) = mpsc::unbounded_channel();
    let server = server::websocket(move |mut session| {
        let told = told.clone();
        async move {
            session.receive().await;
            session.send_json(&acknowledged()).await;
            for id in 0..=WAITING_MAX {
                session.send_json(&trade(id)).await;
            }
            // Our pings go on though nothing is read: so long it has been.
            session.pings(PINGS_OF_THE_TIMEOUT).await;
            told.send(()).expect("the test waits");
            session.hold().await;
        }
    })
    .await;
    let (_carrying, mut items) = open(trades_plan(), pinging(&server, 600)).await.unwrap();
    let waited = timeout(PATIENCE, held_up.recv()).await;
    waited.expect("in time").expect("the server lives");
    for id in 0..=WAITING_MAX {
        assert_eq!(trade_id(&mut items).await, id);
    }
    assert_eq!(server.accepted(), 1);
}

/// The whole way: the reader does not read, so the queue is full, so the pump waits, so the socket is not read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_that_blocks_makes_its_connection_neither_dead_nor_silent() {
    // More than the queue, the pump and the outlet hold.
    const TRADES: u64 = WAITING_MAX + 1_200;
    let (told, mut held_up) = mpsc::unbounded_channel();
    let server = server::websocket(move |mut session| {
        let told = told.clone();
        async move {
            session.receive().await;
            session.send_json(&acknowledged()).await;
            for id in 0..TRADES {
                session.send_json(&trade(id)).await;
            }
            session.pings(PINGS_OF_THE_TIMEOUT).await;
            told.send(()).expect("the test waits");
            session.hold().await;
        }
    })
    .await;
    let request = json!({
        "batches": [[{
            "exchange": "binance_spot", "base": "btc", "quote": "usdt", "instrument_kind": "spot", "kind": "trades",
        }]],
        "options": {
            "endpoints": {"binance_spot": server.address.as_str()},
            "queue": {"capacity": 8, "policy": "block"},
            "keepalive_ms": 60,
            "keepalive_timeout_ms": 600,
            "silence_ms": 600,
        },
    });
    let streams = Streams::start(&request.to_string()).unwrap();
    let deadline = Some(Instant::now() + PATIENCE);
    assert_eq!(streams.wait(deadline), Ok(true));
    let stream = streams.select(None, None).unwrap().expect("it is there");
    let waited = timeout(PATIENCE, held_up.recv()).await;
    waited.expect("in time").expect("the server lives");
    let mut read = 0;
    while read < TRADES {
        let Received::Records(records) = stream.recv(1_024, deadline) else {
            panic!("no records after {read}");
        };
        for record in records.events() {
            assert_eq!(record.kind, kind::TRADE, "after {read} trades");
            read += 1;
        }
    }
    assert_eq!(server.accepted(), 1);
}

#[tokio::test]
async fn a_connection_of_ours_ends_with_a_close_frame() {
    let (told, mut ends) = mpsc::unbounded_channel();
    let server = server::websocket(move |mut session| {
        let told = told.clone();
        async move {
            session.receive().await;
            session.send_json(&acknowledged()).await;
            session.send_json(&trade(1)).await;
            let frame = session.frame().await;
            told.send(frame).expect("the test waits");
        }
    })
    .await;
    let options = options(ExchangeId::BinanceSpot, &server.address, None);
    let (carrying, mut items) = open(trades_plan(), options).await.unwrap();
    assert_eq!(trade_id(&mut items).await, 1);
    drop(carrying);
    let end = timeout(PATIENCE, ends.recv()).await.expect("in time");
    let Some(Some(Message::Close(Some(frame)))) = end else {
        panic!("expected a close frame, got {end:?}");
    };
    assert_eq!(frame.code, CloseCode::Normal);
}

#[tokio::test]
async fn a_socket_is_gone_within_100_ms_though_the_peer_does_not_answer_the_close_frame() {
    let (told, mut ends) = mpsc::unbounded_channel();
    let server = server::websocket(move |mut session| {
        let told = told.clone();
        async move {
            session.receive().await;
            session.send_json(&acknowledged()).await;
            session.send_json(&trade(1)).await;
            let bytes = session.bytes_until_the_end().await;
            told.send((bytes, Instant::now())).expect("the test waits");
        }
    })
    .await;
    let options = options(ExchangeId::BinanceSpot, &server.address, None);
    let (carrying, mut items) = open(trades_plan(), options).await.unwrap();
    assert_eq!(trade_id(&mut items).await, 1);
    let began = Instant::now();
    drop(carrying);
    let end = timeout(PATIENCE, ends.recv()).await.expect("in time");
    let (bytes, ended) = end.expect("the server lives");
    const CLOSE_FRAME: u8 = 0x88;
    assert_eq!(bytes.first(), Some(&CLOSE_FRAME), "it was told: {bytes:?}");
    assert!(ended - began < Duration::from_millis(100));
}
