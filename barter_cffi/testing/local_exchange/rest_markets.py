"""The lists of markets that the venues publish over REST, made of the markets that the local exchange serves.

Follows, venue by venue: Binance "Exchange information" (spot) and "Exchange Information" (USD-M), Bybit "Get
Instruments Info", OKX "Get instruments" and "Get underlying", Kraken "Get Tradable Asset Pairs", Coinbase "Get all
known trading pairs", Bitfinex "Configs", BitMEX "Instrument_getActive", Gate "List all currency pairs", "List all
futures contracts" (perpetual and delivery), "List all underlyings" and "List all the contracts" of options. Keys that
say fees, steps and margins are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, TypeAlias

from .market import Market

Listed: TypeAlias = tuple[str, Market]
"""A market with the venue's name."""
Query: TypeAlias = Mapping[str, str]
Answer: TypeAlias = Callable[[Sequence[Listed], Query], object]

_BYBIT_PAGE: Final = 500


def market_list(exchange: str, markets: Mapping[str, Market], path: str, query: Query) -> object | None:
    """The answer to a request for a venue's list of markets, as JSON; None where it asks for something else.

    `markets` are those served, by the venue's names.
    """
    answer = _LISTS.get((exchange, path))
    return None if answer is None else answer(list(markets.items()), query)


def _binance(listed: Sequence[Listed], query: Query) -> object:
    symbols = [
        {
            "symbol": name,
            "status": "TRADING",
            "baseAsset": market.base.upper(),
            "baseAssetPrecision": 8,
            "quoteAsset": market.quote.upper(),
            "quotePrecision": 8,
            "orderTypes": ["LIMIT", "MARKET"],
            "isSpotTradingAllowed": True,
            "permissions": [],
            "permissionSets": [] if query.get("showPermissionSets") == "false" else [["SPOT"]],
        }
        for name, market in listed
    ]
    return {"timezone": "UTC", "serverTime": 0, "rateLimits": [], "exchangeFilters": [], "symbols": symbols}


def _binance_usd_margin(listed: Sequence[Listed], query: Query) -> object:
    symbols = [
        {
            "symbol": name,
            "pair": name,
            "contractType": "PERPETUAL",
            "deliveryDate": 4_133_404_800_000,
            "onboardDate": 1_569_398_400_000,
            "status": "TRADING",
            "baseAsset": market.base.upper(),
            "quoteAsset": market.quote.upper(),
            "marginAsset": market.quote.upper(),
            "underlyingType": "COIN",
        }
        for name, market in listed
    ]
    return {"timezone": "UTC", "serverTime": 0, "rateLimits": [], "exchangeFilters": [], "symbols": symbols}


def _bybit_spot(listed: Sequence[Listed], query: Query) -> object:
    """Spot has no pages."""
    return _bybit_answer(query, [_bybit_row(*each) for each in listed], "")


def _bybit_linear(listed: Sequence[Listed], query: Query) -> object:
    """Pages of `limit`, 500 by default; the cursor names where the next begins."""
    first, limit = int(query.get("cursor") or 0), int(query.get("limit") or _BYBIT_PAGE)
    rows = [
        {**_bybit_row(*each), "contractType": "LinearPerpetual", "settleCoin": each[1].quote.upper()}
        for each in listed[first : first + limit]
    ]
    following = first + limit
    return _bybit_answer(query, rows, str(following) if following < len(listed) else "")


def _bybit_row(name: str, market: Market) -> dict[str, object]:
    return {
        "symbol": name,
        "baseCoin": market.base.upper(),
        "quoteCoin": market.quote.upper(),
        "status": "Trading",
    }


