//! Subscribing on a running set. What is added opens as a set of its own, the addition, with connections that lead into
//! the streams there are; when it is open the set takes over its new streams, and when it fails nothing of it is left.

use super::{
    Carried, Channels, Feed, Outcome, Phase, SourceKey, State, Streams, closed, connection,
    opening::Opening, pumps, watch,
};
use crate::{
    feed::{self, Unwanted},
    options::StreamOptions,
    outlet::AnyOutlet,
    queue::Queue,
    runtime,
    status::{Error, Result, Status},
    subscription::{ConnectionPlan, SubKind, parse_batches},
};
use barter_instrument::instrument::InstrumentIndex;
use std::{
    mem,
    sync::{Arc, Weak},
    time::Instant,
};
use tokio::{
    runtime::Handle,
    sync::mpsc,
    task::{AbortHandle, Id},
};

/// Opens connections of a set.
pub(super) struct Opener {
    pub(super) options: Arc<StreamOptions>,
    pub(super) runtime: Handle,
    pub(super) opened: mpsc::UnboundedSender<Outcome>,
}

impl Opener {
    /// Opens one that leads into this feed; `None` where the feed's stream has gone.
    pub(super) fn open(
        &self,
        number: usize,
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
        feed.carried.push(Carried {
            instruments,
            unwanted,
            task: task.clone(),
        });
        Some(task)
    }
}

/// What makes a set an addition to another.
pub(super) struct Addition {
    to: Weak<Streams>,
    /// The connections that lead into streams of the other set.
    into_old: Vec<AbortHandle>,
}

impl Streams {
    /// Parses and checks batches and begins to open what is not subscribed yet. The result is a set to wait for and to
    /// close: until it is open, closing it undoes everything. Waits while another addition is under way; `Ok(None)`
    /// when `deadline` comes first.
    pub fn subscribe(
        self: &Arc<Self>,
        json: &str,
        deadline: Option<Instant>,
    ) -> Result<Option<Arc<Self>>> {
        let mut state = self.state.lock();
        loop {
            state.open()?;
            if !state.changing {
                break;
            }
            match deadline {
                None => self.changed.wait(&mut state),
                Some(deadline) if Instant::now() >= deadline => return Ok(None),
                Some(deadline) => {
                    self.changed.wait_until(&mut state, deadline);
                }
            }
        }
        let Some(options) = state.options.clone() else {
            return Err(in_memory());
        };
        state.feeds.values_mut().for_each(Feed::forget_ended);
        let feeds = &state.feeds;
        let plans = parse_batches(json, &self.instruments, |kind, instrument| {
            let mut feeds = feeds.iter().filter(|((of, _), _)| *of == kind);
            feeds.any(|(_, feed)| feed.carries(instrument))
        })?;
        options.queues.check(plans.iter().map(|plan| plan.kind))?;
        let keys = plans.iter().map(|plan| (plan.kind, plan.exchange));
        state.refuse_overflowed(keys)?;
        let addition = self.add(&mut state, options, plans)?;
        state.changing = true;
        state.addition = Arc::downgrade(&addition);
        Ok(Some(addition))
    }

    fn add(
        self: &Arc<Self>,
        state: &mut State,
        options: Arc<StreamOptions>,
        plans: Vec<ConnectionPlan>,
    ) -> Result<Arc<Self>> {
        let (opened, outcomes) = mpsc::unbounded_channel();
        let opener = Opener {
            options: options.clone(),
            runtime: runtime::handle()?,
            opened,
        };
        let names = plans.iter().map(feed::name_of).collect();
        let opening = Opening::new(options.start, names);
        let mut into_old = Vec::new();
        let mut into_new = Vec::new();
        for (number, plan) in plans.into_iter().enumerate() {
            let old = state.feeds.get_mut(&(plan.kind, plan.exchange));
            // A stream that was closed, or that has ended, takes nothing: there will be another.
            let old = old.and_then(|feed| Some(((feed.outlet)()?, feed)));
            let opened = old.and_then(|(outlet, feed)| {
                let task = opener.open(number, plan.clone(), feed, outlet.clone())?;
                // Until it is known whether the addition succeeds, however many of the old connections go.
                feed.kept = Some(outlet);
                Some(task)
            });
            match opened {
                Some(task) => into_old.push(task),
                None => into_new.push((number, plan)),
            }
        }
        let keys = into_new.iter().map(|(_, plan)| (plan.kind, plan.exchange));
        let channels = Channels::new(keys);
        let (queues, mut feeds) = pumps(
            channels.dynamic,
            &channels.gates,
            &options.queues,
            &opener.runtime,
        );
        for (key, door) in channels.doors {
            if let Some(feed) = feeds.get_mut(&key) {
                feed.outlet = door;
            }
        }
        for (number, plan) in into_new {
            let key = (plan.kind, plan.exchange);
            if let (Some(feed), Some(outlet)) = (feeds.get_mut(&key), channels.outlets.get(&key)) {
                opener.open(number, plan, feed, outlet.clone());
            }
        }
        let addition = Addition {
            to: Arc::downgrade(self),
            into_old,
        };
        let mut added = Self::new(
            queues,
            self.instruments.clone(),
            Phase::Opening,
            Some(options),
        );
        added.addition = Some(addition);
        let added = Arc::new(added);
        let mut new = added.state.lock();
        new.feeds = feeds;
        new.opening = opening;
        let watch = watch(Arc::downgrade(&added), outcomes, opener.options.patience());
        new.watching = Some(opener.runtime.spawn(watch).abort_handle());
        drop(new);
        Ok(added)
    }

