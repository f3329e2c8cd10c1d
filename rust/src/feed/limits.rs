//! What exchanges let a client ask for: subscriptions of a connection and of a request, messages and connections of a
//! time. One table, each row with its source. Plans and requests beyond it are split by pure functions, and a
//! [`Pacer`] says when the next message or connection may go.

use super::venue::{Market, market_name};
use crate::subscription::{ConnectionPlan, SubKind};
use barter_instrument::exchange::ExchangeId;
use barter_integration::protocol::websocket::WsMessage;
use parking_lot::Mutex;
use std::{
    collections::{HashMap, VecDeque},
    sync::LazyLock,
    time::Duration,
};
use tokio::time::{Instant, sleep_until};
use url::{Host, Url};

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
    /// last request has had its turn is kept, so a connection has no more than can be asked for in one minute, which
    /// begins before it opens. Of Binance spot's heaviest snapshots, those of 5,000 levels, a minute has 21.
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

/// The connections that a plan takes: itself where it fits in one, else as few as it fits in, in its order.
pub fn connections(plan: ConnectionPlan) -> Vec<ConnectionPlan> {
    let ConnectionPlan {
        exchange,
        kind,
        instruments,
    } = plan;
    let mut parts: Vec<Vec<Market>> = Vec::new();
    let mut room = Room::default();
    for instrument in instruments {
        let starts = !room.takes(of(exchange), kind, market_name(&instrument).len());
        match parts.last_mut() {
            Some(part) if !starts => part.push(instrument),
            _ => parts.push(vec![instrument]),
        }
    }
    let connection = |instruments| ConnectionPlan {
        exchange,
        kind,
        instruments,
    };
    parts.into_iter().map(connection).collect()
}

/// What one connection holds already.
#[derive(Default)]
struct Room {
    subscriptions: usize,
    bytes: usize,
}

impl Room {
    /// Whether one more subscription fits; where it does not, it is the first of the next connection.
    fn takes(&mut self, limits: &Limits, kind: SubKind, name_bytes: usize) -> bool {
        let beside_name = limits.argument_bytes.map_or(0, |bytes| bytes.beside_name);
        let argument = name_bytes + beside_name;
        let books = limits.books_of_connection.filter(|_| kind == SubKind::L2);
        let full = books
            .or(limits.of_connection)
            .is_some_and(|most| self.subscriptions == most);
        let too_long = limits
            .argument_bytes
            .is_some_and(|bytes| self.bytes + argument > bytes.most);
        if full || too_long {
            *self = Self::default();
        }
        self.subscriptions += 1;
        self.bytes += argument;
        !(full || too_long)
    }
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

/// Gives turns so that no period has more of them than its rate allows.
#[derive(Debug)]
pub(crate) struct Pacer {
    rate: Rate,
    /// The turns that a later one may have to wait for.
    given: VecDeque<Instant>,
}

impl Pacer {
    pub(crate) fn new(rate: Rate) -> Self {
        Self {
            rate,
            given: VecDeque::new(),
        }
    }

    /// The next turn: now, or as soon as a period allows it.
    pub(crate) fn turn(&mut self, now: Instant) -> Instant {
        let period = self.rate.period_on_the_wire();
        while self.given.front().is_some_and(|at| *at + period <= now) {
            self.given.pop_front();
        }
        let mut turn = now.max(self.given.back().copied().unwrap_or(now));
        let period_ago = self.given.len().checked_sub(self.rate.count);
        if let Some(earlier) = period_ago.and_then(|place| self.given.get(place)) {
            turn = turn.max(*earlier + period);
        }
        self.given.push_back(turn);
        turn
    }

    fn give_back(&mut self, turn: Instant) {
        if let Some(place) = self.given.iter().position(|given| *given == turn) {
            self.given.remove(place);
        }
    }

