//! What was lost and not yet told: notices in the order of their first cause, merged so that they stay few
//! however much is lost, and the order books that missed something.

use super::books::BookKey;
use crate::{
    abi::constants::{BARTER_DROPPED_CONFLATED, BARTER_DROPPED_QUEUE_FULL},
    event::{BarterEvent, BarterNotice, NO_INSTRUMENT, NO_TIME, Notice, Records, flag, kind},
    feed::exchange,
};
use std::collections::BTreeMap;

/// Why something was lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// The queue was full.
    Full = BARTER_DROPPED_QUEUE_FULL as isize,
    /// Something newer of its instrument stands for it.
    Conflated = BARTER_DROPPED_CONFLATED as isize,
}

/// The losses at one end of a queue.
#[derive(Clone, Default)]
pub(super) struct Gap {
    /// Of what left the queue unread, and what is told with it.
    notices: Vec<Notice>,
    /// Of what never got in: younger than all that waits.
    refused: Vec<Notice>,
    books: BTreeMap<BookKey, Why>,
}

impl Gap {
    pub(super) fn is_empty(&self) -> bool {
        self.notices.is_empty() && self.refused.is_empty() && self.books.is_empty()
    }

    pub(super) fn has_books(&self) -> bool {
        !self.books.is_empty()
    }

    /// Why a book missed something, `None` where it did not.
    pub(super) fn book(&self, key: BookKey) -> Option<Why> {
        self.books.get(&key).copied()
    }

    /// A book misses something from now on.
    pub(super) fn add_book(&mut self, key: BookKey, why: Why) {
        self.books.entry(key).or_insert(why);
    }

    /// No book misses anything any more.
    pub(super) fn forget_books(&mut self) {
        self.books.clear();
    }

    /// The books that missed something.
    pub(super) fn books(&self) -> impl Iterator<Item = BookKey> {
        self.books.keys().copied()
    }

    /// What has to be told, in order.
    pub(super) fn told(mut self) -> Vec<Notice> {
        for notice in self.refused {
            keep(&mut self.notices, notice);
        }
        self.notices
    }

    /// How many notices there are to be told at the most, and their bytes of text.
    pub(super) fn size(&self) -> (usize, usize) {
        let all = self.notices.iter().chain(&self.refused);
        all.fold((0, 0), |(count, text), notice| {
            (count + 1, text + notice.text_bytes())
        })
    }

    /// Puts a notice behind what is to be told, merged with one that it goes with.
    pub(super) fn add(&mut self, notice: Notice) {
        keep(&mut self.notices, notice);
    }

    /// Takes in a record that is leaving the queue unread; how many lost events and errors that is.
    pub(super) fn lose(&mut self, records: &Records, index: usize, why: Why) -> u64 {
        let (notice, lost) = loss(records, index, why);
        if let Some(notice) = notice {
            keep(&mut self.notices, notice);
        }
        lost
    }

    /// Takes in a record that does not get into the queue; how many lost events and errors that is.
    pub(super) fn refuse(&mut self, records: &Records, index: usize, why: Why) -> u64 {
        let (notice, lost) = loss(records, index, why);
        if let Some(notice) = notice {
            keep(&mut self.refused, notice);
        }
        lost
    }

    /// Merges a notice into the last one here where they are equal.
    pub(super) fn merge(&mut self, notice: &Notice) -> bool {
        match self.refused.last_mut().or(self.notices.last_mut()) {
            Some(last) if equal(last, notice) => {
                merge(last, notice.clone());
                true
            }
            _ => false,
        }
    }

    /// Takes in another gap's losses.
    pub(super) fn absorb(&mut self, other: Gap) {
        for notice in other.notices {
            keep(&mut self.notices, notice);
        }
        for notice in other.refused {
            keep(&mut self.refused, notice);
        }
        self.books.extend(other.books);
    }
}

