//! `barter_batch`: records that `barter_stream_recv` handed out.

use super::{barter_status, declared_size, free, write_known};
use crate::{
    event::{Among, BarterEvent, BarterLevel},
    handle,
    queue::Slice,
    runtime,
    status::{Result, Status},
};
use std::{mem::offset_of, sync::Arc};

/// Records with the levels and text that they refer to: immutable, independent of its stream, readable from any thread
/// until it is freed.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BarterBatch {
    /// Set by the caller: the size it knows; the library writes no further.
    pub struct_size: u32,
    /// Size of a record, `sizeof(barter_event)` of the library.
    pub event_size: u32,
    /// The records, at least one.
    pub events: *const BarterEvent,
    /// Number of records.
    pub events_len: usize,
    /// Levels of the books.
    pub levels: *const BarterLevel,
    /// Number of levels.
    pub levels_len: usize,
    /// Ids, messages and instrument lists.
    pub text: *const u8,
    /// Bytes of text.
    pub text_len: usize,
    /// Key of what keeps the memory; 0 where there is nothing to free.
    pub owner: u64,
    /// Bit n is set where a record of kind n may be among them (`BARTER_EVENT_*`): where no other is, all are of that
    /// kind. Since 1.3.
    pub kinds: u64,
    /// `BARTER_FLAG_*` that a record among them may have: one that is not set here no record has. Since 1.3.
    pub flags: u32,
    /// Zero.
    pub reserved: u32,
    /// A copy of the first record: of a batch of one this struct says it all, but for levels and text. Since 1.4.
    pub first: BarterEvent,
}

/// What it was in ABI 1.0.
const FIRST_SIZE: usize = offset_of!(BarterBatch, kinds);

impl BarterBatch {
    const fn nothing(struct_size: u32) -> Self {
        Self {
            struct_size,
            event_size: 0,
            events: std::ptr::null(),
            events_len: 0,
            levels: std::ptr::null(),
            levels_len: 0,
            text: std::ptr::null(),
            text_len: 0,
            owner: 0,
            kinds: 0,
            flags: 0,
            reserved: 0,
            first: BarterEvent::ZERO,
        }
    }

    /// Zeroes all but the size.
    ///
    /// # Safety
    /// `out` is NULL or valid for reads and writes of `out->struct_size` bytes.
    pub(super) unsafe fn empty(out: *mut Self) -> Result<()> {
        // SAFETY: the caller vouches for it; the size was checked before the write.
        unsafe {
            let struct_size = declared_size(out, FIRST_SIZE)?;
            write_known(out, &Self::nothing(struct_size), struct_size);
        }
        Ok(())
    }

    /// Fills in a slice, kept alive under a new key.
    ///
    /// # Safety
    /// As for [`Self::empty`].
    pub(super) unsafe fn fill(out: *mut Self, slice: Arc<Slice>) -> Result<()> {
        let (events, records) = (slice.events(), slice.records());
        let Among { kinds, flags } = records.among;
        let mut batch = Self {
            struct_size: 0,
            event_size: size_of::<BarterEvent>() as u32,
            events: events.as_ptr(),
            events_len: events.len(),
            levels: records.levels.as_ptr(),
            levels_len: records.levels.len(),
            text: records.text.as_ptr(),
            text_len: records.text.len(),
            owner: 0,
            kinds,
            flags: flags.into(),
            reserved: 0,
            first: events.first().copied().unwrap_or(BarterEvent::ZERO),
        };
        batch.owner = handle::insert(slice)?;
        // SAFETY: the caller vouches for it; the size was checked before the write.
        unsafe {
            batch.struct_size = declared_size(out, FIRST_SIZE)?;
            write_known(out, &batch, batch.struct_size);
        }
        Ok(())
    }
}

/// Frees a batch's memory and zeroes the struct but for its size. NULL and a zeroed one are OK; a copy of a freed one
/// gives `BARTER_INVALID_HANDLE` and nothing happens.
///
/// Ownership: the batch's pointers are gone. Threads: any.
///
/// # Safety
/// `batch` is NULL, or valid for reads and writes and was zeroed or filled by `barter_stream_recv`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_batch_free(batch: *mut BarterBatch) -> barter_status {
    if batch.is_null() || runtime::forked() {
        return Status::Ok as barter_status;
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    let (struct_size, owner) = unsafe { ((*batch).struct_size, (*batch).owner) };
    let status = free::<Slice>(owner, |_| {});
    if status == Status::Ok as barter_status {
        // SAFETY: as above.
        unsafe { write_known(batch, &BarterBatch::nothing(struct_size), struct_size) };
    }
    status
}
