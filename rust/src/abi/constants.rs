//! The constants of the C ABI, as the header has them. A test holds them against the tables that they come from.

/// `major << 16 | minor` of this header.
pub const BARTER_ABI_VERSION: i32 = 0x1_0004;

/// `barter_event.instrument` of a record that belongs to none.
pub const BARTER_NO_INSTRUMENT: u32 = u32::MAX;

/// A time or duration that is not known.
pub const BARTER_NO_TIME: i64 = i64::MIN;

// `barter_status`: 0 is success, 1 to 99 are outcomes, 100 and above errors in groups of one hundred.
/// Done.
pub const BARTER_OK: i32 = 0;
/// The time was up, nothing else happened.
pub const BARTER_TIMEOUT: i32 = 1;
/// The stream's producers are gone and everything was read.
pub const BARTER_CLOSED: i32 = 2;
/// A known name that is not, or no longer, there.
pub const BARTER_NOT_FOUND: i32 = 3;
/// The initialisation has not finished.
pub const BARTER_NOT_READY: i32 = 4;
/// An argument is out of its range.
pub const BARTER_INVALID_ARGUMENT: i32 = 100;
/// A required pointer is NULL.
pub const BARTER_NULL_POINTER: i32 = 101;
/// A text is not UTF-8.
pub const BARTER_INVALID_UTF8: i32 = 102;
/// A text is not JSON, or not of the documented shape.
pub const BARTER_INVALID_JSON: i32 = 103;
/// An option has a value it cannot have.
pub const BARTER_INVALID_OPTION: i32 = 104;
/// Not a live handle of this type.
pub const BARTER_INVALID_HANDLE: i32 = 200;
/// The handle was closed.
pub const BARTER_HANDLE_CLOSED: i32 = 201;
/// The process is a fork of one in which the library runs.
pub const BARTER_FORKED: i32 = 202;
/// There is nothing to subscribe to.
pub const BARTER_NO_SUBSCRIPTIONS: i32 = 300;
/// No exchange has this name.
pub const BARTER_UNKNOWN_EXCHANGE: i32 = 301;
/// No subscription or instrument kind has this name.
pub const BARTER_UNKNOWN_KIND: i32 = 302;
/// The exchange does not offer this kind for this instrument.
pub const BARTER_UNSUPPORTED: i32 = 303;
/// The instrument is incomplete or malformed.
pub const BARTER_INVALID_INSTRUMENT: i32 = 304;
/// The exchange refused the subscription.
pub const BARTER_SUBSCRIPTION_REFUSED: i32 = 305;
/// There is no such subscription.
pub const BARTER_NOT_SUBSCRIBED: i32 = 306;
/// A connection could not be opened.
pub const BARTER_CONNECT_FAILED: i32 = 400;
/// The exchange did not answer the handshake in time.
pub const BARTER_HANDSHAKE_TIMEOUT: i32 = 401;
/// The order book snapshot could not be had.
pub const BARTER_SNAPSHOT_FAILED: i32 = 402;
/// The list of an exchange's markets could not be had.
pub const BARTER_MARKETS_FAILED: i32 = 403;
/// A fault of the library.
pub const BARTER_INTERNAL: i32 = 500;
/// A panic of the library, caught at the boundary.
pub const BARTER_PANIC: i32 = 501;

// Kinds of subscriptions.
/// Every kind, in `barter_streams_select`.
pub const BARTER_SUB_ALL: i32 = 0;
/// Public trades.
pub const BARTER_SUB_TRADES: i32 = 1;
/// Best bid and ask.
pub const BARTER_SUB_L1: i32 = 2;
/// Order book snapshots and updates.
pub const BARTER_SUB_L2: i32 = 3;
/// Liquidations.
pub const BARTER_SUB_LIQUIDATIONS: i32 = 4;

// `barter_event.kind`.
/// `payload.trade`
pub const BARTER_EVENT_TRADE: i32 = 1;
/// `payload.l1`
pub const BARTER_EVENT_L1: i32 = 2;
/// `payload.book`
pub const BARTER_EVENT_BOOK: i32 = 3;
/// `payload.liquidation`
pub const BARTER_EVENT_LIQUIDATION: i32 = 4;
/// `payload.notice`: a connection broke.
pub const BARTER_EVENT_RECONNECTING: i32 = 32;
/// `payload.notice`: events flow again.
pub const BARTER_EVENT_RECONNECTED: i32 = 33;
/// `payload.notice`: an error of a connection or a message.
pub const BARTER_EVENT_ERROR: i32 = 34;
/// `payload.notice`: events were lost in the queue.
pub const BARTER_EVENT_DROPPED: i32 = 35;
/// `payload.notice`: a subscription has been silent for long.
pub const BARTER_EVENT_SILENT: i32 = 36;

// Levels of `barter_log_set_level`: each with those above it.
/// Nothing.
pub const BARTER_LOG_OFF: i32 = 0;
/// What does not work and will not by itself.
pub const BARTER_LOG_ERROR: i32 = 1;
/// What does not work, and what is done about it.
pub const BARTER_LOG_WARN: i32 = 2;
/// What an operator wants to know of a day without trouble.
pub const BARTER_LOG_INFO: i32 = 3;
/// Steps on the way.
pub const BARTER_LOG_DEBUG: i32 = 4;
/// Everything.
pub const BARTER_LOG_TRACE: i32 = 5;

