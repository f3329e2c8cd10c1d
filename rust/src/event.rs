//! The flat record of everything a stream carries, and the one conversion of upstream's `MarketEvent` into it.
//! The queue calls [`push_event`] and [`push_notice`]; Python and C read the records as they stand, so the layout
//! is part of the ABI: 128 bytes, no implicit padding, unused bytes zero.

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
use barter_instrument::{Side, exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use std::cmp::Ordering;

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
/// A trade id of up to this many bytes stands in the record itself.
pub const INLINE_ID_MAX: usize = 40;

/// A decimal number without loss: `(-1)^negative × (hi·2^64 + mid·2^32 + lo) / 10^scale`, scale 0 to 28.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BarterDecimal {
    /// Bits 0 to 31 of the mantissa.
    pub lo: u32,
    /// Bits 32 to 63 of the mantissa.
    pub mid: u32,
    /// Bits 64 to 95 of the mantissa.
    pub hi: u32,
    /// Digits after the point.
    pub scale: u8,
    /// 1 where the number is negative.
    pub negative: u8,
    /// Zero.
    pub reserved: u16,
}

/// One price level of an order book; an amount of zero in an update removes the level.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BarterLevel {
    /// Price in the quote asset.
    pub price: BarterDecimal,
    /// Amount in the instrument's amount unit.
    pub amount: BarterDecimal,
}

/// A trade's id: its bytes, or where they begin in the batch's text (`BARTER_FLAG_ID_IN_TEXT`).
#[repr(C)]
#[derive(Clone, Copy)]
pub union BarterTradeId {
    /// UTF-8, `id_len` bytes, the rest zero.
    pub inline_bytes: [u8; INLINE_ID_MAX],
    /// Byte offset into the batch's text.
    pub text_offset: u64,
}

/// A public trade.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BarterTrade {
    /// Price in the quote asset.
    pub price: f64,
    /// Amount in the instrument's amount unit.
    pub amount: f64,
    /// The taker's side, `BARTER_SIDE_*`.
    pub side: u8,
    /// Zero.
    pub reserved0: [u8; 3],
    /// Bytes of the id.
    pub id_len: u32,
    /// The exchange's id of the trade.
    pub id: BarterTradeId,
    /// Zero.
    pub reserved1: [u8; 40],
}

/// Best bid and ask; a side that is not there holds NaN and zeroed decimals.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BarterL1 {
    /// When the exchange last changed it, ns since the epoch.
    pub last_update_time_ns: i64,
    /// Best bid.
    pub bid_price: f64,
    /// Amount at the best bid.
    pub bid_amount: f64,
    /// Best ask.
    pub ask_price: f64,
    /// Amount at the best ask.
    pub ask_amount: f64,
    /// Best bid, exact.
    pub bid_price_decimal: BarterDecimal,
    /// Amount at the best bid, exact.
    pub bid_amount_decimal: BarterDecimal,
    /// Best ask, exact.
    pub ask_price_decimal: BarterDecimal,
    /// Amount at the best ask, exact.
    pub ask_amount_decimal: BarterDecimal,
}

/// An order book snapshot (`BARTER_FLAG_SNAPSHOT`) or update: ranges in the batch's levels, best first.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BarterBook {
    /// The exchange's sequence number of the book after this event.
    pub sequence: u64,
    /// The matching engine's time, ns since the epoch; `BARTER_NO_TIME` without `BARTER_FLAG_HAS_TIME_ENGINE`.
    pub time_engine_ns: i64,
    /// First bid in the batch's levels.
    pub bids_offset: u32,
    /// Number of bids.
    pub bids_len: u32,
    /// First ask in the batch's levels.
    pub asks_offset: u32,
    /// Number of asks.
    pub asks_len: u32,
    /// Zero.
    pub reserved: [u8; 72],
}

/// A liquidation.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BarterLiquidation {
    /// Price in the quote asset.
    pub price: f64,
    /// Quantity in the instrument's amount unit.
    pub quantity: f64,
    /// When it happened, ns since the epoch.
    pub time_ns: i64,
    /// Side of the liquidation order, `BARTER_SIDE_*`.
    pub side: u8,
    /// Zero.
    pub reserved: [u8; 79],
}

