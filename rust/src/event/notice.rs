//! What a stream says of itself, before it is a record and as one.

use super::{BarterEvent, BarterNotice, BarterPayload, NO_INSTRUMENT, NO_TIME, Records};
use crate::feed::exchange;
use barter_instrument::exchange::ExchangeId;

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
    records.push(BarterEvent {
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
