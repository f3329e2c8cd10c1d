//! What exchanges let a client ask for: subscriptions of a connection and of a request, messages and connections of a
//! time. One table, each row with its source. Plans and requests beyond it are split by pure functions, and `turns` says
//! when the next message or connection may go.

mod spread;
mod turns;

pub use spread::connections;
pub(crate) use turns::{Pacer, connect_turn, on_this_machine};

use super::venue::Market;
use barter_instrument::exchange::ExchangeId;
use barter_integration::protocol::websocket::WsMessage;
use std::time::Duration;

/// So many in any period of that length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many.
    pub count: usize,
    /// The length of the period.
    pub period: Duration,
}

/// A bound on the arguments of all of a connection's subscriptions together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ArgumentBytes {
    /// Bytes of all of them.
    pub most: usize,
    /// Bytes that one has beside the market's name, at most.
    pub beside_name: usize,
}

/// What one exchange server allows; `None` where nothing is documented.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The exchange server.
    pub exchange: ExchangeId,
    /// Subscriptions of one connection.
    pub of_connection: Option<usize>,
    /// Order books of one connection, where each begins with a request over HTTP. It is ours: what comes until the
    /// last request has had its turn is kept. Where of a depth a minute has fewer, a connection has no more than those:
    /// of Binance spot's heaviest snapshots, of 5,000 levels, 21.
    pub books_of_connection: Option<usize>,
    /// Bytes of the arguments of one connection.
    pub argument_bytes: Option<ArgumentBytes>,
    /// Subscriptions of one request.
    pub of_request: Option<usize>,
    /// Messages that a client sends on one connection, pings and pongs included.
    pub messages: Option<Rate>,
    /// Connections that a client opens.
    pub connects: Option<Rate>,
    /// The key of a request's number, which the answer repeats; `None` where answers come in the requests' order.
    pub number_key: Option<&'static str>,
    /// Where this is documented.
    pub source: &'static str,
}

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3_600);

const fn rate(count: usize, period: Duration) -> Option<Rate> {
    Some(Rate { count, period })
}

const fn unlimited(exchange: ExchangeId, source: &'static str) -> Limits {
    Limits {
        exchange,
        of_connection: None,
        books_of_connection: None,
        argument_bytes: None,
        of_request: None,
        messages: None,
        connects: None,
        number_key: None,
        source,
    }
}

/// Gate documents none; its maintainers say that there is none on subscriptions and messages.
const fn gate(exchange: ExchangeId) -> Limits {
    unlimited(exchange, "https://github.com/gateio/gatews/issues/25")
}

const BYBIT: &str = "https://bybit-exchange.github.io/docs/v5/ws/connect";
/// `orderbook.50.` is the longest of Bybit's channels.
const BYBIT_ARGUMENTS: Option<ArgumentBytes> = Some(ArgumentBytes {
    most: 21_000,
    beside_name: 13,
});

/// Every exchange server.
pub static LIMITS: &[Limits] = &[
    Limits {
        of_connection: Some(1_024),
        books_of_connection: Some(100),
        // A request of many more names is not answered, which the documents do not say.
        of_request: Some(200),
        messages: rate(5, SECOND),
        connects: rate(300, Duration::from_secs(300)),
        number_key: Some("id"),
        ..unlimited(
            ExchangeId::BinanceSpot,
            "https://developers.binance.com/docs/binance-spot-api-docs/web-socket-streams",
        )
    },
    Limits {
        of_connection: Some(1_024),
        books_of_connection: Some(100),
        of_request: Some(200),
        messages: rate(10, SECOND),
        number_key: Some("id"),
        ..unlimited(
            ExchangeId::BinanceFuturesUsd,
            "https://developers.binance.com/docs/derivatives/usds-margined-futures/websocket-market-streams",
        )
    },
    Limits {
        of_request: Some(10),
        argument_bytes: BYBIT_ARGUMENTS,
        connects: rate(500, Duration::from_secs(300)),
        ..unlimited(ExchangeId::BybitSpot, BYBIT)
    },
    Limits {
        argument_bytes: BYBIT_ARGUMENTS,
        connects: rate(500, Duration::from_secs(300)),
        ..unlimited(ExchangeId::BybitPerpetualsUsd, BYBIT)
    },
    Limits {
        argument_bytes: Some(ArgumentBytes {
            most: 64 << 10,
            // {"channel":"trades","instId":""},
            beside_name: 33,
        }),
        messages: rate(480, HOUR),
        connects: rate(3, SECOND),
        ..unlimited(
            ExchangeId::Okx,
            "https://www.okx.com/docs-v5/en/#overview-websocket-connect",
        )
    },
    Limits {
        // That of messages is dynamic and has no number; this one is ours.
        messages: rate(50, SECOND),
        connects: rate(150, Duration::from_secs(600)),
        ..unlimited(
            ExchangeId::Kraken,
            "https://docs.kraken.com/api/docs/guides/spot-ratelimits",
        )
    },
    Limits {
        messages: rate(100, SECOND),
        connects: rate(8, SECOND),
        ..unlimited(
            ExchangeId::Coinbase,
            "https://docs.cdp.coinbase.com/exchange/websocket-feed/rate-limits",
        )
    },
    Limits {
        of_connection: Some(25),
        connects: rate(20, MINUTE),
        ..unlimited(
            ExchangeId::Bitfinex,
            "https://docs.bitfinex.com/docs/requirements-and-limitations",
        )
    },
    Limits {
        connects: rate(20, HOUR),
        ..unlimited(
            ExchangeId::Bitmex,
            "https://www.bitmex.com/app/wsAPI#Rate-Limits",
        )
    },
    gate(ExchangeId::GateioSpot),
    gate(ExchangeId::GateioFuturesUsd),
    gate(ExchangeId::GateioFuturesBtc),
    gate(ExchangeId::GateioPerpetualsUsd),
    gate(ExchangeId::GateioPerpetualsBtc),
    gate(ExchangeId::GateioOptions),
];

