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

/// What the reader is to read, or an error in its place, and when it came.
pub(crate) type Read<I> = (Result<I, SocketError>, DateTime<Utc>);

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

    fn read(&mut self, text: &str) -> Option<Result<I, SocketError>> {
        let error = if Ex::may_be_data(text) {
            match I::frame(text) {
                Ok(input) => return Some(Ok(input)),
                Err(error) => error,
            }
        } else {
            serde::de::Error::custom("a frame of this shape is not known")
        };
        match Ex::meaning(text) {
            Meaning::Control | Meaning::Accepted(_) => {
                self.incoming.meter().control_frame();
                None
            }
            Meaning::Refused { market, reason } => {
                let market = market
                    .map(|market| format!("{market}: "))
                    .unwrap_or_default();
                Some(Err(SocketError::Subscribe(format!("{market}{reason}"))))
            }
            Meaning::Ending(reason) => {
                self.ended = Some(reason);
                None
            }
            Meaning::Data => Some(Err(SocketError::Deserialise {
                error,
                payload: text.to_owned(),
            })),
        }
    }

    fn read_message(&mut self, message: &WsMessage) -> Option<Result<I, SocketError>> {
        match message {
            WsMessage::Text(text) => self.read(text),
            WsMessage::Binary(bytes) => match str::from_utf8(bytes) {
                Ok(text) => self.read(text),
                Err(error) => Some(Err(SocketError::DeserialiseBinary {
                    error: serde::de::Error::custom(error),
                    payload: bytes.to_vec(),
                })),
            },
            WsMessage::Ping(_) | WsMessage::Pong(_) | WsMessage::Close(_) | WsMessage::Frame(_) => {
                None
            }
        }
    }

    fn read_arrived(&mut self, arrived: Result<Arrived, String>) -> Option<Read<I>> {
        match arrived {
            Ok(Arrived { frame, at }) => self.read_message(&frame).map(|read| (read, at)),
            Err(reason) => {
                self.ended = Some(reason);
                None
            }
        }
    }

    fn read_kept(&mut self, kept: Kept) -> Option<Read<I>> {
        match kept {
            Kept::Frame(text, at) => self.read(&text).map(|read| (read, at)),
            Kept::Reply(reply) => self.read_reply(reply),
        }
    }

    fn read_reply(&mut self, reply: Reply) -> Option<Read<I>> {
        match reply {
            Reply::GivenUp(error) => {
                self.ended = Some(error.to_string());
                None
            }
            reply => I::reply(reply).map(|input| (Ok(input), Utc::now())),
        }
    }

    /// What comes next; `None` when the connection has ended.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Read<I>>> {
        while self.ended.is_none() {
            let read = if let Some(kept) = self.kept.pop_front() {
                self.read_kept(kept)
            } else if self.frames_before_replies == 0
                && let Poll::Ready(Some(reply)) = self.replies.poll_recv(cx)
            {
                self.read_reply(reply)
            } else {
                match self.incoming.poll_next(cx) {
                    Poll::Ready(arrived) => {
                        let left = self.frames_before_replies.checked_sub(1);
                        self.frames_before_replies = left.unwrap_or(FRAMES_BEFORE_REPLIES);
                        self.read_arrived(arrived)
                    }
                    Poll::Pending if self.frames_before_replies == 0 => return Poll::Pending,
                    Poll::Pending => {
                        self.frames_before_replies = 0;
                        None
                    }
                }
            };
            if read.is_some() {
                return Poll::Ready(read);
            }
        }
        Poll::Ready(None)
    }
}
