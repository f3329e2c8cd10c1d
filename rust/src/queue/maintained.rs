//! Maintained books ([`crate::books`]): a queue that folds book events as they come and queues only what else there is.
//! Its books are read under its lock, so a reader sees one moment; a wait for their next change is told of every one.

use super::{Book, Queue, State, books::BookKey, state::Waiting, telling::notices};
use crate::{
    event::{Records, instrument_number, kind},
    feed::exchange,
    options::QueuePolicy,
    platform::ReadySignal,
    status::Result,
};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use std::{collections::BTreeSet, mem, os::fd::OwnedFd, time::Instant};

/// What [`Queue::changed_since`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changed {
    /// The books have changed, so often by now.
    To(u64),
    /// The time was up.
    Timeout,
    /// The producers are gone: the books change no more.
    Ended,
    /// The queue was closed.
    Closed,
}

impl Queue {
    /// From now on the books are maintained, and only notices and errors are queued.
    pub(crate) fn maintain(&self) {
        let mut state = self.state.lock();
        state.maintain();
        self.changed(&mut state);
        // A pump that was held is not any more.
        self.room.notify_waiters();
    }

    /// The books that a connection will bring, or brings no more.
    pub(crate) fn subscribed(
        &self,
        exchange: ExchangeId,
        instruments: impl IntoIterator<Item = InstrumentIndex>,
        subscribed: bool,
    ) {
        let mut state = self.state.lock();
        for instrument in instruments {
            let key = BookKey(exchange::number(exchange), instrument_number(instrument));
            state.books.subscribed(key, subscribed);
        }
        if let Some(version) = &mut state.version {
            *version += 1;
        }
        self.changed(&mut state);
    }

    /// Whether the books are maintained: not in a stream of events.
    pub(crate) fn maintains(&self) -> bool {
        self.state.lock().version.is_some()
    }

    /// The instruments of the books.
    pub(crate) fn books(&self) -> Vec<u32> {
        let state = self.state.lock();
        state.books.keys().map(|key| key.1).collect()
    }

    /// Looks at a maintained book; `None` where there is none.
    pub(crate) fn book<T>(&self, instrument: u32, look: impl FnOnce(&Book) -> T) -> Option<T> {
        let state = self.state.lock();
        let key = state.books.keys().find(|key| key.1 == instrument)?;
        state.books.get(key).map(look)
    }

    /// Waits until the maintained books have changed more than `seen` times; how often they have.
    pub(crate) fn changed_since(&self, seen: u64, deadline: Option<Instant>) -> Changed {
        let mut state = self.state.lock();
        let mut timed_out = false;
        loop {
            let version = state.version.unwrap_or_default();
            if state.closed {
                return Changed::Closed;
            }
            if version > seen {
                return Changed::To(version);
            }
            if state.is_over() {
                return Changed::Ended;
            }
            if timed_out {
                return Changed::Timeout;
            }
            match deadline {
                None => self.moved.wait(&mut state),
                Some(deadline) => {
                    timed_out = Instant::now() >= deadline
                        || self.moved.wait_until(&mut state, deadline).timed_out();
                }
            }
        }
    }

    /// A descriptor of the caller's own that the next change of the maintained books makes readable for good; it is so
    /// already where they change no more.
    pub(crate) fn next_change_fd(&self) -> Result<OwnedFd> {
        let mut state = self.state.lock();
        let version = state.version;
        let (_, signal) = match &mut state.next_change {
            Some(watched) => watched,
            none => none.insert((version, ReadySignal::new()?)),
        };
        let fd = signal.duplicate();
        state.tell_next_change();
        fd
    }
}

impl State {
    /// From now on the books are maintained: what waits for them and whatever comes is folded into them and not queued.
    /// Those of a queue that has closed itself stay as they are, and are not the exchange's any more.
    fn maintain(&mut self) {
        self.seal();
        // A book of a gap is ahead of what waits for it.
        let ahead: BTreeSet<_> = self.front.books().chain(self.back.books()).collect();
        for _ in 0..self.chunks.len() {
            let Some(waiting) = self.remove_oldest() else {
                break;
            };
            self.books.fold(&waiting.chunk, waiting.unread(), |key| {
                !ahead.contains(&key)
            });
            let mut kept = Records::default();
            for index in waiting.unread() {
                if waiting.chunk.events[index].kind != kind::BOOK {
                    kept.copy_from(&waiting.chunk, index);
                }
            }
            self.insert(self.chunks.len(), Waiting::new(kept, waiting.arrival));
        }
        self.front.forget_books();
        self.version = Some(1);
        if self.overflowed() {
            return self.books.stale(|_| true);
        }
        let behind = notices(mem::take(&mut self.back));
        let told = 0..behind.events.len();
        self.books.fold(&behind, told, |key| !ahead.contains(&key));
        self.insert(self.chunks.len(), Waiting::new(behind, 0));
        // Notices are few and may go unread, which must not keep the books from going on.
        self.options.policy = QueuePolicy::DropOldest;
    }

    /// Tells those who wait for the next change of maintained books, if it has come or none can come any more.
    pub(super) fn tell_next_change(&mut self) {
        let over = self.closed || self.is_over();
        let version = self.version;
        if let Some((_, mut told)) = self.next_change.take_if(|(at, _)| over || *at != version) {
            told.set(true);
        }
    }

    /// Folds a record into the books, where they are maintained and the queue has not closed itself.
    pub(super) fn maintains(&mut self, push: impl FnOnce(&mut Records)) -> bool {
        let overflowed = self.overflowed();
        let Some(version) = self.version.as_mut().filter(|_| !overflowed) else {
            return false;
        };
        *version += 1;
        self.folding.clear();
        push(&mut self.folding);
        self.books.fold(&self.folding, 0..1, |_| true);
        true
    }
}
