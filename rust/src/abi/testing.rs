//! `barter_test_*`: streams from in-memory channels, for tests of C and Python programs. Shipped, but outside the
//! stability promise: these functions may change with any version.

use super::{
    barter_status, barter_streams, call, copy_out, free, live, name, pointer, put, slice, streams,
    text,
};
use crate::{
    event::{
        BarterBook, BarterDecimal, BarterEvent, BarterL1, BarterLevel, BarterLiquidation,
        BarterNotice, BarterTrade, INLINE_ID_MAX, flag, kind,
    },
    feed::exchange,
    handle,
    json::from_json,
    options::Raw,
    status::{Error, Result, Status},
    subscription::{SubKind, parse_instrument},
    testing::{self, Injector},
};
use barter_data::{
    books::{Level, OrderBook},
    error::DataError,
    event::{DataKind, MarketEvent},
    subscription::{
        book::{OrderBookEvent, OrderBookL1},
        liquidation::Liquidation,
        trade::PublicTrade,
    },
};
use barter_instrument::{Side, exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::Deserialize;
use std::{collections::BTreeSet, ffi::c_char, mem::offset_of};

/// The producers' side of in-memory streams. Opaque: the pointer is a key and is never dereferenced.
#[allow(non_camel_case_types)]
pub struct barter_test_injector(());

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawSources {
    sources: Vec<(String, String)>,
    #[serde(default)]
    options: Raw,
}

/// Makes a set of streams whose producer is an injector.
///
/// `json`: `{"sources": [["binance_spot", "trades"]], "options": {}}`, options as in `barter_streams_start`.
///
/// Ownership: the caller frees `*streams` with `barter_streams_free` and `*injector` with `barter_test_injector_free`,
/// which ends the producers. Errors: as of `barter_streams_start`. Threads: any.
///
/// # Safety
/// `json` is valid for reads of `len` bytes, the others for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_test_streams(
    json: *const c_char,
    len: usize,
    streams: *mut *mut barter_streams,
    injector: *mut *mut barter_test_injector,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        let json = unsafe {
            put(streams, "streams", std::ptr::null_mut())?;
            put(injector, "injector", std::ptr::null_mut())?;
            text(json, len, "json")?
        };
        let raw: RawSources = from_json(json)?;
        let options = raw.options.checked()?;
        let sources = raw
            .sources
            .iter()
            .map(|(exchange, kind)| Ok((exchange::named(exchange)?, SubKind::named(kind)?)))
            .collect::<Result<Vec<_>>>()?;
        let (set, producer) = testing::streams(&sources, options.queues)?;
        // SAFETY: as above.
        unsafe {
            put(streams, "streams", streams::insert(set)?)?;
            put(injector, "injector", pointer(handle::insert(producer)?))?;
        }
        Ok(Status::Ok)
    })
}

/// The index of an instrument, registered if it is not yet.
///
/// `json`: `{"exchange", "base", "quote", "instrument_kind", "name_exchange"}` as in a subscription.
///
/// Ownership: nothing changes hands. Errors: as of a subscription. Threads: any.
///
/// # Safety
/// `json` is valid for reads of `len` bytes, `index` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_test_instrument(
    injector: *mut barter_test_injector,
    json: *const c_char,
    len: usize,
    index: *mut u32,
) -> barter_status {
    call(|| {
        let injector = live::<Injector, _>(injector)?;
        // SAFETY: the caller vouches for the pointer.
        let instrument = parse_instrument(unsafe { text(json, len, "json") }?)?;
        let number = crate::event::instrument_number(injector.instruments().index(instrument));
        // SAFETY: as above.
        unsafe { put(index, "index", number) }?;
        Ok(Status::Ok)
    })
}

/// Injects market events, each into the stream of its exchange and kind; returns when the queues have taken or refused
/// them. All are checked before the first is injected. Of an L1 record the decimals count, not the doubles.
///
/// Ownership: the caller's arrays. Errors: `BARTER_INVALID_ARGUMENT`, `_INVALID_UTF8`, `_NOT_FOUND` where there is no
/// such producer, `_CLOSED` where the stream was closed, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// The arrays are valid for reads of as many elements as is said; the member of each payload that its kind names was
/// written.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_test_push(
    injector: *mut barter_test_injector,
    events: *const BarterEvent,
    events_len: usize,
    levels: *const BarterLevel,
    levels_len: usize,
    text: *const u8,
    text_len: usize,
) -> barter_status {
    call(|| {
        let injector = live::<Injector, _>(injector)?;
        // SAFETY: the caller vouches for the arrays.
        let (events, memory) = unsafe {
            let memory = Memory {
                levels: slice(levels, levels_len, "levels")?,
                text: slice(text, text_len, "text")?,
            };
            (slice(events, events_len, "events")?, memory)
        };
        let known = |index: u32| injector.instruments().get(index as usize).is_some();
        let mut checked = Vec::with_capacity(events.len());
        for (index, event) in events.iter().enumerate() {
            // SAFETY: the caller vouches for the payload's member.
            let market = unsafe { market_event(event, &memory, known) };
            checked.push(
                market.map_err(|error| {
                    Error::new(error.status, format!("events[{index}]: {error}"))
                })?,
            );
        }
        let mut touched = BTreeSet::new();
        for (kind, event) in checked {
            touched.insert((event.exchange, kind));
            injector.event(event)?;
        }
        for (exchange, kind) in touched {
            injector.settle(exchange, kind)?;
        }
        Ok(Status::Ok)
    })
}

