//! Maintained order books: a `barter_stream` that was selected as books, and what is read of it.

use super::{
    barter_status, barter_stream, barter_streams, call, deadline, declared_size, live, null,
    pointer, put, put_fd, streams::exchange_or_all,
};
use crate::{
    event::BarterLevel,
    handle,
    queue::Changed,
    status::{Error, Status},
    stream::Stream,
    streams::Streams,
};
use std::ffi::{c_char, c_int};

/// The state of a maintained order book at one moment.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BarterBookState {
    /// Set by the caller: the size it knows; the library writes no further.
    pub struct_size: u32,
    /// 1 where it is the exchange's book; 0 before its first snapshot, and after a connection broke, an update was
    /// missing or it was unsubscribed until the next one.
    pub live: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The exchange's sequence number, 0 before the first event.
    pub sequence: u64,
    /// The exchange's time of the last event, ns since the epoch, `BARTER_NO_TIME` before the first.
    pub time_exchange_ns: i64,
    /// When the last event was received, ns since the epoch, `BARTER_NO_TIME` before the first.
    pub time_received_ns: i64,
    /// The matching engine's time, ns since the epoch, `BARTER_NO_TIME` where the exchange sends none.
    pub time_engine_ns: i64,
    /// Average of best bid and ask, the one that is there where one is missing, NaN where both are.
    pub mid_price: f64,
    /// Micro-price: best bid and ask, each weighed with the other side's amount; NaN where it is not known.
    pub volume_weighed_mid_price: f64,
    /// Bids copied, from `levels[0]`.
    pub bids_len: usize,
    /// Asks copied, from `levels[depth]`.
    pub asks_len: usize,
    /// Bids of the whole book.
    pub bids_total: usize,
    /// Asks of the whole book.
    pub asks_total: usize,
}

/// Takes order books out of the set, of one exchange or with `exchange` NULL all that are left, to be maintained by the
/// library: `*out` gives only notices and errors to `barter_stream_recv`, its books are read with `barter_books_read`.
///
/// Ownership: the caller frees `*out` with `barter_stream_free`. NULL on any status but OK.
/// Errors: those of `barter_streams_select`.
/// Threads: any; of racing calls exactly one gets each stream.
///
/// # Safety
/// `exchange` is NULL or NUL-terminated, `out` valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_streams_select_books(
    streams: *mut barter_streams,
    exchange: *const c_char,
    out: *mut *mut barter_stream,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointers.
        let exchange = unsafe {
            put(out, "out", std::ptr::null_mut())?;
            exchange_or_all(exchange)?
        };
        let Some(stream) = live::<Streams, _>(streams)?.select_books(exchange)? else {
            return Ok(Status::NotFound);
        };
        // SAFETY: as above.
        unsafe { put(out, "out", pointer(handle::insert(stream)?)) }?;
        Ok(Status::Ok)
    })
}

/// Copies the instruments of the books, as many as fit in `cap`, ordered by exchange and index; `*len` is how many there
/// are. Books that had no event yet are there too while they are subscribed.
///
/// Ownership: the caller's buffer. Errors: `BARTER_INVALID_ARGUMENT` where the stream was not selected as books;
/// `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any.
///
/// # Safety
/// `instruments` is valid for writes of `cap` elements, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_books_instruments(
    books: *mut barter_stream,
    instruments: *mut u32,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let known = live::<Stream, _>(books)?.books()?;
        if instruments.is_null() && cap > 0 {
            return Err(null("instruments"));
        }
        // SAFETY: the caller vouches for the pointers; where `cap` is 0 nothing is copied.
        unsafe {
            if cap > 0 {
                instruments.copy_from_nonoverlapping(known.as_ptr(), known.len().min(cap));
            }
            put(len, "len", known.len())?;
        }
        Ok(Status::Ok)
    })
}

