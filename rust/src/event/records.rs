//! Records with the levels and text that they refer to: what a chunk of a queue is, and a batch.

use super::{BarterEvent, BarterLevel};

/// Records with the levels and text that they refer to.
#[derive(Default, Clone)]
pub struct Records {
    /// The records, in order.
    pub events: Vec<BarterEvent>,
    /// Levels of their books.
    pub levels: Vec<BarterLevel>,
    /// Ids, messages and instrument lists.
    pub text: Vec<u8>,
    /// What is among the records.
    pub among: Among,
}

/// What kinds and flags some records have, without a look at each.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Among {
    /// Bit n is set where a record is of kind n.
    pub kinds: u64,
    /// Every flag that a record has.
    pub flags: u8,
}

impl Records {
    /// Bytes of all of it.
    pub fn bytes(&self) -> usize {
        bytes_of(self.events.len(), self.levels.len(), self.text.len())
    }

    /// Appends a record whose levels and text are there.
    #[inline]
    pub fn push(&mut self, event: BarterEvent) {
        self.among.kinds |= 1 << event.kind;
        self.among.flags |= event.flags;
        self.events.push(event);
    }

    /// Empties them and keeps the memory.
    pub fn clear(&mut self) {
        self.among = Among::default();
        self.events.clear();
        self.levels.clear();
        self.text.clear();
    }

    /// Appends a copy of `other`'s record `index` with its levels and text.
    pub fn copy_from(&mut self, other: &Records, index: usize) {
        let mut event = other.events[index];
        if let Some((offset, len)) = event.id_in_text() {
            event.payload.trade.id.text_offset = self.copy_text(other, offset, len);
        } else if let Some(book) = event.book_mut() {
            book.bids_offset = self.copy_levels(other, book.bids_offset, book.bids_len);
            book.asks_offset = self.copy_levels(other, book.asks_offset, book.asks_len);
        } else if let Some(notice) = event.notice_mut() {
            notice.text_offset =
                self.copy_text(other, notice.text_offset, notice.text_len as usize);
            notice.instruments_offset = self.copy_text(
                other,
                notice.instruments_offset,
                notice.instruments_len as usize * size_of::<u32>(),
            );
        }
        self.push(event);
    }

    fn copy_text(&mut self, other: &Records, offset: u64, len: usize) -> u64 {
        let start = self.text.len() as u64;
        self.text
            .extend_from_slice(&other.text[offset as usize..][..len]);
        start
    }

    fn copy_levels(&mut self, other: &Records, offset: u32, len: u32) -> u32 {
        let start = self.levels.len() as u32;
        self.levels
            .extend_from_slice(&other.levels[offset as usize..][..len as usize]);
        start
    }
}

/// Bytes that so many records, levels and bytes of text take.
pub fn bytes_of(events: usize, levels: usize, text: usize) -> usize {
    events * size_of::<BarterEvent>() + levels * size_of::<BarterLevel>() + text
}
