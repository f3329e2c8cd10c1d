//! The one conversion of upstream's `MarketEvent` into a record, for each of its four kinds.

use super::{
    BarterBook, BarterDecimal, BarterEvent, BarterL1, BarterLevel, BarterLiquidation,
    BarterPayload, BarterTrade, BarterTradeId, INLINE_ID_MAX, NO_INSTRUMENT, NO_TIME, Records,
    decimal, decimal_to_f64, flag, kind,
};
use crate::feed::exchange;
use barter_data::{
    books::{Level, OrderBook},
    event::MarketEvent,
    subscription::{
        book::{OrderBookEvent, OrderBookL1},
        liquidation::Liquidation,
        trade::PublicTrade,
    },
};
use barter_instrument::{Side, instrument::InstrumentIndex};
use chrono::{DateTime, Utc};

/// A payload that knows its record: the four kinds of upstream.
pub trait Record {
    /// Levels and bytes of text that the record will need.
    fn extra(&self) -> (usize, usize);
    /// Kind, flags and payload, its levels and text appended.
    fn payload(&self, records: &mut Records) -> (u8, u8, BarterPayload);
}

/// Appends one market event.
pub fn push_event<K: Record>(records: &mut Records, event: &MarketEvent<InstrumentIndex, K>) {
    let (kind, flags, payload) = event.kind.payload(records);
    records.push(BarterEvent {
        time_exchange_ns: nanoseconds(event.time_exchange),
        time_received_ns: nanoseconds(event.time_received),
        instrument: instrument_number(event.instrument),
        exchange: exchange::number(event.exchange),
        kind,
        flags,
        payload,
    });
}

/// The index as it stands in a record.
pub fn instrument_number(index: InstrumentIndex) -> u32 {
    u32::try_from(index.0).unwrap_or(NO_INSTRUMENT)
}

impl Record for PublicTrade {
    fn extra(&self) -> (usize, usize) {
        let inline = self.id.len() <= INLINE_ID_MAX;
        (0, if inline { 0 } else { self.id.len() })
    }

    fn payload(&self, records: &mut Records) -> (u8, u8, BarterPayload) {
        let mut id = BarterTradeId {
            inline_bytes: [0; INLINE_ID_MAX],
        };
        let mut flags = 0;
        if self.id.len() <= INLINE_ID_MAX {
            let mut inline_bytes = [0; INLINE_ID_MAX];
            inline_bytes[..self.id.len()].copy_from_slice(self.id.as_bytes());
            id.inline_bytes = inline_bytes;
        } else {
            flags = flag::ID_IN_TEXT;
            id.text_offset = records.text.len() as u64;
            records.text.extend_from_slice(self.id.as_bytes());
        }
        let trade = BarterTrade {
            price: self.price,
            amount: self.amount,
            side: side_number(self.side),
            reserved0: [0; 3],
            id_len: self.id.len() as u32,
            id,
            reserved1: [0; 40],
        };
        (kind::TRADE, flags, BarterPayload { trade })
    }
}

impl Record for OrderBookL1 {
    fn extra(&self) -> (usize, usize) {
        (0, 0)
    }

    fn payload(&self, _: &mut Records) -> (u8, u8, BarterPayload) {
        let mut flags = 0;
        let mut side = |level: Option<Level>, bit: u8| match level {
            Some(Level { price, amount }) => {
                flags |= bit;
                let (price, amount) = (decimal(price), decimal(amount));
                (decimal_to_f64(price), decimal_to_f64(amount), price, amount)
            }
            None => (
                f64::NAN,
                f64::NAN,
                BarterDecimal::default(),
                BarterDecimal::default(),
            ),
        };
        let (bid_price, bid_amount, bid_price_decimal, bid_amount_decimal) =
            side(self.best_bid, flag::HAS_BID);
        let (ask_price, ask_amount, ask_price_decimal, ask_amount_decimal) =
            side(self.best_ask, flag::HAS_ASK);
        let l1 = BarterL1 {
            last_update_time_ns: nanoseconds(self.last_update_time),
            bid_price,
            bid_amount,
            ask_price,
            ask_amount,
            bid_price_decimal,
            bid_amount_decimal,
            ask_price_decimal,
            ask_amount_decimal,
        };
        (kind::L1, flags, BarterPayload { l1 })
    }
}

impl Record for OrderBookEvent {
    fn extra(&self) -> (usize, usize) {
        let book = book_of(self);
        (book.bids().levels().len() + book.asks().levels().len(), 0)
    }

    fn payload(&self, records: &mut Records) -> (u8, u8, BarterPayload) {
        let book = book_of(self);
        let mut flags = match self {
            OrderBookEvent::Snapshot(_) => flag::SNAPSHOT,
            OrderBookEvent::Update(_) => 0,
        };
        let bids_offset = push_levels(records, book.bids().levels());
        let asks_offset = push_levels(records, book.asks().levels());
        if book.time_engine().is_some() {
            flags |= flag::HAS_TIME_ENGINE;
        }
        let book = BarterBook {
            sequence: book.sequence(),
            time_engine_ns: book.time_engine().map_or(NO_TIME, nanoseconds),
            bids_offset,
            bids_len: book.bids().levels().len() as u32,
            asks_offset,
            asks_len: book.asks().levels().len() as u32,
            reserved: [0; 72],
        };
        (kind::BOOK, flags, BarterPayload { book })
    }
}

impl Record for Liquidation {
    fn extra(&self) -> (usize, usize) {
        (0, 0)
    }

    fn payload(&self, _: &mut Records) -> (u8, u8, BarterPayload) {
        let liquidation = BarterLiquidation {
            price: self.price,
            quantity: self.quantity,
            time_ns: nanoseconds(self.time),
            side: side_number(self.side),
            reserved: [0; 79],
        };
        (kind::LIQUIDATION, 0, BarterPayload { liquidation })
    }
}

fn book_of(event: &OrderBookEvent) -> &OrderBook {
    match event {
        OrderBookEvent::Snapshot(book) | OrderBookEvent::Update(book) => book,
    }
}

fn push_levels(records: &mut Records, levels: &[Level]) -> u32 {
    let offset = records.levels.len() as u32;
    records
        .levels
        .extend(levels.iter().map(|level| BarterLevel {
            price: decimal(level.price),
            amount: decimal(level.amount),
        }));
    offset
}

/// `BARTER_SIDE_*` of a side.
pub fn side_number(side: Side) -> u8 {
    match side {
        Side::Buy => 1,
        Side::Sell => 2,
    }
}

/// Nanoseconds since the epoch, saturating at the ends of `i64`.
pub fn nanoseconds(time: DateTime<Utc>) -> i64 {
    let saturated = if time.timestamp() < 0 {
        i64::MIN
    } else {
        i64::MAX
    };
    time.timestamp_nanos_opt().unwrap_or(saturated)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_saturate_at_the_ends_of_64_bits() {
        assert_eq!(nanoseconds(DateTime::<Utc>::MAX_UTC), i64::MAX);
        assert_eq!(nanoseconds(DateTime::<Utc>::MIN_UTC), i64::MIN);
        assert_eq!(
            nanoseconds(DateTime::from_timestamp_nanos(i64::MIN)),
            i64::MIN
        );
    }
}
