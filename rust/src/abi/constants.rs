//! The constants of the C ABI, as the header has them. A test holds them against the tables that they come from.

#![allow(missing_docs)]

pub const BARTER_ABI_VERSION: i32 = 0x1_0000;

/// `barter_event.instrument` of a record that belongs to none.
#[unsafe(no_mangle)]
pub static BARTER_NO_INSTRUMENT: u32 = crate::event::NO_INSTRUMENT;
/// A time or duration that is not known.
#[unsafe(no_mangle)]
pub static BARTER_NO_TIME: i64 = crate::event::NO_TIME;

pub const BARTER_OK: i32 = 0;
pub const BARTER_TIMEOUT: i32 = 1;
pub const BARTER_CLOSED: i32 = 2;
pub const BARTER_NOT_FOUND: i32 = 3;
pub const BARTER_NOT_READY: i32 = 4;
pub const BARTER_INVALID_ARGUMENT: i32 = 100;
pub const BARTER_NULL_POINTER: i32 = 101;
pub const BARTER_INVALID_UTF8: i32 = 102;
pub const BARTER_INVALID_JSON: i32 = 103;
pub const BARTER_INVALID_OPTION: i32 = 104;
pub const BARTER_INVALID_HANDLE: i32 = 200;
pub const BARTER_HANDLE_CLOSED: i32 = 201;
pub const BARTER_FORKED: i32 = 202;
pub const BARTER_NO_SUBSCRIPTIONS: i32 = 300;
pub const BARTER_UNKNOWN_EXCHANGE: i32 = 301;
pub const BARTER_UNKNOWN_KIND: i32 = 302;
pub const BARTER_UNSUPPORTED: i32 = 303;
pub const BARTER_INVALID_INSTRUMENT: i32 = 304;
pub const BARTER_SUBSCRIPTION_REFUSED: i32 = 305;
pub const BARTER_CONNECT_FAILED: i32 = 400;
pub const BARTER_HANDSHAKE_TIMEOUT: i32 = 401;
pub const BARTER_SNAPSHOT_FAILED: i32 = 402;
pub const BARTER_INTERNAL: i32 = 500;
pub const BARTER_PANIC: i32 = 501;

pub const BARTER_SUB_ALL: i32 = 0;
pub const BARTER_SUB_TRADES: i32 = 1;
pub const BARTER_SUB_L1: i32 = 2;
pub const BARTER_SUB_L2: i32 = 3;
pub const BARTER_SUB_LIQUIDATIONS: i32 = 4;

pub const BARTER_EVENT_TRADE: i32 = 1;
pub const BARTER_EVENT_L1: i32 = 2;
pub const BARTER_EVENT_BOOK: i32 = 3;
pub const BARTER_EVENT_LIQUIDATION: i32 = 4;
pub const BARTER_EVENT_RECONNECTING: i32 = 32;
pub const BARTER_EVENT_RECONNECTED: i32 = 33;
pub const BARTER_EVENT_ERROR: i32 = 34;
pub const BARTER_EVENT_DROPPED: i32 = 35;
pub const BARTER_EVENT_SILENT: i32 = 36;

pub const BARTER_SIDE_NONE: i32 = 0;
pub const BARTER_SIDE_BUY: i32 = 1;
pub const BARTER_SIDE_SELL: i32 = 2;

pub const BARTER_FLAG_HAS_BID: i32 = 1;
pub const BARTER_FLAG_HAS_ASK: i32 = 2;
pub const BARTER_FLAG_HAS_TIME_ENGINE: i32 = 4;
pub const BARTER_FLAG_ID_IN_TEXT: i32 = 8;
pub const BARTER_FLAG_SNAPSHOT: i32 = 16;
pub const BARTER_FLAG_RECOVERED: i32 = 32;

pub const BARTER_DROPPED_QUEUE_FULL: i32 = 1;

pub const BARTER_ERROR_INDEX: i32 = 1;
pub const BARTER_ERROR_SUBSCRIPTIONS_EMPTY: i32 = 2;
pub const BARTER_ERROR_UNSUPPORTED_SUB_KIND: i32 = 3;
pub const BARTER_ERROR_SNAPSHOT_MISSING: i32 = 4;
pub const BARTER_ERROR_SNAPSHOT_INVALID: i32 = 5;
pub const BARTER_ERROR_SOCKET: i32 = 6;
pub const BARTER_ERROR_UNSUPPORTED: i32 = 7;
pub const BARTER_ERROR_INVALID_SEQUENCE: i32 = 8;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        event::{flag, kind},
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
