//! How the opening of connections goes: which are not open yet, which failed and why, and what that makes of the whole.

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
    names: Vec<String>,
    pending: BTreeSet<usize>,
    failures: BTreeMap<usize, FeedError>,
}

impl Opening {
    /// Nothing is known yet of these connections.
    pub(super) fn new(start: Start, names: Vec<String>) -> Self {
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

    /// Which connections failed and why, and which are not open yet.
    pub(super) fn words(&self) -> String {
        let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for (number, error) in &self.failures {
            let names = reasons.entry(error.to_string()).or_default();
            names.push(&self.names[*number]);
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
            let names: Vec<_> = pending.map(|number| self.names[*number].as_str()).collect();
            words.push(format!("not open yet: {}", names.join(", ")));
        }
        words.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use barter_instrument::exchange::ExchangeId;

    fn failure(address: &str) -> Result<(), FeedError> {
        Err(FeedError::Connect {
            exchange: ExchangeId::Kraken,
            address: address.to_owned(),
            reason: "refused".to_owned(),
        })
    }

    fn opening(start: Start) -> Opening {
        let names = ["kraken trades of XBT/USD", "kraken l1 of XBT/USD", "okx"];
        Opening::new(start, names.map(str::to_owned).to_vec())
    }

    #[test]
    fn every_connection_that_failed_is_named_with_its_reason_and_every_one_that_is_not_open() {
        let mut opening = opening(Start::All);
        assert!(!opening.must_fail());
        opening.outcome(1, failure("ws://a"));
        assert!(opening.must_fail());
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
