//! What the parts of a connection need to know of an exchange and of a kind of market data, beside upstream's
//! [`Connector`]. Each exchange's module implements [`Venue`]; nothing else in the feed knows an exchange's words.

use super::exchange::Exchange;
use crate::{
    outlet::{AnyOutlet, Outlet},
    queue::KeptBook,
    subscription::SubKind,
};
use barter_data::{
    Identifier,
    exchange::{Connector, PingInterval, subscription::ExchangeSub},
    instrument::MarketInstrumentData,
    subscriber::mapper::{SubscriptionMapper, WebSocketSubMapper},
    subscription::{
        Map, Subscription, SubscriptionKind, SubscriptionMeta,
        book::{OrderBooksL1, OrderBooksL2},
        liquidation::Liquidations,
        trade::PublicTrades,
    },
};
use barter_instrument::instrument::InstrumentIndex;
use barter_integration::{error::SocketError, subscription::SubscriptionId};
use hashbrown::HashMap;
use smol_str::{SmolStr, SmolStrBuilder};

/// What a text frame is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Meaning {
    /// Market data, or nothing that is known.
    Data,
    /// A heartbeat, pong, greeting or status: nothing to tell.
    Control,
    /// The exchange accepts a subscription.
    Accepted(Accepted),
    /// The exchange refuses a subscription.
    Refused {
        /// The market, where the frame names it.
        market: Option<String>,
        /// The exchange's own words.
        reason: String,
    },
    /// The exchange says that it will end the connection, and why.
    Ending(String),
}

/// Which subscriptions an acknowledgement is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Accepted {
    /// All of them.
    All,
    /// The first that waits: the exchange answers in order and names none.
    Next,
    /// These.
    These(Vec<SubscriptionId>),
    /// This one, which data frames will call `alias`.
    Aliased {
        /// The subscription.
        id: SubscriptionId,
        /// Its name in data frames.
        alias: SubscriptionId,
    },
}

/// An exchange server: upstream's connector and what its frames mean.
pub(crate) trait Venue: Connector + Send + Sync + 'static {
    /// Its row in the table of exchanges.
    const SERVER: &'static Exchange;

    /// What a text frame means.
    fn meaning(text: &str) -> Meaning;

    /// False where the frame's shape alone says that it is no market data.
    fn may_be_data(_text: &str) -> bool {
        true
    }

    /// The ping to send, and how often.
    fn ping_interval() -> Option<PingInterval> {
        <Self as Connector>::ping_interval()
    }
}

/// An instrument as upstream's connectors take it.
pub(crate) type Market = MarketInstrumentData<InstrumentIndex>;

/// The market's name on the exchange.
pub(crate) fn market_name(market: &Market) -> &str {
    market.name_exchange.name()
}

/// An exchange server that offers a kind of market data.
pub(crate) trait Offers<K>: Venue {
    /// The requests that subscribe to these, and which subscription is whose.
    fn subscriptions(instruments: &[Market]) -> SubscriptionMeta<InstrumentIndex>;

    /// The id of the subscription to this.
    fn id(instrument: &Market) -> SubscriptionId;
}

impl<Ex, K> Offers<K> for Ex
where
    Ex: Venue,
    K: Kind,
    Subscription<Ex, Market, K>: Identifier<Ex::Channel> + Identifier<Ex::Market>,
{
    fn subscriptions(instruments: &[Market]) -> SubscriptionMeta<InstrumentIndex> {
        let subscriptions: Vec<_> = instruments.iter().map(subscription::<Ex, K>).collect();
        WebSocketSubMapper::map::<Ex, Market, K>(&subscriptions)
    }

    fn id(instrument: &Market) -> SubscriptionId {
        ExchangeSub::<Ex::Channel, Ex::Market>::new(&subscription::<Ex, K>(instrument)).id()
    }
}

fn subscription<Ex: Default, K: Default>(instrument: &Market) -> Subscription<Ex, Market, K> {
    Subscription::new(Ex::default(), instrument.clone(), K::default())
}

/// The market's name in a subscription id of upstream's, `channel|market`.
pub(crate) fn market_of(id: &SubscriptionId) -> &str {
    let id = id.as_ref();
    id.split_once('|').map_or(id, |(_, market)| market)
}

/// The subscription id that upstream makes of a channel and a market.
pub(crate) fn subscription_id(channel: &str, market: &str) -> SubscriptionId {
    let mut id = SmolStrBuilder::new();
    id.push_str(channel);
    id.push('|');
    id.push_str(market);
    SubscriptionId(id.finish())
}

/// What a data frame calls its subscription: upstream's id in the parts that frames have, so that none is put together
/// for each frame.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Topic {
    channel: SmolStr,
    /// Empty where the exchange has one name for the two.
    market: SmolStr,
}

impl Topic {
    /// Of a market in a channel.
    pub(crate) fn new(channel: impl Into<SmolStr>, market: impl Into<SmolStr>) -> Self {
        Self {
            channel: channel.into(),
            market: market.into(),
        }
    }

    /// Of a channel that upstream names.
    pub(crate) const fn of(channel: &'static str, market: SmolStr) -> Self {
        Self {
            channel: SmolStr::new_static(channel),
            market,
        }
    }

    /// The same in one.
    pub(crate) fn id(&self) -> SubscriptionId {
        match self.market.as_str() {
            "" => SubscriptionId(self.channel.clone()),
            market => subscription_id(&self.channel, market),
        }
    }
}

impl From<&SubscriptionId> for Topic {
    fn from(id: &SubscriptionId) -> Self {
        let (channel, market) = id.as_ref().split_once('|').unwrap_or((id.as_ref(), ""));
        Self::new(channel, market)
    }
}

/// What belongs to each subscription of a connection, as upstream's `Map` has it.
#[derive(Debug)]
pub(crate) struct Topics<T>(HashMap<Topic, T>);

impl<T> Topics<T> {
    /// Of these, each with what is made of it.
    pub(crate) fn new(map: Map<InstrumentIndex>, make: impl Fn(InstrumentIndex) -> T) -> Self {
        let topics = map.0.into_iter();
        Self(
            topics
                .map(|(id, instrument)| (Topic::from(&id), make(instrument)))
                .collect(),
        )
    }

    /// Of this; upstream's error where there is none.
    pub(crate) fn find(&mut self, topic: &Topic) -> Result<&mut T, SocketError> {
        let found = self.0.get_mut(topic);
        found.ok_or_else(|| SocketError::Unidentifiable(topic.id()))
    }
}

/// A kind of market data of upstream's, with its number here and its outlet.
pub(crate) trait Kind:
    SubscriptionKind<Event: KeptBook + Send + Sync + 'static> + Default + Send + Sync + 'static
{
    /// Its number and name here.
    const SUB_KIND: SubKind;

    /// The outlet of this kind; `None` where it is of another.
    fn outlet(outlet: AnyOutlet) -> Option<Outlet<Self::Event>>;
}

macro_rules! kinds {
    ($($kind:ty => $variant:ident),* $(,)?) => {$(
        impl Kind for $kind {
            const SUB_KIND: SubKind = SubKind::$variant;

            fn outlet(outlet: AnyOutlet) -> Option<Outlet<Self::Event>> {
                match outlet {
                    AnyOutlet::$variant(outlet) => Some(outlet),
                    _ => None,
                }
            }
        }
    )*};
}

kinds! {
    PublicTrades => Trades,
    OrderBooksL1 => L1,
    OrderBooksL2 => L2,
    Liquidations => Liquidations,
}
