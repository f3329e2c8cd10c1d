//! Sizes and offsets of the records as the library has them.

use crate::event::{
    BarterBook, BarterDecimal, BarterEvent, BarterL1, BarterLevel, BarterLiquidation, BarterNotice,
    BarterTrade,
};
use std::mem::offset_of;

macro_rules! offsets {
    ($($type:ty as $name:literal { $($field:ident),* })*) => {
        serde_json::json!({
            $($name: {
                "size": size_of::<$type>(),
                "fields": { $(stringify!($field): offset_of!($type, $field),)* }
            },)*
        })
    };
}

/// Of each record its size and the offsets of its fields.
pub(super) fn layout() -> serde_json::Value {
    offsets! {
        BarterDecimal as "barter_decimal" { lo, mid, hi, scale, negative, reserved }
        BarterLevel as "barter_level" { price, amount }
        BarterTrade as "barter_trade" { price, amount, side, reserved0, id_len, id, reserved1 }
        BarterL1 as "barter_l1" {
            last_update_time_ns, bid_price, bid_amount, ask_price, ask_amount, bid_price_decimal,
            bid_amount_decimal, ask_price_decimal, ask_amount_decimal
        }
        BarterBook as "barter_book" {
            sequence, time_engine_ns, bids_offset, bids_len, asks_offset, asks_len, reserved
        }
        BarterLiquidation as "barter_liquidation" { price, quantity, time_ns, side, reserved }
        BarterNotice as "barter_notice" {
            nan, count, first_ns, last_ns, text_offset, text_len, code, sub_kind, reserved0, attempts,
            instruments_len, instruments_offset, duration_ns
        }
        BarterEvent as "barter_event" {
            time_exchange_ns, time_received_ns, instrument, exchange, kind, flags, payload
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{BarterPayload, BarterTradeId};

    #[test]
    fn records_have_their_size_and_no_implicit_padding() {
        macro_rules! dense {
            ($type:ty { $($field:ident: $of:ty),* }) => {
                let mut end = 0;
                $(
                    assert_eq!(offset_of!($type, $field), end, stringify!($field));
                    end += size_of::<$of>();
                )*
                assert_eq!(size_of::<$type>(), end, stringify!($type));
            };
        }
        dense!(BarterDecimal {
            lo: u32,
            mid: u32,
            hi: u32,
            scale: u8,
            negative: u8,
            reserved: u16
        });
        dense!(BarterLevel {
            price: BarterDecimal,
            amount: BarterDecimal
        });
        dense!(BarterTrade {
            price: f64,
            amount: f64,
            side: u8,
            reserved0: [u8; 3],
            id_len: u32,
            id: BarterTradeId,
            reserved1: [u8; 40]
        });
        dense!(BarterL1 {
            last_update_time_ns: i64,
            bid_price: f64,
            bid_amount: f64,
            ask_price: f64,
            ask_amount: f64,
            bid_price_decimal: BarterDecimal,
            bid_amount_decimal: BarterDecimal,
            ask_price_decimal: BarterDecimal,
            ask_amount_decimal: BarterDecimal
        });
        dense!(BarterBook {
            sequence: u64,
            time_engine_ns: i64,
            bids_offset: u32,
            bids_len: u32,
            asks_offset: u32,
            asks_len: u32,
            reserved: [u8; 72]
        });
        dense!(BarterLiquidation {
            price: f64,
            quantity: f64,
            time_ns: i64,
            side: u8,
            reserved: [u8; 79]
        });
        dense!(BarterNotice {
            nan: [f64; 5],
            count: u64,
            first_ns: i64,
            last_ns: i64,
            text_offset: u64,
            text_len: u32,
            code: u16,
            sub_kind: u8,
            reserved0: u8,
            attempts: u32,
            instruments_len: u32,
            instruments_offset: u64,
            duration_ns: i64
        });
        dense!(BarterEvent {
            time_exchange_ns: i64,
            time_received_ns: i64,
            instrument: u32,
            exchange: u16,
            kind: u8,
            flags: u8,
            payload: BarterPayload
        });
        assert_eq!(
            (size_of::<BarterEvent>(), size_of::<BarterPayload>()),
            (128, 104)
        );
        assert_eq!(align_of::<BarterEvent>(), 8);
    }

    #[test]
    fn notices_hold_nan_wherever_another_kind_has_a_double() {
        let doubles = [
            offset_of!(BarterTrade, price),
            offset_of!(BarterTrade, amount),
            offset_of!(BarterL1, bid_price),
            offset_of!(BarterL1, bid_amount),
            offset_of!(BarterL1, ask_price),
            offset_of!(BarterL1, ask_amount),
            offset_of!(BarterLiquidation, price),
            offset_of!(BarterLiquidation, quantity),
        ];
        let nan = offset_of!(BarterNotice, nan)..offset_of!(BarterNotice, count);
        for double in doubles {
            assert!(nan.contains(&double) && double % 8 == 0, "{double}");
        }
    }
}
