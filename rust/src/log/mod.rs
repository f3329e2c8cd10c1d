//! What the library says while it works, for operators: `tracing` events of the feed and of upstream, kept in a bounded
//! ring until somebody asks for them. Nothing is said until a level is set. What is said too often, or does not fit, is
//! counted and told. Loggers are named as Python names them: `barter_cffi.feed.open`, `barter_cffi.upstream.barter_data`.

mod record;
mod ring;

pub use record::{Level, Record};

use crate::status::{Error, Result, Status};
use parking_lot::{Condvar, Mutex, RwLock};
use ring::Ring;
use std::{
    collections::BTreeMap,
    sync::{Arc, LazyLock, OnceLock},
    time::{Duration, Instant},
};
use tracing::{
    Dispatch, Event, Metadata, Subscriber,
    level_filters::LevelFilter,
    span::{Attributes, Id, Record as Values},
    subscriber::Interest,
};

/// The logger above all others.
pub const ROOT: &str = "barter_cffi";

/// How often a reader looks whether something suppressed can be told.
const SETTLING: Duration = Duration::from_secs(1);

static LOG: LazyLock<Arc<Log>> = LazyLock::new(Arc::default);

/// Sets from which level on a logger and those below it speak; `None` sets all, and forgets what single ones were set
/// to. Ends every wait in [`read`].
pub fn set_level(logger: Option<&str>, level: Option<Level>) -> Result<()> {
    /// Whether the process's events come here; another subscriber may have them.
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    LOG.set_level(logger, level)?;
    let install = || {
        let subscriber = Dispatch::new(Subscription(LOG.clone()));
        tracing::dispatcher::set_global_default(subscriber).is_ok()
    };
    if level.is_some() && !INSTALLED.get_or_init(install) {
        return Err(Error::new(
            Status::Internal,
            "the program has a tracing subscriber of its own, which gets what the library says",
        ));
    }
    tracing::callsite::rebuild_interest_cache();
    Ok(())
}

/// What was said and not read: as many lines as `room` bytes hold, oldest first. Waits for the first until `deadline`
/// (`None`: for ever).
pub fn read(deadline: Option<Instant>, room: usize) -> Said {
    LOG.read(deadline, room)
}

/// What [`read`] found.
#[derive(Debug, PartialEq, Eq)]
pub enum Said {
    /// Records as JSON objects, one a line, at least one.
    Lines(String),
    /// The next record needs so many bytes; it stays.
    Longer(usize),
    /// The time was up, or levels were set.
    Nothing,
}

/// Levels, and what was said.
#[derive(Default)]
struct Log {
    levels: RwLock<Levels>,
    ring: Mutex<Ring>,
    /// There is something to read, or levels were set.
    changed: Condvar,
}

#[derive(Default)]
struct Levels {
    root: Option<Level>,
    of: BTreeMap<String, Option<Level>>,
    /// How often they were set.
    set: u64,
}

impl Levels {
    /// From which level on a logger speaks: its own, or that of the nearest above it.
    fn of(&self, logger: &str) -> Option<Level> {
        let mut name = logger;
        loop {
            if let Some(level) = self.of.get(name) {
                return *level;
            }
            match name.rsplit_once('.') {
                Some((above, _)) => name = above,
                None => return self.root,
            }
        }
    }

    fn lowest(&self) -> Option<Level> {
        self.of.values().copied().chain([self.root]).max().flatten()
    }
}

impl Log {
    fn set_level(&self, logger: Option<&str>, level: Option<Level>) -> Result<()> {
        let mut levels = self.levels.write();
        match logger {
            None => (levels.root, levels.of) = (level, BTreeMap::new()),
            Some(ROOT) => levels.root = level,
            Some(name) if name.starts_with(ROOT) && name[ROOT.len()..].starts_with('.') => {
                levels.of.insert(name.to_owned(), level);
            }
            Some(other) => {
                return Err(Error::new(
                    Status::InvalidArgument,
                    format!("{other:?} is no logger: their names begin with {ROOT}"),
                ));
            }
        }
        levels.set += 1;
        drop(levels);
        // With the ring locked no reader is between looking at the levels and waiting.
        let ring = self.ring.lock();
        self.changed.notify_all();
        drop(ring);
        Ok(())
    }

    fn read(&self, deadline: Option<Instant>, room: usize) -> Said {
        let mut ring = self.ring.lock();
        let set = self.levels.read().set;
        loop {
            let now = Instant::now();
            ring.settle(now);
            match ring.lines(room) {
                Said::Nothing => {}
                said => return said,
            }
            if self.levels.read().set != set || deadline.is_some_and(|deadline| deadline <= now) {
                return Said::Nothing;
            }
            let settling = ring.has_suppressed().then(|| now + SETTLING);
            match deadline.into_iter().chain(settling).min() {
                None => self.changed.wait(&mut ring),
                Some(moment) => {
                    self.changed.wait_until(&mut ring, moment);
                }
            }
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let level = Level::of(metadata);
        metadata.is_event()
            && record::logger(metadata.target())
                .is_some_and(|logger| self.levels.read().of(&logger) >= Some(level))
    }

    fn event(&self, event: &Event<'_>) {
        let place = event.metadata().callsite();
        let mut ring = self.ring.lock();
        let settled = !ring.has_suppressed();
        if !ring.admits(&place, Instant::now()) {
            // A reader that waits for ever now has something to look for; one that looks already is left to it.
            if settled {
                self.changed.notify_one();
            }
            return;
        }
        drop(ring);
        // Written without the lock: what is said may take a while to say.
        if let Some(record) = Record::of(event) {
            self.ring.lock().say(place, record);
            self.changed.notify_one();
        }
    }
}

/// Takes `tracing`'s events; spans are not kept.
struct Subscription(Arc<Log>);

impl Subscriber for Subscription {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if self.enabled(metadata) {
            Interest::always()
        } else {
            Interest::never()
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.0.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(Level::filter(self.0.levels.read().lowest()))
    }

