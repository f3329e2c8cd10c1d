//! Several queues become one. What waits in them is ordered by when its chunks began, and each source stays in its own
//! order; what they lost and did not tell yet is told by the merged queue.

use super::{
    Queue, State,
    state::{Waiting, arrival},
};
use crate::options::QueueOptions;
use std::{mem, sync::Arc};

impl Queue {
    /// Merges queues into one: waiting chunks ordered by first arrival, each source in its own order. The sources'
    /// pumps push into the merged queue from now on. Nothing is lost by merging: the bounds add up. All have one policy.
    pub(crate) fn merge(queues: &[Arc<Queue>]) -> Arc<Queue> {
        let options = queues.iter().map(|queue| queue.options);
        let options = options
            .reduce(|a, b| QueueOptions {
                capacity: a.capacity.saturating_add(b.capacity),
                max_bytes: a.max_bytes.saturating_add(b.max_bytes),
                spin: a.spin.max(b.spin),
                ..a
            })
            .unwrap_or_default();
        let merged = Arc::new(Queue::new(options));
        for queue in queues {
            // The targets are locked while they change, so no pump pushes into the emptied queue.
            let targets: Vec<_> = {
                let state = queue.state.lock();
                state
                    .sources
                    .iter()
                    .map(|source| source.target.clone())
                    .collect()
            };
            let mut targets: Vec<_> = targets.iter().map(|target| target.lock()).collect();
            let mut from = queue.state.lock();
            merged.state.lock().absorb(&mut from);
            for target in &mut targets {
                **target = merged.clone();
            }
            queue.room.notify_waiters();
        }
        merged.state.lock().sort();
        // Where one of them has overflowed, this ends the others.
        merged.push(|_| {});
        merged
    }
}

impl State {
    /// Moves everything of another queue's state into this one.
    fn absorb(&mut self, from: &mut State) {
        from.seal();
        if from.books.keys().any(|key| self.books.get(key).is_some()) {
            // The other one's book is not the one that misses something here, so what was lost is told where it was.
            self.settle(0);
            from.settle(arrival());
        }
        self.front.absorb(mem::take(&mut from.front));
        self.back.absorb(mem::take(&mut from.back));
        self.ending = self.ending.take().or(from.ending.take());
        while let Some(waiting) = from.remove_oldest() {
            self.insert(self.chunks.len(), waiting);
        }
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
    fn sort(&mut self) {
        self.chunks
            .make_contiguous()
            .sort_by_key(|waiting| waiting.arrival);
    }
}