    fn idle(&self, now: Instant) -> bool {
        let last = self.given.back();
        last.is_none_or(|last| *last + self.rate.period_on_the_wire() < now)
    }
}

/// Exchange and host.
type Place = (ExchangeId, String);

/// The connections that this process opens.
static CONNECTS: LazyLock<Mutex<HashMap<Place, Pacer>>> = LazyLock::new(Mutex::default);

/// The turn of a connection, given back where it is dropped before the connection is made.
#[derive(Debug)]
pub(crate) struct ConnectTurn {
    /// `None` once it is made, and for a server on this machine, which is no exchange that counts.
    ahead: Option<(Place, Instant)>,
}

impl ConnectTurn {
    fn next(exchange: ExchangeId, address: &Url) -> Self {
        let rate = of(exchange).connects.filter(|_| !on_this_machine(address));
        let ahead = rate.map(|rate| {
            let now = Instant::now();
            let mut connects = CONNECTS.lock();
            connects.retain(|_, pacer| !pacer.idle(now));
            let place = (exchange, address.authority().to_owned());
            let pacer = connects.entry(place.clone());
            let turn = pacer.or_insert_with(|| Pacer::new(rate)).turn(now);
            (place, turn)
        });
        Self { ahead }
    }

    /// The exchange counts the connection.
    pub(crate) fn connected(mut self) {
        self.ahead = None;
    }
}

impl Drop for ConnectTurn {
    fn drop(&mut self) {
        if let Some((place, turn)) = &self.ahead
            && let Some(pacer) = CONNECTS.lock().get_mut(place)
        {
            pacer.give_back(*turn);
        }
    }
}

/// Waits until the exchange allows another connection to this address.
pub(crate) async fn connect_turn(exchange: ExchangeId, address: &Url) -> ConnectTurn {
    let connect = ConnectTurn::next(exchange, address);
    if let Some((_, turn)) = connect.ahead {
        let wait = turn.saturating_duration_since(Instant::now());
        if !wait.is_zero() {
            tracing::debug!(
                exchange = exchange.as_str(),
                wait_s = wait.as_secs_f64(),
                "another connection is not allowed yet"
            );
            sleep_until(turn).await;
        }
    }
    connect
}

/// Whether a server is on this machine.
pub(crate) fn on_this_machine(address: &Url) -> bool {
    match address.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::exchange::EXCHANGES;
    use barter_instrument::instrument::{
        InstrumentIndex, market_data::kind::MarketDataInstrumentKind, name::InstrumentNameExchange,
    };

    fn markets(count: usize, name_bytes: usize) -> Vec<Market> {
        let market = |number: usize| Market {
            key: InstrumentIndex(number),
            name_exchange: InstrumentNameExchange::new(format!("{number:0name_bytes$}")),
            kind: MarketDataInstrumentKind::Spot,
        };
        (0..count).map(market).collect()
    }

    fn sizes(exchange: ExchangeId, instruments: Vec<Market>) -> Vec<usize> {
        sizes_of(SubKind::Trades, exchange, instruments)
    }

    fn sizes_of(kind: SubKind, exchange: ExchangeId, instruments: Vec<Market>) -> Vec<usize> {
        let plan = ConnectionPlan {
            exchange,
            kind,
            instruments: instruments.clone(),
        };
        let parts = connections(plan);
        let joined: Vec<_> = parts.iter().flat_map(|part| &part.instruments).collect();
        assert!(joined.into_iter().eq(&instruments), "each once, in order");
        assert!(parts.iter().all(|part| part.exchange == exchange));
        parts.iter().map(|part| part.instruments.len()).collect()
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
    fn what_fits_in_one_connection_stays_in_one_and_the_next_opens_another() {
        for (exchange, most) in [
            (ExchangeId::BinanceSpot, 1_024),
            (ExchangeId::BinanceFuturesUsd, 1_024),
            (ExchangeId::Bitfinex, 25),
        ] {
            assert_eq!(sizes(exchange, markets(1, 7)), [1]);
            assert_eq!(sizes(exchange, markets(most, 7)), [most]);
            assert_eq!(sizes(exchange, markets(most + 1, 7)), [most, 1]);
            assert_eq!(sizes(exchange, markets(2 * most, 7)), [most, most]);
        }
        assert_eq!(sizes(ExchangeId::BybitSpot, markets(11, 7)), [11]);
        assert_eq!(sizes(ExchangeId::GateioSpot, markets(3_000, 8)), [3_000]);
    }

    #[test]
    fn books_that_are_asked_for_over_http_are_spread_further() {
        let spread = |exchange, count| sizes_of(SubKind::L2, exchange, markets(count, 7));
        assert_eq!(spread(ExchangeId::BinanceSpot, 100), [100]);
        assert_eq!(spread(ExchangeId::BinanceFuturesUsd, 201), [100, 100, 1]);
        assert_eq!(spread(ExchangeId::BinanceSpot, 1_025).len(), 11);
        assert_eq!(spread(ExchangeId::BybitSpot, 201), [201]);
    }

    #[test]
    fn arguments_of_a_connection_are_counted_in_bytes() {
        // 21,000 / (7 + 13) and 65,536 / (8 + 33)
        assert_eq!(sizes(ExchangeId::BybitSpot, markets(1_051, 7)), [1_050, 1]);
        assert_eq!(sizes(ExchangeId::Okx, markets(1_599, 8)), [1_598, 1]);
        let longer_than_all = vec![30_000; 2];
        let longer: Vec<_> = longer_than_all
            .into_iter()
            .flat_map(|bytes| markets(1, bytes))
            .collect();
        assert_eq!(sizes(ExchangeId::BybitSpot, longer), [1, 1]);
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
    fn no_period_has_more_turns_than_its_rate_allows() {
        let start = Instant::now();
        let mut pacer = Pacer::new(Rate {
            count: 3,
            period: SECOND,
        });
        let turns: Vec<_> = (0..8)
            .map(|_| (pacer.turn(start) - start).as_millis())
            .collect();
        assert_eq!(turns, [0, 0, 0, 1_100, 1_100, 1_100, 2_200, 2_200]);
        let later = start + Duration::from_secs(60);
        assert_eq!(pacer.turn(later), later, "what was long ago does not count");
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

    #[tokio::test(start_paused = true)]
    async fn connections_to_an_exchange_wait_for_their_turn_and_those_to_this_machine_do_not() {
        let exchange = "wss://limits.test/ws".parse().unwrap();
        let start = Instant::now();
        for _ in 0..3 {
            connect_turn(ExchangeId::Okx, &exchange).await.connected();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        connect_turn(ExchangeId::Okx, &exchange).await.connected();
        assert!(start.elapsed() >= SECOND, "{:?}", start.elapsed());

        let start = Instant::now();
        let here = "ws://127.0.0.1:9/ws".parse().unwrap();
        for _ in 0..100 {
            connect_turn(ExchangeId::Okx, &here).await.connected();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_to_connect_that_made_no_connection_is_given_back_and_others_still_count() {
        let address = "wss://given-back.test/realtime".parse().unwrap();
        let start = Instant::now();
        for _ in 0..100 {
            drop(connect_turn(ExchangeId::Bitmex, &address).await);
        }
        for _ in 0..20 {
            connect_turn(ExchangeId::Bitmex, &address).await.connected();
        }
        assert_eq!(start.elapsed(), Duration::ZERO);
        for _ in 0..2 {
            let waiting = connect_turn(ExchangeId::Bitmex, &address);
            let cancelled = tokio::time::timeout(SECOND, waiting).await;
            assert!(cancelled.is_err(), "the hour's connections are made");
        }
        connect_turn(ExchangeId::Bitmex, &address).await.connected();
        assert_eq!(start.elapsed(), HOUR + HOUR / 10);
    }
}
