//! When bytes came. Between the TCP connection and everything above it (TLS, WebSocket) stands a stream that notes the
//! time of each read: one clock reading for all the frames that came with it, and the sign of life of a frame that has
//! not come whole.

use chrono::{DateTime, Utc};
use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream};

/// A WebSocket whose frames have a time of arrival.
pub(crate) type WebSocket = WebSocketStream<MaybeTlsStream<Noted>>;

/// A TCP connection that knows when it brought something last.
#[derive(Debug)]
pub(crate) struct Noted {
    stream: TcpStream,
    arrival: DateTime<Utc>,
}

impl Noted {
    /// Nothing has come yet.
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            arrival: DateTime::UNIX_EPOCH,
        }
    }
}

/// When the last bytes came, and with them the frame that was read last.
pub(crate) fn last_arrival(socket: &WebSocket) -> DateTime<Utc> {
    match socket.get_ref() {
        MaybeTlsStream::Plain(stream) => stream.arrival,
        MaybeTlsStream::Rustls(tls) => tls.get_ref().0.arrival,
        _ => unreachable!("rustls is what TLS is made with"),
    }
}

impl AsyncRead for Noted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            self.arrival = Utc::now();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Noted {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
