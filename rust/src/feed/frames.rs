//! The inner stream of a connection: everything the exchange sends passes here, first what the handshake kept, then
//! the socket. A frame that reads as market data goes on to the transformer; any other is asked of the exchange's
//! module what it means before it is called an error. The stream ends when the connection does, and says why.

use super::{
    reader::Input,
    resync::{Replies, Reply},
    socket::Incoming,
    venue::{Meaning, Venue},
};
use barter_integration::{
    error::SocketError,
    protocol::{StreamParser, websocket::WsMessage},
};
use futures::{Stream, stream};
use std::{
    collections::VecDeque,
    marker::PhantomData,
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio_tungstenite::tungstenite::Utf8Bytes;

/// What the handshake keeps for later, in the order it came.
#[derive(Debug)]
pub(crate) enum Kept {
    /// A text frame.
    Frame(Utf8Bytes),
    /// What came of a request for a snapshot.
    Reply(Reply),
}

/// The frames of one connection as the transformer's input.
pub(crate) struct Frames<Ex, I> {
    incoming: Incoming,
    kept: VecDeque<Kept>,
    replies: Replies,
    ended: Option<String>,
    reads: PhantomData<fn() -> (Ex, I)>,
}

impl<Ex: Venue, I: Input> Frames<Ex, I> {
    pub(crate) fn new(incoming: Incoming, kept: VecDeque<Kept>, replies: Replies) -> Self {
        Self {
            incoming,
            kept,
            replies,
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

    fn read_message(&mut self, message: WsMessage) -> Option<Result<I, SocketError>> {
        match message {
            WsMessage::Text(text) => self.read(&text),
            WsMessage::Binary(bytes) => match str::from_utf8(&bytes) {
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

    fn read_kept(&mut self, kept: Kept) -> Option<Result<I, SocketError>> {
        match kept {
            Kept::Frame(text) => self.read(&text),
            Kept::Reply(reply) => self.read_reply(reply),
        }
    }

    fn read_reply(&mut self, reply: Reply) -> Option<Result<I, SocketError>> {
        match reply {
            Reply::GivenUp(error) => {
                self.ended = Some(error.to_string());
                None
            }
            reply => I::reply(reply).map(Ok),
        }
    }
}

impl<Ex: Venue, I: Input> Stream for Frames<Ex, I> {
    type Item = Result<I, SocketError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        while this.ended.is_none() {
            let read = if let Some(kept) = this.kept.pop_front() {
                this.read_kept(kept)
            } else if let Poll::Ready(Some(reply)) = this.replies.poll_recv(cx) {
                this.read_reply(reply)
            } else {
                match ready!(this.incoming.poll_next(cx)) {
                    Ok(message) => this.read_message(message),
                    Err(reason) => {
                        this.ended = Some(reason);
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

/// The parser for upstream's `ExchangeStream` over [`Frames`], which has read the frames already.
pub(crate) struct Read<I>(PhantomData<fn() -> I>);

impl<I> StreamParser<I> for Read<I> {
    type Stream = stream::Empty<Result<I, SocketError>>;
    type Message = I;
    type Error = SocketError;

    fn parse(input: Result<I, SocketError>) -> Option<Result<I, SocketError>> {
        Some(input)
    }
}
