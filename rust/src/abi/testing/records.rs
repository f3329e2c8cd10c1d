//! Records read back: the market event that a record of a C or Python program stands for.

use crate::{
    abi::utf8,
    event::{
        BarterBook, BarterDecimal, BarterEvent, BarterL1, BarterLevel, BarterLiquidation,
        BarterTrade, INLINE_ID_MAX, flag, kind,
    },
    feed::exchange,
    status::{Error, Result, Status},
    subscription::SubKind,
};
use barter_data::{
    books::{Level, OrderBook},
    event::{DataKind, MarketEvent},
    subscription::{
        book::{OrderBookEvent, OrderBookL1},
        liquidation::Liquidation,
        trade::PublicTrade,
    },
};
use barter_instrument::{Side, instrument::InstrumentIndex};
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

/// What the records refer to.
pub(super) struct Memory<'a> {
    pub(super) levels: &'a [BarterLevel],
    pub(super) text: &'a [u8],
}

/// The market event of a record: the inverse of `event::push_event`.
///
/// # Safety
/// The member of the payload that the kind names was written.
pub(super) unsafe fn market_event(
    event: &BarterEvent,
    memory: &Memory<'_>,
    known: impl Fn(u32) -> bool,
) -> Result<(SubKind, MarketEvent<InstrumentIndex, DataKind>)> {
    let Some(row) = exchange::by_number(event.exchange) else {
        return Err(invalid(format!(
            "no exchange has the number {}",
            event.exchange
        )));
    };
    if !known(event.instrument) {
        return Err(invalid(format!(
            "instrument {} is not registered",
            event.instrument
        )));
    }
    // SAFETY: the caller vouches for the member that the kind names.
    let (sub_kind, payload) = unsafe {
        match event.kind {
            kind::TRADE => (SubKind::Trades, trade(event, &event.payload.trade, memory)?),
            kind::L1 => (SubKind::L1, l1(event.flags, &event.payload.l1)?),
            kind::BOOK => (SubKind::L2, book(event.flags, &event.payload.book, memory)?),
            kind::LIQUIDATION => (
                SubKind::Liquidations,
                liquidation(&event.payload.liquidation)?,
            ),
            other => return Err(invalid(format!("kind {other} is not of a market event"))),
        }
    };
    let event = MarketEvent {
        time_exchange: time(event.time_exchange_ns),
        time_received: time(event.time_received_ns),
        exchange: row.id,
        instrument: InstrumentIndex(event.instrument as usize),
        kind: payload,
    };
    Ok((sub_kind, event))
}

fn trade(event: &BarterEvent, trade: &BarterTrade, memory: &Memory<'_>) -> Result<DataKind> {
    let len = trade.id_len as usize;
    // SAFETY: the flag says which member of the union was written; any bytes are valid for both.
    let id = unsafe {
        if event.flags & flag::ID_IN_TEXT != 0 {
            range(memory.text, trade.id.text_offset, len, "id")?
        } else {
            let inline: &[u8; INLINE_ID_MAX] = &trade.id.inline_bytes;
            range(inline, 0, len, "id")?
        }
    };
    Ok(DataKind::Trade(PublicTrade {
        id: utf8(id, "id")?.to_owned(),
        price: trade.price,
        amount: trade.amount,
        side: side(trade.side)?,
    }))
}

fn l1(flags: u8, l1: &BarterL1) -> Result<DataKind> {
    let level = |bit: u8, price: BarterDecimal, amount: BarterDecimal| {
        (flags & bit != 0)
            .then(|| level(&BarterLevel { price, amount }))
            .transpose()
    };
    Ok(DataKind::OrderBookL1(OrderBookL1 {
        last_update_time: time(l1.last_update_time_ns),
        best_bid: level(flag::HAS_BID, l1.bid_price_decimal, l1.bid_amount_decimal)?,
        best_ask: level(flag::HAS_ASK, l1.ask_price_decimal, l1.ask_amount_decimal)?,
    }))
}

fn book(flags: u8, book: &BarterBook, memory: &Memory<'_>) -> Result<DataKind> {
    let side = |offset: u32, len: u32, name: &str| {
        range(memory.levels, u64::from(offset), len as usize, name)?
            .iter()
            .map(level)
            .collect::<Result<Vec<Level>>>()
    };
    let book = OrderBook::new(
        book.sequence,
        (flags & flag::HAS_TIME_ENGINE != 0).then(|| time(book.time_engine_ns)),
        side(book.bids_offset, book.bids_len, "bids")?,
        side(book.asks_offset, book.asks_len, "asks")?,
    );
    Ok(DataKind::OrderBook(if flags & flag::SNAPSHOT != 0 {
        OrderBookEvent::Snapshot(book)
    } else {
        OrderBookEvent::Update(book)
    }))
}

fn liquidation(liquidation: &BarterLiquidation) -> Result<DataKind> {
    Ok(DataKind::Liquidation(Liquidation {
        side: side(liquidation.side)?,
        price: liquidation.price,
        quantity: liquidation.quantity,
        time: time(liquidation.time_ns),
    }))
}

fn range<'a, T>(all: &'a [T], offset: u64, len: usize, name: &str) -> Result<&'a [T]> {
    usize::try_from(offset)
        .ok()
        .and_then(|start| all.get(start..start.checked_add(len)?))
        .ok_or_else(|| {
            invalid(format!(
                "{name}: {len} from {offset} on are past the {} there are",
                all.len()
            ))
        })
}

fn level(level: &BarterLevel) -> Result<Level> {
    let exact = |value: BarterDecimal| -> Result<Decimal> {
        value
            .to_decimal()
            .ok_or_else(|| invalid(format!("a scale of {} is past 28", value.scale)))
    };
    Ok(Level {
        price: exact(level.price)?,
        amount: exact(level.amount)?,
    })
}

fn side(number: u8) -> Result<Side> {
    match number {
        1 => Ok(Side::Buy),
        2 => Ok(Side::Sell),
        other => Err(invalid(format!("side {other} is neither buy nor sell"))),
    }
}

fn time(nanoseconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_nanos(nanoseconds)
}

fn invalid(message: String) -> Error {
    Error::new(Status::InvalidArgument, message)
}
