//! What a queue holds: sealed chunks, the open one, and at either end what was lost and is not yet told. Chunks enter
//! behind and leave in front; [`policy`](super::policy) decides what may enter, [`telling`](super::telling) what is said
//! of what is lost.

use super::{
    Lent, Slice,
    books::{BookKey, Books},
    gap::Gap,
    receiving::{Driving, Habit},
};
use crate::{
    event::{Notice, Records, bytes_of},
    metrics::{Meters, Metrics},
    options::{QueueOptions, QueuePolicy},
    platform::ReadySignal,
    pump::Source,
};
use std::{
    collections::{HashMap, VecDeque},
    mem,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Events in a chunk at the most: what decodes well in one go.
pub(super) const CHUNK_EVENTS_MAX: usize = 1_024;

/// Orders the chunks of all queues by when they began.
static ARRIVALS: AtomicU64 = AtomicU64::new(0);

/// The arrival of what begins now.
pub(super) fn arrival() -> u64 {
    ARRIVALS.fetch_add(1, Ordering::Relaxed) + 1
}

/// A sealed chunk in the queue, read up to `next`.
pub(super) struct Waiting {
    pub(super) chunk: Arc<Records>,
    next: usize,
    pub(super) arrival: u64,
}

impl Waiting {
    pub(super) fn new(records: Records, arrival: u64) -> Self {
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
    /// What readers hold.
    lent: Arc<Lent>,
    /// Of a book in neither gap: as of the first event that waits. Of one in a gap: as it is now.
    pub(super) books: Books,
    pub(super) has_books: bool,
    /// How often maintained books have changed; `None` where they are not maintained.
    pub(super) version: Option<u64>,
    /// What those watch who wait for the next change of maintained books, and the version at which they began.
    pub(super) next_change: Option<(Option<u64>, ReadySignal)>,
    /// The record that is being folded into maintained books.
    pub(super) folding: Records,
    /// Where the newest event of each instrument waits, if it still does: the arrival of its chunk. For conflation.
    pub(super) places: HashMap<BookKey, u64>,
    pub(super) producers: usize,
    pub(super) closed: bool,
    pub(super) woken: bool,
    pub(super) waiters: usize,
    pub(super) driving: Driving,
    pub(super) habit: Habit,
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
            next_change: None,
            folding: Records::default(),
            places: HashMap::new(),
            producers: 0,
            closed: false,
            woken: false,
            waiters: 0,
            driving: Driving::default(),
            habit: Habit::default(),
            signal: None,
            sources: Vec::new(),
            metrics: Metrics::default(),
            meters: Meters::default(),
        }
    }

    /// Whether `recv` would not wait.
    pub(super) fn ready(&self) -> bool {
        self.closed || self.woken || self.is_over() || self.has_records()
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
        !self.closed && !self.is_over() && !self.overflowed()
    }

    /// Whether nobody brings anything any more.
    pub(crate) fn is_over(&self) -> bool {
        self.producers == 0
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
            let mut next = Records::default();
            if self.chunk_events > 1 {
                next.events = self.lent.take_emptied();
            }
            let open = mem::replace(&mut self.open, next);
            let sealed = Waiting::new(open, self.open_arrival);
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
    pub(super) fn insert(&mut self, place: usize, waiting: Waiting) {
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
        self.lent.bytes.fetch_add(bytes, Ordering::Relaxed);
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
            self.lent.take_emptied(),
        )
    }

    /// Counts and state.
    pub(super) fn counts(&self) -> Metrics {
        let mut counts = Metrics {
            queued_events: self.waiting as u64,
            queued_bytes: self.bytes() as u64,
            bytes_lent: self.lent.bytes.load(Ordering::Relaxed) as u64,
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
