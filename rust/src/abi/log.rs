//! What the library says while it works, pulled by whoever wants to hear it.

use super::{barter_status, call, copy_out, deadline, name, null, put};
use crate::{
    log::{self, Level, Said},
    status::{Error, Result, Status},
};
use std::ffi::{c_char, c_int};

/// Sets from which level on (`BARTER_LOG_*`) a logger and those below it speak. `logger` NULL: all of them, and what single
/// ones were set to is forgotten. At first all are off, and then nothing is made that nobody wants to hear. Loggers are
/// `barter_cffi` and below it `barter_cffi.feed`, `barter_cffi.feed.open` and so on; `barter_cffi.upstream.barter_data` and
/// its like are the crates that the library is made of.
///
/// Ownership: nothing changes hands. Errors: `BARTER_INVALID_ARGUMENT` for another name or level, `_INVALID_UTF8`,
/// `_INTERNAL` where the program has a `tracing` subscriber of its own. Threads: any; ends every wait in
/// `barter_log_read`.
///
/// # Safety
/// `logger` is NULL or NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_log_set_level(
    logger: *const c_char,
    level: c_int,
) -> barter_status {
    call(|| {
        let logger = if logger.is_null() {
            None
        } else {
            // SAFETY: not NULL, and the caller vouches for the rest.
            Some(unsafe { name(logger, "logger") }?)
        };
        log::set_level(logger, level_of(level)?)?;
        Ok(Status::Ok)
    })
}

fn level_of(number: c_int) -> Result<Option<Level>> {
    match (number, Level::from_number(number)) {
        (0, _) => Ok(None),
        (_, Some(level)) => Ok(Some(level)),
        (_, None) => Err(Error::new(
            Status::InvalidArgument,
            format!("level is {number}, it must be one of BARTER_LOG_*"),
        )),
    }
}

/// Copies what was said and not read, oldest first: as many records as fit with a NUL behind them, each a JSON object
/// and a line feed; `*len` is their length without the NUL. A record has `time_ns`, `level` (`error`, `warn`, `info`,
/// `debug`, `trace`), `logger`, `message`, `fields` (an object: `exchange`, `kind`, `address` and so on), `file` and `line`
/// (or null). Waits for the first record as `barter_stream_recv` waits. At most 1,024 records or 1 MiB are kept; how
/// many were not, and how many were suppressed because one place spoke too often, is a record. Credentials of proxies
/// and addresses are in none.
///
/// Ownership: the caller's buffer; 256 KiB are always enough for one record. Errors: `BARTER_TIMEOUT`, also when levels
/// are set meanwhile; `_INVALID_ARGUMENT` where the next record does not fit, which stays, with `*len` what `cap` must
/// exceed; `_NULL_POINTER`. Threads: any; each record goes to one reader.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_log_read(
    timeout_ns: i64,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        if buf.is_null() {
            return Err(null("buf"));
        }
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_out("", buf, cap, len) }?;
        match log::read(deadline(timeout_ns), cap.saturating_sub(1)) {
            // SAFETY: as above.
            Said::Lines(lines) => unsafe { copy_out(&lines, buf, cap, len) }?,
            Said::Nothing => return Ok(Status::Timeout),
            Said::Longer(needed) => {
                // SAFETY: as above.
                unsafe { put(len, "len", needed) }?;
                return Err(Error::new(
                    Status::InvalidArgument,
                    format!("cap is {cap}, the next record needs more than {needed}"),
                ));
            }
        }
        Ok(Status::Ok)
    })
}