/// What the exchange server allows.
pub fn of(exchange: ExchangeId) -> &'static Limits {
    static UNKNOWN: Limits = unlimited(ExchangeId::Other, "");
    let row = LIMITS.iter().find(|row| row.exchange == exchange);
    row.unwrap_or(&UNKNOWN)
}

impl Limits {
    /// The parts of which each is one request.
    pub(crate) fn requests<'a>(
        &self,
        instruments: &'a [Market],
    ) -> impl Iterator<Item = &'a [Market]> {
        instruments.chunks(self.of_request.unwrap_or(usize::MAX))
    }

    /// A request with its number, where the exchange's answers repeat one.
    pub(crate) fn numbered(&self, request: WsMessage, number: u64) -> WsMessage {
        let Some(key) = self.number_key else {
            return request;
        };
        let text = request.to_text().unwrap_or_default();
        match serde_json::from_str(text) {
            Ok(serde_json::Value::Object(mut fields)) => {
                fields.insert(key.to_owned(), number.into());
                WsMessage::text(serde_json::Value::Object(fields).to_string())
            }
            _ => request,
        }
    }

    /// Says when the messages of one connection may go.
    pub(crate) fn message_pacer(&self) -> Option<Pacer> {
        self.message_rate().map(Pacer::new)
    }

    /// How long it takes to send so many messages at their pace.
    pub(crate) fn sending_time(&self, messages: usize) -> Duration {
        self.message_rate().map_or(Duration::ZERO, |rate| {
            let periods = messages.saturating_sub(1) / rate.count;
            rate.period_on_the_wire()
                .saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX))
        })
    }

    /// Half of what is allowed: requests that were held up on the way may arrive together with the next, and pings
    /// and pongs count too.
    fn message_rate(&self) -> Option<Rate> {
        self.messages.map(|rate| Rate {
            count: rate.count / 2,
            ..rate
        })
    }
}

impl Rate {
    /// A tenth longer than documented: what leaves at the right time may arrive closer together.
    pub(crate) fn period_on_the_wire(self) -> Duration {
        self.period + self.period / 10
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::exchange::EXCHANGES;
    use barter_instrument::instrument::{
        InstrumentIndex, market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange,
    };
    use tokio::time::Instant;

    pub(super) fn markets(count: usize, name_bytes: usize) -> Vec<Market> {
        let market = |number: usize| Market {
            key: InstrumentIndex(number),
            name_exchange: InstrumentNameExchange::new(format!("{number:0name_bytes$}")),
            kind: MarketDataInstrumentKind::Spot,
        };
        (0..count).map(market).collect()
    }

    #[test]
    fn every_exchange_has_its_row_and_every_row_its_source() {
        let rows: Vec<_> = LIMITS.iter().map(|row| row.exchange).collect();
        let exchanges: Vec<_> = EXCHANGES.iter().map(|exchange| exchange.id).collect();
        assert_eq!(rows, exchanges);
        for row in LIMITS {
            assert!(row.source.starts_with("https://"), "{row:?}");
            assert!(row.messages.is_none_or(|rate| rate.count > 1), "{row:?}");
        }
    }

    #[test]
    fn a_request_carries_what_the_exchange_answers() {
        let parts = |exchange, count| -> Vec<usize> {
            let instruments = markets(count, 7);
            let requests = of(exchange).requests(&instruments);
            requests.map(<[_]>::len).collect()
        };
        assert_eq!(parts(ExchangeId::BybitSpot, 11), [10, 1]);
        assert_eq!(parts(ExchangeId::BybitPerpetualsUsd, 50), [50]);
        assert_eq!(
            parts(ExchangeId::BinanceSpot, 1_024),
            [200, 200, 200, 200, 200, 24]
        );
        assert_eq!(parts(ExchangeId::Bitmex, 100), [100]);
    }

    #[test]
    fn requests_are_numbered_where_answers_repeat_the_number() {
        let request = || WsMessage::text(r#"{"id":1,"method":"SUBSCRIBE"}"#);
        let numbered = of(ExchangeId::BinanceSpot).numbered(request(), 7);
        assert_eq!(
            numbered.to_text().unwrap(),
            r#"{"id":7,"method":"SUBSCRIBE"}"#
        );
        assert_eq!(of(ExchangeId::BybitSpot).numbered(request(), 7), request());
    }

    #[test]
    fn the_time_that_sending_takes_is_that_of_its_turns() {
        let limits = of(ExchangeId::BinanceSpot);
        for messages in 1..30 {
            let start = Instant::now();
            let mut pacer = limits.message_pacer().unwrap();
            let last = (0..messages).map(|_| pacer.turn(start)).last().unwrap();
            assert_eq!(limits.sending_time(messages), last - start, "{messages}");
        }
        assert_eq!(of(ExchangeId::Bitmex).sending_time(1_000), Duration::ZERO);
    }
}
