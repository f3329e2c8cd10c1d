//! The instruments of one set of streams: a registry in which an index, once given, keeps its meaning for ever.
//! Every event names its instrument by that index; C and Python read the registry as JSON.

use crate::feed::exchange::{self, AmountUnit};
use barter_data::instrument::MarketInstrumentData;
use barter_instrument::{
    exchange::ExchangeId,
    instrument::{
        InstrumentIndex, market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange,
    },
};
use parking_lot::RwLock;
use serde::Serialize;
use smol_str::SmolStr;

/// One distinct instrument of one exchange server.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Instrument {
    /// The exchange server.
    pub exchange: ExchangeId,
    /// Base asset, lower case.
    pub base: SmolStr,
    /// Quote asset, lower case.
    pub quote: SmolStr,
    /// Spot, perpetual, future or option, in upstream's serde form.
    #[serde(rename = "instrument_kind")]
    pub kind: MarketDataInstrumentKind,
    /// The market's name on the exchange, as sent in subscriptions.
    pub name_exchange: SmolStr,
    /// What an amount of this instrument counts.
    pub amount_unit: AmountUnit,
}

impl Instrument {
    /// An instrument by its assets; the exchange's own market name unless `name_exchange` overrides it.
    pub fn new(
        exchange: ExchangeId,
        base: &str,
        quote: &str,
        kind: MarketDataInstrumentKind,
        name_exchange: Option<&str>,
    ) -> Self {
        let (base, quote) = (base.to_lowercase(), quote.to_lowercase());
        let name_exchange = match name_exchange {
            Some(name) => SmolStr::new(name),
            None => exchange::market_name(exchange, &base, &quote, &kind),
        };
        Self {
            exchange,
            base: base.into(),
            quote: quote.into(),
            amount_unit: exchange::amount_unit(exchange, &kind),
            kind,
            name_exchange,
        }
    }
}

#[derive(Serialize)]
struct Indexed<'a> {
    index: usize,
    #[serde(flatten)]
    instrument: &'a Instrument,
}

/// The registry: append-only, shared by a set of streams and every stream selected from it.
#[derive(Debug, Default)]
pub struct Instruments(RwLock<Vec<Instrument>>);

impl Instruments {
    /// The instrument's index: that of its first appearance, or the next one.
    pub fn index(&self, instrument: Instrument) -> InstrumentIndex {
        let mut all = self.0.write();
        let index = all.iter().position(|known| *known == instrument);
        InstrumentIndex(index.unwrap_or_else(|| {
            all.push(instrument);
            all.len() - 1
        }))
    }

    /// The index of an instrument that has one.
    pub fn find(&self, instrument: &Instrument) -> Option<InstrumentIndex> {
        let all = self.0.read();
        let index = all.iter().position(|known| known == instrument);
        index.map(InstrumentIndex)
    }

    /// The instrument of an index, where there is one.
    pub fn get(&self, index: usize) -> Option<Instrument> {
        self.0.read().get(index).cloned()
    }

    /// What upstream's connectors take for this instrument.
    pub fn market_data(&self, instrument: Instrument) -> MarketInstrumentData<InstrumentIndex> {
        MarketInstrumentData {
            name_exchange: InstrumentNameExchange::new(instrument.name_exchange.clone()),
            kind: instrument.kind.clone(),
            key: self.index(instrument),
        }
    }

    /// All instruments as a JSON array in the order of their indices.
    pub fn to_json(&self) -> String {
        let all = self.0.read();
        let indexed: Vec<_> = all
            .iter()
            .enumerate()
            .map(|(index, instrument)| Indexed { index, instrument })
            .collect();
        serde_json::to_string(&indexed).expect("instruments are plain strings and numbers")
    }
}
