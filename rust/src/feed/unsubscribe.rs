//! How subscriptions of a running connection are ended, each exchange's way: the request that subscribes with another
//! verb, or one that names the channels by their numbers.

use barter_integration::{protocol::websocket::WsMessage, subscription::SubscriptionId};
use serde_json::{Value, json};

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
