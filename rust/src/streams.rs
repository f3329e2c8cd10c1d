//! A set of streams: upstream's `DynamicStreams<InstrumentIndex>` made ready for callers of any thread. Opening runs
//! in the background; [`Streams::wait`] waits for it; `select` takes single streams or merges of them out, each once.

use crate::{
    feed::{self, FeedError},
    instrument::Instruments,
    metrics::{Meter, SetMetrics},
    options::{QueuePolicy, Queues, Start, StreamOptions},
    outlet::{AnyOutlet, Gate, Outlet},
    platform::ReadySignal,
    pump::{Source, pump},
    queue::{KeptBook, Queue},
    runtime,
    status::{Error, Result, Status},
    stream::Stream,
    subscription::{ConnectionPlan, Request, SubKind, parse_request},
};
use barter_data::streams::{builder::dynamic::DynamicStreams, consumer::MarketStreamResult};
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use parking_lot::{Condvar, Mutex};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    mem,
    os::fd::OwnedFd,
    sync::{Arc, Weak},
    time::Instant,
};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, JoinSet},
};
use tokio_stream::wrappers::UnboundedReceiverStream;

/// What one queue holds until it is merged with others.
pub(crate) type SourceKey = (SubKind, ExchangeId);

/// A set of streams of which single ones are selected.
pub struct Streams {
    instruments: Arc<Instruments>,
    state: Mutex<State>,
    changed: Condvar,
}

struct State {
    phase: Phase,
    queues: BTreeMap<SourceKey, Arc<Queue>>,
    /// The streams selected, for the metrics.
    selected: Vec<Weak<Stream>>,
    signal: Option<ReadySignal>,
    /// The task that waits for the connections.
    opening: Option<AbortHandle>,
}

enum Phase {
    Opening,
    Open,
    Failed(Error),
    Closed,
}

impl Streams {
    /// Parses and checks a request, then opens its connections in the background.
    pub fn start(json: &str) -> Result<Arc<Self>> {
        let instruments = Arc::new(Instruments::default());
        let Request {
            options,
            connections,
        } = parse_request(json, &instruments)?;
        options
            .queues
            .check(connections.iter().map(|plan| plan.kind))?;
        let runtime = runtime::handle()?;
        let keys = connections.iter().map(|plan| (plan.kind, plan.exchange));
        let Channels {
            dynamic,
            gates,
            outlets,
        } = Channels::new(keys);
        let mut sources = pumps(dynamic, &gates, &options.queues, &runtime);
        let (opened, outcomes) = mpsc::unbounded_channel();
        let (options, total) = (Arc::new(options), connections.len());
        for plan in connections {
            let key = (plan.kind, plan.exchange);
            if let (Some((queue, source)), Some(outlet)) =
                (sources.get_mut(&key), outlets.get(&key))
            {
                let meter = queue.meter(&plan);
                let outlet = outlet.clone().metered(meter.clone());
                let connection = connection(plan, options.clone(), outlet, opened.clone(), meter);
                source.tasks.spawn_on(connection, &runtime);
            }
        }
        let streams = Arc::new(Self::with_sources(sources, instruments, Phase::Opening));
        let opening = watch(Arc::downgrade(&streams), outcomes, total, options.start);
        streams.state.lock().opening = Some(runtime.spawn(opening).abort_handle());
        Ok(streams)
    }

    /// A set over streams that exist already, open from the start.
    pub fn from_dynamic(
        dynamic: DynamicStreams<InstrumentIndex>,
        instruments: Arc<Instruments>,
        options: impl Into<Queues>,
    ) -> Result<Arc<Self>> {
        Self::from_channels(dynamic, &HashMap::new(), instruments, &options.into())
    }

