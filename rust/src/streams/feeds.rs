//! The ways into the streams of a set: a channel of upstream's `DynamicStreams` for each, the pump that drains it into
//! a queue, and the connections that lead into it. A set and what is added to one are wired here alike.

use crate::{
    event::Record,
    feed::{self, FeedError, Unwanted},
    metrics::Meter,
    options::{Queues, Start, StreamOptions},
    outlet::{AnyOutlet, Gate, Outlet},
    pump::{Source, Target, pump},
    queue::{KeptBook, Queue},
    runtime, status,
    subscription::{ConnectionPlan, SubKind},
};
use barter_data::streams::{builder::dynamic::DynamicStreams, consumer::MarketStreamResult};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};
use tokio::{
    runtime::Handle,
    sync::{Notify, mpsc},
    task::{AbortHandle, JoinSet},
};
use tokio_stream::wrappers::UnboundedReceiverStream;

/// What one queue holds until it is merged with others.
pub(crate) type SourceKey = (SubKind, ExchangeId);

/// A `DynamicStreams` of channels, and what leads into it.
pub(crate) struct Channels {
    pub(crate) dynamic: DynamicStreams<InstrumentIndex>,
    pub(crate) outlets: HashMap<SourceKey, AnyOutlet>,
    pub(crate) doors: HashMap<SourceKey, Door>,
}

impl Channels {
    /// One channel a distinct key.
    pub(crate) fn new(keys: impl Iterator<Item = SourceKey>) -> Self {
        let mut dynamic = DynamicStreams {
            trades: Default::default(),
            l1s: Default::default(),
            l2s: Default::default(),
            liquidations: Default::default(),
        };
        let (mut outlets, mut doors) = (HashMap::new(), HashMap::new());
        for (kind, exchange) in keys.collect::<BTreeSet<_>>() {
            let gate = Arc::new(Gate::default());
            macro_rules! channel {
                ($field:ident, $variant:ident) => {{
                    let (tx, rx) = mpsc::unbounded_channel();
                    dynamic
                        .$field
                        .insert(exchange, UnboundedReceiverStream::new(rx));
                    let (weak, of_door) = (tx.downgrade(), gate.clone());
                    let outlet = move || {
                        let outlet = Outlet::new(exchange, weak.upgrade()?, of_door.clone());
                        Some(AnyOutlet::$variant(outlet))
                    };
                    let door = Door {
                        gate: gate.clone(),
                        outlet: Box::new(outlet),
                    };
                    doors.insert((kind, exchange), door);
                    AnyOutlet::$variant(Outlet::new(exchange, tx, gate))
                }};
            }
            let outlet = match kind {
                SubKind::Trades => channel!(trades, Trades),
                SubKind::L1 => channel!(l1s, L1),
                SubKind::L2 => channel!(l2s, L2),
                SubKind::Liquidations => channel!(liquidations, Liquidations),
            };
            outlets.insert((kind, exchange), outlet);
        }
        Self {
            dynamic,
            outlets,
            doors,
        }
    }
}

/// The way into a channel.
pub(crate) struct Door {
    gate: Arc<Gate>,
    /// Makes another outlet for as long as any is there.
    outlet: Box<dyn Fn() -> Option<AnyOutlet> + Send>,
}

impl Default for Door {
    /// That of a channel whose sending half is somebody else's.
    fn default() -> Self {
        Self {
            gate: Arc::default(),
            outlet: Box::new(|| None),
        }
    }
}

/// Streams of a set.
#[derive(Default)]
pub(super) struct Sources {
    pub(super) queues: BTreeMap<SourceKey, Arc<Queue>>,
    pub(super) feeds: BTreeMap<SourceKey, Feed>,
}

