//! `barter_streams`: a set of streams.

use super::{
    barter_status, barter_stream, call, copy_out, deadline, free, live, name, pointer, put, put_fd,
    tell, text,
};
use crate::{
    feed::exchange,
    handle,
    status::{Error, Result, Status},
    streams::Streams,
    subscription::SubKind,
};
use barter_instrument::exchange::ExchangeId;
use std::{
    ffi::{c_char, c_int},
    sync::Arc,
    time::Instant,
};

/// A set of streams. Opaque: the pointer is a key and is never dereferenced.
#[allow(non_camel_case_types)]
pub struct barter_streams(());

/// Parses and checks a request, begins to open its connections, and returns at once with the set in `*out`.
///
/// `json`: `{"batches": [[{"exchange", "base", "quote", "instrument_kind", "kind", "name_exchange"}]], "options": {}}`.
/// Each batch opens its own connection per exchange and kind; all connections of an exchange and kind end in one
/// stream; a subscription repeated anywhere is opened once. Unknown keys are errors that name their path.
///
/// Ownership: the caller frees `*out` with `barter_streams_free`; NULL on failure.
/// Errors: `BARTER_INVALID_JSON`, `_INVALID_OPTION`, `_NO_SUBSCRIPTIONS`, `_UNKNOWN_EXCHANGE`, `_UNKNOWN_KIND`,
/// `_UNSUPPORTED`, `_INVALID_INSTRUMENT`, `_INVALID_UTF8`, `_NULL_POINTER`.
/// Threads: any.
///
/// # Safety
/// `json` is valid for reads of `len` bytes, `out` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_start(
    json: *const c_char,
    len: usize,
    out: *mut *mut barter_streams,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            put(out, "out", std::ptr::null_mut())?;
            let streams = Streams::start(text(json, len, "json")?)?;
            put(out, "out", pointer(handle::insert(streams)?))?;
        }
        Ok(Status::Ok)
    })
}

/// Waits until every connection is open: OK, or the failure, as often as asked; `BARTER_TIMEOUT` after `timeout_ns`
/// (negative: for ever, 0: only looks), and then the last error message names the connections that are not open yet
/// and those that failed. The message of a failure names every connection that failed, and why.
///
/// Ownership: nothing changes hands.
/// Errors: `BARTER_CONNECT_FAILED`, `_HANDSHAKE_TIMEOUT`, `_SUBSCRIPTION_REFUSED`, `_SNAPSHOT_FAILED`,
/// `_HANDLE_CLOSED`, `_INVALID_HANDLE`. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn barter_streams_wait(
    streams: *mut barter_streams,
    timeout_ns: i64,
) -> barter_status {
    call(|| wait(&*live::<Streams, _>(streams)?, timeout_ns))
}

/// `barter_streams_start` and `barter_streams_wait` in a row; a set that is not open within `timeout_ns` is freed.
///
/// Ownership: the caller frees `*out` with `barter_streams_free`; NULL on any status but OK.
/// Errors: those of both, `BARTER_TIMEOUT` when the time was up. Threads: any.
///
/// # Safety
/// As for `barter_streams_start`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_init(
    json: *const c_char,
    len: usize,
    timeout_ns: i64,
    out: *mut *mut barter_streams,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            put(out, "out", std::ptr::null_mut())?;
            let streams = Streams::start(text(json, len, "json")?)?;
            let status = wait(&streams, timeout_ns)?;
            if status == Status::Ok {
                put(out, "out", pointer(handle::insert(streams)?))?;
            }
            Ok(status)
        }
    })
}

fn wait(streams: &Streams, timeout_ns: i64) -> Result<Status> {
    Ok(match streams.wait(deadline(timeout_ns))? {
        true => Status::Ok,
        false => {
            tell(streams.progress());
            Status::Timeout
        }
    })
}

