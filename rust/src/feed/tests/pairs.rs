//! Every exchange and kind against a server that greets, acknowledges and sends one datum as the exchange does: the
//! address, the requests and every field of the event.

use super::{
    AnyEvent, FIRST_INDEX, exchange, open, options, pairs_binance, pairs_bybit, pairs_gateio,
    pairs_others, plan, server,
};
use crate::subscription::SubKind;
use barter_data::{
    books::Level,
    event::DataKind,
    subscription::{book::OrderBookL1, trade::PublicTrade},
};
use barter_instrument::{
    Side,
    exchange::ExchangeId,
    instrument::{InstrumentIndex, market_data::kind::MarketDataInstrumentKind},
};
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use rust_decimal::Decimal;
use serde_json::Value;
use std::{collections::HashSet, sync::Arc};

/// One row of the table: what is subscribed to, what the exchange does, and what must come of it.
#[derive(Clone)]
pub(super) struct Case {
    pub(super) exchange: ExchangeId,
    pub(super) kind: SubKind,
    /// Base and quote.
    pub(super) assets: (&'static str, &'static str),
    pub(super) instrument: MarketDataInstrumentKind,
    pub(super) path: &'static str,
    /// What the exchange sends before anything else.
    pub(super) greeting: Vec<Value>,
    pub(super) requests: Vec<Value>,
    pub(super) acknowledgements: Vec<Value>,
    /// What follows, from the first datum on.
    pub(super) frames: Vec<Value>,
    /// Target of the request over HTTP, and its answer.
    pub(super) rest: Option<(&'static str, Value)>,
    /// The exchange's time of each event (`None`: it sends none) and what it is.
    pub(super) events: Vec<(Option<DateTime<Utc>>, DataKind)>,
}

pub(super) fn at_ms(milliseconds: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(milliseconds)
}

pub(super) fn decimal(text: &str) -> Decimal {
    text.parse().unwrap()
}

pub(super) fn level(price: &str, amount: &str) -> Level {
    Level::new(decimal(price), decimal(amount))
}

pub(super) fn trade(id: &str, price: f64, amount: f64, side: Side) -> DataKind {
    let id = id.to_owned();
    PublicTrade {
        id,
        price,
        amount,
        side,
    }
    .into()
}

pub(super) fn l1(time: Option<DateTime<Utc>>, bid: Level, ask: Level) -> DataKind {
    OrderBookL1 {
        // Where the exchange sends no time it is checked against the event's.
        last_update_time: time.unwrap_or_default(),
        best_bid: Some(bid),
        best_ask: Some(ask),
    }
    .into()
}

pub(super) async fn check(case: Case) {
    let name = format!("{} {}", case.exchange.as_str(), case.kind.name());
    let heard = Arc::new(Mutex::new((String::new(), Vec::new())));
    let (noted, requests) = (heard.clone(), case.requests.len());
    let (greeting, acknowledgements, frames) = (case.greeting, case.acknowledgements, case.frames);
    let server = server::websocket(move |mut session| {
        let noted = noted.clone();
        let (greeting, after) = (greeting.clone(), [&acknowledgements[..], &frames].concat());
        async move {
            noted.lock().0 = session.path.clone();
            for frame in &greeting {
                session.send_json(frame).await;
            }
            for _ in 0..requests {
                let Some(request) = session.receive().await else {
                    return;
                };
                noted.lock().1.push(serde_json::from_str(&request).unwrap());
            }
            for frame in &after {
                session.send_json(frame).await;
            }
            session.hold().await;
        }
    })
    .await;
    let target = Arc::new(Mutex::new(String::new()));
    let asked = target.clone();
    let body = case.rest.as_ref().map(|(_, body)| body.to_string());
    let rest = server::http(move |target, _| {
        *asked.lock() = target.to_owned();
        ("200 OK".to_owned(), body.clone().unwrap_or_default())
    })
    .await;

    let before = Utc::now();
    let plan = plan(case.exchange, case.kind, &[case.assets], &case.instrument);
    let options = options(case.exchange, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(plan, options).await.unwrap();
    for (time, expected) in case.events {
        let mut event = items.event().await;
        assert!(
            (before..=Utc::now()).contains(&event.time_received),
            "{name}: {event:?}"
        );
        let time_exchange = time.unwrap_or_else(|| {
            assert!(
                (before..=Utc::now()).contains(&event.time_exchange),
                "{name}: {event:?}"
            );
            event.time_exchange
        });
        if let (None, DataKind::OrderBookL1(book)) = (time, &mut event.kind) {
            assert_eq!(book.last_update_time, event.time_exchange, "{name}");
            book.last_update_time = DateTime::default();
        }
        let expected = AnyEvent {
            time_exchange,
            time_received: event.time_received,
            exchange: case.exchange,
            instrument: InstrumentIndex(FIRST_INDEX),
            kind: expected,
        };
        assert_eq!(event, expected, "{name}");
    }
    let (path, mut requests) = heard.lock().clone();
    assert_eq!(path, case.path, "{name}");
    for request in &mut requests {
        without_time(request);
    }
    assert_eq!(requests, case.requests, "{name}");
    let expected = case.rest.map_or("", |(target, _)| target);
    assert_eq!(*target.lock(), expected, "{name}");
}

/// Takes the clock out of a request, where it has one.
fn without_time(request: &mut Value) {
    if let Some(Value::Number(time)) = request.as_object_mut().and_then(|r| r.remove("time")) {
        let time = at_ms(time.as_i64().unwrap()).unwrap();
        assert!((Utc::now() - time).num_seconds().abs() < 60, "{time}");
    }
}

/// Every case.
pub(super) fn cases() -> Vec<Case> {
    [
        pairs_binance::cases(),
        pairs_bybit::cases(),
        pairs_gateio::cases(),
        pairs_others::cases(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[tokio::test]
async fn all_25_pairs_connect_subscribe_and_yield_what_the_exchange_sent() {
    let cases = cases();
    let covered: HashSet<_> = cases
        .iter()
        .map(|case| (case.exchange, case.kind))
        .collect();
    let all: HashSet<_> = exchange::PAIRS
        .iter()
        .map(|pair| (pair.exchange.id, pair.kind))
        .collect();
    assert_eq!(covered, all);
    assert_eq!(cases.len(), 25);
    for case in cases {
        check(case).await;
    }
}