/// Injects an error of upstream's, in its serde form, for instance `{"Socket": "boom"}`; returns when the queue has
/// taken or refused it.
///
/// Ownership: nothing changes hands. Errors: `BARTER_INVALID_JSON` and those of `barter_test_push`. Threads: any.
///
/// # Safety
/// `exchange` is NUL-terminated, `json` valid for reads of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_test_push_error(
    injector: *mut barter_test_injector,
    exchange: *const c_char,
    sub_kind: u8,
    json: *const c_char,
    len: usize,
) -> barter_status {
    call(|| {
        let injector = live::<Injector, _>(injector)?;
        // SAFETY: the caller vouches for the pointers.
        let ((exchange, kind), json) =
            unsafe { (source(exchange, sub_kind)?, text(json, len, "json")?) };
        let error: DataError = from_json(json)?;
        injector.error(exchange, kind, error)?;
        injector.settle(exchange, kind)?;
        Ok(Status::Ok)
    })
}

/// Injects upstream's marker of a broken connection; returns when the queue has taken it.
///
/// Ownership: nothing changes hands. Errors: those of `barter_test_push`. Threads: any.
///
/// # Safety
/// `exchange` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_test_push_reconnecting(
    injector: *mut barter_test_injector,
    exchange: *const c_char,
    sub_kind: u8,
) -> barter_status {
    call(|| {
        let injector = live::<Injector, _>(injector)?;
        // SAFETY: the caller vouches for the pointer.
        let (exchange, kind) = unsafe { source(exchange, sub_kind) }?;
        injector.reconnecting(exchange, kind)?;
        injector.settle(exchange, kind)?;
        Ok(Status::Ok)
    })
}

/// Ends one producer: its stream ends when everything was read.
///
/// Ownership: nothing changes hands. Errors: `BARTER_NOT_FOUND`, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `exchange` is NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_test_close(
    injector: *mut barter_test_injector,
    exchange: *const c_char,
    sub_kind: u8,
) -> barter_status {
    call(|| {
        let injector = live::<Injector, _>(injector)?;
        // SAFETY: the caller vouches for the pointer.
        let (exchange, kind) = unsafe { source(exchange, sub_kind) }?;
        injector.close(exchange, kind)?;
        Ok(Status::Ok)
    })
}

/// Ends all producers and frees the handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
///
/// Ownership: the handle is gone. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn barter_test_injector_free(injector: *mut barter_test_injector) -> barter_status {
    free::<Injector>(injector.addr() as u64, |_| {})
}

/// Copies the sizes and offsets of the records as the library has them, as a JSON object, as
/// `barter_last_error_message` copies.
///
/// Ownership: the caller's buffer. Errors: `BARTER_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_test_layout(
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_out(&layout().to_string(), buf, cap, len) }?;
        Ok(Status::Ok)
    })
}

macro_rules! offsets {
    ($($type:ty as $name:literal { $($field:ident),* })*) => {
        serde_json::json!({
            $($name: {
                "size": size_of::<$type>(),
                "fields": { $(stringify!($field): offset_of!($type, $field),)* }
            },)*
        })
    };
}

fn layout() -> serde_json::Value {
    offsets! {
        BarterDecimal as "barter_decimal" { lo, mid, hi, scale, negative, reserved }
        BarterLevel as "barter_level" { price, amount }
        BarterTrade as "barter_trade" { price, amount, side, reserved0, id_len, id, reserved1 }
        BarterL1 as "barter_l1" {
            last_update_time_ns, bid_price, bid_amount, ask_price, ask_amount, bid_price_decimal,
            bid_amount_decimal, ask_price_decimal, ask_amount_decimal
        }
        BarterBook as "barter_book" {
            sequence, time_engine_ns, bids_offset, bids_len, asks_offset, asks_len, reserved
        }
        BarterLiquidation as "barter_liquidation" { price, quantity, time_ns, side, reserved }
        BarterNotice as "barter_notice" {
            nan, count, first_ns, last_ns, text_offset, text_len, code, sub_kind, reserved0, attempts,
            instruments_len, instruments_offset, duration_ns
        }
        BarterEvent as "barter_event" {
            time_exchange_ns, time_received_ns, instrument, exchange, kind, flags, payload
        }
    }
}

