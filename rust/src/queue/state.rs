//! What a queue holds: sealed chunks, the open one, and at either end what was lost and is not yet told. Chunks enter
//! behind and leave in front; [`policy`](super::policy) decides what may enter.

use super::{
    Slice,
    books::{BookKey, Books},
    gap::Gap,
};
use crate::{
    event::{BarterEvent, Notice, Records, bytes_of, kind, push_notice},
    metrics::{Meters, Metrics},
    options::{QueueOptions, QueuePolicy},
    platform::ReadySignal,
    pump::Source,
};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    mem,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};

/// Events in a chunk at the most: what decodes well in one go.
pub(super) const CHUNK_EVENTS_MAX: usize = 1_024;

/// Orders the chunks of all queues by when they began.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

/// The arrival of what begins now.
fn arrival() -> u64 {
    ARRIVALS.fetch_add(1, Ordering::Relaxed) + 1
}

/// A sealed chunk in the queue, read up to `next`.
pub(super) struct Waiting {
    pub(super) chunk: Arc<Records>,
    next: usize,
    pub(super) arrival: u64,
}

impl Waiting {
    fn new(records: Records, arrival: u64) -> Self {
        Self {
            chunk: Arc::new(records),
            next: 0,
            arrival,
        }
    }

    fn left(&self) -> usize {
        self.unread().len()
    }

    pub(super) fn unread(&self) -> Range<usize> {
        self.next..self.chunk.events.len()
    }
}

pub(crate) struct State {
    pub(super) options: QueueOptions,
    chunk_events: usize,
    chunk_bytes: usize,
    /// What was lost in front of the chunks and not yet told.
    pub(super) front: Gap,
    pub(super) chunks: VecDeque<Waiting>,
    pub(super) open: Records,
    open_arrival: u64,
    /// What was lost behind the chunks and not yet told.
    pub(super) back: Gap,
    /// The last item of a queue that has overflowed and is to close.
    pub(super) ending: Option<Notice>,
    /// Records waiting.
    waiting: usize,
    /// Bytes of the sealed chunks waiting.
    sealed_bytes: usize,
    /// Bytes of slices that readers hold.
    lent: Arc<AtomicUsize>,
    /// Of a book in neither gap: as of the first event that waits. Of one in a gap: as it is now.
    pub(super) books: Books,
    pub(super) has_books: bool,
    /// How often maintained books have changed; `None` where they are not maintained.
    pub(super) version: Option<u64>,
    /// The record that is being folded into maintained books.
    pub(super) folding: Records,
    /// Where the newest event of each instrument waits, if it still does: the arrival of its chunk. For conflation.
    pub(super) places: HashMap<BookKey, u64>,
    pub(super) producers: usize,
    pub(super) closed: bool,
    pub(super) woken: bool,
    pub(super) waiters: usize,
    pub(super) signal: Option<ReadySignal>,
    pub(super) sources: Vec<Source>,
    pub(super) metrics: Metrics,
    pub(super) meters: Meters,
}

impl State {
    pub(super) fn new(options: QueueOptions) -> Self {
        // What is conflated keeps its place, so each record is a chunk of its own until it is taken.
        let chunk_events = match options.policy {
            QueuePolicy::Conflate => 1,
            _ => CHUNK_EVENTS_MAX.min((options.capacity / 8).max(1)),
        };
        Self {
            options,
            chunk_events,
            chunk_bytes: options.max_bytes / 8,
            front: Gap::default(),
            chunks: VecDeque::new(),
            open: Records::default(),
            open_arrival: 0,
            back: Gap::default(),
            ending: None,
            waiting: 0,
            sealed_bytes: 0,
            lent: Arc::default(),
            books: Books::default(),
            has_books: false,
            version: None,
            folding: Records::default(),
            places: HashMap::new(),
            producers: 0,
            closed: false,
            woken: false,
            waiters: 0,
            signal: None,
            sources: Vec::new(),
            metrics: Metrics::default(),
            meters: Meters::default(),
        }
    }

    /// Whether `recv` would not wait.
    pub(super) fn ready(&self) -> bool {
        self.closed || self.woken || self.producers == 0 || self.has_records()
    }

    fn has_records(&self) -> bool {
        // The end of a queue that closes is told when nothing can come any more.
        let back = !self.back.is_empty() && self.ending.is_none();
        !self.front.is_empty() || self.has_chunks() || back
    }

    /// Events and errors lost so far; none where older ones make way for newer by choice.
    pub(crate) fn lost(&self) -> u64 {
        match self.options.policy {
            QueuePolicy::Conflate => 0,
            _ => self.metrics.dropped,
        }
    }

