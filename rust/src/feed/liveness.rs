//! Liveness: a wait for a sign of life has a limit, after which the connection is dead. Only the time of waiting counts:
//! whoever does not read, because a queue holds it back, learns nothing about the far side.

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

/// A bound on every wait for a sign of life.
pub(crate) struct Liveness {
    limit: Duration,
    /// Since when one is waited for.
    waiting_since: Option<Instant>,
    /// Wakes at the end of some wait's limit; it is set anew only when it fires, not for each frame.
    alarm: Pin<Box<Sleep>>,
}

impl Liveness {
    pub(crate) fn new(limit: Duration) -> Self {
        Self {
            limit,
            waiting_since: None,
            alarm: Box::pin(sleep(limit)),
        }
    }

    /// There was a sign of life, or none is waited for until the next call of [`Self::poll_dead`].
    pub(crate) fn reset(&mut self) {
        self.waiting_since = None;
    }

    /// Ready once a sign has been waited for too long.
    pub(crate) fn poll_dead(&mut self, cx: &mut Context<'_>) -> Poll<Dead> {
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        loop {
            ready!(self.alarm.as_mut().poll(cx));
            if since.elapsed() >= self.limit {
                return Poll::Ready(Dead(self.limit));
            }
            self.alarm.as_mut().reset(since + self.limit);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::{StreamExt, channel::mpsc};
    use std::future::poll_fn;

    const LIMIT: Duration = Duration::from_secs(30);

    type Frames = mpsc::UnboundedReceiver<u32>;

    async fn next(liveness: &mut Liveness, frames: &mut Frames) -> Result<Option<u32>, Dead> {
        poll_fn(|cx| match frames.poll_next_unpin(cx) {
            Poll::Ready(frame) => {
                liveness.reset();
                Poll::Ready(Ok(frame))
            }
            Poll::Pending => liveness.poll_dead(cx).map(Err),
        })
        .await
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_without_a_frame_ends_at_the_limit_and_any_frame_begins_it_anew() {
        let (tx, mut rx) = mpsc::unbounded();
        let mut liveness = Liveness::new(LIMIT);
        let began = Instant::now();
        let sending = async {
            for frame in 0..3 {
                sleep(Duration::from_secs(29)).await;
                tx.unbounded_send(frame).unwrap();
            }
        };
        let reading = async {
            for frame in 0..3 {
                assert_eq!(next(&mut liveness, &mut rx).await, Ok(Some(frame)));
            }
            next(&mut liveness, &mut rx).await
        };
        let ((), end) = tokio::join!(sending, reading);
        assert_eq!(end, Err(Dead(LIMIT)));
        assert_eq!(began.elapsed(), Duration::from_secs(3 * 29 + 30));
    }

    #[tokio::test(start_paused = true)]
    async fn a_wait_that_was_given_up_does_not_count() {
        let (_tx, mut rx) = mpsc::unbounded();
        let mut liveness = Liveness::new(LIMIT);
        assert!(futures::poll!(std::pin::pin!(next(&mut liveness, &mut rx))).is_pending());
        liveness.reset();
        sleep(10 * LIMIT).await;
        let resumed = Instant::now();
        assert_eq!(next(&mut liveness, &mut rx).await, Err(Dead(LIMIT)));
        assert_eq!(resumed.elapsed(), LIMIT);
    }

    #[tokio::test(start_paused = true)]
    async fn time_in_which_nobody_read_does_not_count() {
        let (tx, mut rx) = mpsc::unbounded();
        let mut liveness = Liveness::new(LIMIT);
        tx.unbounded_send(0).unwrap();
        assert_eq!(next(&mut liveness, &mut rx).await, Ok(Some(0)));
        sleep(10 * LIMIT).await;
        let resumed = Instant::now();
        let sending = async {
            sleep(Duration::from_secs(29)).await;
            tx.unbounded_send(1).unwrap();
        };
        let ((), frame) = tokio::join!(sending, next(&mut liveness, &mut rx));
        assert_eq!(frame, Ok(Some(1)));
        assert_eq!(next(&mut liveness, &mut rx).await, Err(Dead(LIMIT)));
        assert_eq!(resumed.elapsed(), Duration::from_secs(29 + 30));
    }
}