/// What the stream says of itself. `nan` holds NaN wherever another kind has an `f64`, so that a column of prices
/// taken over a whole batch has no number that is not a price.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct BarterNotice {
    /// NaN.
    pub nan: [f64; 5],
    /// Dropped: events and errors lost. Others: how many equal neighbours were merged, at least 1.
    pub count: u64,
    /// Dropped: `time_exchange` of the first lost event. `BARTER_NO_TIME` where not known.
    pub first_ns: i64,
    /// Dropped: `time_exchange` of the last lost event. Reconnecting: `time_received` of the connection's last event.
    /// `BARTER_NO_TIME` where not known.
    pub last_ns: i64,
    /// Where the message or reason begins in the batch's text.
    pub text_offset: u64,
    /// Bytes of the message or reason, UTF-8.
    pub text_len: u32,
    /// Error: `BARTER_ERROR_*`. Dropped: `BARTER_DROPPED_*`. Others: 0.
    pub code: u16,
    /// `BARTER_SUB_*` of the source, 0 where it is of several.
    pub sub_kind: u8,
    /// Zero.
    pub reserved0: u8,
    /// Reconnected: attempts it took.
    pub attempts: u32,
    /// Reconnecting: number of instruments touched.
    pub instruments_len: u32,
    /// Reconnecting: where their indices begin in the batch's text, `u32` each in native byte order.
    pub instruments_offset: u64,
    /// Reconnected: length of the gap, ns. Silent: length of the silence, ns. `BARTER_NO_TIME` where not known.
    pub duration_ns: i64,
}

/// What `barter_event.kind` says.
#[repr(C)]
#[derive(Clone, Copy)]
pub union BarterPayload {
    /// `BARTER_EVENT_TRADE`.
    pub trade: BarterTrade,
    /// `BARTER_EVENT_L1`.
    pub l1: BarterL1,
    /// `BARTER_EVENT_BOOK`.
    pub book: BarterBook,
    /// `BARTER_EVENT_LIQUIDATION`.
    pub liquidation: BarterLiquidation,
    /// `BARTER_EVENT_RECONNECTING` and above.
    pub notice: BarterNotice,
}

/// One item of a stream.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct BarterEvent {
    /// The exchange's time, ns since the epoch, saturating; of a notice, when it was made.
    pub time_exchange_ns: i64,
    /// When it was received, ns since the epoch, saturating.
    pub time_received_ns: i64,
    /// Index into the set's instruments, `BARTER_NO_INSTRUMENT` where it belongs to none.
    pub instrument: u32,
    /// `barter_exchange_name` of this number, 0 where it belongs to none.
    pub exchange: u16,
    /// `BARTER_EVENT_*`.
    pub kind: u8,
    /// `BARTER_FLAG_*`.
    pub flags: u8,
    /// What the kind says.
    pub payload: BarterPayload,
}

// Every member of the unions is plain numbers without padding, and covers the whole of what is written when a record is
// made: reading one is sound whichever was written, and the kind says which has a meaning.
const _: () = {
    let whole = size_of::<BarterPayload>();
    assert!(size_of::<BarterTrade>() == whole && size_of::<BarterL1>() == whole);
    assert!(size_of::<BarterBook>() == whole && size_of::<BarterLiquidation>() == whole);
    assert!(size_of::<BarterNotice>() == whole);
};

impl BarterEvent {
    /// The trade, of a record of one.
    #[inline]
    pub fn trade(&self) -> Option<&BarterTrade> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::TRADE).then(|| unsafe { &self.payload.trade })
    }

    /// Best bid and ask, of a record of them.
    #[inline]
    pub fn l1(&self) -> Option<&BarterL1> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::L1).then(|| unsafe { &self.payload.l1 })
    }

    /// The order book, of a snapshot or an update.
    #[inline]
    pub fn book(&self) -> Option<&BarterBook> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::BOOK).then(|| unsafe { &self.payload.book })
    }

    /// The same, to be changed.
    #[inline]
    pub fn book_mut(&mut self) -> Option<&mut BarterBook> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::BOOK).then(|| unsafe { &mut self.payload.book })
    }

    /// What the stream says of itself, of an error and every other notice.
    #[inline]
    pub fn notice(&self) -> Option<&BarterNotice> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind >= kind::NOTICE).then(|| unsafe { &self.payload.notice })
    }

    /// The same, to be changed.
    #[inline]
    pub fn notice_mut(&mut self) -> Option<&mut BarterNotice> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind >= kind::NOTICE).then(|| unsafe { &mut self.payload.notice })
    }

    /// Where a trade's id stands in the text, and its length, where it is not in the record itself.
    #[inline]
    pub fn id_in_text(&self) -> Option<(u64, usize)> {
        let trade = self
            .trade()
            .filter(|_| self.flags & flag::ID_IN_TEXT != 0)?;
        // SAFETY: the first bytes of either member are written, and any are a number.
        let offset = unsafe { trade.id.text_offset };
        Some((offset, trade.id_len as usize))
    }
}

