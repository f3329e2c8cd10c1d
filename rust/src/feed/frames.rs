//! What a connection brings: everything the exchange sends passes here, first what the handshake kept, then the socket.
//! A frame that reads as market data goes on to the reader; any other is asked of the exchange's module what it means
//! before it is called an error. It ends when the connection does, and says why.

use super::{
    reader::Input,
    resync::{Replies, Reply},
    socket::{Arrived, Incoming},
    venue::{Meaning, Venue},
};
use barter_integration::{error::SocketError, protocol::websocket::WsMessage};
use chrono::{DateTime, Utc};
use std::{
    collections::VecDeque,
    marker::PhantomData,
    ops::ControlFlow,
    task::{Context, Poll},
};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// Frames that are there are read before it is looked whether there is a reply.
const FRAMES_BEFORE_REPLIES: u8 = 32;

/// What the handshake keeps for later, in the order it came.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A text frame and when it came.
    Frame(Utf8Bytes, DateTime<Utc>),
    /// What came of a request for a snapshot.
    Reply(Reply),
}

/// The frames of one connection as the reader's input.
pub(crate) struct Frames<Ex, I> {
    incoming: Incoming,
    kept: VecDeque<Kept>,
    replies: Replies,
    frames_before_replies: u8,
    ended: Option<String>,
    reads: PhantomData<fn() -> (Ex, I)>,
}

impl<Ex: Venue, I: Input> Frames<Ex, I> {
    pub(crate) fn new(incoming: Incoming, kept: VecDeque<Kept>, replies: Replies) -> Self {
        Self {
            incoming,
            kept,
            replies,
            frames_before_replies: 0,
            ended: None,
            reads: PhantomData,
        }
    }

    /// Why the stream ended.
    pub(crate) fn ended(&self) -> Option<&str> {
        self.ended.as_deref()
    }

    /// The next frame is no longer waited for.
    pub(crate) fn paused(&mut self) {
        self.incoming.paused();
    }

    /// Reads what comes next, which may be nothing for the reader; how many bytes it had, or a break when the connection
    /// has ended. `take` gets what the reader is to read, or an error in its place, and when it came.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        take: impl FnMut(Result<I, SocketError>, DateTime<Utc>),
    ) -> Poll<ControlFlow<(), usize>> {
        let mut bytes = 0;
        if let Some(kept) = self.kept.pop_front() {
            match kept {
                Kept::Frame(text, at) => {
                    bytes = text.len();
                    self.read(&text, at, take);
                }
                Kept::Reply(reply) => self.read_reply(reply, take),
            }
        } else if self.frames_before_replies == 0
            && let Poll::Ready(Some(reply)) = self.replies.poll_recv(cx)
        {
            self.read_reply(reply, take);
        } else if let Poll::Ready(arrived) = self.incoming.poll_next(cx) {
            let left = self.frames_before_replies.checked_sub(1);
            self.frames_before_replies = left.unwrap_or(FRAMES_BEFORE_REPLIES);
            match arrived {
                Ok(Arrived { frame, at }) => {
                    bytes = frame.len();
                    self.read_message(&frame, at, take);
                }
                Err(reason) => self.ended = Some(reason),
            }
        } else if std::mem::take(&mut self.frames_before_replies) == 0 {
            return Poll::Pending;
        }
        Poll::Ready(match self.ended {
            None => ControlFlow::Continue(bytes),
            Some(_) => ControlFlow::Break(()),
        })
    }

    fn read_message(
        &mut self,
        message: &WsMessage,
        at: DateTime<Utc>,
        mut take: impl FnMut(Result<I, SocketError>, DateTime<Utc>),
    ) {
        match message {
            WsMessage::Text(text) => self.read(text, at, take),
            WsMessage::Binary(bytes) => match str::from_utf8(bytes) {
                Ok(text) => self.read(text, at, take),
                Err(error) => {
                    let error = SocketError::DeserialiseBinary {
                        error: serde::de::Error::custom(error),
                        payload: bytes.to_vec(),
                    };
                    take(Err(error), at);
                }
            },
            WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Close(_) | WsMessage::Frame(_) => {
            }
        }
    }

    fn read(
        &mut self,
        text: &str,
        at: DateTime<Utc>,
        mut take: impl FnMut(Result<I, SocketError>, DateTime<Utc>),
    ) {
        let error = if Ex::may_be_data(text) {
            match I::frame(text) {
                Ok(input) => return take(Ok(input), at),
                Err(error) => error,
            }
        } else {
            serde::de::Error::custom("a frame of this shape is not known")
        };
        match Ex::meaning(text) {
            Meaning::Control | Meaning::Accepted(_) => self.incoming.meter().control_frame(),
            Meaning::Refused { market, reason } => {
                let market = market
                    .map(|market| format!("{market}: "))
                    .unwrap_or_default();
                let refused = SocketError::Subscribe(format!("{market}{reason}"));
                take(Err(refused), at);
            }
            Meaning::Ending(reason) => self.ended = Some(reason),
            Meaning::Data => {
                let payload = text.to_owned();
                take(Err(SocketError::Deserialise { error, payload }), at);
            }
        }
    }

    fn read_reply(
        &mut self,
        reply: Reply,
        mut take: impl FnMut(Result<I, SocketError>, DateTime<Utc>),
    ) {
        match reply {
            Reply::GivenUp(error) => self.ended = Some(error.to_string()),
            reply => {
                if let Some(input) = I::reply(reply) {
                    take(Ok(input), Utc::now());
                }
            }
        }
    }
}