    pub(crate) fn from_channels(
        dynamic: DynamicStreams<InstrumentIndex>,
        gates: &HashMap<SourceKey, Arc<Gate>>,
        instruments: Arc<Instruments>,
        options: &Queues,
    ) -> Result<Arc<Self>> {
        let sources = pumps(dynamic, gates, options, &runtime::handle()?);
        options.check(sources.keys().map(|(kind, _)| *kind))?;
        Ok(Arc::new(Self::with_sources(
            sources,
            instruments,
            Phase::Open,
        )))
    }

    fn with_sources(
        sources: BTreeMap<SourceKey, (Arc<Queue>, Source)>,
        instruments: Arc<Instruments>,
        phase: Phase,
    ) -> Self {
        let queues = sources
            .into_iter()
            .map(|(key, (queue, source))| {
                queue.adopt(source);
                (key, queue)
            })
            .collect();
        Self {
            instruments,
            state: Mutex::new(State {
                phase,
                queues,
                selected: Vec::new(),
                signal: None,
                opening: None,
            }),
            changed: Condvar::new(),
        }
    }

    /// The instruments, shared with every stream selected.
    pub fn instruments(&self) -> &Arc<Instruments> {
        &self.instruments
    }

    /// Waits until the connections are open or have failed; `Ok(false)` when `deadline` comes first.
    pub fn wait(&self, deadline: Option<Instant>) -> Result<bool> {
        let mut state = self.state.lock();
        loop {
            match &state.phase {
                Phase::Open => return Ok(true),
                Phase::Failed(error) => return Err(error.clone()),
                Phase::Closed => return Err(closed()),
                Phase::Opening => {}
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) if Instant::now() >= deadline => return Ok(false),
                Some(deadline) => {
                    self.changed.wait_until(&mut state, deadline);
                }
            }
        }
    }

    /// Takes streams out of the set: those of `kind` (`None`: any) and `exchange` (`None`: any), merged where there
    /// are several. `Ok(None)` where none is left.
    pub fn select(
        &self,
        kind: Option<SubKind>,
        exchange: Option<ExchangeId>,
    ) -> Result<Option<Arc<Stream>>> {
        let mut state = self.state.lock();
        match &state.phase {
            Phase::Open => {}
            Phase::Failed(error) => return Err(error.clone()),
            Phase::Closed => return Err(closed()),
            Phase::Opening => {
                return Err(Error::new(
                    Status::NotReady,
                    "the streams are still opening; wait for them first",
                ));
            }
        }
        let wanted = |(of_kind, of_exchange): &SourceKey| {
            kind.is_none_or(|kind| kind == *of_kind)
                && exchange.is_none_or(|exchange| exchange == *of_exchange)
        };
        let (selected, left) = mem::take(&mut state.queues)
            .into_iter()
            .partition(|(key, _)| wanted(key));
        let selected: BTreeMap<_, _> = selected;
        state.queues = left;
        if let Err(error) = mergeable(&selected) {
            state.queues.extend(selected);
            return Err(error);
        }
        let queues: Vec<_> = selected.into_values().collect();
        let queue = match queues.as_slice() {
            [] => return Ok(None),
            [one] => one.clone(),
            several => Queue::merge(several),
        };
        let stream = Stream::new(queue, self.instruments.clone(), exchange, kind);
        let stream = Arc::new(stream);
        state.selected.retain(|other| other.strong_count() > 0);
        state.selected.push(Arc::downgrade(&stream));
        Ok(Some(stream))
    }

    /// Counts and state of every stream: of those to be selected, and of those that were and still exist.
    pub fn metrics(&self) -> SetMetrics {
        let state = self.state.lock();
        let left = state.queues.iter();
        let left =
            left.map(|((kind, exchange), queue)| queue.metrics_of(Some(*exchange), Some(*kind)));
        let selected = state.selected.iter().filter_map(Weak::upgrade);
        let streams = left.chain(selected.map(|stream| stream.metrics()));
        SetMetrics::of(streams.collect())
    }

    /// What is left to select, ordered by kind and exchange.
    pub fn left(&self) -> Vec<(ExchangeId, SubKind)> {
        let state = self.state.lock();
        state
            .queues
            .keys()
            .map(|(kind, exchange)| (*exchange, *kind))
            .collect()
    }

    /// A descriptor of the caller's own that is readable when [`Self::wait`] would not wait.
    pub fn ready_fd(&self) -> Result<OwnedFd> {
        let mut state = self.state.lock();
        let ready = !matches!(state.phase, Phase::Opening);
        let signal = match &mut state.signal {
            Some(signal) => signal,
            none => none.insert(ReadySignal::new()?),
        };
        signal.set(ready);
        signal.duplicate()
    }

    /// Cancels an initialisation and closes what was not selected.
    pub fn close(&self) {
        self.end(Phase::Closed);
    }

    fn end(&self, phase: Phase) {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Closed) {
            return;
        }
        if matches!(phase, Phase::Open) && !matches!(state.phase, Phase::Opening) {
            return;
        }
        let open = matches!(phase, Phase::Open);
        state.phase = phase;
        let opening = state.opening.take();
        let queues = if open {
            BTreeMap::new()
        } else {
            mem::take(&mut state.queues)
        };
        if let Some(signal) = &mut state.signal {
            signal.set(true);
        }
        self.changed.notify_all();
        drop(state);
        if let (Some(opening), false) = (opening, open) {
            opening.abort();
        }
        queues.values().for_each(|queue| queue.close());
    }
}