/// Subscribes on a running set: parses and checks `{"batches": …}` as `barter_streams_start` does, and waits until what
/// is not subscribed yet is open, all or nothing. New instruments come in the streams of their exchange and kind, also
/// where these were selected or merged; an exchange and kind that had no stream, or whose stream was closed or has
/// ended, can be selected then. Indices keep their meaning: instruments are only ever appended.
///
/// Ownership: nothing changes hands.
/// Errors: those of `barter_streams_start` and `barter_streams_wait`, `BARTER_TIMEOUT` when the time was up: then, and
/// after a failure, no connection or stream of it is left; instruments that were not refused at once stay registered.
/// `BARTER_INVALID_ARGUMENT` for streams in memory, `BARTER_NOT_READY` while
/// the set itself is opening. Threads: any; one addition at a time, others wait for it.
///
/// # Safety
/// `json` is valid for reads of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_subscribe(
    streams: *mut barter_streams,
    json: *const c_char,
    len: usize,
    timeout_ns: i64,
) -> barter_status {
    call(|| {
        let deadline = deadline(timeout_ns);
        // SAFETY: the caller vouches for the pointer.
        let json = unsafe { text(json, len, "json") }?;
        let Some(addition) = live::<Streams, _>(streams)?.subscribe(json, deadline)? else {
            return Ok(Status::Timeout);
        };
        if addition.wait(deadline)? {
            return Ok(Status::Ok);
        }
        tell(addition.progress());
        addition.close();
        // It may have come to be open in the last moment.
        Ok(match addition.wait(Some(Instant::now())) {
            Ok(true) => Status::Ok,
            _ => Status::Timeout,
        })
    })
}

/// Ends subscriptions of a running set, written as in `barter_streams_subscribe`: all of them, or none where one is not
/// subscribed. A connection whose last instrument goes is closed; on one that carries others the exchange is told, and
/// what still comes is left out. What a stream holds already stays to be read, and the stream stays open for what is
/// subscribed later. Waits for nothing.
///
/// Ownership: nothing changes hands.
/// Errors: `BARTER_NOT_SUBSCRIBED`, those of `barter_streams_start` for the JSON, `BARTER_INVALID_ARGUMENT` for streams
/// in memory, `BARTER_NOT_READY`, `_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `json` is valid for reads of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_unsubscribe(
    streams: *mut barter_streams,
    json: *const c_char,
    len: usize,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointer.
        let json = unsafe { text(json, len, "json") }?;
        live::<Streams, _>(streams)?.unsubscribe(json)?;
        Ok(Status::Ok)
    })
}

/// The first half of `barter_streams_subscribe`, for callers that wait in several goes: begins to open and gives a set
/// in `*out` whose only use is `barter_streams_wait`, `_ready_fd` and `_free`. Freeing it before it is open undoes
/// everything, after that nothing. Waits `timeout_ns` while another addition to the set is under way, then gives
/// `BARTER_TIMEOUT`.
///
/// Ownership: the caller frees `*out` with `barter_streams_free`; NULL on any status but OK.
/// Errors: those of `barter_streams_subscribe` that need no waiting. Threads: any.
///
/// # Safety
/// `json` is valid for reads of `len` bytes, `out` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_subscribe_start(
    streams: *mut barter_streams,
    json: *const c_char,
    len: usize,
    timeout_ns: i64,
    out: *mut *mut barter_streams,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe { put(out, "out", std::ptr::null_mut()) }?;
        // SAFETY: as above.
        let json = unsafe { text(json, len, "json") }?;
        let streams = live::<Streams, _>(streams)?;
        let Some(addition) = streams.subscribe(json, deadline(timeout_ns))? else {
            return Ok(Status::Timeout);
        };
        // SAFETY: as above.
        unsafe { put(out, "out", pointer(handle::insert(addition)?)) }?;
        Ok(Status::Ok)
    })
}

/// A descriptor that is readable when `barter_streams_subscribe_start` would not wait for another addition. Never read
/// it; of several that wait for it one gets the turn, the others find that out with a time-out of 0.
///
/// Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process
/// has no descriptors left. Threads: any.
///
/// # Safety
/// `fd` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_subscribe_ready_fd(
    streams: *mut barter_streams,
    fd: *mut c_int,
) -> barter_status {
    call(|| {
        let open = || live::<Streams, _>(streams)?.subscribe_ready_fd();
        // SAFETY: the caller vouches for the pointer.
        unsafe { put_fd(fd, open) }
    })
}

