//! How the opening of connections goes: which are not open yet, which failed and why, and what that makes of the whole.

use super::SourceKey;
use crate::{
    feed::FeedError,
    options::Start,
    status::{Error, Status},
};
use std::collections::{BTreeMap, BTreeSet};

/// The first outcome of each of some connections.
#[derive(Debug)]
pub(super) struct Opening {
    start: Start,
    /// What each connection is for.
    names: Vec<(SourceKey, String)>,
    pending: BTreeSet<usize>,
    failures: BTreeMap<usize, FeedError>,
}

impl Opening {
    /// Nothing is known yet of these connections.
    pub(super) fn new(start: Start, names: Vec<(SourceKey, String)>) -> Self {
        Self {
            start,
            pending: (0..names.len()).collect(),
            names,
            failures: BTreeMap::new(),
        }
    }

    /// The connection of that number is open, or failed.
    pub(super) fn outcome(&mut self, number: usize, outcome: Result<(), FeedError>) {
        self.pending.remove(&number);
        if let Err(error) = outcome {
            self.failures.insert(number, error);
        }
    }

    /// Whether it is certain that the whole fails.
    pub(super) fn must_fail(&self) -> bool {
        self.start == Start::All && !self.failures.is_empty()
    }

    /// Why the whole failed, with everything that is known of every connection; `None` where it is open. A connection
    /// that is pending will bring no outcome any more.
    pub(super) fn error(&self) -> Option<Error> {
        let closed = self.failures.len() + self.pending.len();
        let failed = match self.start {
            Start::All => closed > 0,
            // Where there was nothing to open nothing failed.
            Start::Any => closed > 0 && closed == self.names.len(),
        };
        if !failed {
            return None;
        }
        let first = self.failures.values().next();
        let status = first.map_or(Status::ConnectFailed, FeedError::status);
        Some(Error::new(status, self.words()))
    }

    /// The kinds and exchanges of the connections that are not open yet.
    pub(super) fn pending(&self) -> BTreeSet<SourceKey> {
        let pending = self.pending.iter();
        pending.map(|number| self.names[*number].0).collect()
    }

    /// Which connections failed and why, and which are not open yet.
    pub(super) fn words(&self) -> String {
        let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (number, error) in &self.failures {
            let names = reasons.entry(error.to_string()).or_default();
            names.push(&self.names[*number].1);
        }
        let alone = self.failures.len() == 1;
        let mut words: Vec<_> = reasons
            .into_iter()
            .map(|(reason, names)| match alone {
                true => reason,
                false => format!("{reason} ({})", names.join(", ")),
            })
            .collect();
        if !self.pending.is_empty() {
            let pending = self.pending.iter();
            let names: Vec<_> = pending
                .map(|number| self.names[*number].1.as_str())
                .collect();
            words.push(format!("not open yet: {}", names.join(", ")));
        }
        words.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{streams::Streams, subscription::SubKind};
    use barter_instrument::exchange::ExchangeId;
    use serde_json::json;
    use std::{
        net::TcpListener,
        time::{Duration, Instant},
    };

    fn failure(address: &str) -> Result<(), FeedError> {
        Err(FeedError::Connect {
            exchange: ExchangeId::Kraken,
            address: address.to_owned(),
            reason: "refused".to_owned(),
        })
    }

    fn opening(start: Start) -> Opening {
        let names = [
            (
                ExchangeId::Kraken,
                SubKind::Trades,
                "kraken trades of XBT/USD",
            ),
            (ExchangeId::Kraken, SubKind::L1, "kraken l1 of XBT/USD"),
            (ExchangeId::Okx, SubKind::Trades, "okx"),
        ];
        let name = |(exchange, kind, name): (_, _, &str)| ((kind, exchange), name.to_owned());
        Opening::new(start, names.map(name).to_vec())
    }

    #[test]
    fn every_connection_that_failed_is_named_with_its_reason_and_every_one_that_is_not_open() {
        let mut opening = opening(Start::All);
        assert!(!opening.must_fail());
        opening.outcome(1, failure("ws://a"));
        assert!(opening.must_fail());
        let pending = [ExchangeId::Kraken, ExchangeId::Okx].map(|of| (SubKind::Trades, of));
        assert_eq!(opening.pending(), BTreeSet::from(pending));
        assert_eq!(
            opening.words(),
            "kraken: cannot connect to ws://a: refused; not open yet: kraken trades of XBT/USD, okx"
        );
        opening.outcome(0, failure("ws://a"));
        opening.outcome(2, failure("ws://b"));
        let error = opening.error().unwrap();
        assert_eq!(error.status, Status::ConnectFailed);
        assert_eq!(
            error.message,
            "kraken: cannot connect to ws://a: refused (kraken trades of XBT/USD, kraken l1 of XBT/USD); \
             kraken: cannot connect to ws://b: refused (okx)"
        );
    }

    #[test]
    fn order_books_that_wait_for_their_minute_are_named_with_the_time_and_the_weight() {
        let book = |number| {
            let base = format!("a{number}");
            json!({"exchange": "binance_spot", "base": base, "quote": "b", "instrument_kind": "spot", "kind": "l2"})
        };
        // It accepts and never answers.
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("ws://{}", server.local_addr().unwrap());
        let request = json!({
            "batches": [(0..22).map(book).collect::<Vec<_>>()],
            "options": {"endpoints": {"binance_spot": address}, "snapshot_depth": 5_000},
        });
        let streams = Streams::start(&request.to_string()).unwrap();
        let bound = Instant::now() + Duration::from_secs(10);
        let told = loop {
            let soon = Instant::now() + Duration::from_millis(10);
            assert_eq!(streams.wait(Some(soon)), Ok(false));
            let told = streams.progress();
            if told.contains("wait for their turn") {
                break told;
            }
            assert!(Instant::now() < bound, "{told}");
        };
        for words in [
            ", binance_spot l2 of A21B; binance_spot: requests for order books wait for their turn, the last for another ",
            " s: it weighs 250 of the 6000 allowed in 60 s",
        ] {
            assert!(told.contains(words), "{told}");
        }
    }

    #[test]
    fn a_set_that_may_open_in_part_fails_where_no_connection_opens() {
        let mut opening = opening(Start::Any);
        for number in 0..2 {
            opening.outcome(number, failure("ws://a"));
        }
        assert!(!opening.must_fail());
        opening.outcome(2, Ok(()));
        assert!(opening.error().is_none());
        let all = (0..3).fold(super::tests::opening(Start::Any), |mut opening, number| {
            opening.outcome(number, failure("ws://a"));
            opening
        });
        assert!(all.error().is_some());
    }

    #[test]
    fn a_set_with_nothing_to_open_is_open() {
        for start in [Start::All, Start::Any] {
            assert!(Opening::new(start, Vec::new()).error().is_none());
        }
    }

    #[test]
    fn a_connection_without_an_outcome_is_not_open() {
        let opening = opening(Start::All);
        let error = opening.error().unwrap();
        assert_eq!(
            error.message,
            "not open yet: kraken trades of XBT/USD, kraken l1 of XBT/USD, okx"
        );
    }
}
