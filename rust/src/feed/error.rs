//! Why a connection could not be opened, in words that name the exchange, the market and what came instead. The set of
//! streams turns it into a status; in a stream it is upstream's `DataError::Socket` with the same text.

use crate::{
    status::Status,
    subscription::{ConnectionPlan, SubKind},
};
use barter_data::error::DataError;
use barter_instrument::exchange::ExchangeId;
use std::{error::Error, time::Duration};
use url::Url;

/// Why a connection could not be opened.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeedError {
    /// The exchange has no such kind of market data.
    #[error("{} has no {}", .exchange.as_str(), .kind.name())]
    NotOffered {
        /// The exchange.
        exchange: ExchangeId,
        /// What was asked for.
        kind: SubKind,
    },
    /// There is no connection to the address.
    #[error("{}: cannot connect to {address}: {reason}", .exchange.as_str())]
    Connect {
        /// The exchange.
        exchange: ExchangeId,
        /// Where the connection was to go.
        address: String,
        /// What the network said.
        reason: String,
    },
    /// The server answers, but not with a WebSocket.
    #[error("{}: {address} answered the WebSocket upgrade with HTTP {status}: {meaning}", .exchange.as_str())]
    Upgrade {
        /// The exchange.
        exchange: ExchangeId,
        /// Where the connection was to go.
        address: String,
        /// The HTTP status.
        status: u16,
        /// The status in words.
        meaning: String,
        /// How long the server asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The exchange refused a subscription.
    #[error("{} refuses the subscription to {market}: {reason}", .exchange.as_str())]
    Refused {
        /// The exchange.
        exchange: ExchangeId,
        /// The market, or all it may be where the exchange does not say.
        market: String,
        /// The exchange's own words.
        reason: String,
    },
    /// The handshake did not finish in its time.
    #[error("{}: {missing} within {} s", .exchange.as_str(), .limit.as_secs_f64())]
    HandshakeTimeout {
        /// The exchange.
        exchange: ExchangeId,
        /// What had not come.
        missing: String,
        /// How long it was given.
        limit: Duration,
    },
    /// More came before the handshake was done than is kept.
    #[error("{}: {missing} before {frames} frames of {bytes} bytes that had to be kept", .exchange.as_str())]
    Flooded {
        /// The exchange.
        exchange: ExchangeId,
        /// What had not come.
        missing: String,
        /// How many frames were kept.
        frames: usize,
        /// How many bytes they had.
        bytes: usize,
    },
    /// An order book's snapshot could not be had.
    #[error("{}: no order book snapshot of {market}: {reason}", .exchange.as_str())]
    Snapshot {
        /// The exchange.
        exchange: ExchangeId,
        /// The market.
        market: String,
        /// What came instead.
        reason: String,
        /// How long the exchange asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// The exchange ended the connection before the handshake was done.
    #[error("{}: the connection ended during the handshake: {reason}", .exchange.as_str())]
    Closed {
        /// The exchange.
        exchange: ExchangeId,
        /// Why.
        reason: String,
    },
}

impl FeedError {
    pub(crate) fn not_offered(plan: &ConnectionPlan) -> Self {
        Self::NotOffered {
            exchange: plan.exchange,
            kind: plan.kind,
        }
    }

    /// The status that the set of streams fails with.
    pub fn status(&self) -> Status {
        match self {
            Self::NotOffered { .. } => Status::Unsupported,
            Self::Connect { .. } | Self::Upgrade { .. } | Self::Closed { .. } => {
                Status::ConnectFailed
            }
            Self::Refused { .. } => Status::SubscriptionRefused,
            Self::HandshakeTimeout { .. } | Self::Flooded { .. } => Status::HandshakeTimeout,
            Self::Snapshot { .. } => Status::SnapshotFailed,
        }
    }

    /// What went wrong, in the words of the log.
    pub(crate) fn title(&self) -> &'static str {
        match self {
            Self::Refused { .. } => "the exchange refuses a subscription",
            _ => "a connection could not be opened",
        }
    }

    /// How long the exchange asks to be left alone.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Snapshot { retry_after, .. } | Self::Upgrade { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl From<FeedError> for DataError {
    fn from(error: FeedError) -> Self {
        Self::Socket(error.to_string())
    }
}

/// What an HTTP status of an exchange means to its client.
pub(crate) fn http_status_meaning(status: u16) -> &'static str {
    match status {
        403 | 451 => "the exchange refuses this location",
        404 => "there is nothing at this address",
        418 => "this address is banned for a while",
        429 => "too many requests",
        500..=599 => "the exchange has a fault or is under maintenance",
        _ => "this is not the answer of a WebSocket server",
    }
}

/// An address as messages name it: what may be secret in it, credentials and query, is left out.
pub(crate) fn shown(address: &Url) -> String {
    let mut shown = address.clone();
    // An address without a host has no credentials, and none is refused that has one.
    let _ = shown
        .set_username("")
        .and_then(|()| shown.set_password(None));
    shown.set_query(None);
    shown.set_fragment(None);
    shown.into()
}

/// An error with its causes, each once.
pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let words = error.to_string();
        if !text.contains(&words) {
            text = format!("{text}: {words}");
        }
        cause = error.source();
    }
    if text.contains(UNKNOWN_ISSUER) {
        text = format!(
            "{text}: no authority trusted here signed it; the option ca_file names further ones"
        );
    }
    text
}

/// How TLS says that a certificate is signed by nobody who is trusted.
const UNKNOWN_ISSUER: &str = "invalid peer certificate: UnknownIssuer";

/// Markets that a message names at most.
const NAMED_MAX: usize = 8;

/// The first few of these, and how many more there are.
pub(crate) fn listed<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> String {
    let total = names.len();
    let named: Vec<_> = names.take(NAMED_MAX).collect();
    match total - named.len() {
        0 => named.join(", "),
        more => format!("{} and {more} more", named.join(", ")),
    }
}
