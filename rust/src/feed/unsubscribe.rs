//! How subscriptions of a running connection are ended, each exchange's way: the request that subscribes with another
//! verb, or one that names the channels by their numbers.

use super::{
    limits,
    socket::Outgoing,
    venue::{Kind, Market, Offers},
};
use barter_data::subscription::Map;
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{protocol::websocket::WsMessage, subscription::SubscriptionId};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::{
    collections::{HashMap, HashSet},
    marker::PhantomData,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until},
};

/// What is no longer wanted of one connection that stays open for others: the set says so, the connection tells the
/// exchange, asks for it no more when it is opened again, and what still comes of it is left out.
#[derive(Debug, Default)]
pub(crate) struct Unwanted {
    /// Whether there is anything, so that an event of a connection that keeps all costs no lock.
    any: AtomicBool,
    instruments: Mutex<HashSet<InstrumentIndex>>,
    changed: Notify,
}

impl Unwanted {
    /// These are no longer wanted.
    pub(crate) fn add(&self, instruments: impl IntoIterator<Item = InstrumentIndex>) {
        self.instruments.lock().extend(instruments);
        self.any.store(true, Ordering::Release);
        self.changed.notify_one();
    }

    /// Whether anything is no longer wanted.
    pub(crate) fn any(&self) -> bool {
        self.any.load(Ordering::Acquire)
    }

    /// Whether this is no longer wanted.
    pub(crate) fn has(&self, instrument: InstrumentIndex) -> bool {
        self.any() && self.instruments.lock().contains(&instrument)
    }
}

/// Ends subscriptions of one open connection as they become unwanted.
pub(crate) struct Leaving<Ex, K> {
    unwanted: Arc<Unwanted>,
    outgoing: Outgoing,
    /// Those that are subscribed, and what data frames call them.
    subscribed: Vec<Market>,
    names: HashMap<InstrumentIndex, SubscriptionId>,
    of: PhantomData<fn() -> (Ex, K)>,
}

impl<Ex: Offers<K>, K: Kind> Leaving<Ex, K> {
    /// For a connection that is subscribed to these, by these names.
    pub(crate) fn new(
        unwanted: Arc<Unwanted>,
        outgoing: Outgoing,
        subscribed: &[Market],
        map: &Map<InstrumentIndex>,
    ) -> Self {
        let names = map.0.iter();
        Self {
            unwanted,
            outgoing,
            subscribed: subscribed.to_vec(),
            names: names
                .map(|(name, instrument)| (*instrument, name.clone()))
                .collect(),
            of: PhantomData,
        }
    }

    /// Runs until the connection breaks.
    pub(crate) async fn run(mut self) {
        let limits = limits::of(Ex::ID);
        let mut pacer = limits.message_pacer();
        // The numbers of these requests go on where others, far fewer, cannot come.
        let mut number = 1 << 20;
        loop {
            let (gone, left) = std::mem::take(&mut self.subscribed)
                .into_iter()
                .partition(|market: &Market| self.unwanted.has(market.key));
            let gone: Vec<Market> = gone;
            self.subscribed = left;
            for part in limits.requests(&gone) {
                number += 1;
                for request in self.requests(part) {
                    if let Some(pacer) = &mut pacer {
                        sleep_until(pacer.turn(Instant::now())).await;
                    }
                    let request = limits.numbered(request, number);
                    if self.outgoing.send(request).await.is_err() {
                        return;
                    }
                }
            }
            self.unwanted.changed.notified().await;
        }
    }

    fn requests(&self, gone: &[Market]) -> Vec<WsMessage> {
        let subscribing = Ex::subscriptions(gone).ws_subscriptions;
        let names = gone.iter().filter_map(|market| self.names.get(&market.key));
        let names: Vec<_> = names.cloned().collect();
        Ex::SERVER.unsubscribe.requests(subscribing, &names)
    }
}

/// An exchange's way to end subscriptions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsubscribe {
    /// The request that subscribes, where this key has this value.
    Verb(&'static str, &'static str),
    /// `{"event":"unsubscribe","chanId":…}`, a request for each channel, by the number that its frames carry.
    Channel,
}

impl Unsubscribe {
    /// The requests that end subscriptions: `subscribing` are those that made them, `names` what data frames call them.
    pub(crate) fn requests(
        self,
        subscribing: Vec<WsMessage>,
        names: &[SubscriptionId],
    ) -> Vec<WsMessage> {
        match self {
            Self::Verb(key, verb) => {
                let other = |request| with_verb(request, key, verb);
                subscribing.into_iter().map(other).collect()
            }
            Self::Channel => {
                let numbers = names.iter().filter_map(|name| name.as_ref().parse().ok());
                let request = |number: u64| json!({"event": "unsubscribe", "chanId": number});
                numbers
                    .map(|number| WsMessage::text(request(number).to_string()))
                    .collect()
            }
        }
    }
}

fn with_verb(request: WsMessage, key: &str, verb: &str) -> WsMessage {
    match serde_json::from_str(request.to_text().unwrap_or_default()) {
        Ok(Value::Object(mut fields)) => {
            fields.insert(key.to_owned(), verb.into());
            WsMessage::text(Value::Object(fields).to_string())
        }
        _ => request,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verb_takes_the_place_of_the_one_that_subscribes_and_nothing_else_changes() {
        let request = WsMessage::text(r#"{"args":["a.B"],"op":"subscribe"}"#);
        let requests = Unsubscribe::Verb("op", "unsubscribe").requests(vec![request], &[]);
        let [request] = requests.as_slice() else {
            panic!("one for one: {requests:?}");
        };
        assert_eq!(
            request.to_text().unwrap(),
            r#"{"args":["a.B"],"op":"unsubscribe"}"#
        );
    }

    #[test]
    fn a_channel_is_named_by_its_number() {
        let names = [SubscriptionId::from("17"), SubscriptionId::from("4")];
        let requests = Unsubscribe::Channel.requests(Vec::new(), &names);
        let texts: Vec<_> = requests
            .iter()
            .map(|text| text.to_text().unwrap())
            .collect();
        assert_eq!(
            texts,
            [
                r#"{"chanId":17,"event":"unsubscribe"}"#,
                r#"{"chanId":4,"event":"unsubscribe"}"#
            ]
        );
    }
}