impl Sources {
    /// Takes a `DynamicStreams` apart: a queue and a pump for each of its streams, and the ways into them.
    pub(super) fn of(
        dynamic: DynamicStreams<InstrumentIndex>,
        doors: HashMap<SourceKey, Door>,
        options: &Queues,
        runtime: &Handle,
    ) -> Self {
        let mut pumps = Pumps {
            doors,
            options,
            runtime,
            sources: Self::default(),
        };
        let DynamicStreams {
            trades,
            l1s,
            l2s,
            liquidations,
        } = dynamic;
        pumps.spawn(SubKind::Trades, trades);
        pumps.spawn(SubKind::L1, l1s);
        pumps.spawn(SubKind::L2, l2s);
        pumps.spawn(SubKind::Liquidations, liquidations);
        pumps.sources
    }
}

/// The way into one stream.
pub(super) struct Feed {
    door: Door,
    target: Target,
    pub(super) carried: Vec<Carried>,
    /// Keeps the stream open while nothing is subscribed any more, and while something is being added.
    pub(super) kept: Option<AnyOutlet>,
}

/// A connection.
pub(super) struct Carried {
    pub(super) instruments: Vec<InstrumentIndex>,
    pub(super) unwanted: Arc<Unwanted>,
    pub(super) task: AbortHandle,
}

impl Feed {
    /// Another outlet into the stream; `None` where it has ended.
    pub(super) fn outlet(&self) -> Option<AnyOutlet> {
        (self.door.outlet)()
    }

    /// Whether a connection carries this.
    pub(super) fn carries(&self, instrument: InstrumentIndex) -> bool {
        let mut carried = self.carried.iter();
        carried.any(|carried| carried.instruments.contains(&instrument))
    }

    /// The books of these instruments are no longer the exchange's.
    pub(super) fn left(
        &self,
        (kind, exchange): SourceKey,
        instruments: impl IntoIterator<Item = InstrumentIndex>,
    ) {
        if kind == SubKind::L2 {
            self.target.lock().subscribed(exchange, instruments, false);
        }
    }

    /// Forgets the connections that are over: what they were subscribed to may be subscribed to again.
    pub(super) fn forget_ended(&mut self) {
        if !self.target.lock().has(&self.target) {
            self.carried.clear();
        }
        self.carried.retain(|carried| !carried.task.is_finished());
    }

    /// Lets the stream end with its connections, where it has any.
    pub(super) fn forget_kept(&mut self) {
        if !self.carried.is_empty() {
            self.kept = None;
        }
    }
}

/// Which connection, and how it opened.
pub(super) type Outcome = (usize, Result<(), FeedError>);

/// Opens connections of a set, and numbers them.
pub(super) struct Opener {
    pub(super) options: Arc<StreamOptions>,
    pub(super) runtime: Handle,
    /// What each is for that was opened.
    pub(super) names: Vec<(SourceKey, String)>,
    opened: mpsc::UnboundedSender<Outcome>,
    /// The first outcome of each; they end with the opener and the connections.
    pub(super) outcomes: mpsc::UnboundedReceiver<Outcome>,
}

impl Opener {
    /// Opens connections with these options.
    pub(super) fn new(options: Arc<StreamOptions>) -> status::Result<Self> {
        let (opened, outcomes) = mpsc::unbounded_channel();
        Ok(Self {
            options,
            runtime: runtime::handle()?,
            names: Vec::new(),
            opened,
            outcomes,
        })
    }

    /// Opens connections that lead into streams of their own.
    pub(super) fn open_all(&mut self, plans: Vec<ConnectionPlan>) -> Sources {
        let keys = plans.iter().map(|plan| (plan.kind, plan.exchange));
        let Channels {
            dynamic,
            outlets,
            doors,
        } = Channels::new(keys);
        let mut sources = Sources::of(dynamic, doors, &self.options.queues, &self.runtime);
        for plan in plans {
            let key = (plan.kind, plan.exchange);
            if let (Some(feed), Some(outlet)) = (sources.feeds.get_mut(&key), outlets.get(&key)) {
                self.open(plan, feed, outlet.clone());
            }
        }
        sources
    }

