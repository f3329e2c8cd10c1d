//! Liveness: a stream that ends as dead when it was waited for, and nothing came, for too long. Only the time of waiting
//! counts: whoever does not read, because a queue holds it back, learns nothing about the far side.

use futures::{Stream, StreamExt};
use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::{Instant, Sleep, sleep};

/// Nothing came for so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no frame came for {} s, not even the answer to a ping: the connection is dead", .0.as_secs_f64())]
pub(crate) struct Dead(pub(crate) Duration);

/// A stream of frames with a bound on the wait for each.
pub(crate) struct Live<S> {
    frames: S,
    limit: Duration,
    /// Since when the next frame is waited for.
    waiting_since: Option<Instant>,
    /// Wakes at the end of some wait's limit; it is set anew only when it fires, not for each frame.
    alarm: Pin<Box<Sleep>>,
}

impl<S: Stream + Unpin> Live<S> {
    pub(crate) fn new(frames: S, limit: Duration) -> Self {
        Self {
            frames,
            limit,
            waiting_since: None,
            alarm: Box::pin(sleep(limit)),
        }
    }

    /// The next frame is no longer waited for, until it is polled for again.
    pub(crate) fn paused(&mut self) {
        self.waiting_since = None;
    }

    /// The next frame, or the end.
    pub(crate) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<S::Item>, Dead>> {
        if let Poll::Ready(frame) = self.frames.poll_next_unpin(cx) {
            self.waiting_since = None;
            return Poll::Ready(Ok(frame));
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if since.elapsed() >= self.limit {
                return Poll::Ready(Err(Dead(self.limit)));
            }
            self.alarm.as_mut().reset(since + self.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::channel::mpsc;
    use std::future::poll_fn;

    const LIMIT: Duration = Duration::from_secs(30);

    async fn next(live: &mut Live<mpsc::UnboundedReceiver<u32>>) -> Result<Option<u32>, Dead> {
        poll_fn(|cx| live.poll_frame(cx)).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_without_a_frame_ends_at_the_limit_and_any_frame_begins_it_anew() {
        let (tx, rx) = mpsc::unbounded();
        let mut live = Live::new(rx, LIMIT);
        let began = Instant::now();
        let sending = async {
            for frame in 0..3 {
                sleep(Duration::from_secs(29)).await;
                tx.unbounded_send(frame).unwrap();
            }
        };
        let reading = async {
            for frame in 0..3 {
                assert_eq!(next(&mut live).await, Ok(Some(frame)));
            }
            next(&mut live).await
        };
        let ((), end) = tokio::join!(sending, reading);
        assert_eq!(end, Err(Dead(LIMIT)));
        assert_eq!(began.elapsed(), Duration::from_secs(3 * 29 + 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_was_given_up_does_not_count() {
        let (_tx, rx) = mpsc::unbounded();
        let mut live = Live::new(rx, LIMIT);
        assert!(futures::poll!(std::pin::pin!(next(&mut live))).is_pending());
        live.paused();
        sleep(10 * LIMIT).await;
        let resumed = Instant::now();
        assert_eq!(next(&mut live).await, Err(Dead(LIMIT)));
        assert_eq!(resumed.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_read_does_not_count() {
        let (tx, rx) = mpsc::unbounded();
        let mut live = Live::new(rx, LIMIT);
        tx.unbounded_send(0).unwrap();
        assert_eq!(next(&mut live).await, Ok(Some(0)));
        sleep(10 * LIMIT).await;
        let resumed = Instant::now();
        let sending = async {
            sleep(Duration::from_secs(29)).await;
            tx.unbounded_send(1).unwrap();
        };
        let ((), frame) = tokio::join!(sending, next(&mut live));
        assert_eq!(frame, Ok(Some(1)));
        assert_eq!(next(&mut live).await, Err(Dead(LIMIT)));
        assert_eq!(resumed.elapsed(), Duration::from_secs(29 + 30));
    }
}
