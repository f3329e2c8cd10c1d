//! What every C function returns, and the one error type of the library. `abi/` turns an [`Error`] into its
//! [`Status`] and keeps the message for the calling thread; Python makes its exceptions from the same numbers.

use crate::feed::FeedError;

macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $value:literal, $text:literal;)*) => {
        /// A `barter_status`: 0 is success, small positive numbers are outcomes, 100 and above are errors in
        /// groups of one hundred (arguments, handles, subscription, network, internal).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[repr(i32)]
        pub enum Status { $($(#[$doc])* $name = $value,)* }

        impl Status {
            /// Every status, in the order of its number.
            pub const ALL: &[Status] = &[$(Status::$name,)*];

            /// The constant's name in C without its prefix, as a NUL-terminated string.
            pub fn name(self) -> &'static std::ffi::CStr {
                match self { $(Status::$name => $text,)* }
            }
        }
    };
}

statuses! {
    /// Done.
    Ok = 0, c"OK";
    /// The time was up, nothing else happened.
    Timeout = 1, c"TIMEOUT";
    /// The stream's producers are gone and everything was read.
    Closed = 2, c"CLOSED";
    /// A known name that is not (or no longer) there.
    NotFound = 3, c"NOT_FOUND";
    /// The initialisation has not finished.
    NotReady = 4, c"NOT_READY";
    /// An argument is out of its range.
    InvalidArgument = 100, c"INVALID_ARGUMENT";
    /// A required pointer is NULL.
    NullPointer = 101, c"NULL_POINTER";
    /// A text is not UTF-8.
    InvalidUtf8 = 102, c"INVALID_UTF8";
    /// A text is not JSON, or not of the documented shape.
    InvalidJson = 103, c"INVALID_JSON";
    /// An option has a value it cannot have.
    InvalidOption = 104, c"INVALID_OPTION";
    /// Not a live handle of this type.
    InvalidHandle = 200, c"INVALID_HANDLE";
    /// The handle was closed.
    HandleClosed = 201, c"HANDLE_CLOSED";
    /// The process is a fork of one in which the library runs.
    Forked = 202, c"FORKED";
    /// There is nothing to subscribe to.
    NoSubscriptions = 300, c"NO_SUBSCRIPTIONS";
    /// No exchange has this name.
    UnknownExchange = 301, c"UNKNOWN_EXCHANGE";
    /// No subscription or instrument kind has this name.
    UnknownKind = 302, c"UNKNOWN_KIND";
    /// The exchange does not offer this kind for this instrument.
    Unsupported = 303, c"UNSUPPORTED";
    /// The instrument is incomplete or malformed.
    InvalidInstrument = 304, c"INVALID_INSTRUMENT";
    /// The exchange refused the subscription.
    SubscriptionRefused = 305, c"SUBSCRIPTION_REFUSED";
    /// There is no such subscription.
    NotSubscribed = 306, c"NOT_SUBSCRIBED";
    /// A connection could not be opened.
    ConnectFailed = 400, c"CONNECT_FAILED";
    /// The exchange did not answer the handshake in time.
    HandshakeTimeout = 401, c"HANDSHAKE_TIMEOUT";
    /// The order book snapshot could not be had.
    SnapshotFailed = 402, c"SNAPSHOT_FAILED";
    /// The list of an exchange's markets could not be had.
    MarketsFailed = 403, c"MARKETS_FAILED";
    /// A fault of the library.
    Internal = 500, c"INTERNAL";
    /// A panic of the library, caught at the boundary.
    Panic = 501, c"PANIC";
}

impl Status {
    /// The status of this number, where there is one.
    pub fn from_number(number: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|s| *s as i32 == number)
    }
}

/// An error with the status it is reported by and a message that names what was wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// What the C function returns.
    pub status: Status,
    /// One sentence for a person.
    pub message: String,
}

impl Error {
    /// An error of this status.
    pub fn new(status: Status, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
        }
    }
}

impl From<FeedError> for Error {
    fn from(error: FeedError) -> Self {
        Self::new(error.status(), error.to_string())
    }
}

/// The result of everything that can fail below the boundary.
pub type Result<T> = std::result::Result<T, Error>;
