use super::*;
use barter_instrument::instrument::{
    kind::option::{OptionExercise, OptionKind},
    market_data::kind::{
        MarketDataFutureContract, MarketDataInstrumentKind::*, MarketDataOptionContract,
    },
};
use chrono::{DateTime, NaiveDate, Utc};
use std::{collections::HashSet, str::FromStr};

fn day(year: i32, month: u32, day: u32) -> DateTime<Utc> {
    let date = NaiveDate::from_ymd_opt(year, month, day).unwrap();
    date.and_hms_opt(8, 0, 0).unwrap().and_utc()
}

fn future(expiry: DateTime<Utc>) -> MarketDataInstrumentKind {
    Future(MarketDataFutureContract { expiry })
}

fn option(kind: OptionKind, strike: &str, expiry: DateTime<Utc>) -> MarketDataInstrumentKind {
    Option(MarketDataOptionContract {
        kind,
        exercise: OptionExercise::European,
        expiry,
        strike: rust_decimal::Decimal::from_str(strike).unwrap(),
    })
}

#[test]
fn numbers_and_names_of_exchanges_are_the_published_ones_and_unique() {
    let published: Vec<_> = EXCHANGES
        .iter()
        .map(|row| (row.number, row.id.as_str()))
        .collect();
    let expected = [
        (1, "binance_spot"),
        (2, "binance_futures_usd"),
        (3, "bybit_spot"),
        (4, "bybit_perpetuals_usd"),
        (5, "okx"),
        (6, "kraken"),
        (7, "coinbase"),
        (8, "bitfinex"),
        (9, "bitmex"),
        (10, "gateio_spot"),
        (11, "gateio_futures_usd"),
        (12, "gateio_futures_btc"),
        (13, "gateio_perpetuals_usd"),
        (14, "gateio_perpetuals_btc"),
        (15, "gateio_options"),
    ];
    assert_eq!(published, expected);
    for row in EXCHANGES {
        assert_eq!(row.name.to_str(), Ok(row.id.as_str()));
        assert_eq!(c_name(row.number), Some(row.name));
        assert_eq!(number(row.id), row.number);
        assert_eq!(named(row.id.as_str()), Ok(row.id));
    }
    assert_eq!(c_name(0), None);
    assert_eq!(number(ExchangeId::Mexc), 0);
}

#[test]
fn there_are_25_pairs_each_once_and_they_are_those_of_upstream() {
    let pairs: HashSet<_> = PAIRS
        .iter()
        .map(|pair| (pair.exchange.id, pair.kind))
        .collect();
    assert_eq!((PAIRS.len(), pairs.len()), (25, 25));
    use barter_data::subscription::{
        SubKind as Theirs, exchange_supports_instrument_kind_sub_kind,
    };
    let instruments = [
        Spot,
        Perpetual,
        future(day(2026, 10, 9)),
        option(OptionKind::Call, "50000", day(2026, 10, 9)),
    ];
    for row in EXCHANGES {
        for instrument in &instruments {
            for (ours, theirs) in [
                (SubKind::Trades, Theirs::PublicTrades),
                (SubKind::L1, Theirs::OrderBooksL1),
                (SubKind::L2, Theirs::OrderBooksL2),
                (SubKind::Liquidations, Theirs::Liquidations),
            ] {
                assert_eq!(
                    supports(row.id, instrument, ours),
                    exchange_supports_instrument_kind_sub_kind(&row.id, instrument, theirs),
                    "{} {instrument} {}",
                    row.id.as_str(),
                    ours.name()
                );
            }
        }
    }
}