/// # Safety
/// `exchange` is NULL or NUL-terminated.
unsafe fn source(exchange: *const c_char, sub_kind: u8) -> Result<(ExchangeId, SubKind)> {
    // SAFETY: the caller vouches for it.
    let exchange = exchange::named(unsafe { name(exchange, "exchange") }?)?;
    Ok((exchange, streams::kind_of(sub_kind)?))
}

/// What the records refer to.
struct Memory<'a> {
    levels: &'a [BarterLevel],
    text: &'a [u8],
}

/// The market event of a record: the inverse of `event::push_event`.
///
/// # Safety
/// The member of the payload that the kind names was written.
unsafe fn market_event(
    event: &BarterEvent,
    memory: &Memory<'_>,
    known: impl Fn(u32) -> bool,
) -> Result<(SubKind, MarketEvent<InstrumentIndex, DataKind>)> {
    let Some(row) = exchange::by_number(event.exchange) else {
        return Err(invalid(format!(
            "no exchange has the number {}",
            event.exchange
        )));
    };
    if !known(event.instrument) {
        return Err(invalid(format!(
            "instrument {} is not registered",
            event.instrument
        )));
    }
    // SAFETY: the caller vouches for the member that the kind names.
    let (sub_kind, payload) = unsafe {
        match event.kind {
            kind::TRADE => (SubKind::Trades, trade(event, &event.payload.trade, memory)?),
            kind::L1 => (SubKind::L1, l1(event.flags, &event.payload.l1)?),
            kind::BOOK => (SubKind::L2, book(event.flags, &event.payload.book, memory)?),
            kind::LIQUIDATION => (
                SubKind::Liquidations,
                liquidation(&event.payload.liquidation)?,
            ),
            other => return Err(invalid(format!("kind {other} is not of a market event"))),
        }
    };
    let event = MarketEvent {
        time_exchange: time(event.time_exchange_ns),
        time_received: time(event.time_received_ns),
        exchange: row.id,
        instrument: InstrumentIndex(event.instrument as usize),
        kind: payload,
    };
    Ok((sub_kind, event))
}

fn trade(event: &BarterEvent, trade: &BarterTrade, memory: &Memory<'_>) -> Result<DataKind> {
    let len = trade.id_len as usize;
    // SAFETY: the flag says which member of the union was written; any bytes are valid for both.
    let id = unsafe {
        if event.flags & flag::ID_IN_TEXT != 0 {
            range(memory.text, trade.id.text_offset, len, "id")?
        } else {
            let inline: &[u8; INLINE_ID_MAX] = &trade.id.inline_bytes;
            range(inline, 0, len, "id")?
        }
    };
    Ok(DataKind::Trade(PublicTrade {
        id: super::utf8(id, "id")?.to_owned(),
        price: trade.price,
        amount: trade.amount,
        side: side(trade.side)?,
    }))
}

fn l1(flags: u8, l1: &BarterL1) -> Result<DataKind> {
    let level = |bit: u8, price: BarterDecimal, amount: BarterDecimal| {
        (flags & bit != 0)
            .then(|| level(&BarterLevel { price, amount }))
            .transpose()
    };
    Ok(DataKind::OrderBookL1(OrderBookL1 {
        last_update_time: time(l1.last_update_time_ns),
        best_bid: level(flag::HAS_BID, l1.bid_price_decimal, l1.bid_amount_decimal)?,
        best_ask: level(flag::HAS_ASK, l1.ask_price_decimal, l1.ask_amount_decimal)?,
    }))
}

fn book(flags: u8, book: &BarterBook, memory: &Memory<'_>) -> Result<DataKind> {
    let side = |offset: u32, len: u32, name: &str| {
        range(memory.levels, u64::from(offset), len as usize, name)?
            .iter()
            .map(level)
            .collect::<Result<Vec<Level>>>()
    };
    let book = OrderBook::new(
        book.sequence,
        (flags & flag::HAS_TIME_ENGINE != 0).then(|| time(book.time_engine_ns)),
        side(book.bids_offset, book.bids_len, "bids")?,
        side(book.asks_offset, book.asks_len, "asks")?,
    );
    Ok(DataKind::OrderBook(if flags & flag::SNAPSHOT != 0 {
        OrderBookEvent::Snapshot(book)
    } else {
        OrderBookEvent::Update(book)
    }))
}

