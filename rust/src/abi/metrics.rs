//! `barter_stream_metrics`: what a stream or a set of streams has come to, as numbers, and as JSON with the connections.

use super::{
    barter_status, barter_stream, barter_streams, call, copy_out, declared_size, live, write_known,
};
use crate::{
    metrics::Metrics,
    status::{Result, Status},
    stream::Stream,
    streams::Streams,
};
use serde::Serialize;
use std::{ffi::c_char, mem::offset_of};

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
    /// Connections that broke, and attempts to open one that failed.
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
    /// Most bytes that ever waited.
    pub high_water_bytes: u64,
    /// WebSocket frames received.
    pub frames: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Frames that were neither market data nor errors: acknowledgements, heartbeats, pings, pongs, closes.
    pub control_frames: u64,
}

/// What the struct's first form had; a caller that knows no more gets no more.
const FIRST_SIZE: usize = offset_of!(BarterStreamMetrics, silences);

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
        let counts = live::<Stream, _>(stream)?.metrics().counts;
        // SAFETY: the caller vouches for the pointer.
        unsafe { fill(out, counts) }
    })
}

/// Reads the sum of the counts of all streams of the set: those to be selected, and those that were and are not freed.
/// High waters add up to a bound, as the streams may not have reached theirs at one time.
///
/// Ownership, errors and threads: as of `barter_stream_metrics_get`.
///
/// # Safety
/// `out` is valid for reads and writes of `out->struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_metrics_get(
    streams: *mut barter_streams,
    out: *mut BarterStreamMetrics,
) -> barter_status {
    call(|| {
        let counts = live::<Streams, _>(streams)?.metrics().counts;
        // SAFETY: the caller vouches for the pointer.
        unsafe { fill(out, counts) }
    })
}

/// Copies the stream's metrics as a JSON object, as `barter_last_error_message` copies: `exchange` and `kind` (null
/// where all were selected), the counts of `barter_stream_metrics` by its names, and `connections`, an array of objects
/// with `exchange`, `kind`, `instruments` (indices), `state` (`connecting`, `open`, `waiting` for the next attempt,
/// `ended`), `since_ns`, `frames`, `bytes`, `control_frames`, `events`, `errors`, `reconnects`, `silences`, `attempts`
/// (to open it, the first included), `last_frame_ns`, `last_event_ns` and `last_error`. Of those that have ended and
/// were followed by others one an exchange and kind stays, without instruments, with the sum of their counts. What is
/// not known is null.
///
/// Ownership: the caller's buffer. Errors: `BARTER_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_stream_metrics_json(
    stream: *mut barter_stream,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let metrics = live::<Stream, _>(stream)?.metrics();
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_json(&metrics, buf, cap, len) }
    })
}

/// Copies the set's metrics as a JSON object: the counts that `barter_streams_metrics_get` gives, and `streams`, an array
/// of objects as `barter_stream_metrics_json` writes them, one for each stream.
///
/// Ownership, errors and threads: as of `barter_stream_metrics_json`.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_metrics_json(
    streams: *mut barter_streams,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let metrics = live::<Streams, _>(streams)?.metrics();
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_json(&metrics, buf, cap, len) }
    })
}

/// # Safety
/// As for [`copy_out`].
unsafe fn copy_json(
    metrics: &impl Serialize,
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> Result<Status> {
    let json = serde_json::to_string(metrics).expect("numbers and texts are JSON");
    // SAFETY: the caller vouches for it.
    unsafe { copy_out(&json, buf, cap, len) }?;
    Ok(Status::Ok)
}

/// Writes as much as the caller knows of.
///
/// # Safety
/// `out` is NULL or valid for reads and writes of `out->struct_size` bytes.
unsafe fn fill(out: *mut BarterStreamMetrics, counts: Metrics) -> Result<Status> {
    // SAFETY: the caller vouches for it.
    let struct_size = unsafe { declared_size(out, FIRST_SIZE) }?;
    let Metrics {
        events,
        errors,
        notices,
        dropped,
        reconnects,
        silences,
        frames,
        bytes,
        control_frames,
        queued_events,
        queued_bytes,
        high_water_events,
        high_water_bytes,
        bytes_lent,
        last_event_ns,
    } = counts;
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
        high_water_bytes,
        frames,
        bytes,
        control_frames,
    };
    // SAFETY: the caller vouches for what it declared.
    unsafe { write_known(out, &metrics, struct_size) };
    Ok(Status::Ok)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[repr(C)]
    struct Older {
        known: [u64; FIRST_SIZE / 8],
        beyond: u64,
    }

    fn filled(struct_size: usize) -> (Result<Status>, Older) {
        let mut older = Older {
            known: [u64::MAX; FIRST_SIZE / 8],
            beyond: 7,
        };
        older.known[0] = struct_size as u64;
        let counts = Metrics {
            events: 3,
            last_event_ns: 5,
            silences: 9,
            ..Metrics::default()
        };
        let status = unsafe { fill((&raw mut older).cast(), counts) };
        (status, older)
    }

    #[test]
    fn a_caller_that_knows_the_first_form_only_gets_no_byte_more() {
        let (status, older) = filled(FIRST_SIZE);
        assert_eq!(status, Ok(Status::Ok));
        assert_eq!(older.known, [88, 3, 0, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(older.beyond, 7);
    }

    #[test]
    fn a_size_below_the_first_form_is_refused() {
        let message = filled(FIRST_SIZE - 1).0.unwrap_err().message;
        let expected = "out->struct_size is 87, it must be set to sizeof *out, at least 88";
        assert_eq!(message, expected);
    }
}
