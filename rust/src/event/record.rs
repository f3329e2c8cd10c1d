//! The layout of one record, which Python and C read as it stands. Which member of the payload was written is said by
//! the kind: the accessors of [`BarterEvent`] read no other.

use super::{BarterDecimal, flag, kind};

/// A trade id of up to this many bytes stands in the record itself.
pub const INLINE_ID_MAX: usize = 40;

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
    /// No record.
    pub(crate) const ZERO: Self = Self {
        time_exchange_ns: 0,
        time_received_ns: 0,
        instrument: 0,
        exchange: 0,
        kind: 0,
        flags: 0,
        payload: BarterPayload {
            liquidation: BarterLiquidation {
                price: 0.0,
                quantity: 0.0,
                time_ns: 0,
                side: 0,
                reserved: [0; 79],
            },
        },
    };

    /// The trade, of a record of one.
    #[inline]
    pub fn trade(&self) -> Option<&BarterTrade> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::TRADE).then_some(unsafe { &self.payload.trade })
    }

    /// Best bid and ask, of a record of them.
    #[inline]
    pub fn l1(&self) -> Option<&BarterL1> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::L1).then_some(unsafe { &self.payload.l1 })
    }

    /// The order book, of a snapshot or an update.
    #[inline]
    pub fn book(&self) -> Option<&BarterBook> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::BOOK).then_some(unsafe { &self.payload.book })
    }

    /// The same, to be changed.
    #[inline]
    pub fn book_mut(&mut self) -> Option<&mut BarterBook> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind == kind::BOOK).then_some(unsafe { &mut self.payload.book })
    }

    /// What the stream says of itself, of an error and every other notice.
    #[inline]
    pub fn notice(&self) -> Option<&BarterNotice> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind >= kind::NOTICE).then_some(unsafe { &self.payload.notice })
    }

    /// The same, to be changed.
    #[inline]
    pub fn notice_mut(&mut self) -> Option<&mut BarterNotice> {
        // SAFETY: all bytes of the payload are written, and any are plain numbers.
        (self.kind >= kind::NOTICE).then_some(unsafe { &mut self.payload.notice })
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
