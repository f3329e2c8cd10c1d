//! Connections to the exchanges. [`connect`] opens the one socket of a [`ConnectionPlan`] and subscribes; what it
//! returns carries the socket's events to an [`AnyOutlet`] for the rest of its life, over as many reconnections as it
//! takes. Dropping either future closes the socket and ends every task behind it.
//!
//! In the order a connection comes to be: [`exchange`] is the table of what each exchange offers and how it speaks,
//! `venue` what a connection needs to know of them, [`limits`] and [`weights`] the tables of what it allows, `dial`
//! connects, straight or by a [`proxy`], `connect` makes the socket with the [`trust`] that TLS has, which `socket`
//! takes apart and `liveness` watches, `handshake` subscribes and waits for every acknowledgement, `snapshot` fetches
//! order books and `listing` the names of markets over `http`, `frames` reads the socket, `arrival` says when a frame
//! came, `frame_json` reads what it says, `reader` turns frames into events, `resync` brings a book in order again, `unsubscribe` leaves markets while
//! the others of their connection go on, `seen` knows which trades were delivered, `open` does all that once and
//! `reconnect` again and again, when `backoff` says, with `silence` to say which subscriptions bring nothing; what
//! fails is an `error`. [`markets`] asks for everything that an exchange lists.

mod arrival;
mod backoff;
mod connect;
mod dial;
pub(crate) mod error;
pub mod exchange;
mod frame_json;
mod frames;
mod handshake;
mod http;
pub mod limits;
mod listing;
mod liveness;
pub mod markets;
mod open;
pub mod proxy;
mod reader;
mod reconnect;
mod resync;
mod seen;
mod silence;
mod snapshot;
mod socket;
pub mod trust;
mod unsubscribe;
mod venue;
pub mod weights;

#[cfg(test)]
mod tests;

pub use backoff::Backoff;
pub use error::FeedError;
pub(crate) use reconnect::name_of;
pub(crate) use socket::wait_until_gone;
pub use unsubscribe::Unsubscribe;
pub(crate) use unsubscribe::Unwanted;

use crate::{options::StreamOptions, outlet::AnyOutlet, subscription::ConnectionPlan};
use futures::{FutureExt, future::BoxFuture};
use std::{future::ready, sync::Arc};

/// What carries a connection's events for the rest of its life; it ends when the outlet is closed.
pub type Running = BoxFuture<'static, ()>;

/// Opens the connection and subscribes. On success the result is the future that carries the events.
pub fn connect(
    plan: ConnectionPlan,
    options: Arc<StreamOptions>,
    outlet: AnyOutlet,
) -> BoxFuture<'static, Result<Running, FeedError>> {
    match exchange::pair(plan.exchange, plan.kind) {
        Some(pair) => (pair.connect)(pair, plan, options, outlet),
        None => ready(Err(FeedError::not_offered(&plan))).boxed(),
    }
}

/// Carries the events of a connection whose first opening failed with `error`: says so in the stream, then tries again
/// by the policy.
pub fn retry(
    plan: ConnectionPlan,
    options: Arc<StreamOptions>,
    outlet: AnyOutlet,
    error: FeedError,
) -> Running {
    match exchange::pair(plan.exchange, plan.kind) {
        Some(pair) => (pair.retry)(pair, plan, options, outlet, error),
        None => ready(()).boxed(),
    }
}
