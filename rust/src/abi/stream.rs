//! `barter_stream`: one selected stream.

use super::{barter_status, call, copy_out, deadline, free, live, null, put};
use crate::{
    abi::BarterBatch,
    queue::{Metrics, Received},
    status::{Error, Result, Status},
    stream::Stream,
};
use std::{
    ffi::{c_char, c_int},
    os::fd::IntoRawFd,
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
        // SAFETY: the caller vouches for the pointer.
        unsafe { put(fd, "fd", -1) }?;
        let ready = live::<Stream, _>(stream)?.ready_fd()?;
        // SAFETY: as above.
        unsafe { put(fd, "fd", ready.into_raw_fd()) }?;
        Ok(Status::Ok)
    })
}

/// Counts since the stream was made, and its state now.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BarterStreamMetrics {
    /// Set by the caller: the size it knows; the library writes no further.
    pub struct_size: u32,
    /// Zero.
    pub reserved: u32,
    /// Market events that arrived.
    pub events: u64,
    /// Errors that arrived.
    pub errors: u64,
    /// Notices that arrived.
    pub notices: u64,
    /// Events and errors lost in the queue.
    pub dropped: u64,
    /// Connections that broke.
    pub reconnects: u64,
    /// Records waiting.
    pub queued_events: u64,
    /// Bytes waiting.
    pub queued_bytes: u64,
    /// Most records that ever waited.
    pub high_water_events: u64,
    /// Bytes in batches that were not freed.
    pub bytes_lent: u64,
    /// `time_received` of the last event that arrived, ns since the epoch, `BARTER_NO_TIME` before the first.
    pub last_event_ns: i64,
    /// `Silent` notices that arrived.
    pub silences: u64,
}

/// Reads the stream's counts.
///
/// Ownership: the caller's struct, its `struct_size` set. Errors: `BARTER_INVALID_HANDLE`, `_INVALID_ARGUMENT`,
/// `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `out` is valid for reads and writes of `out->struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_stream_metrics_get(
    stream: *mut barter_stream,
    out: *mut BarterStreamMetrics,
) -> barter_status {
    call(|| {
        let Metrics {
            events,
            errors,
            notices,
            dropped,
            reconnects,
            queued_events,
            queued_bytes,
            high_water_events,
            bytes_lent,
            last_event_ns,
            silences,
        } = live::<Stream, _>(stream)?.metrics();
        // SAFETY: the caller vouches for the pointer.
        let struct_size = unsafe { declared_size(out) }?;
        let metrics = BarterStreamMetrics {
            struct_size,
            reserved: 0,
            events,
            errors,
            notices,
            dropped,
            reconnects,
            queued_events,
            queued_bytes,
            high_water_events,
            bytes_lent,
            last_event_ns,
            silences,
        };
        // SAFETY: the struct's size was checked, and the caller vouches for the rest.
        unsafe { out.write(metrics) };
        Ok(Status::Ok)
    })
}

/// The size that the caller set in the first field of a struct, checked against what the library fills in.
///
/// # Safety
/// `out` is NULL or valid for a read of its first field.
pub(super) unsafe fn declared_size<T>(out: *const T) -> Result<u32> {
    if out.is_null() {
        return Err(null("out"));
    }
    // SAFETY: every such struct begins with its size.
    let declared = unsafe { out.cast::<u32>().read() };
    if (declared as usize) < size_of::<T>() {
        return Err(Error::new(
            Status::InvalidArgument,
            format!(
                "out->struct_size is {declared}, it must be set to sizeof *out, at least {}",
                size_of::<T>()
            ),
        ));
    }
    Ok(declared)
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
