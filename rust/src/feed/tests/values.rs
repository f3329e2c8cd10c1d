//! Every exchange's frames written in other ways that JSON allows, and with values that no market has: the first are the
//! same events, the second an error for the frame, and nothing more.

use super::{
    Item, open, options,
    pairs::{Case, cases, check},
    plan, server,
};
use barter_data::{
    event::DataKind,
    subscription::book::{OrderBookEvent, OrderBookL1},
};
use chrono::{DateTime, Utc};
use serde_json::{Number, Value, json};
use std::fmt::Write as _;

/// The frame with another value in the place of each that `other` has one for; keys stay.
fn rewritten(frame: &Value, other: &dyn Fn(&Value) -> Option<Value>) -> Value {
    match frame {
        Value::Array(elements) => elements
            .iter()
            .map(|element| rewritten(element, other))
            .collect(),
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| (key.clone(), rewritten(value, other));
            fields.iter().map(field).collect()
        }
        scalar => other(scalar).unwrap_or_else(|| scalar.clone()),
    }
}

fn is_structure(frame: &Value) -> bool {
    frame.is_object() || frame.is_array()
}

/// The frame's JSON with every character of every string escaped.
fn escaped(frame: &Value) -> String {
    match frame {
        Value::String(text) => {
            let mut json = "\"".to_owned();
            for unit in text.encode_utf16() {
                match unit {
                    0x2f => json.push_str("\\/"),
                    unit => write!(json, "\\u{unit:04x}").expect("a string takes everything"),
                }
            }
            json + "\""
        }
        Value::Array(elements) => {
            let elements: Vec<_> = elements.iter().map(escaped).collect();
            format!("[{}]", elements.join(", "))
        }
        Value::Object(fields) => {
            let field = |(key, value): (&String, &Value)| {
                format!(
                    "{}: {}",
                    escaped(&Value::from(key.as_str())),
                    escaped(value)
                )
            };
            let fields: Vec<_> = fields.iter().map(field).collect();
            format!("{{{}}}", fields.join(", "))
        }
        other => other.to_string(),
    }
}

#[tokio::test]
async fn escaped_strings_are_the_same_events_on_every_exchange() {
    for mut case in cases() {
        for frame in case.frames.iter_mut().filter(|frame| is_structure(frame)) {
            // A plain string is sent as the frame's text.
            *frame = escaped(frame).into();
        }
        check(case).await;
    }
}

#[tokio::test]
async fn numbers_as_strings_and_strings_as_numbers_are_the_same_events_on_every_exchange() {
    let other = |scalar: &Value| match scalar {
        Value::Number(number) => Some(number.to_string().into()),
        Value::String(text) => text.parse::<Number>().ok().map(Value::from),
        _ => None,
    };
    for mut case in cases() {
        for frame in case.frames.iter_mut().filter(|frame| is_structure(frame)) {
            *frame = rewritten(frame, &other);
        }
        if let Some((_, body)) = &mut case.rest {
            *body = rewritten(body, &other);
        }
        check(case).await;
    }
}

