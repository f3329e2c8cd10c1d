//! Unsubscribing on a running set. A connection whose last instrument goes is closed; one that carries others tells the
//! exchange and goes on without it. The stream stays open for what is subscribed later.

use super::{Streams, feeds::Carried, subscribe::in_memory};
use crate::{
    instrument::Instrument,
    runtime,
    status::{Error, Result, Status},
    subscription::{SubKind, parse_batches},
};
use barter_instrument::instrument::InstrumentIndex;
use std::collections::{BTreeMap, BTreeSet};

impl Streams {
    /// Ends subscriptions, `{"batches": …}`, all of them or, where one is not subscribed, none. What a stream holds of
    /// them stays to be read; nothing more comes.
    pub fn unsubscribe(&self, json: &str) -> Result<()> {
        let mut state = self.state.lock();
        state.open()?;
        if state.options.is_none() {
            return Err(in_memory());
        }
        let mut leaving: BTreeMap<_, BTreeSet<InstrumentIndex>> = BTreeMap::new();
        for (kind, instrument) in parse_batches(json)?.into_iter().flatten() {
            let key = (kind, instrument.exchange);
            let index = self.instruments.find(&instrument);
            let feed = state.feeds.get_mut(&key);
            let carried = feed.zip(index).is_some_and(|(feed, index)| {
                feed.forget_ended();
                feed.carries(index)
            });
            let Some(index) = index.filter(|_| carried) else {
                return Err(not_subscribed(kind, &instrument));
            };
            leaving.entry(key).or_default().insert(index);
        }
        for (key, instruments) in leaving {
            let Some(feed) = state.feeds.get_mut(&key) else {
                continue;
            };
            // Before its last connection goes, and the stream with it.
            let outlet = feed.outlet();
            feed.carried
                .retain_mut(|connection| connection.leave(&instruments));
            if feed.carried.is_empty() {
                feed.kept = outlet;
            }
            feed.left(key, instruments);
        }
        runtime::attend();
        Ok(())
    }
}

impl Carried {
    /// Leaves what it carries of these; whether it goes on.
    fn leave(&mut self, instruments: &BTreeSet<InstrumentIndex>) -> bool {
        let (gone, left): (Vec<_>, Vec<_>) = self
            .instruments
            .iter()
            .copied()
            .partition(|instrument| instruments.contains(instrument));
        if gone.is_empty() {
            return true;
        }
        self.instruments = left;
        // What it has read already is left out too.
        self.unwanted.add(gone);
        let goes_on = !self.instruments.is_empty();
        if !goes_on {
            self.task.abort();
        }
        goes_on
    }
}

fn not_subscribed(kind: SubKind, instrument: &Instrument) -> Error {
    let (exchange, market) = (instrument.exchange.as_str(), &instrument.name_exchange);
    let kind = kind.name();
    Error::new(
        Status::NotSubscribed,
        format!("{exchange} {kind} of {market} is not subscribed"),
    )
}