#[test]
fn every_address_in_the_table_is_valid_and_the_options_replace_its_base_and_its_path() {
    let own = crate::options::StreamOptions::default();
    for pair in PAIRS {
        let address = pair.websocket_address(&own);
        assert_eq!(address.scheme(), "wss");
        assert!(
            address.as_str().starts_with(pair.exchange.websocket),
            "{address}"
        );
        assert_eq!(address.path(), pair.path);
        let rest = pair.snapshot_address(&own);
        assert_eq!(rest.is_some(), pair.snapshot.is_some());
        assert!(rest.is_none_or(|rest| rest.scheme() == "https"));
    }
    let mut given = crate::options::StreamOptions::default();
    for base in ["ws://127.0.0.1:9/lab", "ws://127.0.0.1:9/lab/"] {
        let endpoint = crate::options::Endpoint {
            websocket: Some(base.parse().unwrap()),
            rest: Some("http://127.0.0.1:9/lab/".parse().unwrap()),
            paths: [(SubKind::Trades, "/public/ws".to_owned())].into(),
        };
        given.endpoints.insert(ExchangeId::BinanceSpot, endpoint);
        let pair = pair(ExchangeId::BinanceSpot, SubKind::L2).unwrap();
        assert_eq!(
            pair.websocket_address(&given).as_str(),
            "ws://127.0.0.1:9/lab/ws"
        );
        let rest = pair.snapshot_address(&given).unwrap();
        assert_eq!(rest.as_str(), "http://127.0.0.1:9/lab/api/v3/depth");
        let trades = super::pair(ExchangeId::BinanceSpot, SubKind::Trades).unwrap();
        assert_eq!(
            trades.websocket_address(&given).as_str(),
            "ws://127.0.0.1:9/lab/public/ws"
        );
    }
}

#[test]
fn market_names_are_right_from_plain_assets() {
    use ExchangeId::*;
    let december = day(2025, 12, 31);
    let new_year = day(2027, 1, 1);
    let october = day(2026, 10, 9);
    for (exchange, base, quote, kind, expected) in [
        (BinanceSpot, "btc", "usdt", Spot, "BTCUSDT"),
        (BinanceFuturesUsd, "btc", "usdt", Perpetual, "BTCUSDT"),
        (BybitSpot, "eth", "usdc", Spot, "ETHUSDC"),
        (BybitPerpetualsUsd, "btc", "usdt", Perpetual, "BTCUSDT"),
        (Okx, "btc", "usdt", Spot, "BTC-USDT"),
        (Okx, "btc", "usdt", Perpetual, "BTC-USDT-SWAP"),
        (Okx, "btc", "usd", future(december), "BTC-USD-251231"),
        (Okx, "btc", "usd", future(new_year), "BTC-USD-270101"),
        (
            Okx,
            "btc",
            "usd",
            option(OptionKind::Put, "35000.0", december),
            "BTC-USD-251231-35000-P",
        ),
        (Kraken, "btc", "usd", Spot, "XBT/USD"),
        (Kraken, "eth", "btc", Spot, "ETH/XBT"),
        (Kraken, "doge", "usd", Spot, "XDG/USD"),
        (Kraken, "xbt", "usd", Spot, "XBT/USD"),
        (Coinbase, "btc", "usd", Spot, "BTC-USD"),
        (Bitfinex, "btc", "usd", Spot, "tBTCUSD"),
        (Bitfinex, "btc", "usdt", Spot, "tBTCUST"),
        (Bitfinex, "doge", "usd", Spot, "tDOGE:USD"),
        (Bitmex, "btc", "usd", Perpetual, "XBTUSD"),
        (Bitmex, "eth", "usd", Perpetual, "ETHUSD"),
        (GateioSpot, "btc", "usdt", Spot, "BTC_USDT"),
        (
            GateioFuturesUsd,
            "btc",
            "usdt",
            future(october),
            "BTC_USDT_20261009",
        ),
        (
            GateioFuturesBtc,
            "btc",
            "usd",
            future(october),
            "BTC_USD_20261009",
        ),
        (GateioPerpetualsUsd, "btc", "usdt", Perpetual, "BTC_USDT"),
        (GateioPerpetualsBtc, "btc", "usd", Perpetual, "BTC_USD"),
        (
            GateioOptions,
            "btc",
            "usdt",
            option(OptionKind::Call, "50000", october),
            "BTC_USDT-20261009-50000-C",
        ),
    ] {
        assert_eq!(
            market_name(exchange, base, quote, &kind),
            expected,
            "{}",
            exchange.as_str()
        );
    }
}