    /// Whether it was full and has closed itself: all that is still pushed is counted as lost.
    pub(crate) fn overflowed(&self) -> bool {
        self.options.policy == QueuePolicy::Close
            && (self.ending.is_some() || !self.back.is_empty())
    }

    /// Whether anything can still come: not once it was closed or has closed itself, or all its producers have ended.
    pub(super) fn takes_more(&self) -> bool {
        !self.closed && self.producers > 0 && !self.overflowed()
    }

    /// Records waiting.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Bytes waiting.
    pub(super) fn bytes(&self) -> usize {
        self.sealed_bytes + self.open.bytes()
    }

    /// Whether so many records and bytes more would be too much.
    pub(super) fn full(&self, records: usize, bytes: usize) -> bool {
        self.waiting + records > self.options.capacity
            || self.bytes() + bytes > self.options.max_bytes
    }

    pub(super) fn has_chunks(&self) -> bool {
        !self.chunks.is_empty() || !self.open.events.is_empty()
    }

    /// Appends a record; the arrival of the chunk that it is in.
    pub(super) fn append(&mut self, push: impl FnOnce(&mut Records)) -> u64 {
        if self.open.events.is_empty() {
            self.open_arrival = arrival();
        }
        push(&mut self.open);
        self.waiting += 1;
        let high_water = self.metrics.high_water_events.max(self.waiting as u64);
        self.metrics.high_water_events = high_water;
        let high_water = self.metrics.high_water_bytes.max(self.bytes() as u64);
        self.metrics.high_water_bytes = high_water;
        if self.open.events.len() >= self.chunk_events || self.open.bytes() >= self.chunk_bytes {
            self.seal();
        }
        self.open_arrival
    }

    pub(super) fn seal(&mut self) {
        if !self.open.events.is_empty() {
            let sealed = Waiting::new(mem::take(&mut self.open), self.open_arrival);
            self.sealed_bytes += sealed.chunk.bytes();
            self.chunks.push_back(sealed);
        }
    }

    /// The records that end with the youngest one waiting, unless a reader holds part of them.
    pub(super) fn last_records(&mut self) -> Option<&mut Records> {
        if self.open.events.is_empty() {
            Arc::get_mut(&mut self.chunks.back_mut()?.chunk)
        } else {
            Some(&mut self.open)
        }
    }

    pub(super) fn remove_oldest(&mut self) -> Option<Waiting> {
        if self.chunks.is_empty() {
            self.seal();
        }
        let oldest = self.chunks.pop_front()?;
        self.waiting -= oldest.left();
        self.sealed_bytes -= oldest.chunk.bytes();
        Some(oldest)
    }

    /// Puts a chunk in the queue, unless there is nothing left in it.
    fn insert(&mut self, place: usize, waiting: Waiting) {
        if waiting.left() > 0 {
            self.waiting += waiting.left();
            self.sealed_bytes += waiting.chunk.bytes();
            self.chunks.insert(place, waiting);
        }
    }

    /// Takes at most `max` records of the oldest chunk; first what has to be told of a loss.
    pub(super) fn take(&mut self, max: usize) -> Option<Slice> {
        if !self.front.is_empty() {
            self.tell_front();
        }
        if self.options.policy == QueuePolicy::Conflate {
            self.gather(max.min(CHUNK_EVENTS_MAX));
        }
        if self.chunks.is_empty() {
            self.seal();
        }
        if self.chunks.is_empty() {
            self.tell_end();
        }
        let waiting = self.chunks.front_mut()?;
        let (chunk, start) = (waiting.chunk.clone(), waiting.next);
        let len = max.min(waiting.left());
        waiting.next += len;
        self.waiting -= len;
        if waiting.left() == 0 {
            self.remove_oldest();
        }
        self.fold(&chunk, start..start + len);
        // Levels and text of the chunk go with its first slice, so that the slices add up to the chunk.
        let extra = if start == 0 {
            chunk.bytes() - bytes_of(chunk.events.len(), 0, 0)
        } else {
            0
        };
        let bytes = bytes_of(len, 0, extra);
        self.lent.fetch_add(bytes, Ordering::Relaxed);
        Some(Slice {
            chunk,
            start,
            len,
            bytes,
            lent: self.lent.clone(),
        })
    }

    /// Folds what leaves the queue into the books; those of a gap have it already. A queue that never loses anything but
    /// its end needs no books.
    pub(super) fn fold(&mut self, records: &Records, range: Range<usize>) {
        let loses = !matches!(self.options.policy, QueuePolicy::Block | QueuePolicy::Close);
        if self.has_books && loses && self.version.is_none() {
            let (front, back) = (&self.front, &self.back);
            self.books.fold(records, range, |key| {
                front.book(key).is_none() && back.book(key).is_none()
            });
        }
    }