    /// The set that this one is added to.
    pub(super) fn added_to(&self) -> Option<Arc<Self>> {
        self.addition.as_ref()?.to.upgrade()
    }

    /// Hands the streams of an addition that is open over to its set.
    pub(super) fn hand_over(&self, state: &mut State) -> Result<()> {
        let Some(addition) = &self.addition else {
            return Ok(());
        };
        let Some(set) = addition.to.upgrade() else {
            return Err(closed());
        };
        let mut into = set.state.lock();
        into.open()?;
        into.refuse_overflowed(state.queues.keys().copied())?;
        for (key, queue) in mem::take(&mut state.queues) {
            // One that has ended may still have something to be read.
            let queue = match into.queues.remove(&key) {
                Some(ended) => Queue::merge(&[ended, queue]),
                None => queue,
            };
            into.queues.insert(key, queue);
        }
        into.feeds.extend(mem::take(&mut state.feeds));
        Ok(())
    }

    /// An addition has come to its end: another may begin; where it failed nothing of it stays.
    pub(super) fn addition_ended(&self, undo: bool) {
        let Some(addition) = &self.addition else {
            return;
        };
        if undo {
            addition.into_old.iter().for_each(AbortHandle::abort);
        }
        let Some(set) = addition.to.upgrade() else {
            return;
        };
        let mut state = set.state.lock();
        if undo {
            let undone: Vec<Id> = addition.into_old.iter().map(AbortHandle::id).collect();
            for ((kind, exchange), feed) in &mut state.feeds {
                let (gone, left): (Vec<_>, Vec<_>) = mem::take(&mut feed.carried)
                    .into_iter()
                    .partition(|carried| undone.contains(&carried.task.id()));
                feed.carried = left;
                if *kind == SubKind::L2 {
                    let books = gone.into_iter().flat_map(|carried| carried.instruments);
                    feed.target.lock().subscribed(*exchange, books, false);
                }
            }
        }
        for feed in state.feeds.values_mut() {
            feed.forget_kept();
        }
        state.changing = false;
        drop(state);
        set.changed.notify_all();
    }
}

impl State {
    /// An error where a stream that is left to select has closed itself, which would end what is added to it.
    fn refuse_overflowed(&self, keys: impl IntoIterator<Item = SourceKey>) -> Result<()> {
        let has_overflowed = |key: &SourceKey| {
            let queue = self.queues.get(key);
            queue.is_some_and(|queue| queue.overflowed())
        };
        match keys.into_iter().find(has_overflowed) {
            None => Ok(()),
            Some((kind, exchange)) => Err(Error::new(
                Status::InvalidArgument,
                format!(
                    "{}: the queue of {} was full and its policy is to close: select that stream and read it to its \
                     end first",
                    exchange.as_str(),
                    kind.name()
                ),
            )),
        }
    }
}

impl Feed {
    /// Forgets the connections that are over: what they were subscribed to may be subscribed to again.
    pub(super) fn forget_ended(&mut self) {
        if !self.target.lock().has(&self.target) {
            self.carried.clear();
        }
        self.carried.retain(|carried| !carried.task.is_finished());
    }

    /// Lets the stream end with its connections, where it has any.
    fn forget_kept(&mut self) {
        if !self.carried.is_empty() {
            self.kept = None;
        }
    }

    pub(super) fn carries(&self, instrument: InstrumentIndex) -> bool {
        let mut carried = self.carried.iter();
        carried.any(|carried| carried.instruments.contains(&instrument))
    }
}

pub(super) fn in_memory() -> Error {
    Error::new(
        Status::InvalidArgument,
        "these streams are in memory: they have no subscriptions, events are injected",
    )
}