fn liquidation(liquidation: &BarterLiquidation) -> Result<DataKind> {
    Ok(DataKind::Liquidation(Liquidation {
        side: side(liquidation.side)?,
        price: liquidation.price,
        quantity: liquidation.quantity,
        time: time(liquidation.time_ns),
    }))
}

fn range<'a, T>(all: &'a [T], offset: u64, len: usize, name: &str) -> Result<&'a [T]> {
    usize::try_from(offset)
        .ok()
        .and_then(|start| all.get(start..start.checked_add(len)?))
        .ok_or_else(|| {
            invalid(format!(
                "{name}: {len} from {offset} on are past the {} there are",
                all.len()
            ))
        })
}

fn level(level: &BarterLevel) -> Result<Level> {
    let exact = |value: BarterDecimal| -> Result<Decimal> {
        value
            .to_decimal()
            .ok_or_else(|| invalid(format!("a scale of {} is past 28", value.scale)))
    };
    Ok(Level {
        price: exact(level.price)?,
        amount: exact(level.amount)?,
    })
}

fn side(number: u8) -> Result<Side> {
    match number {
        1 => Ok(Side::Buy),
        2 => Ok(Side::Sell),
        other => Err(invalid(format!("side {other} is neither buy nor sell"))),
    }
}

fn time(nanoseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanoseconds)
}

fn invalid(message: String) -> Error {
    Error::new(Status::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BarterPayload, BarterTradeId};

    #[test]
    fn records_have_their_size_and_no_implicit_padding() {
        macro_rules! dense {
            ($type:ty { $($field:ident: $of:ty),* }) => {
                let mut end = 0;
                $(
                    assert_eq!(offset_of!($type, $field), end, stringify!($field));
                    end += size_of::<$of>();
                )*
                assert_eq!(size_of::<$type>(), end, stringify!($type));
            };
        }
        dense!(BarterDecimal {
            lo: u32,
            mid: u32,
            hi: u32,
            scale: u8,
            negative: u8,
            reserved: u16
        });
        dense!(BarterLevel {
            price: BarterDecimal,
            amount: BarterDecimal
        });
        dense!(BarterTrade {
            price: f64,
            amount: f64,
            side: u8,
            reserved0: [u8; 3],
            id_len: u32,
            id: BarterTradeId,
            reserved1: [u8; 40]
        });
        dense!(BarterL1 {
            last_update_time_ns: i64,
            bid_price: f64,
            bid_amount: f64,
            ask_price: f64,
            ask_amount: f64,
            bid_price_decimal: BarterDecimal,
            bid_amount_decimal: BarterDecimal,
            ask_price_decimal: BarterDecimal,
            ask_amount_decimal: BarterDecimal
        });
        dense!(BarterBook {
            sequence: u64,
            time_engine_ns: i64,
            bids_offset: u32,
            bids_len: u32,
            asks_offset: u32,
            asks_len: u32,
            reserved: [u8; 72]
        });
        dense!(BarterLiquidation {
            price: f64,
            quantity: f64,
            time_ns: i64,
            side: u8,
            reserved: [u8; 79]
        });
        dense!(BarterNotice {
            nan: [f64; 5],
            count: u64,
            first_ns: i64,
            last_ns: i64,
            text_offset: u64,
            text_len: u32,
            code: u16,
            sub_kind: u8,
            reserved0: u8,
            attempts: u32,
            instruments_len: u32,
            instruments_offset: u64,
            duration_ns: i64
        });
        dense!(BarterEvent {
            time_exchange_ns: i64,
            time_received_ns: i64,
            instrument: u32,
            exchange: u16,
            kind: u8,
            flags: u8,
            payload: BarterPayload
        });
        assert_eq!(
            (size_of::<BarterEvent>(), size_of::<BarterPayload>()),
            (128, 104)
        );
        assert_eq!(align_of::<BarterEvent>(), 8);
    }

    #[test]
    fn notices_hold_nan_wherever_another_kind_has_a_double() {
        let doubles = [
            offset_of!(BarterTrade, price),
            offset_of!(BarterTrade, amount),
            offset_of!(BarterL1, bid_price),
            offset_of!(BarterL1, bid_amount),
            offset_of!(BarterL1, ask_price),
            offset_of!(BarterL1, ask_amount),
            offset_of!(BarterLiquidation, price),
            offset_of!(BarterLiquidation, quantity),
        ];
        let nan = offset_of!(BarterNotice, nan)..offset_of!(BarterNotice, count);
        for double in doubles {
            assert!(nan.contains(&double) && double % 8 == 0, "{double}");
        }
    }
}