/// Copies the top `depth` levels a side of one book, and its state, as they are at one moment: bids from `levels[0]`,
/// asks from `levels[depth]`, best first. With `depth` 0 only the state.
///
/// Ownership: the caller's struct, its `struct_size` set, and the caller's buffer of `2 * depth` levels.
/// Errors: `BARTER_NOT_FOUND` where the stream has no book of the instrument; `_INVALID_ARGUMENT`, also where it was not
/// selected as books; `_INVALID_HANDLE`, `_NULL_POINTER`. Threads: any, while the book changes too.
///
/// # Safety
/// `levels` is valid for writes of `2 * depth` elements, `out` for reads and writes of `out->struct_size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_books_read(
    books: *mut barter_stream,
    instrument: u32,
    depth: usize,
    levels: *mut BarterLevel,
    out: *mut BarterBookState,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointer.
        let struct_size = unsafe { declared_size(out, size_of::<BarterBookState>()) }?;
        if levels.is_null() && depth > 0 {
            return Err(null("levels"));
        }
        if depth > DEPTH_MAX {
            return Err(Error::new(
                Status::InvalidArgument,
                format!("depth is {depth}, it must be at most {DEPTH_MAX}"),
            ));
        }
        let Some(view) = live::<Stream, _>(books)?.book(instrument, depth)? else {
            return Ok(Status::NotFound);
        };
        let state = BarterBookState {
            struct_size,
            live: u8::from(view.live),
            reserved: [0; 3],
            sequence: view.sequence,
            time_exchange_ns: view.time_exchange_ns,
            time_received_ns: view.time_received_ns,
            time_engine_ns: view.time_engine_ns,
            mid_price: view.mid_price().unwrap_or(f64::NAN),
            volume_weighed_mid_price: view.volume_weighed_mid_price().unwrap_or(f64::NAN),
            bids_len: view.bids.len(),
            asks_len: view.asks.len(),
            bids_total: view.bids_total,
            asks_total: view.asks_total,
        };
        // SAFETY: a side has at most `depth` levels, the struct's size was checked, the caller vouches for the rest.
        unsafe {
            if depth > 0 {
                let asks = levels.add(depth);
                levels.copy_from_nonoverlapping(view.bids.as_ptr(), view.bids.len());
                asks.copy_from_nonoverlapping(view.asks.as_ptr(), view.asks.len());
            }
            out.write(state);
        }
        Ok(Status::Ok)
    })
}

/// Levels a side that can be asked for at the most.
const DEPTH_MAX: usize = 1 << 20;

/// Waits until the books have changed more than `seen` times, a notice counted as a change, and gives how often they
/// have: 0 to begin with, then what came last. `timeout_ns` negative: for ever, 0: only looks.
///
/// Ownership: nothing changes hands.
/// Errors: `BARTER_TIMEOUT`; `_CLOSED` when the producers are gone and nothing is new; `_HANDLE_CLOSED` after a close,
/// which also ends waits; `_INVALID_ARGUMENT` where the stream was not selected as books; `_INVALID_HANDLE`,
/// `_NULL_POINTER`. Threads: any, several may wait, all are woken.
///
/// # Safety
/// `version` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_books_wait(
    books: *mut barter_stream,
    seen: u64,
    timeout_ns: i64,
    version: *mut u64,
) -> barter_status {
    call(|| {
        // SAFETY: the caller vouches for the pointer.
        unsafe { put(version, "version", seen) }?;
        let changed = live::<Stream, _>(books)?.books_changed(seen, deadline(timeout_ns))?;
        match changed {
            // SAFETY: as above.
            Changed::To(now) => unsafe { put(version, "version", now) }?,
            Changed::Timeout => return Ok(Status::Timeout),
            Changed::Ended => return Ok(Status::Closed),
            Changed::Closed => {
                return Err(Error::new(Status::HandleClosed, "the stream was closed"));
            }
        }
        Ok(Status::Ok)
    })
}

/// A descriptor that becomes readable with the next change of the books, a notice, the end and a close among them, and
/// stays so. To wait with it: get it, look with `barter_books_wait` and a time-out of 0, then poll it; get another for
/// the change after that. Never read it.
///
/// Ownership: the caller closes `*fd`. Errors: `BARTER_INVALID_ARGUMENT` where the stream was not selected as books;
/// `_INVALID_HANDLE`, `_NULL_POINTER`, `_INTERNAL` where the process has no descriptors left. Threads: any.
///
/// # Safety
/// `fd` is valid for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_books_ready_fd(
    books: *mut barter_stream,
    fd: *mut c_int,
) -> barter_status {
    call(|| {
        let open = || live::<Stream, _>(books)?.next_books_change_fd();
        // SAFETY: the caller vouches for the pointer.
        unsafe { put_fd(fd, open) }
    })
}