// Sides.
/// Not known.
pub const BARTER_SIDE_NONE: i32 = 0;
/// Buy.
pub const BARTER_SIDE_BUY: i32 = 1;
/// Sell.
pub const BARTER_SIDE_SELL: i32 = 2;

// Bits of `barter_event.flags`.
/// `l1.bid_*` are there.
pub const BARTER_FLAG_HAS_BID: i32 = 1;
/// `l1.ask_*` are there.
pub const BARTER_FLAG_HAS_ASK: i32 = 2;
/// `book.time_engine_ns` is there.
pub const BARTER_FLAG_HAS_TIME_ENGINE: i32 = 4;
/// `trade.id` is a range in the batch's text.
pub const BARTER_FLAG_ID_IN_TEXT: i32 = 8;
/// The book is a snapshot, not an update.
pub const BARTER_FLAG_SNAPSHOT: i32 = 16;
/// The snapshot was made from the kept book after a loss in the queue; the exchange did not send it.
pub const BARTER_FLAG_RECOVERED: i32 = 32;

// `barter_notice.code` of `BARTER_EVENT_DROPPED`: why.
/// The queue was full.
pub const BARTER_DROPPED_QUEUE_FULL: i32 = 1;
/// Something newer of the same instrument stands for them.
pub const BARTER_DROPPED_CONFLATED: i32 = 2;

// `barter_notice.code` of `BARTER_EVENT_ERROR`: upstream's `DataError` variants, and the library's own.
/// An instrument could not be indexed.
pub const BARTER_ERROR_INDEX: i32 = 1;
/// There were no subscriptions.
pub const BARTER_ERROR_SUBSCRIPTIONS_EMPTY: i32 = 2;
/// A kind is not supported.
pub const BARTER_ERROR_UNSUPPORTED_SUB_KIND: i32 = 3;
/// An order book has no first snapshot.
pub const BARTER_ERROR_SNAPSHOT_MISSING: i32 = 4;
/// An order book's first snapshot is invalid.
pub const BARTER_ERROR_SNAPSHOT_INVALID: i32 = 5;
/// A connection or a message failed.
pub const BARTER_ERROR_SOCKET: i32 = 6;
/// The exchange does not offer the kind.
pub const BARTER_ERROR_UNSUPPORTED: i32 = 7;
/// An order book update does not follow the one before.
pub const BARTER_ERROR_INVALID_SEQUENCE: i32 = 8;
/// The queue was full and its policy is `close`: the stream ends here.
pub const BARTER_ERROR_QUEUE_FULL: i32 = 9;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{NO_INSTRUMENT, NO_TIME, flag, kind},
        status::Status,
        subscription::SubKind,
    };

    #[test]
    fn status_constants_are_those_of_the_table() {
        let source = include_str!("constants.rs");
        for status in Status::ALL {
            let name = status.name().to_str().unwrap();
            let line = format!("pub const BARTER_{name}: i32 = {};", *status as i32);
            assert!(source.contains(&line), "{line}");
        }
        assert_eq!(
            Status::from_number(BARTER_HANDLE_CLOSED),
            Some(Status::HandleClosed)
        );
        assert_eq!(Status::from_number(99), None);
    }

    #[test]
    fn kinds_and_flags_are_those_of_the_records() {
        assert_eq!(BARTER_NO_INSTRUMENT, NO_INSTRUMENT);
        assert_eq!(BARTER_NO_TIME, NO_TIME);
        let kinds = [
            (BARTER_SUB_TRADES, SubKind::Trades as i32),
            (BARTER_SUB_L1, SubKind::L1 as i32),
            (BARTER_SUB_L2, SubKind::L2 as i32),
            (BARTER_SUB_LIQUIDATIONS, SubKind::Liquidations as i32),
            (BARTER_EVENT_TRADE, kind::TRADE.into()),
            (BARTER_EVENT_L1, kind::L1.into()),
            (BARTER_EVENT_BOOK, kind::BOOK.into()),
            (BARTER_EVENT_LIQUIDATION, kind::LIQUIDATION.into()),
            (BARTER_EVENT_RECONNECTING, kind::RECONNECTING.into()),
            (BARTER_EVENT_RECONNECTED, kind::RECONNECTED.into()),
            (BARTER_EVENT_ERROR, kind::ERROR.into()),
            (BARTER_EVENT_DROPPED, kind::DROPPED.into()),
            (BARTER_EVENT_SILENT, kind::SILENT.into()),
            (BARTER_FLAG_HAS_BID, flag::HAS_BID.into()),
            (BARTER_FLAG_HAS_ASK, flag::HAS_ASK.into()),
            (BARTER_FLAG_HAS_TIME_ENGINE, flag::HAS_TIME_ENGINE.into()),
            (BARTER_FLAG_ID_IN_TEXT, flag::ID_IN_TEXT.into()),
            (BARTER_FLAG_SNAPSHOT, flag::SNAPSHOT.into()),
            (BARTER_FLAG_RECOVERED, flag::RECOVERED.into()),
        ];
        for (constant, in_table) in kinds {
            assert_eq!(constant, in_table);
        }
    }
}
