//! What goes wrong while a connection opens: told at once or at the deadline, with exchange, market and the exchange's
//! own words, and nothing stays open.

use super::{PATIENCE, open, options, plan, server};
use crate::{
    feed::FeedError,
    options::StreamOptions,
    status::Status,
    subscription::{ConnectionPlan, SubKind},
};
use barter_instrument::{
    exchange::ExchangeId, instrument::market_data::kind::MarketDataInstrumentKind::Spot,
};
use serde_json::{Value, json};
use std::time::{Duration, Instant};
use url::Url;

/// A plan whose opening fails, and the failure.
pub(super) async fn failure(plan: ConnectionPlan, options: StreamOptions) -> FeedError {
    match open(plan, options).await {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

fn kraken_plan() -> ConnectionPlan {
    plan(
        ExchangeId::Kraken,
        SubKind::Trades,
        &[("btc", "usd"), ("eth", "usd")],
        &Spot,
    )
}

fn book_plan() -> ConnectionPlan {
    plan(
        ExchangeId::BinanceSpot,
        SubKind::L2,
        &[("btc", "usdt")],
        &Spot,
    )
}

/// A server that answers the first request with this and then says nothing.
pub(super) async fn answering(answer: Value) -> server::Server {
    server::websocket(move |mut session| {
        let answer = answer.clone();
        async move {
            if session.receive().await.is_some() {
                session.send_json(&answer).await;
            }
            session.hold().await;
        }
    })
    .await
}

#[tokio::test]
async fn heartbeats_do_not_postpone_the_deadline_of_the_handshake() {
    let mut server = server::websocket(|mut session| async move {
        session.receive().await;
        while session.send(r#"{"event":"heartbeat"}"#).await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
    let limit = Duration::from_millis(100);
    let mut options = options(ExchangeId::Kraken, &server.address, None);
    options.subscribe_timeout = limit;
    let began = Instant::now();
    let error = failure(kraken_plan(), options).await;
    assert!(began.elapsed() >= limit && began.elapsed() < PATIENCE / 2);
    assert_eq!(error.status(), Status::HandshakeTimeout);
    assert_eq!(
        error.to_string(),
        "kraken: no acknowledgement of XBT/USD, ETH/USD within 0.1 s"
    );
    server.open_connections(0).await;
}

#[tokio::test]
async fn what_was_acknowledged_is_not_named_at_the_deadline() {
    let server = answering(json!({
        "channelID": 1, "channelName": "trade", "event": "subscriptionStatus", "pair": "XBT/USD",
        "status": "subscribed", "subscription": {"name": "trade"}
    }))
    .await;
    let mut options = options(ExchangeId::Kraken, &server.address, None);
    options.subscribe_timeout = Duration::from_millis(100);
    let error = failure(kraken_plan(), options).await;
    assert_eq!(
        error.to_string(),
        "kraken: no acknowledgement of ETH/USD within 0.1 s"
    );
}

#[tokio::test]
async fn a_server_that_takes_the_connection_and_is_mute_fails_at_the_connect_deadline() {
    let mut server = server::mute().await;
    let mut options = options(ExchangeId::Kraken, &server.address, None);
    options.connect_timeout = Duration::from_millis(100);
    let error = failure(kraken_plan(), options).await;
    assert_eq!(error.status(), Status::ConnectFailed);
    let expected = format!(
        "kraken: cannot connect to {}: no answer within 0.1 s",
        server.address
    );
    assert_eq!(error.to_string(), expected);
    server.open_connections(0).await;
}

#[tokio::test]
async fn an_address_where_nothing_listens_is_named_with_what_the_network_says() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("ws://{}/", listener.local_addr().unwrap());
    drop(listener);
    let options = options(ExchangeId::Kraken, &address.parse().unwrap(), None);
    let error = failure(kraken_plan(), options).await;
    assert_eq!(error.status(), Status::ConnectFailed);
    let text = error.to_string();
    assert!(
        text.starts_with(&format!("kraken: cannot connect to {address}: ")),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_server_without_tls_at_a_secure_address_is_an_error_of_the_connection() {
    let server = server::mute().await;
    let address = server.address.as_str().replace("ws://", "wss://");
    let mut options = options(ExchangeId::Kraken, &address.parse().unwrap(), None);
    options.connect_timeout = Duration::from_millis(200);
    let error = failure(kraken_plan(), options).await;
    assert_eq!(error.status(), Status::ConnectFailed);
    assert!(error.to_string().contains(&address), "{error}");
}

#[tokio::test]
async fn a_refused_upgrade_is_told_in_words_with_the_time_it_asks_for() {
    for (status, words, retry_after) in [
        (
            "451 Unavailable For Legal Reasons",
            "HTTP 451: the exchange refuses this location",
            None,
        ),
        (
            "403 Forbidden",
            "HTTP 403: the exchange refuses this location",
            None,
        ),
        (
            "429 Too Many Requests\r\nRetry-After: 17",
            "HTTP 429: too many requests",
            Some(17),
        ),
    ] {
        let server = server::http(move |_, _| (status.to_owned(), String::new())).await;
        let address: Url = server
            .address
            .as_str()
            .replace("http://", "ws://")
            .parse()
            .unwrap();
        let error = failure(kraken_plan(), options(ExchangeId::Kraken, &address, None)).await;
        assert_eq!(error.status(), Status::ConnectFailed);
        assert_eq!(error.retry_after(), retry_after.map(Duration::from_secs));
        let text = error.to_string();
        assert!(
            text.starts_with("kraken: ") && text.ends_with(words),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_connection_that_ends_during_the_handshake_says_why() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        session.close(1013, "try again later").await;
        session.hold().await;
    })
    .await;
    let error = failure(
        kraken_plan(),
        options(ExchangeId::Kraken, &server.address, None),
    )
    .await;
    assert_eq!(error.status(), Status::ConnectFailed);
    assert_eq!(
        error.to_string(),
        "kraken: the connection ended during the handshake: \
         the exchange ended the connection with close code 1013: try again later"
    );
}

#[tokio::test]
async fn frames_before_the_acknowledgement_are_kept_up_to_a_bound() {
    let server = server::websocket(|mut session| async move {
        session.receive().await;
        let padding = " ".repeat(1 << 20);
        for _ in 0..64 {
            session.send(format!("[{padding}]")).await;
        }
        session.hold().await;
    })
    .await;
    let error = failure(
        kraken_plan(),
        options(ExchangeId::Kraken, &server.address, None),
    )
    .await;
    assert_eq!(error.status(), Status::HandshakeTimeout);
    assert!(
        matches!(error, FeedError::Flooded { frames: 32, .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("no acknowledgement of XBT/USD, ETH/USD"),
        "{error}"
    );
}

#[tokio::test]
async fn a_bad_snapshot_is_told_with_exchange_market_status_and_what_came_instead() {
    for (head, body, words, retry_after) in [
        (
            "429 Too Many Requests\r\nRetry-After: 7",
            r#"{"code":-1003,"msg":"Too many requests."}"#,
            "HTTP 429, too many requests: {\"code\":-1003,\"msg\":\"Too many requests.\"} (retry after 7 s)",
            Some(7),
        ),
        (
            "418 I'm a teapot\r\nRetry-After: 120",
            "",
            "HTTP 418, this address is banned for a while",
            Some(120),
        ),
        (
            "451 Unavailable For Legal Reasons",
            "no",
            "HTTP 451, the exchange refuses this location: no",
            None,
        ),
        (
            "200 OK",
            "<html>maintenance</html>",
            "not a snapshot (expected value at line 1 column 1): <html>",
            None,
        ),
        (
            "200 OK",
            r#"{"serverTime":1}"#,
            "missing field `lastUpdateId`",
            None,
        ),
        (
            "200 OK",
            r#"{"lastUpdateId":1,"bids":[["x","1"]],"asks":[]}"#,
            "not a snapshot",
            None,
        ),
    ] {
        let mut server = answering(json!({"result": null, "id": 1})).await;
        let rest = server::http(move |_, _| (head.to_owned(), body.to_owned())).await;
        let mut options = options(
            ExchangeId::BinanceSpot,
            &server.address,
            Some(&rest.address),
        );
        // Less than the waits that are asked for: there is no use in keeping those.
        options.subscribe_timeout = Duration::from_millis(400);
        let error = failure(book_plan(), options).await;
        assert_eq!(error.status(), Status::SnapshotFailed);
        assert_eq!(error.retry_after(), retry_after.map(Duration::from_secs));
        let text = error.to_string();
        assert!(
            text.starts_with("binance_spot: no order book snapshot of BTCUSDT: "),
            "{text}"
        );
        assert!(text.contains(words), "{text}");
        server.open_connections(0).await;
    }
}

#[tokio::test]
async fn a_book_of_a_market_that_the_exchange_does_not_have_is_refused_in_its_words() {
    let server = answering(json!({"result": null, "id": 1})).await;
    let rest = server::http(|_, _| {
        let body = r#"{"code":-1121,"msg":"Invalid symbol."}"#;
        ("400 Bad Request".to_owned(), body.to_owned())
    })
    .await;
    let options = options(
        ExchangeId::BinanceSpot,
        &server.address,
        Some(&rest.address),
    );
    let error = failure(book_plan(), options).await;
    assert_eq!(error.status(), Status::SubscriptionRefused);
    assert_eq!(
        error.to_string(),
        "binance_spot refuses the subscription to BTCUSDT: HTTP 400, the exchange refuses the request: \
         {\"code\":-1121,\"msg\":\"Invalid symbol.\"}"
    );
}

#[tokio::test]
async fn a_snapshot_that_never_comes_is_named_at_the_deadline() {
    let server = answering(json!({"result": null, "id": 1})).await;
    let mute = server::mute().await;
    let rest: Url = mute
        .address
        .as_str()
        .replace("ws://", "http://")
        .parse()
        .unwrap();
    let mut options = options(ExchangeId::BinanceSpot, &server.address, Some(&rest));
    options.subscribe_timeout = Duration::from_millis(200);
    let error = failure(book_plan(), options).await;
    let text = error.to_string();
    assert!(
        text.starts_with("binance_spot: no order book snapshot of BTCUSDT"),
        "{text}"
    );
    assert!([Status::HandshakeTimeout, Status::SnapshotFailed].contains(&error.status()));
}

#[tokio::test]
async fn giving_up_an_opening_closes_its_socket() {
    let mut server = server::mute().await;
    let options = options(ExchangeId::Kraken, &server.address, None);
    let opening = tokio::spawn(open(kraken_plan(), options));
    server.open_connections(1).await;
    opening.abort();
    let began = Instant::now();
    server.open_connections(0).await;
    assert!(began.elapsed() < Duration::from_millis(100));
}
