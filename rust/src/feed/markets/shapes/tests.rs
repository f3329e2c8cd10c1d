use super::*;
use crate::feed::exchange;
use barter_instrument::exchange::ExchangeId;

fn names(page: &Page) -> Vec<&str> {
    page.markets
        .iter()
        .map(|market| market.name.as_str())
        .collect()
}

/// Every market of the page has the name that the feed would give it.
fn are_named_as_the_feed_names_them(exchange: ExchangeId, page: &Page) {
    for Market {
        name,
        base,
        quote,
        kind,
    } in &page.markets
    {
        assert_eq!(*name, exchange::market_name(exchange, base, quote, kind));
    }
}

#[test]
fn what_does_not_trade_or_is_of_another_kind_is_left_out() {
    let body = br#"{"symbols":[
        {"symbol":"BTCUSDT","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","contractType":"PERPETUAL"},
        {"symbol":"XAUUSDT","status":"TRADING","baseAsset":"XAU","quoteAsset":"USDT","contractType":"TRADIFI_PERPETUAL"},
        {"symbol":"BTCUSDT_261225","status":"TRADING","baseAsset":"BTC","quoteAsset":"USDT","contractType":"CURRENT_QUARTER"},
        {"symbol":"LUNAUSDT","status":"SETTLING","baseAsset":"LUNA","quoteAsset":"USDT","contractType":"PERPETUAL"}]}"#;
    let page = binance_perpetual(body).unwrap();
    assert_eq!(names(&page), ["BTCUSDT", "XAUUSDT"]);
    assert_eq!(page.rows, 4);
    are_named_as_the_feed_names_them(ExchangeId::BinanceFuturesUsd, &page);
}

#[test]
fn assets_have_the_names_that_subscriptions_take() {
    let body = br#"{"error":[],"result":{
        "XDGUSD":{"altname":"XDGUSD","wsname":"XDG/USD","base":"XXDG","quote":"ZUSD","status":"online"},
        "XETHXXBT":{"altname":"ETHXBT","wsname":"ETH/XBT","base":"XETH","quote":"XXBT","status":"online"},
        "GONE":{"altname":"GONEUSD","wsname":"GONE/USD","base":"GONE","quote":"ZUSD","status":"cancel_only"},
        "DARK":{"altname":"DARKUSD","base":"DARK","quote":"ZUSD","status":"online"}}}"#;
    let page = kraken(body).unwrap();
    assert_eq!(names(&page), ["XDG/USD", "ETH/XBT"]);
    are_named_as_the_feed_names_them(ExchangeId::Kraken, &page);

    let page = bitfinex(br#"[["BTCUSD","DOGE:USD","BTCUST","UST:CNHT"]]"#).unwrap();
    assert_eq!(
        names(&page),
        ["tBTCUSD", "tDOGE:USD", "tBTCUST", "tUST:CNHT"]
    );
    are_named_as_the_feed_names_them(ExchangeId::Bitfinex, &page);

    let body = br#"[
        {"symbol":"XBTUSDT","state":"Open","typ":"FFWCSX","underlying":"XBT","quoteCurrency":"USDT"},
        {"symbol":"XBTZ26","state":"Open","typ":"FFCCSX","underlying":"XBT","quoteCurrency":"USD"},
        {"symbol":"XBT_USDT","state":"Open","typ":"IFXXXP","underlying":"XBT","quoteCurrency":"USDT"}]"#;
    let page = bitmex(body).unwrap();
    assert_eq!(names(&page), ["XBTUSDT"]);
    are_named_as_the_feed_names_them(ExchangeId::Bitmex, &page);
}

#[test]
fn contracts_have_their_terms() {
    let body = br#"{"code":"0","msg":"","data":[
        {"instType":"FUTURES","instId":"BTC-USDT-261225","state":"live","baseCcy":"","quoteCcy":"","uly":"BTC-USDT",
         "expTime":"1798185600000","optType":"","stk":""},
        {"instType":"OPTION","instId":"BTC-USD-261225-60000-C","state":"live","baseCcy":"","quoteCcy":"",
         "uly":"BTC-USD","expTime":"1798185600000","optType":"C","stk":"60000"},
        {"instType":"SWAP","instId":"NEW-USDT-SWAP","state":"preopen","baseCcy":"","quoteCcy":"","uly":"NEW-USDT",
         "expTime":"","optType":"","stk":""}]}"#;
    let page = okx(body).unwrap();
    assert_eq!(names(&page), ["BTC-USDT-261225", "BTC-USD-261225-60000-C"]);
    are_named_as_the_feed_names_them(ExchangeId::Okx, &page);

    let body = br#"[{"name":"BTC_USDT-20261225-60000-P","underlying":"BTC_USDT","expiration_time":1798185600,
        "is_call":false,"strike_price":"60000"}]"#;
    let page = gate_option(body).unwrap();
    let MarketDataInstrumentKind::Option(contract) = &page.markets[0].kind else {
        panic!("{:?}", page.markets);
    };
    assert_eq!(contract.kind, OptionKind::Put);
    assert_eq!(contract.expiry.timestamp(), 1_798_185_600);
    are_named_as_the_feed_names_them(ExchangeId::GateioOptions, &page);

    let body = br#"[{"name":"BTC_USDT_20261225","underlying":"BTC_USDT","expire_time":1798185600,"in_delisting":false},
        {"name":"ETH_USDT_20261225","underlying":"ETH_USDT","expire_time":1798185600,"in_delisting":true}]"#;
    let page = gate_future(body).unwrap();
    assert_eq!(names(&page), ["BTC_USDT_20261225"]);
    are_named_as_the_feed_names_them(ExchangeId::GateioFuturesUsd, &page);
}

#[test]
fn a_refusal_is_told_in_the_exchange_s_words_and_another_shape_as_such() {
    let words = |read: fn(&[u8]) -> Result<Page, Unread>, body: &str| match read(body.as_bytes()) {
        Err(Unread::Refused(words)) => words,
        Err(Unread::Shape(error)) => format!("shape: {error}"),
        Ok(page) => panic!("{:?}", page.markets),
    };
    assert_eq!(
        words(
            bybit_spot,
            r#"{"retCode":10006,"retMsg":"Too many visits!","result":{}}"#
        ),
        "retCode 10006: Too many visits!"
    );
    assert_eq!(
        words(
            okx,
            r#"{"code":"50011","msg":"Too Many Requests","data":[]}"#
        ),
        "code 50011: Too Many Requests"
    );
    assert_eq!(
        words(kraken, r#"{"error":["EGeneral:Too many requests"]}"#),
        "EGeneral:Too many requests"
    );
    for read in [binance_spot, coinbase, bitfinex, bitmex, gate_spot] {
        let told = words(read, r#"{"message":"NotFound"}"#);
        assert!(told.starts_with("shape: "), "{told}");
    }
}

#[test]
fn a_page_names_the_next_by_its_cursor() {
    let body = |cursor: &str| {
        format!(
            r#"{{"retCode":0,"retMsg":"OK","result":{{"category":"linear","list":[{{"symbol":"BTCUSDT",
            "contractType":"LinearPerpetual","status":"Trading","baseCoin":"BTC","quoteCoin":"USDT"}}],
            "nextPageCursor":"{cursor}"}}}}"#
        )
    };
    let page = bybit_perpetual(body("first%3DETHUSDT").as_bytes()).unwrap();
    assert_eq!(page.cursor.as_deref(), Some("first%3DETHUSDT"));
    assert_eq!(bybit_perpetual(body("").as_bytes()).unwrap().cursor, None);
}
