//! What a queue says of what it lost: the notices of a gap, in its place, and after them a snapshot of every book that
//! missed something. Until then such a book is kept up to date with whatever still comes.

use super::{
    State,
    books::BookKey,
    gap::{Gap, Why},
    state::Waiting,
};
use crate::{
    event::{BarterEvent, Notice, Records, bytes_of, kind, push_notice},
    options::QueuePolicy,
};
use std::{collections::BTreeSet, mem};

impl State {
    /// Puts the front gap's notices in front, and after them a snapshot of every book that missed something. What still
    /// waits for those books is in the snapshot, so it goes too, and is counted.
    pub(super) fn tell_front(&mut self) {
        let mut gap = mem::take(&mut self.front);
        if gap.has_books() {
            self.seal();
            for _ in 0..self.chunks.len() {
                if let Some(waiting) = self.remove_oldest() {
                    let kept = self.without_books(waiting, &mut gap);
                    self.insert(self.chunks.len(), kept);
                }
            }
        }
        let told = self.told(gap);
        self.insert(0, Waiting::new(told, 0));
    }

    /// Puts what was lost behind the chunks in their place, when all of them are gone.
    pub(super) fn tell_end(&mut self) {
        if self.ending.is_some() && !self.is_over() {
            return;
        }
        let gap = mem::take(&mut self.back);
        let mut told = match self.ending {
            None => self.told(gap),
            // Nothing follows, so no book is needed.
            Some(_) => notices(gap),
        };
        if let Some(ending) = self.ending.take() {
            push_notice(&mut told, &ending);
        }
        self.insert(0, Waiting::new(told, 0));
    }

    /// The notices of a gap, and after them the snapshots of its books.
    pub(super) fn told(&self, gap: Gap) -> Records {
        let books: Vec<_> = gap.books().collect();
        let mut told = notices(gap);
        for key in books {
            if let Some(book) = self.books.get(key) {
                book.push_snapshot(&mut told);
            }
        }
        told
    }

    /// The chunk without events of the gap's books, which are counted as lost.
    fn without_books(&mut self, waiting: Waiting, gap: &mut Gap) -> Waiting {
        let touched = |gap: &Gap, event: &BarterEvent| {
            let book = event.kind == kind::BOOK;
            book.then(|| gap.book(BookKey::of_record(event))).flatten()
        };
        let chunk = &waiting.chunk;
        let mut unread = waiting.unread();
        if !unread.any(|index| touched(gap, &chunk.events[index]).is_some()) {
            return waiting;
        }
        let mut kept = Records::default();
        for index in waiting.unread() {
            match touched(gap, &chunk.events[index]) {
                Some(why) => self.metrics.dropped += gap.lose(chunk, index, why),
                None => kept.copy_from(chunk, index),
            }
        }
        Waiting::new(kept, waiting.arrival)
    }

    /// Appends what is lost behind the chunks if it fits with one record more. False where it does not.
    pub(super) fn tell_back(&mut self, bytes: usize) -> bool {
        let (notices, text) = self.back.size();
        let books = self.back.books().filter_map(|key| self.books.get(key));
        let (books, levels) = books.fold((0, 0), |(count, levels), book| {
            (count + 1, levels + book.levels())
        });
        let records = notices + books;
        if self.full(records + 1, bytes_of(records, levels, text) + bytes) {
            return false;
        }
        let gap = mem::take(&mut self.back);
        let told = self.told(gap);
        for index in 0..told.events.len() {
            self.append(|open| open.copy_from(&told, index));
        }
        true
    }

    /// These books miss something from now on, where they did not yet: what waits for them is folded into them, as is
    /// whatever still comes until the loss is told.
    pub(super) fn lose_books(&mut self, mut books: BTreeSet<BookKey>, why: Why) {
        books.retain(|key| self.front.book(*key).is_none() && self.back.book(*key).is_none());
        if books.is_empty() {
            return;
        }
        for waiting in &self.chunks {
            self.books
                .fold(&waiting.chunk, waiting.unread(), |key| books.contains(&key));
        }
        let open = 0..self.open.events.len();
        self.books
            .fold(&self.open, open, |key| books.contains(&key));
        let told = notices(self.back.clone());
        let all = 0..told.events.len();
        self.books.fold(&told, all, |key| books.contains(&key));
        let behind = self.options.policy == QueuePolicy::DropNewest;
        let gap = if behind {
            &mut self.back
        } else {
            &mut self.front
        };
        books.into_iter().for_each(|key| gap.add_book(key, why));
    }

    /// Folds a notice or an error that was appended into the books of a gap, which are ahead of what waits.
    pub(super) fn tell_books_ahead(&mut self, notice: &Notice) {
        let (front, back) = (&self.front, &self.back);
        if self.version.is_none() && (front.has_books() || back.has_books()) {
            self.folding.clear();
            push_notice(&mut self.folding, notice);
            self.books.fold(&self.folding, 0..1, |key| {
                front.book(key).is_some() || back.book(key).is_some()
            });
        }
    }
}

/// The notices of a gap.
pub(super) fn notices(gap: Gap) -> Records {
    let mut told = Records::default();
    for notice in gap.told() {
        push_notice(&mut told, &notice);
    }
    told
}
