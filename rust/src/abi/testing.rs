//! `barter_test_*`: streams from in-memory channels, for tests of C and Python programs. Shipped, but outside the
//! stability promise: these functions may change with any version.

mod layout;
mod records;

use super::{
    barter_status, barter_streams, call, copy_out, free, live, name, pointer, put, slice, streams,
    text,
};
use crate::{
    event::{self, BarterEvent, BarterLevel},
    feed::exchange,
    handle,
    json::from_json,
    options::Raw,
    status::{Error, Result, Status},
    subscription::{SubKind, parse_instrument},
    testing::{self, Injector},
};
use barter_data::error::DataError;
use barter_instrument::exchange::ExchangeId;
use layout::layout;
use records::{Memory, market_event};
use serde::Deserialize;
use std::{collections::BTreeSet, ffi::c_char};

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
        let number = event::instrument_number(injector.instruments().index(instrument));
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

/// # Safety
/// `exchange` is NULL or NUL-terminated.
unsafe fn source(exchange: *const c_char, sub_kind: u8) -> Result<(ExchangeId, SubKind)> {
    // SAFETY: the caller vouches for it.
    let exchange = exchange::named(unsafe { name(exchange, "exchange") }?)?;
    Ok((exchange, streams::kind_of(sub_kind)?))
}