/// The number that a scalar is or holds.
fn number(scalar: &Value) -> Option<f64> {
    match scalar {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// How the frames tell a time: milliseconds, seconds with a fraction, or RFC 3339.
fn tells(scalar: &Value, time: DateTime<Utc>) -> bool {
    let rfc3339 = scalar
        .as_str()
        .and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    rfc3339.is_some_and(|told| told == time)
        || number(scalar).is_some_and(|number| {
            let ms = time.timestamp_micros() as f64 / 1e3;
            [ms, ms / 1e3]
                .iter()
                .any(|told| (number - told).abs() < 1e-3)
        })
}

/// The prices of an event.
fn prices(kind: &DataKind) -> Vec<f64> {
    let levels = |levels: &[barter_data::books::Level]| -> Vec<f64> {
        let price = |level: &barter_data::books::Level| level.price.to_string().parse().unwrap();
        levels.iter().map(price).collect()
    };
    match kind {
        DataKind::Trade(trade) => vec![trade.price],
        DataKind::Liquidation(liquidation) => vec![liquidation.price],
        DataKind::OrderBookL1(OrderBookL1 { best_bid, .. }) => levels(best_bid.as_slice()),
        DataKind::OrderBook(OrderBookEvent::Snapshot(book) | OrderBookEvent::Update(book)) => {
            [levels(book.bids().levels()), levels(book.asks().levels())].concat()
        }
        other => panic!("no kind of the feed: {other:?}"),
    }
}

/// Sends the case's frames spoiled and then as they are: each that was spoiled is one error, and then the events come,
/// on the same connection. The errors' texts.
async fn errors_of_spoiled(case: Case, spoil: &dyn Fn(&Value) -> Option<Value>) -> Vec<String> {
    let spoiled = case.frames.iter().map(|frame| rewritten(frame, spoil));
    // Bitfinex sends each trade twice; the second time it is not read.
    let read = |frame: &Value| !case.frames.contains(frame) && frame[1] != "tu";
    let spoiled: Vec<_> = spoiled.filter(read).collect();
    let expected = spoiled.len();
    let (requests, acknowledgements) = (case.requests.len(), case.acknowledgements);
    let sent = [case.greeting, acknowledgements, spoiled, case.frames].concat();
    let server = server::websocket(move |mut session| {
        let sent = sent.clone();
        async move {
            for _ in 0..requests {
                session.receive().await;
            }
            for frame in &sent {
                session.send_json(frame).await;
            }
            session.hold().await;
        }
    })
    .await;
    let body = case.rest.map(|(_, body)| body.to_string());
    let rest =
        server::http(move |_, _| ("200 OK".to_owned(), body.clone().unwrap_or_default())).await;
    let plan = plan(case.exchange, case.kind, &[case.assets], &case.instrument);
    let options = options(case.exchange, &server.address, Some(&rest.address));
    let (_carrying, mut items) = open(plan, options).await.unwrap();
    let (mut errors, mut events) = (Vec::new(), 0);
    while events < case.events.len() || errors.len() < expected {
        match items.next().await {
            Item::Event(_) => events += 1,
            Item::Error(error) => errors.push(error.to_string()),
            other => panic!("{}: {other:?}", case.exchange.as_str()),
        }
    }
    assert_eq!(events, case.events.len(), "{}", case.exchange.as_str());
    assert_eq!(
        errors.len(),
        expected,
        "{}: {errors:?}",
        case.exchange.as_str()
    );
    errors
}

#[tokio::test]
async fn a_time_past_every_calendar_is_an_error_of_its_frame_on_every_exchange() {
    for case in cases() {
        let times: Vec<_> = case.events.iter().filter_map(|(time, _)| *time).collect();
        let spoil = |scalar: &Value| {
            let tells = times.iter().any(|time| tells(scalar, *time));
            tells.then(|| match scalar {
                Value::Number(_) => json!(u64::MAX),
                Value::String(text) if text.contains('T') => json!("9999-12-31T23:59:59Z"),
                _ => json!(u64::MAX.to_string()),
            })
        };
        let (name, has_times) = (
            case.exchange.as_str(),
            case.frames
                .iter()
                .any(|frame| rewritten(frame, &spoil) != *frame),
        );
        // Binance spot sends best prices without a time.
        assert!(has_times || times.is_empty(), "{name}");
        for error in errors_of_spoiled(case, &spoil).await {
            assert!(error.contains("not a time of this era"), "{name}: {error}");
        }
    }
}

#[tokio::test]
async fn a_price_that_is_no_number_is_an_error_of_its_frame_on_every_exchange() {
    for nonsense in ["NaN", "inf", "-inf", "1e999", ""] {
        for case in cases() {
            let prices: Vec<_> = case
                .events
                .iter()
                .flat_map(|(_, kind)| prices(kind))
                .collect();
            let spoil = |scalar: &Value| {
                let is_price = number(scalar).is_some_and(|number| prices.contains(&number));
                is_price.then(|| json!(nonsense))
            };
            let name = case.exchange.as_str();
            let errors = errors_of_spoiled(case, &spoil).await;
            assert!(!errors.is_empty(), "{name}");
        }
    }
}