    /// Opens one that leads into this feed; `None` where the feed's stream has gone.
    pub(super) fn open(
        &mut self,
        plan: ConnectionPlan,
        feed: &mut Feed,
        outlet: AnyOutlet,
    ) -> Option<AbortHandle> {
        // While the target is locked no merge moves the source to another queue.
        let queue = feed.target.lock();
        let meter = queue.meter(&plan);
        let instruments: Vec<_> = plan.instruments.iter().map(|market| market.key).collect();
        if plan.kind == SubKind::L2 {
            queue.subscribed(plan.exchange, instruments.iter().copied(), true);
        }
        let key = (plan.kind, plan.exchange);
        let (number, name) = (self.names.len(), feed::name_of(&plan));
        let unwanted = Arc::new(Unwanted::default());
        let task = connection(
            plan,
            self.options.clone(),
            outlet.of_connection(meter.clone(), unwanted.clone()),
            (number, self.opened.clone()),
            meter,
        );
        let task = queue.spawn(&feed.target, task, &self.runtime)?;
        drop(queue);
        self.names.push((key, name));
        feed.carried.push(Carried {
            instruments,
            unwanted,
            task: task.clone(),
        });
        Some(task)
    }
}

/// One connection for the whole of its life; says once how the opening went.
async fn connection(
    plan: ConnectionPlan,
    options: Arc<StreamOptions>,
    outlet: AnyOutlet,
    (number, opened): (usize, mpsc::UnboundedSender<Outcome>),
    meter: Arc<Meter>,
) {
    let _ended = meter.until_dropped();
    let outcome = feed::connect(plan.clone(), options.clone(), outlet.clone()).await;
    if let Err(error) = &outcome {
        let (exchange, kind) = (plan.exchange.as_str(), plan.kind.name());
        tracing::warn!(exchange, kind, reason = %error, "{}", error.title());
    }
    // Nobody listens once the initialisation has failed or was cancelled; this task ends with it.
    let _ = opened.send((number, outcome.as_ref().map(|_| ()).map_err(Clone::clone)));
    drop(opened);
    match outcome {
        Ok(running) => running.await,
        Err(error) if options.start == Start::Any => {
            feed::retry(plan, options, outlet, error).await
        }
        Err(_) => {}
    }
}

/// Makes the pumps of streams.
struct Pumps<'a> {
    doors: HashMap<SourceKey, Door>,
    options: &'a Queues,
    runtime: &'a Handle,
    sources: Sources,
}

impl Pumps<'_> {
    fn spawn<K>(
        &mut self,
        kind: SubKind,
        streams: impl IntoIterator<
            Item = (
                ExchangeId,
                UnboundedReceiverStream<MarketStreamResult<InstrumentIndex, K>>,
            ),
        >,
    ) where
        K: Record + KeptBook + Send + 'static,
    {
        for (exchange, stream) in streams {
            let key = (kind, exchange);
            let queue = Arc::new(Queue::new(self.options.of(kind)));
            let target: Target = Arc::new(Mutex::new(queue.clone()));
            let (mut task, overflow) = (JoinSet::new(), Arc::new(Notify::new()));
            let door = self.doors.remove(&key).unwrap_or_default();
            let items = stream.into_inner();
            queue.producer_added();
            let pump = pump(
                exchange,
                kind,
                items,
                door.gate.clone(),
                target.clone(),
                overflow.clone(),
            );
            task.spawn_on(pump, self.runtime);
            queue.adopt(Source {
                target: target.clone(),
                _pump: task,
                connections: JoinSet::new(),
                overflow,
            });
            self.sources.queues.insert(key, queue);
            self.sources.feeds.insert(
                key,
                Feed {
                    door,
                    target,
                    carried: Vec::new(),
                    kept: None,
                },
            );
        }
    }
}
