//! Bybit spot and USD perpetuals, API version 5: addresses, acknowledgements, and the perpetuals' order books.

use super::{AmountUnit, Exchange, InstrumentClass, joined_upper};
use crate::feed::{
    snapshot::BookEvent,
    venue::{Accepted, Meaning, Venue},
};
use async_trait::async_trait;
use barter_data::{
    error::DataError,
    exchange::bybit::{
        book::{BybitOrderBookMessage, l2::BybitOrderBooksL2Transformer},
        futures::BybitPerpetualsUsd,
        spot::BybitSpot,
    },
    subscription::{Map, book::OrderBooksL2},
    transformer::ExchangeTransformer,
};
use barter_instrument::{
    exchange::ExchangeId,
    instrument::{InstrumentIndex, market_data::kind::MarketDataInstrumentKind},
};
use barter_integration::{Transformer, protocol::websocket::WsMessage};
use serde::Deserialize;
use smol_str::SmolStr;
use tokio::sync::mpsc::UnboundedSender;

impl Venue for BybitSpot {
    const SERVER: &'static Exchange = &Exchange {
        number: 3,
        id: ExchangeId::BybitSpot,
        name: c"bybit_spot",
        websocket: "wss://stream.bybit.com",
        rest: None,
        instruments: &[(InstrumentClass::Spot, AmountUnit::Base)],
        source: "https://bybit-exchange.github.io/docs/v5/websocket/public/trade",
        market_name,
    };

    fn meaning(text: &str) -> Meaning {
        meaning(text)
    }
}

impl Venue for BybitPerpetualsUsd {
    const SERVER: &'static Exchange = &Exchange {
        number: 4,
        id: ExchangeId::BybitPerpetualsUsd,
        name: c"bybit_perpetuals_usd",
        websocket: "wss://stream.bybit.com",
        rest: None,
        instruments: &[(InstrumentClass::Perpetual, AmountUnit::Base)],
        source: "https://bybit-exchange.github.io/docs/v5/websocket/public/trade",
        market_name,
    };

    fn meaning(text: &str) -> Meaning {
        meaning(text)
    }
}

fn market_name(base: &str, quote: &str, _: &MarketDataInstrumentKind) -> SmolStr {
    joined_upper(base, "", quote)
}

/// The answer to a request.
#[derive(Deserialize)]
struct Reply {
    op: Option<String>,
    success: Option<bool>,
    #[serde(default)]
    ret_msg: String,
}

fn meaning(text: &str) -> Meaning {
    let Ok(reply) = serde_json::from_str::<Reply>(text) else {
        return Meaning::Data;
    };
    let is_pong = reply.ret_msg == "pong" || matches!(reply.op.as_deref(), Some("ping" | "pong"));
    match reply.success {
        _ if is_pong => Meaning::Control,
        Some(true) => Meaning::Accepted(Accepted::All),
        Some(false) => Meaning::Refused {
            market: None,
            reason: reply.ret_msg,
        },
        None => Meaning::Data,
    }
}

/// Upstream's transformer of order books, whose events all name the spot server, for the perpetuals.
pub(crate) struct PerpetualBooks(BybitOrderBooksL2Transformer<InstrumentIndex>);

#[async_trait]
impl ExchangeTransformer<BybitPerpetualsUsd, InstrumentIndex, OrderBooksL2> for PerpetualBooks {
    async fn init(
        map: Map<InstrumentIndex>,
        snapshots: &[BookEvent],
        to_exchange: UnboundedSender<WsMessage>,
    ) -> Result<Self, DataError> {
        type Theirs = BybitOrderBooksL2Transformer<InstrumentIndex>;
        <Theirs as ExchangeTransformer<BybitPerpetualsUsd, _, _>>::init(map, snapshots, to_exchange)
            .await
            .map(Self)
    }
}

impl Transformer for PerpetualBooks {
    type Error = DataError;
    type Input = BybitOrderBookMessage;
    type Output = BookEvent;
    type OutputIter = Vec<Result<BookEvent, DataError>>;

    fn transform(&mut self, input: BybitOrderBookMessage) -> Self::OutputIter {
        let mut items = self.0.transform(input);
        for event in items.iter_mut().flatten() {
            event.exchange = ExchangeId::BybitPerpetualsUsd;
        }
        items
    }
}