/// Takes a stream out of the set: of one kind (`BARTER_SUB_*`) and one exchange, or with `exchange` NULL all that is
/// left of the kind merged into one, or with `BARTER_SUB_ALL` and NULL all that is left.
///
/// Ownership: the caller frees `*out` with `barter_stream_free`; it lives on when the set is freed. NULL on any status
/// but OK.
/// Errors: `BARTER_NOT_FOUND` where it is absent or nothing is left, `_INVALID_OPTION` where the queues that would be
/// merged differ in policy, or conflate several kinds, `_NOT_READY`, `_UNKNOWN_EXCHANGE`,
/// `_UNKNOWN_KIND`, `_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`, or why the set failed to open.
/// Threads: any; of racing calls exactly one gets each stream.
///
/// # Safety
/// `exchange` is NULL or NUL-terminated, `out` valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_select(
    streams: *mut barter_streams,
    sub_kind: u8,
    exchange: *const c_char,
    out: *mut *mut barter_stream,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe { put(out, "out", std::ptr::null_mut()) }?;
        let streams = live::<Streams, _>(streams)?;
        let kind = match sub_kind {
            0 => None,
            number => Some(kind_of(number)?),
        };
        // SAFETY: the caller vouches for the pointer.
        let exchange = unsafe { exchange_or_all(exchange) }?;
        let Some(stream) = streams.select(kind, exchange)? else {
            return Ok(Status::NotFound);
        };
        // SAFETY: the caller vouches for the pointer.
        unsafe { put(out, "out", pointer(handle::insert(stream)?)) }?;
        Ok(Status::Ok)
    })
}

/// The exchange of this name, `None` for NULL.
///
/// # Safety
/// `exchange` is NULL or NUL-terminated.
pub(super) unsafe fn exchange_or_all(exchange: *const c_char) -> Result<Option<ExchangeId>> {
    if exchange.is_null() {
        return Ok(None);
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    exchange::named(unsafe { name(exchange, "exchange") }?).map(Some)
}

/// The kind of a `BARTER_SUB_*` number.
pub(super) fn kind_of(number: u8) -> Result<SubKind> {
    SubKind::from_number(number).ok_or_else(|| {
        Error::new(
            Status::UnknownKind,
            format!("no subscription kind has the number {number}"),
        )
    })
}

/// Copies the instruments as a JSON array in the order of their indices, as `barter_last_error_message` copies:
/// index, exchange, base, quote, instrument_kind, name_exchange, amount_unit. An index keeps its meaning for ever.
///
/// Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_instruments(
    streams: *mut barter_streams,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let json = live::<Streams, _>(streams)?.instruments().to_json();
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_out(&json, buf, cap, len) }?;
        Ok(Status::Ok)
    })
}

/// Copies what is left to select as a JSON array of `{"exchange", "kind"}`.
///
/// Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_list(
    streams: *mut barter_streams,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let left = live::<Streams, _>(streams)?.left();
        let left: Vec<_> = left
            .iter()
            .map(|(exchange, kind)| serde_json::json!({"exchange": exchange, "kind": kind.name()}))
            .collect();
        let json = serde_json::Value::from(left).to_string();
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_out(&json, buf, cap, len) }?;
        Ok(Status::Ok)
    })
}

/// A descriptor that is readable when `barter_streams_wait` would not wait. Never read it.
///
/// Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process
/// has no descriptors left. Threads: any.
///
/// # Safety
/// `fd` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_ready_fd(
    streams: *mut barter_streams,
    fd: *mut c_int,
) -> barter_status {
    call(|| {
        let open = || live::<Streams, _>(streams)?.ready_fd();
        // SAFETY: the caller vouches for the pointer.
        unsafe { put_fd(fd, open) }
    })
}

/// Cancels an initialisation and closes what was not selected; streams selected before go on. The handle stays until
/// it is freed.
///
/// Ownership: nothing changes hands. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn barter_streams_close(streams: *mut barter_streams) -> barter_status {
    call(|| {
        live::<Streams, _>(streams)?.close();
        Ok(Status::Ok)
    })
}

/// Closes the set and frees its handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
///
/// Ownership: the handle is gone. Threads: any; waits in other threads end with `BARTER_HANDLE_CLOSED`.
#[unsafe(no_mangle)]
pub extern "C" fn barter_streams_free(streams: *mut barter_streams) -> barter_status {
    free::<Streams>(streams.addr() as u64, Streams::close)
}

/// Keeps a set alive under a new handle.
pub(super) fn insert(streams: Arc<Streams>) -> Result<*mut barter_streams> {
    Ok(pointer(handle::insert(streams)?))
}