/// The instruments that a notice names.
pub(super) fn instruments(records: &Records, notice: &BarterNotice) -> Vec<u32> {
    let len = notice.instruments_len as usize * size_of::<u32>();
    records.text[notice.instruments_offset as usize..][..len]
        .chunks_exact(size_of::<u32>())
        .map(|bytes| u32::from_ne_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect()
}

/// What is to be told of a record that nobody will read, and how many events and errors it is.
fn loss(records: &Records, index: usize, why: Why) -> (Option<Notice>, u64) {
    let event = &records.events[index];
    if event.flags & flag::RECOVERED != 0 {
        return (None, 0);
    }
    let sub_kind = match event.notice() {
        None => event.kind,
        Some(error) if event.kind == kind::ERROR => error.sub_kind,
        Some(notice) => return (Some(notice_of(records, event, notice)), 0),
    };
    let exchange = exchange::by_number(event.exchange).map(|row| row.id);
    let mut dropped = Notice::new(kind::DROPPED, exchange, sub_kind, event.time_received_ns);
    dropped.code = why as u16;
    dropped.instrument = event.instrument;
    dropped.first_ns = event.time_exchange_ns;
    dropped.last_ns = event.time_exchange_ns;
    (Some(dropped), 1)
}

/// Adds a notice to those it goes with, or behind them.
fn keep(notices: &mut Vec<Notice>, notice: Notice) {
    let same = |known: &&mut Notice| {
        (known.kind, known.exchange, known.sub_kind, known.code)
            == (notice.kind, notice.exchange, notice.sub_kind, notice.code)
            && (known.kind != kind::SILENT || known.instrument == notice.instrument)
    };
    match notices.iter_mut().find(same) {
        Some(known) => merge(known, notice),
        None => notices.push(notice),
    }
}

/// Merges a notice into the last of the records where they are equal.
pub(super) fn merge_into_last(records: &mut Records, notice: &Notice) -> bool {
    let Some(last) = records.events.last() else {
        return false;
    };
    let Some(told) = last.notice() else {
        return false;
    };
    let mut merged = notice_of(records, last, told);
    if !equal(&merged, notice) {
        return false;
    }
    merge(&mut merged, notice.clone());
    if let Some(last) = records.events.last_mut() {
        last.time_received_ns = notice.time_ns;
        if let Some(told) = last.notice_mut() {
            // Its text stays: equal notices have equal texts.
            told.count = merged.count;
            told.last_ns = merged.last_ns;
            told.attempts = merged.attempts;
            told.duration_ns = merged.duration_ns;
        }
    }
    true
}

fn equal(a: &Notice, b: &Notice) -> bool {
    a.kind != kind::ERROR
        && (a.kind, a.exchange, a.sub_kind, a.instrument)
            == (b.kind, b.exchange, b.sub_kind, b.instrument)
        && a.text == b.text
        && a.instruments == b.instruments
}

/// Adds `newer` to `known`: counts add up, times span both, what is known last stands.
fn merge(known: &mut Notice, newer: Notice) {
    known.count = known.count.saturating_add(newer.count);
    known.attempts = known.attempts.saturating_add(newer.attempts);
    if known.first_ns == NO_TIME {
        known.first_ns = newer.first_ns;
    }
    if newer.last_ns != NO_TIME {
        known.last_ns = newer.last_ns;
    }
    if newer.duration_ns != NO_TIME {
        known.duration_ns = newer.duration_ns;
    }
    if known.instrument != newer.instrument {
        known.instrument = NO_INSTRUMENT;
    }
    if !newer.text.is_empty() {
        known.text = newer.text;
    }
    for instrument in newer.instruments {
        if !known.instruments.contains(&instrument) {
            known.instruments.push(instrument);
        }
    }
}

/// The notice that a record was made of.
fn notice_of(records: &Records, event: &BarterEvent, notice: &BarterNotice) -> Notice {
    let reason = &records.text[notice.text_offset as usize..][..notice.text_len as usize];
    Notice {
        kind: event.kind,
        exchange: exchange::by_number(event.exchange).map(|row| row.id),
        sub_kind: notice.sub_kind,
        instrument: event.instrument,
        time_ns: event.time_exchange_ns,
        count: notice.count,
        code: notice.code,
        first_ns: notice.first_ns,
        last_ns: notice.last_ns,
        attempts: notice.attempts,
        duration_ns: notice.duration_ns,
        text: String::from_utf8_lossy(reason).into_owned(),
        instruments: instruments(records, notice),
    }
}