    fn event(&self, event: &Event<'_>) {
        self.0.event(event);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Values<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;
    use tracing::{Dispatch, debug, info, trace, warn};

    /// What a log keeps of what `speak` says.
    fn heard(levels: &[(Option<&str>, Option<Level>)], speak: impl FnOnce()) -> Vec<Value> {
        let log = Arc::<Log>::default();
        for (logger, level) in levels {
            log.set_level(*logger, *level).unwrap();
        }
        tracing::dispatcher::with_default(&Dispatch::new(Subscription(log.clone())), speak);
        match log.read(Some(Instant::now()), usize::MAX) {
            Said::Lines(lines) => lines
                .lines()
                .map(|line| serde_json::from_str(line).unwrap())
                .collect(),
            Said::Nothing => Vec::new(),
            Said::Longer(bytes) => panic!("there is room for {bytes} bytes"),
        }
    }

    fn speak() {
        trace!("a trace");
        debug!(target: "barter_cffi::feed::open", address = "wss://host/", attempt = 2, "a step");
        info!(target: "barter_cffi::feed", exchange = %"kraken", "opened");
        warn!(target: "barter_data::transformer", "upstream's");
        warn!(target: "tungstenite::handshake", "with a secret");
    }

    fn messages(heard: &[Value]) -> Vec<&str> {
        heard
            .iter()
            .map(|record| record["message"].as_str().unwrap())
            .collect()
    }

    #[test]
    fn nothing_is_said_until_a_level_is_set() {
        assert_eq!(heard(&[], speak), [] as [Value; 0]);
    }

    #[test]
    fn records_have_level_logger_message_and_fields_and_come_from_here_and_upstream_only() {
        let heard = heard(&[(None, Some(Level::Debug))], speak);
        assert_eq!(messages(&heard), ["a step", "opened", "upstream's"]);
        assert_eq!(heard[0]["level"], "debug");
        assert_eq!(heard[0]["logger"], "barter_cffi.feed.open");
        assert_eq!(heard[0]["fields"]["address"], "wss://host/");
        assert_eq!(heard[0]["fields"]["attempt"], 2);
        assert_eq!(heard[0]["file"], "src/log/mod.rs");
        assert_eq!(heard[1]["fields"]["exchange"], "kraken");
        assert_eq!(
            heard[2]["logger"],
            "barter_cffi.upstream.barter_data.transformer"
        );
    }

    #[test]
    fn a_logger_has_its_own_level_or_that_of_the_nearest_above() {
        let levels = [
            (None, Some(Level::Warn)),
            (Some("barter_cffi.feed"), Some(Level::Debug)),
            (Some("barter_cffi.upstream"), None),
        ];
        assert_eq!(messages(&heard(&levels, speak)), ["a step", "opened"]);
        let all_again = [levels.as_slice(), &[(None, Some(Level::Warn))]].concat();
        assert_eq!(messages(&heard(&all_again, speak)), ["upstream's"]);
    }

    #[test]
    fn a_name_that_is_no_loggers_is_refused() {
        for bad in ["", "feed", "barter", "barter_cffix", "barter_data"] {
            let refused = Log::default().set_level(Some(bad), None).unwrap_err();
            assert_eq!(refused.status, Status::InvalidArgument);
            assert!(refused.message.contains(&format!("{bad:?}")), "{refused}");
        }
    }

    #[test]
    fn what_is_said_too_often_at_one_place_is_counted_and_told_when_there_is_room() {
        let often = || (0..200).for_each(|number| info!(target: "barter_cffi", number, "again"));
        let heard = heard(&[(None, Some(Level::Info))], often);
        assert_eq!(heard.len(), ring::BURST as usize);
        assert!(messages(&heard).iter().all(|message| *message == "again"));
    }

    #[test]
    fn a_reader_waits_and_setting_a_level_ends_its_wait() {
        let log = Arc::<Log>::default();
        let reading = log.clone();
        let reader = std::thread::spawn(move || reading.read(None, 1_000));
        let far = Instant::now() + Duration::from_secs(20);
        while !reader.is_finished() {
            assert!(Instant::now() < far, "the wait did not end");
            log.set_level(None, Some(Level::Info)).unwrap();
        }
        assert_eq!(reader.join().unwrap(), Said::Nothing);
    }

    #[test]
    fn a_reader_that_waits_is_woken_by_what_is_suppressed_and_told_though_nothing_more_is_said() {
        let log = Arc::<Log>::default();
        log.set_level(None, Some(Level::Info)).unwrap();
        let dispatch = Dispatch::new(Subscription(log.clone()));
        let speak = || info!(target: "barter_cffi", "again");
        let said = || log.read(Some(Instant::now()), usize::MAX);
        tracing::dispatcher::with_default(&dispatch, || {
            (0..ring::BURST as usize).for_each(|_| speak());
        });
        assert!(matches!(said(), Said::Lines(_)));
        // As a reader does, who lets nobody speak until it waits.
        let mut ring = log.ring.lock();
        let speaker =
            std::thread::spawn(move || tracing::dispatcher::with_default(&dispatch, speak));
        let far = Instant::now() + Duration::from_secs(5);
        assert!(!log.changed.wait_until(&mut ring, far).timed_out());
        drop(ring);
        speaker.join().unwrap();
        let Said::Lines(lines) = log.read(Some(far), usize::MAX) else {
            panic!("expected to be told");
        };
        assert!(lines.contains("1 more times: again"), "{lines}");
    }
}
