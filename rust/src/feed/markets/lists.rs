//! Where each exchange publishes its markets: one table.

use super::shapes::{
    Page, Unread, binance_perpetual, binance_spot, bitfinex, bitmex, bybit_perpetual, bybit_spot,
    coinbase, gate_future, gate_option, gate_perpetual, gate_spot, gate_underlyings, kraken, okx,
    okx_underlyings,
};
use crate::feed::exchange::InstrumentClass::{
    self, Future, Option as OptionClass, Perpetual, Spot,
};
use barter_instrument::exchange::ExchangeId;

/// How a list is continued.
pub(super) enum Paging {
    /// It is not.
    One,
    /// By the cursor that a page ends with.
    Cursor,
    /// By the number of rows so far, for as long as a page is full.
    Offset {
        /// Rows of a full page.
        limit: usize,
    },
}

/// A list that is asked for in parts, one for each underlying.
pub(super) struct Parts {
    /// Where the underlyings are.
    pub(super) path: &'static str,
    pub(super) read: fn(&[u8]) -> Result<Vec<String>, Unread>,
    /// The key of an underlying in the list's query.
    pub(super) key: &'static str,
}

/// One list of markets of one kind.
pub(super) struct List {
    pub(super) class: InstrumentClass,
    /// Path and query, appended to the base of the REST addresses.
    pub(super) path: &'static str,
    pub(super) paging: Paging,
    pub(super) parts: Option<Parts>,
    pub(super) read: fn(&[u8]) -> Result<Page, Unread>,
}

/// An exchange's lists.
pub(super) struct Source {
    exchange: ExchangeId,
    /// Base of the REST addresses.
    pub(super) rest: &'static str,
    /// What documents them.
    pub(super) document: &'static str,
    pub(super) lists: &'static [List],
}

const fn list(
    class: InstrumentClass,
    path: &'static str,
    read: fn(&[u8]) -> Result<Page, Unread>,
) -> List {
    List {
        class,
        path,
        paging: Paging::One,
        parts: None,
        read,
    }
}

const BYBIT: &str = "https://api.bybit.com";
const BYBIT_DOCUMENT: &str = "https://bybit-exchange.github.io/docs/v5/market/instrument";
const GATE: &str = "https://api.gateio.ws";
const GATE_DOCUMENT: &str = "https://www.gate.com/docs/developers/apiv4/en/";

const fn gate(exchange: ExchangeId, lists: &'static [List]) -> Source {
    Source {
        exchange,
        rest: GATE,
        document: GATE_DOCUMENT,
        lists,
    }
}

static SOURCES: &[Source] = &[
    Source {
        exchange: ExchangeId::BinanceSpot,
        rest: "https://api.binance.com",
        document: "https://developers.binance.com/docs/binance-spot-api-docs/rest-api/general-endpoints",
        lists: &[list(
            Spot,
            "/api/v3/exchangeInfo?showPermissionSets=false",
            binance_spot,
        )],
    },
    Source {
        exchange: ExchangeId::BinanceFuturesUsd,
        rest: "https://fapi.binance.com",
        document: "https://developers.binance.com/docs/derivatives/usds-margined-futures/market-data/rest-api/Exchange-Information",
        lists: &[list(Perpetual, "/fapi/v1/exchangeInfo", binance_perpetual)],
    },
    Source {
        exchange: ExchangeId::BybitSpot,
        rest: BYBIT,
        document: BYBIT_DOCUMENT,
        lists: &[list(
            Spot,
            "/v5/market/instruments-info?category=spot",
            bybit_spot,
        )],
    },
    Source {
        exchange: ExchangeId::BybitPerpetualsUsd,
        rest: BYBIT,
        document: BYBIT_DOCUMENT,
        lists: &[List {
            paging: Paging::Cursor,
            ..list(
                Perpetual,
                "/v5/market/instruments-info?category=linear&limit=1000",
                bybit_perpetual,
            )
        }],
    },
    Source {
        exchange: ExchangeId::Okx,
        rest: "https://www.okx.com",
        document: "https://www.okx.com/docs-v5/en/#public-data-rest-api-get-instruments",
        lists: &[
            list(Spot, "/api/v5/public/instruments?instType=SPOT", okx),
            list(Perpetual, "/api/v5/public/instruments?instType=SWAP", okx),
            list(Future, "/api/v5/public/instruments?instType=FUTURES", okx),
            List {
                parts: Some(Parts {
                    path: "/api/v5/public/underlying?instType=OPTION",
                    read: okx_underlyings,
                    key: "instFamily",
                }),
                ..list(
                    OptionClass,
                    "/api/v5/public/instruments?instType=OPTION",
                    okx,
                )
            },
        ],
    },
    Source {
        exchange: ExchangeId::Kraken,
        rest: "https://api.kraken.com",
        document: "https://docs.kraken.com/api/docs/rest-api/get-tradable-asset-pairs",
        lists: &[list(Spot, "/0/public/AssetPairs", kraken)],
    },
    Source {
        exchange: ExchangeId::Coinbase,
        rest: "https://api.exchange.coinbase.com",
        document: "https://docs.cdp.coinbase.com/api-reference/exchange-api/rest-api/products/get-all-known-trading-pairs",
        lists: &[list(Spot, "/products", coinbase)],
    },
    Source {
        exchange: ExchangeId::Bitfinex,
        rest: "https://api-pub.bitfinex.com",
        document: "https://docs.bitfinex.com/reference/rest-public-conf",
        lists: &[list(Spot, "/v2/conf/pub:list:pair:exchange", bitfinex)],
    },
    Source {
        exchange: ExchangeId::Bitmex,
        rest: "https://www.bitmex.com",
        document: "https://www.bitmex.com/api/explorer/#!/Instrument/Instrument_getActive",
        lists: &[list(Perpetual, "/api/v1/instrument/active", bitmex)],
    },
    gate(
        ExchangeId::GateioSpot,
        &[list(Spot, "/api/v4/spot/currency_pairs", gate_spot)],
    ),
    gate(
        ExchangeId::GateioFuturesUsd,
        &[list(Future, "/api/v4/delivery/usdt/contracts", gate_future)],
    ),
    gate(
        ExchangeId::GateioFuturesBtc,
        &[list(Future, "/api/v4/delivery/btc/contracts", gate_future)],
    ),
    gate(
        ExchangeId::GateioPerpetualsUsd,
        &[List {
            paging: GATE_PAGES,
            ..list(
                Perpetual,
                "/api/v4/futures/usdt/contracts?limit=1000",
                gate_perpetual,
            )
        }],
    ),
    gate(
        ExchangeId::GateioPerpetualsBtc,
        &[List {
            paging: GATE_PAGES,
            ..list(
                Perpetual,
                "/api/v4/futures/btc/contracts?limit=1000",
                gate_perpetual,
            )
        }],
    ),
    gate(
        ExchangeId::GateioOptions,
        &[List {
            parts: Some(Parts {
                path: "/api/v4/options/underlyings",
                read: gate_underlyings,
                key: "underlying",
            }),
            ..list(OptionClass, "/api/v4/options/contracts", gate_option)
        }],
    ),
];

const GATE_PAGES: Paging = Paging::Offset { limit: 1_000 };

/// The lists of an exchange.
pub(super) fn of(exchange: ExchangeId) -> Option<&'static Source> {
    SOURCES.iter().find(|source| source.exchange == exchange)
}
