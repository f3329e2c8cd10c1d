//! `barter_markets`: the markets that an exchange lists.

use super::{barter_status, call, copy_out, deadline, free, live, pointer, put, put_fd, text};
use crate::{handle, markets::MarketList, status::Status};
use std::ffi::{c_char, c_int};

/// The markets of one exchange, as it lists them. Opaque: the pointer is a key and is never dereferenced.
#[allow(non_camel_case_types)]
pub struct barter_markets(());

/// Parses and checks a query, begins to ask the exchange for its markets, and returns at once with the look-up in
/// `*out`.
///
/// `json`: `{"exchange": "okx", "instrument_kind": "perpetual", "options": {}}`; without `instrument_kind` (`spot`,
/// `perpetual`, `future`, `option`) all kinds that the library has of the exchange. Of the options, which are those of
/// `barter_streams_start`, `endpoints` says where the exchange is, `proxy` and `ca_file` by what way it is reached, and
/// `subscribe_timeout_ms` bounds each answer.
///
/// Ownership: the caller frees `*out` with `barter_markets_free`; NULL on failure.
/// Errors: `BARTER_INVALID_JSON`, `_INVALID_OPTION`, `_UNKNOWN_EXCHANGE`, `_UNKNOWN_KIND`, `_UNSUPPORTED`,
/// `_INVALID_UTF8`, `_NULL_POINTER`.
/// Threads: any.
///
/// # Safety
/// `json` is valid for reads of `len` bytes, `out` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_markets_start(
    json: *const c_char,
    len: usize,
    out: *mut *mut barter_markets,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        unsafe {
            put(out, "out", std::ptr::null_mut())?;
            let markets = MarketList::start(text(json, len, "json")?)?;
            put(out, "out", pointer(handle::insert(markets)?))?;
        }
        Ok(Status::Ok)
    })
}

/// Waits until the markets are there: OK, or the failure, as often as asked; `BARTER_TIMEOUT` after `timeout_ns`
/// (negative: for ever, 0: only looks).
///
/// Ownership: nothing changes hands.
/// Errors: `BARTER_MARKETS_FAILED`, `_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn barter_markets_wait(
    markets: *mut barter_markets,
    timeout_ns: i64,
) -> barter_status {
    call(|| {
        let there = live::<MarketList, _>(markets)?.wait(deadline(timeout_ns))?;
        Ok(if there { Status::Ok } else { Status::Timeout })
    })
}

/// A descriptor that is readable when `barter_markets_wait` would not wait. Never read it.
///
/// Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process
/// has no descriptors left. Threads: any.
///
/// # Safety
/// `fd` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_markets_ready_fd(
    markets: *mut barter_markets,
    fd: *mut c_int,
) -> barter_status {
    call(|| {
        let open = || live::<MarketList, _>(markets)?.ready_fd();
        // SAFETY: the caller vouches for the pointer.
        unsafe { put_fd(fd, open) }
    })
}

/// Copies the markets as a JSON array in the exchange's order, as `barter_last_error_message` copies: name, base,
/// quote, instrument_kind. They are those that trade now; a subscription takes the name as its `name_exchange`.
///
/// Ownership: the caller's buffer. Errors: `BARTER_NOT_READY` as long as they are not there, `BARTER_MARKETS_FAILED`
/// where they cannot be had, `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_markets_json(
    markets: *mut barter_markets,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let json = live::<MarketList, _>(markets)?.json()?;
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_out(&json, buf, cap, len) }?;
        Ok(Status::Ok)
    })
}

/// Ends the look-up and frees its handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
///
/// Ownership: the handle is gone. Threads: any; waits in other threads end with `BARTER_HANDLE_CLOSED`.
#[unsafe(no_mangle)]
pub extern "C" fn barter_markets_free(markets: *mut barter_markets) -> barter_status {
    free::<MarketList>(markets.addr() as u64, MarketList::close)
}
