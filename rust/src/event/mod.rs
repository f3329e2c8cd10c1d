//! The flat record of everything a stream carries, in the order in which it is made: one conversion of upstream's
//! `MarketEvent` ([`market`]), notices ([`notice`]), the records with their levels and text ([`records`]), the layout
//! of one ([`record`]) and its numbers ([`decimal`]). The queue calls [`push_event`] and [`push_notice`]; Python and C
//! read the records as they stand, so the layout is part of the ABI: 128 bytes, no implicit padding, unused bytes zero.

mod decimal;
mod market;
mod notice;
mod record;
mod records;

pub use decimal::*;
pub use market::*;
pub use notice::*;
pub use record::*;
pub use records::*;

/// `barter_event.kind` of market events and notices.
pub mod kind {
    /// A public trade.
    pub const TRADE: u8 = 1;
    /// Best bid and ask.
    pub const L1: u8 = 2;
    /// An order book snapshot or update.
    pub const BOOK: u8 = 3;
    /// A liquidation.
    pub const LIQUIDATION: u8 = 4;
    /// The first kind that is a notice.
    pub const NOTICE: u8 = RECONNECTING;
    /// A connection broke.
    pub const RECONNECTING: u8 = 32;
    /// Events flow again.
    pub const RECONNECTED: u8 = 33;
    /// An error of the connection or of a message.
    pub const ERROR: u8 = 34;
    /// Events were lost in the queue.
    pub const DROPPED: u8 = 35;
    /// A subscription has been silent for long.
    pub const SILENT: u8 = 36;
}

/// Bits of `barter_event.flags`.
pub mod flag {
    /// `l1.bid_*` are there.
    pub const HAS_BID: u8 = 1;
    /// `l1.ask_*` are there.
    pub const HAS_ASK: u8 = 2;
    /// `book.time_engine_ns` is there.
    pub const HAS_TIME_ENGINE: u8 = 4;
    /// `trade.id` is a range in the batch's text.
    pub const ID_IN_TEXT: u8 = 8;
    /// The book is a snapshot, not an update.
    pub const SNAPSHOT: u8 = 16;
    /// The snapshot was made from the kept book after a loss in the queue; the exchange did not send it.
    pub const RECOVERED: u8 = 32;
}

/// `barter_event.instrument` of a record that belongs to none.
pub const NO_INSTRUMENT: u32 = u32::MAX;
/// A time or duration that is not known.
pub const NO_TIME: i64 = i64::MIN;