def _bybit_answer(query: Query, rows: Sequence[object], cursor: str) -> object:
    category = query.get("category")
    if category not in ("spot", "linear"):
        return {"retCode": 10001, "retMsg": "params error: Category is invalid", "result": {}, "retExtInfo": {}}
    result = {"category": category, "list": rows, "nextPageCursor": cursor}
    return {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": 0}


_OKX_TYPES: Final = {"SPOT": "spot", "SWAP": "perpetual", "FUTURES": "future", "OPTION": "option"}


def _okx_underlying(listed: Sequence[Listed], query: Query) -> object:
    return _okx_answer([sorted({_underlying(market) for _, market in _okx_of(listed, query)})])


def _okx_instruments(listed: Sequence[Listed], query: Query) -> object:
    """Options only of one family."""
    instrument_type = query.get("instType")
    if instrument_type not in _OKX_TYPES:
        return {"code": "51000", "msg": "Parameter instType error", "data": []}
    family = query.get("instFamily") or query.get("uly")
    if instrument_type == "OPTION" and not family:
        return {"code": "50014", "msg": "Parameter instFamily or uly can not be empty.", "data": []}
    rows = [_okx_row(instrument_type, *each) for each in _okx_of(listed, query)]
    return _okx_answer([row for row in rows if not family or row["instFamily"] == family])


def _okx_row(instrument_type: str, name: str, market: Market) -> dict[str, object]:
    spot = instrument_type == "SPOT"
    underlying = "" if spot else _underlying(market)
    return {
        "instType": instrument_type,
        "instId": name,
        "uly": underlying,
        "instFamily": underlying,
        "baseCcy": market.base.upper() if spot else "",
        "quoteCcy": market.quote.upper() if spot else "",
        "settleCcy": "" if spot else market.quote.upper(),
        "optType": market.option[0].upper() if market.option else "",
        "stk": market.strike or "",
        "listTime": "1597026383085",
        "expTime": str(_seconds(market.expiry) * 1_000) if market.expiry else "",
        "state": "live",
    }


def _okx_of(listed: Sequence[Listed], query: Query) -> list[Listed]:
    kind = _OKX_TYPES.get(query.get("instType", ""))
    return [(name, market) for name, market in listed if market.kind == kind]


def _okx_answer(rows: Sequence[object]) -> object:
    return {"code": "0", "msg": "", "data": rows}


def _underlying(market: Market) -> str:
    return f"{market.base}-{market.quote}".upper()


def _kraken(listed: Sequence[Listed], query: Query) -> object:
    """By the REST API's own names; `wsname` is the WebSocket's."""
    pairs = {}
    for name, _ in listed:
        base, _, quote = name.partition("/")
        pairs[f"{base}{quote}"] = {
            "altname": f"{base}{quote}",
            "wsname": name,
            "aclass_base": "currency",
            "base": base,
            "aclass_quote": "currency",
            "quote": quote,
            "status": "online",
        }
    return {"error": [], "result": pairs}


def _coinbase(listed: Sequence[Listed], query: Query) -> object:
    return [
        {
            "id": name,
            "base_currency": market.base.upper(),
            "quote_currency": market.quote.upper(),
            "display_name": name.replace("-", "/"),
            "post_only": False,
            "limit_only": False,
            "cancel_only": False,
            "status": "online",
            "status_message": "",
            "trading_disabled": False,
        }
        for name, market in listed
    ]


def _bitfinex(listed: Sequence[Listed], query: Query) -> object:
    """`[["BTCUSD","DOGE:USD",…]]`, without the `t` of subscriptions."""
    return [[name.removeprefix("t") for name, _ in listed]]


def _bitmex(listed: Sequence[Listed], query: Query) -> object:
    asset = {"btc": "XBT"}
    return [
        {
            "symbol": name,
            "rootSymbol": asset.get(market.base, market.base.upper()),
            "state": "Open",
            "typ": "FFWCSX",
            "expiry": None,
            "underlying": asset.get(market.base, market.base.upper()),
            "quoteCurrency": market.quote.upper(),
        }
        for name, market in listed
    ]


def _gate_spot(listed: Sequence[Listed], query: Query) -> object:
    return [
        {"id": name, "base": market.base.upper(), "quote": market.quote.upper(), "trade_status": "tradable"}
        for name, market in listed
    ]


def _gate_perpetuals(listed: Sequence[Listed], query: Query) -> object:
    """`limit` and `offset` make pages."""
    first, limit = int(query.get("offset") or 0), int(query.get("limit") or len(listed))
    return [
        {"name": name, "type": "direct", "in_delisting": False, "status": "trading"}
        for name, _ in listed[first : first + limit]
    ]


def _gate_delivery(listed: Sequence[Listed], query: Query) -> object:
    return [
        {
            "name": name,
            "underlying": name.rpartition("_")[0],
            "cycle": "QUARTERLY",
            "type": "direct",
            "expire_time": _seconds(market.expiry),
            "in_delisting": False,
        }
        for name, market in listed
    ]


def _gate_underlyings(listed: Sequence[Listed], query: Query) -> object:
    names = sorted({name.partition("-")[0] for name, _ in listed})
    return [{"name": name, "index_price": "0", "index_time": 0} for name in names]


def _gate_options(listed: Sequence[Listed], query: Query) -> object:
    """Of one underlying."""
    return [
        {
            "name": name,
            "tag": "QUARTER",
            "create_time": 1_636_702_700,
            "expiration_time": _seconds(market.expiry),
            "is_call": market.option == "call",
            "strike_price": market.strike,
            "underlying": name.partition("-")[0],
        }
        for name, market in listed
        if name.partition("-")[0] == query.get("underlying")
    ]


def _seconds(expiry: datetime | None) -> int:
    return 0 if expiry is None else int(expiry.timestamp())


_BYBIT: Final = "/v5/market/instruments-info"
_GATE: Final = "/api/v4"
_LISTS: Final[dict[tuple[str, str], Answer]] = {
    ("binance_spot", "/api/v3/exchangeInfo"): _binance,
    ("binance_futures_usd", "/fapi/v1/exchangeInfo"): _binance_usd_margin,
    ("bybit_spot", _BYBIT): _bybit_spot,
    ("bybit_perpetuals_usd", _BYBIT): _bybit_linear,
    ("okx", "/api/v5/public/underlying"): _okx_underlying,
    ("okx", "/api/v5/public/instruments"): _okx_instruments,
    ("kraken", "/0/public/AssetPairs"): _kraken,
    ("coinbase", "/products"): _coinbase,
    ("bitfinex", "/v2/conf/pub:list:pair:exchange"): _bitfinex,
    ("bitmex", "/api/v1/instrument/active"): _bitmex,
    ("gateio_spot", f"{_GATE}/spot/currency_pairs"): _gate_spot,
    ("gateio_perpetuals_usd", f"{_GATE}/futures/usdt/contracts"): _gate_perpetuals,
    ("gateio_perpetuals_btc", f"{_GATE}/futures/btc/contracts"): _gate_perpetuals,
    ("gateio_futures_usd", f"{_GATE}/delivery/usdt/contracts"): _gate_delivery,
    ("gateio_futures_btc", f"{_GATE}/delivery/btc/contracts"): _gate_delivery,
    ("gateio_options", f"{_GATE}/options/underlyings"): _gate_underlyings,
    ("gateio_options", f"{_GATE}/options/contracts"): _gate_options,
}
