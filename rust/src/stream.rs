//! One selected stream: its queue, independent of the set it came from. Dropping or closing it ends its sockets.

use crate::{
    instrument::Instruments,
    metrics::StreamMetrics,
    queue::{Queue, Received},
    status::Result,
    subscription::SubKind,
};
use barter_instrument::exchange::ExchangeId;
use std::{os::fd::OwnedFd, sync::Arc, time::Instant};

/// A stream of one source, or of several merged.
pub struct Stream {
    queue: Arc<Queue>,
    instruments: Arc<Instruments>,
    exchange: Option<ExchangeId>,
    kind: Option<SubKind>,
}

impl Stream {
    /// As it was selected: of one exchange and kind, or `None` for all.
    pub(crate) fn new(
        queue: Arc<Queue>,
        instruments: Arc<Instruments>,
        exchange: Option<ExchangeId>,
        kind: Option<SubKind>,
    ) -> Self {
        Self {
            queue,
            instruments,
            exchange,
            kind,
        }
    }

    /// Waits for records until `deadline` (`None`: for ever) and takes at most `max` of them.
    pub fn recv(&self, max: usize, deadline: Option<Instant>) -> Received {
        self.queue.recv(max, deadline)
    }

    /// Ends one wait in [`Self::recv`]: the present one, or the next.
    pub fn wake(&self) {
        self.queue.wake();
    }

    /// A descriptor of the caller's own that is readable exactly when `recv` would not wait.
    pub fn ready_fd(&self) -> Result<OwnedFd> {
        self.queue.ready_fd()
    }

    /// From now on its order books are maintained ([`crate::books`]), and only notices and errors are received.
    pub(crate) fn maintain_books(&self) {
        self.queue.maintain();
    }

    pub(crate) fn queue(&self) -> &Queue {
        &self.queue
    }

    /// Counts and state.
    pub fn metrics(&self) -> StreamMetrics {
        self.queue.metrics_of(self.exchange, self.kind)
    }

    /// The instruments that the records name by index.
    pub fn instruments(&self) -> &Arc<Instruments> {
        &self.instruments
    }

    /// Discards what waits and ends the sockets.
    pub fn close(&self) {
        self.queue.close();
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.close();
    }
}
