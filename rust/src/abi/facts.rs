//! Static facts: versions, names, what the exchanges offer, and decimals. They cannot fail and work in any process.

use super::{barter_status, call, constants::BARTER_ABI_VERSION, null, slice};
use crate::{
    event::{BarterDecimal, BarterLevel, decimal_to_f64},
    feed::exchange,
    status::Status,
    subscription::SubKind,
};
use std::{ffi::c_char, ptr};

/// `major << 16 | minor`: usable when the major is that of `BARTER_ABI_VERSION` and the minor at least its.
#[unsafe(no_mangle)]
pub extern "C" fn barter_abi_version() -> u32 {
    BARTER_ABI_VERSION as u32
}

/// The library's version, static and NUL-terminated.
#[unsafe(no_mangle)]
pub extern "C" fn barter_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}

/// The name of a status without its prefix, static; NULL for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn barter_status_name(status: barter_status) -> *const c_char {
    Status::from_number(status).map_or(ptr::null(), |status| status.name().as_ptr())
}

/// The short name of a subscription kind, static; NULL for a number that is none.
#[unsafe(no_mangle)]
pub extern "C" fn barter_kind_name(sub_kind: u8) -> *const c_char {
    SubKind::from_number(sub_kind).map_or(ptr::null(), |kind| kind.c_name().as_ptr())
}

/// The name of an exchange server, static; NULL for a number that is none. Numbers begin at 1 and are never reused.
#[unsafe(no_mangle)]
pub extern "C" fn barter_exchange_name(exchange: u16) -> *const c_char {
    exchange::c_name(exchange).map_or(ptr::null(), |name| name.as_ptr())
}

/// The number of an exchange server; 0 for a name that is none.
///
/// # Safety
/// `name` is NULL or valid for reads of `len` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_exchange_from_name(name: *const c_char, len: usize) -> u16 {
    // SAFETY: the caller vouches for it.
    let name = unsafe { super::text(name, len, "name") };
    name.ok()
        .and_then(|name| exchange::named(name).ok())
        .map_or(0, exchange::number)
}

/// What every exchange server offers, as a static NUL-terminated JSON array: exchange, number, instrument_kinds,
/// kinds, amount_unit by instrument kind, default websocket and rest addresses.
#[unsafe(no_mangle)]
pub extern "C" fn barter_support_json() -> *const c_char {
    exchange::support_json().as_ptr()
}

/// The nearest double, ties to even.
#[unsafe(no_mangle)]
pub extern "C" fn barter_decimal_to_double(value: BarterDecimal) -> f64 {
    decimal_to_f64(value)
}

/// Writes the number in plain digits with its scale kept, NUL-terminated, as much as fits; the bytes it takes without
/// the NUL, at most 31, or 0 for a scale past 28.
///
/// # Safety
/// `buf` is NULL or valid for writes of `cap` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_decimal_to_string(
    value: BarterDecimal,
    buf: *mut c_char,
    cap: usize,
) -> usize {
    let Some(decimal) = value.to_decimal() else {
        return 0;
    };
    let (text, mut len) = (decimal.to_string(), 0);
    let cap = if buf.is_null() { 0 } else { cap };
    // SAFETY: the caller vouches for `buf`; with a NULL one nothing is written.
    match unsafe { super::copy_out(&text, buf, cap, &mut len) } {
        Ok(()) => len,
        Err(_) => 0,
    }
}

/// Writes price and amount of each level as doubles: `2 * len` of them, price, amount, price, amount and so on.
///
/// Ownership: the caller's arrays. Errors: `BARTER_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `levels` is valid for reads of `len` levels, `out` for writes of `2 * len` doubles.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_levels_to_f64(
    levels: *const BarterLevel,
    len: usize,
    out: *mut f64,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for it.
        let levels = unsafe { slice(levels, len, "levels") }?;
        if out.is_null() && len > 0 {
            return Err(null("out"));
        }
        for (index, level) in levels.iter().enumerate() {
            // SAFETY: `index` is below `len`, and the caller vouches for `2 * len` doubles.
            unsafe {
                out.add(2 * index).write(decimal_to_f64(level.price));
                out.add(2 * index + 1).write(decimal_to_f64(level.amount));
            }
        }
        Ok(Status::Ok)
    })
}
