use super::*;
use crate::feed::frame_json;
use barter_instrument::instrument::{
    kind::option::{OptionExercise, OptionKind},
    market_data::kind::{
        MarketDataFutureContract, MarketDataInstrumentKind::*, MarketDataOptionContract,
    },
};
use chrono::{DateTime, NaiveDate, Utc};
use proptest::prelude::*;
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

/// Frames of every type that a reader takes, as the exchanges send them.
macro_rules! frames {
    ($($frame:ty: $($text:literal),+;)*) => {
        proptest! {
            #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

            /// Whole, and with something put in or cut out.
            #[test]
            fn frames_are_read_as_serde_json_reads_them(
                place in any::<prop::sample::Index>(), with in "[\\[\\]{}\",:0-9a-zA-Z .\\-\\\\]{0,3}", cut in 0usize..4,
            ) {
                $($(
                    let text = $text;
                    let read = frame_json::simple::<$frame>(text);
                    prop_assert!(read.is_ok(), "{} of {}", text, stringify!($frame));
                    for text in [text.to_owned(), changed(text, place, &with, cut)] {
                        if let Ok(frame) = frame_json::simple::<$frame>(&text) {
                            let expected = serde_json::from_str::<$frame>(&text);
                            prop_assert_eq!(format!("{frame:?}"), format!("{:?}", expected.expect("JSON")));
                        }
                    }
                )+)*
            }
        }
    };
}

fn changed(text: &str, place: prop::sample::Index, with: &str, cut: usize) -> String {
    let place = place.index(text.len());
    let (before, after) = text.split_at(place);
    format!("{before}{with}{}", &after[cut.min(after.len())..])
}

frames! {
    binance::Trade:
        r#"{"e":"trade","E":1749354825200,"s":"BTCUSDT","t":5083,"p":"105595.77000000","q":"0.00093000","T":1749354825199,"m":false,"M":true}"#,
        r#"{"e":"trade","E":1,"T":2,"s":"BTCUSDT","t":3,"p":"0","q":"0","X":"NA","m":true}"#;
    binance::BookTicker:
        r#"{"u":22606535573,"s":"ETHUSDT","b":"1215.27","B":"32.49","a":"1215.28","A":"13.93"}"#,
        r#"{"e":"bookTicker","u":4,"E":5,"T":1568014460891,"s":"BNBUSDT","b":"25.35190000","B":"31.21000000","a":"0","A":"0"}"#;
    binance::ForcedOrder:
        r#"{"e":"forceOrder","E":1,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC","q":"0.014","p":"9910","ap":"9910","X":"FILLED","l":"0.014","z":"0.014","T":1568014460893}}"#;
    binance_book::SpotUpdate:
        r#"{"e":"depthUpdate","E":1671656397761,"s":"ETHUSDT","U":22611425143,"u":22611425151,"b":[["1209.67","85.48"],["1209.66","0.00"]],"a":[]}"#;
    binance_book::UsdMarginUpdate:
        r#"{"e":"depthUpdate","E":123,"T":124,"s":"BTCUSDT","U":157,"u":160,"pu":149,"b":[["0.0024","10"]],"a":[["0.0026","100"]]}"#;
    bybit::Frame<Vec<bybit::Trade>>:
        r#"{"topic":"publicTrade.BTCUSDT","type":"snapshot","ts":1672304486868,"data":[{"T":1672304486865,"s":"BTCUSDT","S":"Buy","v":"0.001","p":"16578.50","L":"PlusTick","i":"20f43950-d8dd-5b31-9112-a178eb6023af","BT":false}]}"#;
    bybit::Frame<bybit_book::Levels>:
        r#"{"topic":"orderbook.50.BTCUSDT","type":"delta","ts":1687940967466,"data":{"s":"BTCUSDT","b":[["30247.20","30.028"]],"a":[["30248.70","0"]],"u":177400507,"seq":66544703342},"cts":1}"#;
    okx::Trades:
        r#"{"arg":{"channel":"trades","instId":"BTC-USDT"},"data":[{"instId":"BTC-USDT","tradeId":"130639474","px":"42219.9","sz":"0.12060306","side":"buy","ts":"1630048897897","count":"3"}]}"#;
    kraken::Frame<Vec<kraken::Trade>>:
        r#"[0,[["5541.20000","0.15850568","1534614057.321597","s","l",""],["6060.00000","0.02455000",1534614057.324998,"b","l",""]],"trade","XBT/USD"]"#;
    kraken::Frame<kraken::Spread>:
        r#"[0,["5698.40000","5700.00000","1542057299.545897","1.01234567","0.98765432"],"spread","XBT/USD"]"#;
    coinbase::Match:
        r#"{"type":"match","trade_id":10,"sequence":50,"maker_order_id":"ac928c66","taker_order_id":"132fb6ae","time":"2014-11-07T08:19:27.028459Z","product_id":"BTC-USD","size":"5.23512","price":"400.23","side":"sell"}"#;
    bitfinex::Frame:
        r#"[17470,"te",[401597395,1574694478808,0.005,7245.3]]"#,
        r#"[17470,[[401597393,1574694475039,-0.005,7244.9],[401597394,1574694475040,0.5,7245]]]"#,
        r#"[17470,"tu",[401597395,1574694478808,0.005,7245.3]]"#;
    bitmex::Trades:
        r#"{"table":"trade","action":"insert","data":[{"timestamp":"2023-02-18T09:27:59.701Z","symbol":"XBTUSD","side":"Sell","size":200,"price":24564.5,"tickDirection":"MinusTick","trdMatchID":"31e50cb7-e005-a44e-f354-86e88dff52eb","grossValue":814184}]}"#;
    gateio::Update<gateio::SpotTrade>:
        r#"{"time":1606292218,"time_ms":1606292218231,"channel":"spot.trades","event":"update","result":{"id":309143071,"create_time":1606292218,"create_time_ms":"1606292218213.4578","side":"sell","currency_pair":"GT_USDT","amount":"16.4700000000","price":"0.4705000000"}}"#;
    gateio::Update<Vec<gateio::ContractTrade>>:
        r#"{"time":1541503698,"channel":"futures.trades","event":"update","result":[{"size":-108,"id":27753479,"create_time":1545136464,"create_time_ms":1545136464123,"price":"96.4","contract":"BTC_USD"}]}"#;
}
