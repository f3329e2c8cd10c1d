//! Several queues become one. What waits in them is ordered by when its chunks began, and each source stays in its own
//! order; what they lost and did not tell yet is told by the merged queue.

use super::{
    Queue, State,
    state::{Waiting, arrival},
};
use crate::options::QueueOptions;
use std::{collections::HashMap, mem, sync::Arc};

impl Queue {
    /// Merges queues into one: waiting chunks ordered by first arrival, each source in its own order. The sources'
    /// pumps push into the merged queue from now on. Nothing is lost by merging: the bounds add up. All have one policy.
    pub(crate) fn merge(queues: &[Arc<Queue>]) -> Arc<Queue> {
        let merged = Self::join(queues, State::absorb);
        merged.state.lock().sort();
        merged
    }

    /// Makes one of a queue that has ended and the next one of the same source: all of the first comes before all of
    /// the second.
    pub(crate) fn succeed(ended: &Arc<Queue>, next: &Arc<Queue>) -> Arc<Queue> {
        Self::join(&[ended.clone(), next.clone()], State::follow)
    }

    fn join(queues: &[Arc<Queue>], take_over: impl Fn(&mut State, &mut State)) -> Arc<Queue> {
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
            take_over(&mut merged.state.lock(), &mut from);
            for target in &mut targets {
                **target = merged.clone();
            }
            queue.room.notify_waiters();
        }
        // Where one of them has overflowed, this ends the others.
        merged.push(|_| {});
        merged
    }
}

impl State {
    /// Moves everything of another queue's state into this one.
    fn absorb(&mut self, from: &mut State) {
        from.seal();
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

    /// Moves everything of the next queue of the same source behind this one's: what either lost is told where it was,
    /// and the books are the next one's.
    fn follow(&mut self, next: &mut State) {
        let behind = mem::take(&mut self.back);
        let behind = Waiting::new(self.told(behind), arrival());
        self.insert(self.chunks.len(), behind);
        if !next.front.is_empty() {
            next.tell_front();
        }
        next.seal();
        // Their arrivals rise, so that they stay in this order when they are merged with others.
        let mut last = self.chunks.back().map(|waiting| waiting.arrival);
        let mut later = HashMap::new();
        for waiting in &mut next.chunks {
            if last >= Some(waiting.arrival) {
                let arrival = arrival();
                later.insert(mem::replace(&mut waiting.arrival, arrival), arrival);
            }
            last = Some(waiting.arrival);
        }
        for place in next.places.values_mut() {
            *place = later.get(place).copied().unwrap_or(*place);
        }
        self.places.clear();
        self.absorb(next);
    }

    /// Orders the chunks of merged queues by when they began.
    fn sort(&mut self) {
        self.chunks
            .make_contiguous()
            .sort_by_key(|waiting| waiting.arrival);
    }
}