/// Records with the levels and text that they refer to.
#[derive(Default, Clone)]
pub struct Records {
    /// The records, in order.
    pub events: Vec<BarterEvent>,
    /// Levels of their books.
    pub levels: Vec<BarterLevel>,
    /// Ids, messages and instrument lists.
    pub text: Vec<u8>,
}

impl Records {
    /// Bytes of all of it.
    pub fn bytes(&self) -> usize {
        bytes_of(self.events.len(), self.levels.len(), self.text.len())
    }

    /// Empties them and keeps the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.levels.clear();
        self.text.clear();
    }

    /// Appends a copy of `other`'s record `index` with its levels and text.
    pub fn copy_from(&mut self, other: &Records, index: usize) {
        let mut event = other.events[index];
        if let Some((offset, len)) = event.id_in_text() {
            event.payload.trade.id.text_offset = self.copy_text(other, offset, len);
        } else if let Some(book) = event.book_mut() {
            book.bids_offset = self.copy_levels(other, book.bids_offset, book.bids_len);
            book.asks_offset = self.copy_levels(other, book.asks_offset, book.asks_len);
        } else if let Some(notice) = event.notice_mut() {
            notice.text_offset =
                self.copy_text(other, notice.text_offset, notice.text_len as usize);
            notice.instruments_offset = self.copy_text(
                other,
                notice.instruments_offset,
                notice.instruments_len as usize * size_of::<u32>(),
            );
        }
        self.events.push(event);
    }

    fn copy_text(&mut self, other: &Records, offset: u64, len: usize) -> u64 {
        let start = self.text.len() as u64;
        self.text
            .extend_from_slice(&other.text[offset as usize..][..len]);
        start
    }

    fn copy_levels(&mut self, other: &Records, offset: u32, len: u32) -> u32 {
        let start = self.levels.len() as u32;
        self.levels
            .extend_from_slice(&other.levels[offset as usize..][..len as usize]);
        start
    }
}

