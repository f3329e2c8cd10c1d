//! A set of streams: upstream's `DynamicStreams<InstrumentIndex>` made ready for callers of any thread. Opening runs
//! in the background; [`Streams::wait`] waits for it; `select` takes single streams or merges of them out, each once.
//! `subscribe` adds to a set that is open, `unsubscribe` takes from it.

mod feeds;
mod opening;
mod subscribe;
mod unsubscribe;

pub(crate) use feeds::{Channels, SourceKey};

use crate::{
    feed::{exchange, weights},
    instrument::Instruments,
    metrics::SetMetrics,
    options::{QueuePolicy, Queues, Start, StreamOptions},
    platform::ReadySignal,
    queue::Queue,
    runtime,
    status::{Error, Result, Status},
    stream::Stream,
    subscription::{ConnectionPlan, Request, SubKind, parse_request},
};
use barter_data::streams::builder::dynamic::DynamicStreams;
use barter_instrument::{exchange::ExchangeId, instrument::InstrumentIndex};
use feeds::{Door, Feed, Opener, Outcome, Sources};
use opening::Opening;
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    iter, mem,
    os::fd::OwnedFd,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use subscribe::Addition;
use tokio::{sync::mpsc, task::AbortHandle, time::timeout_at};

/// A set of streams of which single ones are selected.
pub struct Streams {
    instruments: Arc<Instruments>,
    state: Mutex<State>,
    changed: Condvar,
    /// The set that this one is to be added to.
    addition: Option<Addition>,
}

