//! `barter_stream`: one selected stream.

use super::{barter_status, call, copy_out, deadline, free, live, put_fd};
use crate::{
    abi::BarterBatch,
    queue::Received,
    status::{Error, Status},
    stream::Stream,
};
use std::{
    ffi::{c_char, c_int},
    sync::Arc,
};

/// One selected stream. Opaque: the pointer is a key and is never dereferenced.
#[allow(non_camel_case_types)]
pub struct barter_stream(());

/// Waits for records and takes at most `max_events` of them, in order, into `*out`. Returns with the first that are
/// there, never lingers for more. `timeout_ns` negative: for ever, 0: only looks.
///
/// Ownership: the caller sets `out->struct_size` and frees the batch with `barter_batch_free`; the batch is immutable
/// and outlives the stream. `*out` is overwritten unread, and zeroed but for its size on any status but OK.
/// Errors: `BARTER_TIMEOUT`; `_CLOSED` when the producers are gone and all was read; `_HANDLE_CLOSED` after a close,
/// which also ends waits; `_INVALID_HANDLE`, `_INVALID_ARGUMENT`, `_NULL_POINTER`.
/// Threads: any, several may wait; each record goes to one of them.
///
/// # Safety
/// `out` is valid for reads and writes of `out->struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_stream_recv(
    stream: *mut barter_stream,
    max_events: usize,
    timeout_ns: i64,
    out: *mut BarterBatch,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointer.
        unsafe { BarterBatch::empty(out) }?;
        let stream = live::<Stream, _>(stream)?;
        if max_events == 0 {
            return Err(Error::new(
                Status::InvalidArgument,
                "max_events must be at least 1",
            ));
        }
        match stream.recv(max_events, deadline(timeout_ns)) {
            // SAFETY: as above.
            Received::Records(slice) => unsafe { BarterBatch::fill(out, Arc::new(slice)) }?,
            Received::Timeout => return Ok(Status::Timeout),
            Received::Ended => return Ok(Status::Closed),
            Received::Closed => {
                return Err(Error::new(Status::HandleClosed, "the stream was closed"));
            }
        }
        Ok(Status::Ok)
    })
}

/// Copies the instruments, as `barter_streams_instruments` does; works when the set is gone.
///
/// Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_stream_instruments(
    stream: *mut barter_stream,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let json = live::<Stream, _>(stream)?.instruments().to_json();
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_out(&json, buf, cap, len) }?;
        Ok(Status::Ok)
    })
}

/// Ends one wait in `barter_stream_recv` with `BARTER_TIMEOUT`: the present one, or the next.
///
/// Ownership: nothing changes hands. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn barter_stream_wake(stream: *mut barter_stream) -> barter_status {
    call(|| {
        live::<Stream, _>(stream)?.wake();
        Ok(Status::Ok)
    })
}

/// A descriptor that is readable exactly when `barter_stream_recv` with a time-out of 0 would not return
/// `BARTER_TIMEOUT`. Never read it.
///
/// Ownership: the caller closes `*fd`. Errors: `BARTER_HANDLE_CLOSED`, `_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL`
/// where the process has no descriptors left. Threads: any.
///
/// # Safety
/// `fd` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_stream_ready_fd(
    stream: *mut barter_stream,
    fd: *mut c_int,
) -> barter_status {
    call(|| {
        let open = || live::<Stream, _>(stream)?.ready_fd();
        // SAFETY: the caller vouches for the pointer.
        unsafe { put_fd(fd, open) }
    })
}

/// Discards what waits and ends the sockets; waits and later calls get `BARTER_HANDLE_CLOSED`. The handle stays until
/// it is freed.
///
/// Ownership: nothing changes hands. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn barter_stream_close(stream: *mut barter_stream) -> barter_status {
    call(|| {
        live::<Stream, _>(stream)?.close();
        Ok(Status::Ok)
    })
}

/// Closes the stream and frees its handle. NULL is OK; a freed one gives `BARTER_INVALID_HANDLE` and changes nothing.
///
/// Ownership: the handle is gone, batches of the stream stay. Threads: any; waits in other threads end with
/// `BARTER_HANDLE_CLOSED`.
#[unsafe(no_mangle)]
pub extern "C" fn barter_stream_free(stream: *mut barter_stream) -> barter_status {
    free::<Stream>(stream.addr() as u64, Stream::close)
}