/// Bytes that so many records, levels and bytes of text take.
pub fn bytes_of(events: usize, levels: usize, text: usize) -> usize {
    events * size_of::<BarterEvent>() + levels * size_of::<BarterLevel>() + text
}

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
    records.events.push(BarterEvent {
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

/// A notice before it is a record: owns its text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// `kind::RECONNECTING` and above.
    pub kind: u8,
    /// The source's exchange.
    pub exchange: Option<ExchangeId>,
    /// The source's kind, `BARTER_SUB_*`, 0 where it is of several.
    pub sub_kind: u8,
    /// The one instrument it is about.
    pub instrument: u32,
    /// When it was made, ns since the epoch.
    pub time_ns: i64,
    /// See [`BarterNotice::count`].
    pub count: u64,
    /// See [`BarterNotice::code`].
    pub code: u16,
    /// See [`BarterNotice::first_ns`].
    pub first_ns: i64,
    /// See [`BarterNotice::last_ns`].
    pub last_ns: i64,
    /// See [`BarterNotice::attempts`].
    pub attempts: u32,
    /// See [`BarterNotice::duration_ns`].
    pub duration_ns: i64,
    /// Message or reason.
    pub text: String,
    /// Instruments touched.
    pub instruments: Vec<u32>,
}

impl Notice {
    /// A notice with nothing known but its source.
    pub fn new(kind: u8, exchange: Option<ExchangeId>, sub_kind: u8, time_ns: i64) -> Self {
        Self {
            kind,
            exchange,
            sub_kind,
            instrument: NO_INSTRUMENT,
            time_ns,
            count: 1,
            code: 0,
            first_ns: NO_TIME,
            last_ns: NO_TIME,
            attempts: 0,
            duration_ns: NO_TIME,
            text: String::new(),
            instruments: Vec::new(),
        }
    }

    /// Bytes of text that the record will need.
    pub fn text_bytes(&self) -> usize {
        self.text.len() + self.instruments.len() * size_of::<u32>()
    }
}

/// Appends one notice.
pub fn push_notice(records: &mut Records, notice: &Notice) {
    let text_offset = records.text.len() as u64;
    records.text.extend_from_slice(notice.text.as_bytes());
    let instruments_offset = records.text.len() as u64;
    for instrument in &notice.instruments {
        records.text.extend_from_slice(&instrument.to_ne_bytes());
    }
    records.events.push(BarterEvent {
        time_exchange_ns: notice.time_ns,
        time_received_ns: notice.time_ns,
        instrument: notice.instrument,
        exchange: notice.exchange.map_or(0, exchange::number),
        kind: notice.kind,
        flags: 0,
        payload: BarterPayload {
            notice: BarterNotice {
                nan: [f64::NAN; 5],
                count: notice.count,
                first_ns: notice.first_ns,
                last_ns: notice.last_ns,
                text_offset,
                text_len: notice.text.len() as u32,
                code: notice.code,
                sub_kind: notice.sub_kind,
                reserved0: 0,
                attempts: notice.attempts,
                instruments_len: notice.instruments.len() as u32,
                instruments_offset,
                duration_ns: notice.duration_ns,
            },
        },
    });
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

/// A `rust_decimal` number without loss.
pub fn decimal(value: Decimal) -> BarterDecimal {
    let parts = value.unpack();
    BarterDecimal {
        lo: parts.lo,
        mid: parts.mid,
        hi: parts.hi,
        scale: parts.scale as u8,
        negative: u8::from(parts.negative),
        reserved: 0,
    }
}

impl BarterDecimal {
    /// The mantissa's magnitude, below 2⁹⁶.
    pub fn mantissa(self) -> u128 {
        // By way of one 64-bit number, which costs half of three of 128 bits.
        let low = u64::from(self.mid) << 32 | u64::from(self.lo);
        u128::from(self.hi) << 64 | u128::from(low)
    }

    /// The number as a `rust_decimal`, `None` where its scale is past 28.
    pub fn to_decimal(self) -> Option<Decimal> {
        (self.scale <= 28).then(|| {
            let scale = u32::from(self.scale);
            let mut decimal = Decimal::from_parts(self.lo, self.mid, self.hi, false, scale);
            // Set apart from the parts, which would make a negative zero positive.
            decimal.set_sign_negative(self.negative != 0);
            decimal
        })
    }
}

impl BarterDecimal {
    /// Which of two numbers is less; 1.0 and 1.00 are equal.
    #[inline]
    pub fn compare(&self, other: &Self) -> Ordering {
        if self.scale == other.scale && self.negative | other.negative == 0 {
            return self.mantissa().cmp(&other.mantissa());
        }
        self.to_decimal().cmp(&other.to_decimal())
    }
}

/// Powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The nearest `f64`, ties to even: what Python's `float(Decimal)` gives.
pub fn decimal_to_f64(value: BarterDecimal) -> f64 {
    let mantissa = value.mantissa();
    let magnitude = match POWERS.get(usize::from(value.scale)) {
        // Both operands are exact, so the one division rounds correctly.
        Some(power) if mantissa < 1 << 53 => mantissa as f64 / power,
        _ => format!("{mantissa}e-{}", value.scale)
            .parse()
            .expect("digits, an e and digits are a float"),
    };
    if value.negative != 0 {
        -magnitude
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_comes_back_with_digits_scale_and_sign_and_its_double_is_the_nearest() {
        for mantissa in [
            0,
            1,
            1 << 53,
            (1 << 53) + 1,
            123_456_789_012_345_678,
            (1 << 96) - 1,
        ] {
            let mantissa: u128 = mantissa;
            for (scale, negative) in (0..=28).flat_map(|scale| [(scale, false), (scale, true)]) {
                let (lo, mid, hi) = (
                    mantissa as u32,
                    (mantissa >> 32) as u32,
                    (mantissa >> 64) as u32,
                );
                let mut value = Decimal::from_parts(lo, mid, hi, false, scale);
                value.set_sign_negative(negative);
                let flat = decimal(value);
                assert_eq!(flat.mantissa(), mantissa);
                assert_eq!(flat.to_decimal().unwrap().unpack(), value.unpack());
                let sign = if negative { "-" } else { "" };
                let nearest: f64 = format!("{sign}{mantissa}e-{scale}").parse().unwrap();
                assert_eq!(decimal_to_f64(flat).to_bits(), nearest.to_bits(), "{value}");
            }
        }
        let past = BarterDecimal {
            scale: 29,
            ..BarterDecimal::default()
        };
        assert_eq!(past.to_decimal(), None);
    }

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
