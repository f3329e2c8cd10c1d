//! A plan beyond what one connection may have is spread over as few as it takes.

use super::{Limits, of};
use crate::{
    feed::{
        exchange,
        venue::{Market, market_name},
        weights::books_of_a_period,
    },
    subscription::{ConnectionPlan, SubKind},
};

/// The connections that a plan takes: itself where it fits in one, else as few as it fits in, in its order. Where books
/// begin with snapshots, these are of so many levels, the exchange's largest sensible where `None`.
pub fn connections(plan: ConnectionPlan, snapshot_depth: Option<u32>) -> Vec<ConnectionPlan> {
    let ConnectionPlan {
        exchange,
        kind,
        instruments,
    } = plan;
    let mut parts: Vec<Vec<Market>> = Vec::new();
    let limits = of(exchange);
    let most = most(limits, kind, snapshot_depth);
    let mut room = Room::default();
    for instrument in instruments {
        let starts = !room.takes(limits, most, market_name(&instrument).len());
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

/// How many subscriptions one connection has at most.
fn most(limits: &Limits, kind: SubKind, snapshot_depth: Option<u32>) -> Option<usize> {
    let snapshot = exchange::pair(limits.exchange, kind).and_then(|pair| pair.snapshot);
    let Some(source) = snapshot else {
        return limits.of_connection;
    };
    let of_a_period = books_of_a_period(limits.exchange, (source.limit)(snapshot_depth));
    [
        limits.of_connection,
        limits.books_of_connection,
        of_a_period,
    ]
    .into_iter()
    .flatten()
    .min()
}

/// What one connection holds already.
#[derive(Default)]
struct Room {
    subscriptions: usize,
    bytes: usize,
}

impl Room {
    /// Whether one more subscription fits; where it does not, it is the first of the next connection.
    fn takes(&mut self, limits: &Limits, most: Option<usize>, name_bytes: usize) -> bool {
        let beside_name = limits.argument_bytes.map_or(0, |bytes| bytes.beside_name);
        let argument = name_bytes + beside_name;
        let full = most.is_some_and(|most| self.subscriptions == most);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::limits::tests::markets;
    use barter_instrument::exchange::ExchangeId;

    fn sizes(exchange: ExchangeId, instruments: Vec<Market>) -> Vec<usize> {
        sizes_of(SubKind::Trades, None, exchange, instruments)
    }

    fn sizes_of(
        kind: SubKind,
        depth: Option<u32>,
        exchange: ExchangeId,
        instruments: Vec<Market>,
    ) -> Vec<usize> {
        let plan = ConnectionPlan {
            exchange,
            kind,
            instruments: instruments.clone(),
        };
        let parts = connections(plan, depth);
        let joined: Vec<_> = parts.iter().flat_map(|part| &part.instruments).collect();
        assert!(joined.into_iter().eq(&instruments), "each once, in order");
        assert!(parts.iter().all(|part| part.exchange == exchange));
        parts.iter().map(|part| part.instruments.len()).collect()
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
        let spread = |exchange, count| sizes_of(SubKind::L2, None, exchange, markets(count, 7));
        assert_eq!(spread(ExchangeId::BinanceSpot, 100), [100]);
        assert_eq!(spread(ExchangeId::BinanceFuturesUsd, 201), [100, 100, 1]);
        assert_eq!(spread(ExchangeId::BinanceSpot, 1_025).len(), 11);
        assert_eq!(spread(ExchangeId::BybitSpot, 201), [201]);
    }

    #[test]
    fn a_connection_has_no_more_books_of_the_depth_asked_for_than_a_minute() {
        let spread = |exchange, depth| sizes_of(SubKind::L2, Some(depth), exchange, markets(43, 7));
        assert_eq!(spread(ExchangeId::BinanceSpot, 1_000), [43]);
        assert_eq!(spread(ExchangeId::BinanceSpot, 1_001), [21, 21, 1]);
        assert_eq!(spread(ExchangeId::BinanceSpot, 5_000), [21, 21, 1]);
        // It has no more than 1,000 levels.
        assert_eq!(spread(ExchangeId::BinanceFuturesUsd, 5_000), [43]);
        assert_eq!(spread(ExchangeId::BybitSpot, 5_000), [43]);
        let trades = sizes_of(
            SubKind::Trades,
            Some(5_000),
            ExchangeId::BinanceSpot,
            markets(43, 7),
        );
        assert_eq!(trades, [43]);
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
}