    /// From now on the books are maintained: what waits for them and whatever comes is folded into them and not queued.
    pub(super) fn maintain(&mut self) {
        self.seal();
        let behind = mem::take(&mut self.back);
        // A book of a gap is ahead of what waits for it.
        let ahead: BTreeSet<_> = self.front.books().chain(behind.books()).collect();
        let behind = notices(behind);
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
        let told = 0..behind.events.len();
        self.books.fold(&behind, told, |key| !ahead.contains(&key));
        self.insert(self.chunks.len(), Waiting::new(behind, 0));
        // Notices are few and may go unread, which must not keep the books from going on.
        self.options.policy = QueuePolicy::DropOldest;
        self.version = Some(1);
    }

    /// Puts small chunks in front together, up to `max` records.
    fn gather(&mut self, max: usize) {
        let mut gathered = Records::default();
        while let Some(oldest) = self.chunks.front() {
            if gathered.events.len() + oldest.left() > max {
                break;
            }
            if let Some(oldest) = self.remove_oldest() {
                oldest
                    .unread()
                    .for_each(|index| gathered.copy_from(&oldest.chunk, index));
            }
        }
        self.insert(0, Waiting::new(gathered, 0));
    }

    /// Puts the front gap's notices in front, and after them a snapshot of every book that missed something. What still
    /// waits for those books is in the snapshot, so it goes too, and is counted.
    fn tell_front(&mut self) {
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
    fn tell_end(&mut self) {
        if self.ending.is_some() && self.producers > 0 {
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

    /// Empties it for good; what was in it is for the caller to drop.
    pub(super) fn close(&mut self) -> impl Sized + use<> {
        self.closed = true;
        self.waiting = 0;
        self.sealed_bytes = 0;
        self.ending = None;
        (
            mem::take(&mut self.sources),
            mem::take(&mut self.chunks),
            mem::take(&mut self.open),
            (mem::take(&mut self.front), mem::take(&mut self.back)),
            mem::take(&mut self.books),
            mem::take(&mut self.places),
        )
    }

    /// Moves everything of another queue's state into this one.
    pub(super) fn absorb(&mut self, from: &mut State) {
        from.seal();
        if from.books.keys().any(|key| self.books.get(key).is_some()) {
            // The other one's book is not the one that misses something here, so what was lost is told where it was.
            self.settle(0);
            from.settle(arrival());
        }
        self.front.absorb(mem::take(&mut from.front));
        self.back.absorb(mem::take(&mut from.back));
        self.ending = self.ending.take().or(from.ending.take());
        for waiting in mem::take(&mut from.chunks) {
            self.insert(self.chunks.len(), waiting);
        }
        from.waiting = 0;
        from.sealed_bytes = 0;
        self.books.absorb(mem::take(&mut from.books));
        self.has_books |= from.has_books;
        self.places.extend(mem::take(&mut from.places));
        self.producers += mem::take(&mut from.producers);
        self.sources.append(&mut from.sources);
        self.metrics += from.metrics;
        self.meters.absorb(mem::take(&mut from.meters));
        from.closed = true;
    }

    /// Turns what was lost at either end into records. They arrive with the chunk that they are next to, or as told.
    fn settle(&mut self, otherwise: u64) {
        if !self.front.is_empty() {
            self.tell_front();
            // It stays in front of its own chunks when those of several queues are ordered.
            let next = self.chunks.get(1).map(|waiting| waiting.arrival);
            if let Some(told) = self.chunks.front_mut() {
                told.arrival = next.unwrap_or(otherwise);
            }
        }
        let behind = mem::take(&mut self.back);
        let told = self.told(behind);
        let last = self.chunks.back().map(|waiting| waiting.arrival);
        let told = Waiting::new(told, last.unwrap_or(otherwise));
        self.insert(self.chunks.len(), told);
    }

    /// Orders the chunks of merged queues by when they began.
    pub(super) fn sort(&mut self) {
        self.chunks
            .make_contiguous()
            .sort_by_key(|waiting| waiting.arrival);
    }

    /// Counts and state.
    pub(super) fn counts(&self) -> Metrics {
        let mut counts = Metrics {
            queued_events: self.waiting as u64,
            queued_bytes: self.bytes() as u64,
            bytes_lent: self.lent.load(Ordering::Relaxed) as u64,
            ..self.metrics
        };
        self.meters.count_frames(&mut counts);
        counts
    }

    /// Where a chunk of this arrival waits.
    pub(super) fn place_of(&self, arrival: u64) -> Option<usize> {
        let found = self
            .chunks
            .binary_search_by_key(&arrival, |waiting| waiting.arrival);
        found.ok()
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