struct State {
    phase: Phase,
    /// How the connections open.
    opening: Opening,
    queues: BTreeMap<SourceKey, Arc<Queue>>,
    /// Where the connections lead, of streams that were selected too.
    feeds: BTreeMap<SourceKey, Feed>,
    /// `None` in memory.
    options: Option<Arc<StreamOptions>>,
    /// Whether something is being added.
    changing: bool,
    /// Ready while `subscribe` would not wait for its turn.
    turn: Option<ReadySignal>,
    /// What is being added.
    addition: Weak<Streams>,
    /// The streams selected, for the metrics.
    selected: Vec<Weak<Stream>>,
    signal: Option<ReadySignal>,
    /// The task that waits for the connections.
    watching: Option<AbortHandle>,
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
        let opener = Opener::new(Arc::new(options))?;
        Ok(Self::opening(instruments, opener, connections, None))
    }

    /// A set over streams that exist already, open from the start.
    pub fn from_dynamic(
        dynamic: DynamicStreams<InstrumentIndex>,
        instruments: Arc<Instruments>,
        options: impl Into<Queues>,
    ) -> Result<Arc<Self>> {
        Self::from_channels(dynamic, HashMap::new(), instruments, &options.into())
    }

    pub(crate) fn from_channels(
        dynamic: DynamicStreams<InstrumentIndex>,
        doors: HashMap<SourceKey, Door>,
        instruments: Arc<Instruments>,
        options: &Queues,
    ) -> Result<Arc<Self>> {
        let mut sources = Sources::of(dynamic, doors, options, &runtime::handle()?);
        options.check(sources.queues.keys().map(|(kind, _)| *kind))?;
        // Nothing is subscribed into these.
        sources.feeds.clear();
        Ok(Arc::new(Self::new(sources, instruments, Phase::Open, None)))
    }

    /// A set of these plans' streams. It is open when every connection is that the opener opened, before too.
    fn opening(
        instruments: Arc<Instruments>,
        mut opener: Opener,
        plans: Vec<ConnectionPlan>,
        addition: Option<Addition>,
    ) -> Arc<Self> {
        let sources = opener.open_all(plans);
        // The outcomes end with the connections, for the opener's own sender ends with this.
        let Opener {
            options,
            runtime,
            names,
            outcomes,
            ..
        } = opener;
        let opening = Opening::new(options.start, names);
        let patience = options.patience();
        let mut streams = Self::new(sources, instruments, Phase::Opening, Some(options));
        streams.addition = addition;
        let streams = Arc::new(streams);
        let mut state = streams.state.lock();
        state.opening = opening;
        let watch = watch(Arc::downgrade(&streams), outcomes, patience);
        state.watching = Some(runtime.spawn(watch).abort_handle());
        drop(state);
        streams
    }

    fn new(
        sources: Sources,
        instruments: Arc<Instruments>,
        phase: Phase,
        options: Option<Arc<StreamOptions>>,
    ) -> Self {
        let Sources { queues, feeds } = sources;
        Self {
            instruments,
            state: Mutex::new(State {
                phase,
                opening: Opening::new(Start::All, Vec::new()),
                queues,
                feeds,
                options,
                changing: false,
                turn: None,
                addition: Weak::new(),
                selected: Vec::new(),
                signal: None,
                watching: None,
            }),
            changed: Condvar::new(),
            addition: None,
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

    /// Which connections failed and why, which are not open yet, and how long books among them wait for their turn;
    /// empty where all are open.
    pub fn progress(&self) -> String {
        let state = self.state.lock();
        let waits = |(kind, exchange)| {
            let pair = exchange::pair(exchange, kind)?;
            let address = pair.snapshot_address(state.options.as_ref()?)?;
            weights::waits(exchange, &address)
        };
        let waits = state.opening.pending().into_iter().filter_map(waits);
        let words: Vec<_> = iter::once(state.opening.words()).chain(waits).collect();
        words.join("; ")
    }

    /// Takes streams out of the set: those of `kind` (`None`: any) and `exchange` (`None`: any), merged where there
    /// are several. `Ok(None)` where none is left.
    pub fn select(
        &self,
        kind: Option<SubKind>,
        exchange: Option<ExchangeId>,
    ) -> Result<Option<Arc<Stream>>> {
        let mut state = self.state.lock();
        state.open()?;
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

    /// Takes streams of order books out of the set as maintained books: of one exchange, or with `None` all that are
    /// left. `Ok(None)` where none is left.
    pub fn select_books(&self, exchange: Option<ExchangeId>) -> Result<Option<Arc<Stream>>> {
        let stream = self.select(Some(SubKind::L2), exchange)?;
        if let Some(stream) = &stream {
            stream.maintain_books();
        }
        Ok(stream)
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

    /// What the connections' outcomes make of the set.
    fn decide(&self) {
        // Were it dropped below, it would close this one, whose state is locked there.
        let _set = self.added_to();
        let mut state = self.state.lock();
        if !matches!(state.phase, Phase::Opening) {
            return;
        }
        let failed = state.opening.error();
        let handed_over = match failed {
            None => self.hand_over(&mut state),
            Some(error) => Err(error),
        };
        let phase = match handed_over {
            Ok(()) => Phase::Open,
            Err(error) => Phase::Failed(error),
        };
        self.enter(state, phase);
    }

    fn end(&self, phase: Phase) {
        let state = self.state.lock();
        // An addition that is open is another's.
        let over = self.addition.is_some() && matches!(state.phase, Phase::Open);
        if !over && !matches!(state.phase, Phase::Closed) {
            self.enter(state, phase);
        }
    }

    fn enter(&self, mut state: MutexGuard<'_, State>, phase: Phase) {
        let was_opening = matches!(state.phase, Phase::Opening);
        let open = matches!(phase, Phase::Open);
        state.phase = phase;
        state.tell_turn();
        let watching = state.watching.take();
        let (queues, addition) = if open {
            (BTreeMap::new(), Weak::new())
        } else {
            state.feeds.clear();
            (mem::take(&mut state.queues), mem::take(&mut state.addition))
        };
        if let Some(signal) = &mut state.signal {
            signal.set(true);
        }
        drop(state);
        if let (Some(watching), false) = (watching, open) {
            watching.abort();
        }
        queues.values().for_each(|queue| queue.close());
        if was_opening {
            self.addition_ended(!open);
        }
        self.changed.notify_all();
        if let Some(addition) = addition.upgrade() {
            addition.close();
        }
        runtime::attend();
    }
}

impl State {
    /// An error where the set is not open.
    fn open(&self) -> Result<()> {
        match &self.phase {
            Phase::Open => Ok(()),
            Phase::Failed(error) => Err(error.clone()),
            Phase::Closed => Err(closed()),
            Phase::Opening => Err(Error::new(
                Status::NotReady,
                "the streams are still opening; wait for them first",
            )),
        }
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

/// Waits for every connection's first outcome and decides on the set. Where it is certain to fail it waits so long
/// for the others, so that the error can name every one that fails.
async fn watch(
    streams: Weak<Streams>,
    mut outcomes: mpsc::UnboundedReceiver<Outcome>,
    patience: Duration,
) {
    let mut deadline = None;
    loop {
        let outcome = match deadline {
            None => outcomes.recv().await,
            Some(deadline) => timeout_at(deadline, outcomes.recv()).await.unwrap_or(None),
        };
        let Some(streams) = streams.upgrade() else {
            return;
        };
        let Some((number, outcome)) = outcome else {
            return streams.decide();
        };
        let mut state = streams.state.lock();
        state.opening.outcome(number, outcome);
        if state.opening.must_fail() && deadline.is_none() {
            deadline = Some(tokio::time::Instant::now() + patience);
        }
    }
}