#[test]
fn amounts_of_contracts_are_contracts_except_where_the_exchange_counts_base_units() {
    for row in EXCHANGES {
        for (class, unit) in row.instruments {
            let linear = ["binance_futures_usd", "bybit_perpetuals_usd"].contains(&row.id.as_str());
            let expected = match class {
                InstrumentClass::Spot => AmountUnit::Base,
                _ if linear => AmountUnit::Base,
                _ => AmountUnit::Contracts,
            };
            assert_eq!(*unit, expected, "{} {}", row.id.as_str(), class.name());
        }
    }
}

#[test]
fn a_snapshot_has_the_depth_asked_for_or_the_next_that_its_exchange_allows() {
    let spot = [
        (None, 1_000),
        (Some(1), 1),
        (Some(1_001), 1_001),
        (Some(5_000), 5_000),
        (Some(5_001), 5_000),
    ];
    for (depth, limit) in spot {
        assert_eq!((binance::SPOT_DEPTH.limit)(depth), limit, "{depth:?}");
    }
    let usd_margin = [
        (None, 1_000),
        (Some(1), 5),
        (Some(5), 5),
        (Some(6), 10),
        (Some(11), 20),
        (Some(50), 50),
        (Some(51), 100),
        (Some(101), 500),
        (Some(501), 1_000),
        (Some(1_001), 1_000),
    ];
    for (depth, limit) in usd_margin {
        assert_eq!((binance::USD_MARGIN_DEPTH.limit)(depth), limit, "{depth:?}");
    }
}

#[test]
fn an_unknown_exchange_is_an_error_that_offers_the_nearest_name() {
    let error = named("binance_sopt").unwrap_err();
    assert_eq!(error.status, Status::UnknownExchange);
    assert!(error.message.contains("\"binance_sopt\""), "{error}");
    assert!(
        error.message.contains("did you mean binance_spot"),
        "{error}"
    );
}

#[test]
fn the_only_instrument_kind_goes_without_saying_unless_it_has_terms() {
    assert_eq!(only_instrument_kind(ExchangeId::Kraken), Some(Spot));
    assert_eq!(only_instrument_kind(ExchangeId::Bitmex), Some(Perpetual));
    assert_eq!(only_instrument_kind(ExchangeId::Okx), None);
    assert_eq!(only_instrument_kind(ExchangeId::GateioOptions), None);
    assert_eq!(only_instrument_kind(ExchangeId::GateioFuturesUsd), None);
    assert_eq!(
        offers(ExchangeId::Okx),
        "trades of spot, perpetual, future, option instruments"
    );
}

#[test]
fn the_support_json_lists_every_exchange_with_its_kinds_units_and_addresses() {
    let json: serde_json::Value = serde_json::from_str(support_json().to_str().unwrap()).unwrap();
    let rows = json.as_array().unwrap();
    assert_eq!(rows.len(), EXCHANGES.len());
    let kinds: usize = rows
        .iter()
        .map(|row| row["kinds"].as_array().unwrap().len())
        .sum();
    assert_eq!(kinds, PAIRS.len());
    assert_eq!(
        rows[1],
        serde_json::json!({
            "exchange": "binance_futures_usd",
            "number": 2,
            "instrument_kinds": ["perpetual"],
            "kinds": ["trades", "l1", "l2", "liquidations"],
            "amount_unit": {"perpetual": "base"},
            "websocket": "wss://fstream.binance.com",
            "rest": "https://fapi.binance.com",
            "source": BinanceFuturesUsd::SERVER.source,
        })
    );
    assert!(
        rows.iter()
            .all(|row| row["source"].as_str().unwrap().starts_with("https://"))
    );
}