impl Drop for Streams {
    fn drop(&mut self) {
        self.close();
    }
}

/// Whether these streams can be one: all have one policy, and what is conflated is of one kind.
fn mergeable(selected: &BTreeMap<SourceKey, Arc<Queue>>) -> Result<()> {
    let policies = selected
        .iter()
        .map(|((kind, _), queue)| (*kind, queue.options().policy));
    let policies: BTreeSet<_> = policies.collect();
    let Some((kind, policy)) = policies.first() else {
        return Ok(());
    };
    let wrong = policies
        .iter()
        .find(|(other, of)| of != policy || (other != kind && *of == QueuePolicy::Conflate));
    let Some((other, of)) = wrong else {
        return Ok(());
    };
    let rule = "streams that are merged have one policy, and conflate is for one kind at a time";
    Err(Error::new(
        Status::InvalidOption,
        format!(
            "{} ({}) and {} ({}): {rule}",
            kind.name(),
            policy.name(),
            other.name(),
            of.name()
        ),
    ))
}

fn closed() -> Error {
    Error::new(Status::HandleClosed, "the set of streams was closed")
}

/// One connection for the whole of its life; says once how the opening went.
async fn connection(
    plan: ConnectionPlan,
    options: Arc<StreamOptions>,
    outlet: AnyOutlet,
    opened: mpsc::UnboundedSender<std::result::Result<(), FeedError>>,
    meter: Arc<Meter>,
) {
    let _ended = meter.until_dropped();
    let outcome = feed::connect(plan.clone(), options.clone(), outlet.clone()).await;
    if let Err(error) = &outcome {
        let (exchange, kind) = (plan.exchange.as_str(), plan.kind.name());
        tracing::warn!(exchange, kind, reason = %error, "{}", error.title());
    }
    // Nobody listens once the initialisation has failed or was cancelled; this task ends with it.
    let _ = opened.send(outcome.as_ref().map(|_| ()).map_err(Clone::clone));
    drop(opened);
    match outcome {
        Ok(running) => running.await,
        Err(error) if options.start == Start::Any => {
            feed::retry(plan, options, outlet, error).await
        }
        Err(_) => {}
    }
}

/// Waits for every connection's first outcome and decides on the set.
async fn watch(
    streams: Weak<Streams>,
    mut outcomes: mpsc::UnboundedReceiver<std::result::Result<(), FeedError>>,
    total: usize,
    start: Start,
) {
    let mut failures = Vec::new();
    while let Some(outcome) = outcomes.recv().await {
        if let Err(error) = outcome {
            failures.push(error);
            if start == Start::All {
                break;
            }
        }
    }
    let failed = match start {
        Start::All => !failures.is_empty(),
        Start::Any => failures.len() == total,
    };
    let phase = match failures.first() {
        Some(first) if failed => {
            let messages: BTreeSet<String> = failures.iter().map(ToString::to_string).collect();
            let message = messages.into_iter().collect::<Vec<_>>().join("; ");
            Phase::Failed(Error::new(first.status(), message))
        }
        _ => Phase::Open,
    };
    if let Some(streams) = streams.upgrade() {
        streams.end(phase);
    }
}

/// A `DynamicStreams` of channels, and the outlets that lead into it.
pub(crate) struct Channels {
    pub(crate) dynamic: DynamicStreams<InstrumentIndex>,
    pub(crate) gates: HashMap<SourceKey, Arc<Gate>>,
    pub(crate) outlets: HashMap<SourceKey, AnyOutlet>,
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
        let (mut gates, mut outlets) = (HashMap::new(), HashMap::new());
        for (kind, exchange) in keys.collect::<BTreeSet<_>>() {
            let gate = Arc::new(Gate::default());
            macro_rules! channel {
                ($field:ident, $variant:ident) => {{
                    let (tx, rx) = mpsc::unbounded_channel();
                    dynamic
                        .$field
                        .insert(exchange, UnboundedReceiverStream::new(rx));
                    AnyOutlet::$variant(Outlet::new(exchange, tx, gate.clone()))
                }};
            }
            let outlet = match kind {
                SubKind::Trades => channel!(trades, Trades),
                SubKind::L1 => channel!(l1s, L1),
                SubKind::L2 => channel!(l2s, L2),
                SubKind::Liquidations => channel!(liquidations, Liquidations),
            };
            outlets.insert((kind, exchange), outlet);
            gates.insert((kind, exchange), gate);
        }
        Self {
            dynamic,
            gates,
            outlets,
        }
    }
}

/// Takes a `DynamicStreams` apart: a queue and a pump for each of its streams.
fn pumps(
    dynamic: DynamicStreams<InstrumentIndex>,
    gates: &HashMap<SourceKey, Arc<Gate>>,
    options: &Queues,
    runtime: &Handle,
) -> BTreeMap<SourceKey, (Arc<Queue>, Source)> {
    let mut sources = BTreeMap::new();
    let DynamicStreams {
        trades,
        l1s,
        l2s,
        liquidations,
    } = dynamic;
    spawn_pumps(
        SubKind::Trades,
        trades,
        gates,
        options,
        runtime,
        &mut sources,
    );
    spawn_pumps(SubKind::L1, l1s, gates, options, runtime, &mut sources);
    spawn_pumps(SubKind::L2, l2s, gates, options, runtime, &mut sources);
    spawn_pumps(
        SubKind::Liquidations,
        liquidations,
        gates,
        options,
        runtime,
        &mut sources,
    );
    sources
}

fn spawn_pumps<K>(
    kind: SubKind,
    streams: impl IntoIterator<
        Item = (
            ExchangeId,
            UnboundedReceiverStream<MarketStreamResult<InstrumentIndex, K>>,
        ),
    >,
    gates: &HashMap<SourceKey, Arc<Gate>>,
    options: &Queues,
    runtime: &Handle,
    sources: &mut BTreeMap<SourceKey, (Arc<Queue>, Source)>,
) where
    K: crate::event::Record + KeptBook + Send + 'static,
{
    for (exchange, stream) in streams {
        let key = (kind, exchange);
        let queue = Arc::new(Queue::new(options.of(kind)));
        let mut source = Source {
            target: Arc::new(Mutex::new(queue.clone())),
            tasks: JoinSet::new(),
        };
        let gate = gates.get(&key).cloned().unwrap_or_default();
        let items = stream.into_inner();
        queue.producer_added();
        let pump = pump(exchange, kind, items, gate, source.target.clone());
        source.tasks.spawn_on(pump, runtime);
        sources.insert(key, (queue, source));
    }
}
