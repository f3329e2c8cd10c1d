//! Bounds and policies of queues, of every kind of stream or of each.

use super::{at, check};
use crate::{
    status::{Error, Result, Status},
    subscription::SubKind,
};
use serde::Deserialize;
use std::{collections::HashMap, time::Duration};

const SPIN_US_MAX: u64 = 1_000_000;

/// Bounds of a queue, whichever is reached first, what happens then, and how its reader waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QueueOptions {
    /// Events and errors, at least 1.
    pub capacity: usize,
    /// Bytes of events, levels and text, at least 4096.
    pub max_bytes: usize,
    /// What happens when the queue is full.
    pub policy: QueuePolicy,
    /// How long a reader looks again and again before it sleeps.
    pub spin: Duration,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self {
            capacity: 65_536,
            max_bytes: 64 << 20,
            policy: QueuePolicy::DropOldest,
            spin: Duration::ZERO,
        }
    }
}

/// What happens when a queue is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QueuePolicy {
    /// The oldest chunk goes, and a `Dropped` notice stands in its place.
    #[default]
    DropOldest,
    /// What does not fit is refused, and a `Dropped` notice stands in its place.
    DropNewest,
    /// Nothing more is read from the sockets until there is room.
    Block,
    /// Also before it is full: the newest best bid and ask of an instrument takes the place of the one that waits, and
    /// order book events become one snapshot. What is replaced is counted in a `Dropped` notice.
    Conflate,
    /// What waits is delivered, then an error that says why, then the stream ends.
    Close,
}

impl QueuePolicy {
    /// The name it has in the options.
    pub fn name(self) -> &'static str {
        match self {
            Self::DropOldest => "drop_oldest",
            Self::DropNewest => "drop_newest",
            Self::Block => "block",
            Self::Conflate => "conflate",
            Self::Close => "close",
        }
    }
}

/// The options of each kind's queues.
#[derive(Debug, Clone, Default)]
pub struct Queues {
    every: QueueOptions,
    of: HashMap<SubKind, QueueOptions>,
}

impl Queues {
    /// The options of the queues of a kind.
    pub fn of(&self, kind: SubKind) -> QueueOptions {
        self.of.get(&kind).copied().unwrap_or(self.every)
    }

    /// Refuses a policy that does not go with the kind of a stream there will be.
    pub(crate) fn check(&self, kinds: impl IntoIterator<Item = SubKind>) -> Result<()> {
        kinds
            .into_iter()
            .try_for_each(|kind| fits("queue", kind, self.of(kind).policy))
    }
}

impl From<QueueOptions> for Queues {
    fn from(every: QueueOptions) -> Self {
        Self {
            every,
            of: HashMap::new(),
        }
    }
}

/// Conflation is only for what the newest of says all.
fn fits(path: &str, kind: SubKind, policy: QueuePolicy) -> Result<()> {
    if policy != QueuePolicy::Conflate || matches!(kind, SubKind::L1 | SubKind::L2) {
        return Ok(());
    }
    Err(Error::new(
        Status::InvalidOption,
        format!(
            "options.{path}.policy: conflate is for l1 and l2, of which the newest says all; every one of the {} counts",
            kind.name()
        ),
    ))
}

/// The options of all queues but those of the kinds that have their own, every value within its range.
pub(super) fn queues(every: RawQueue, of: HashMap<String, RawQueue>) -> Result<Queues> {
    Ok(Queues {
        every: every.checked("queue")?,
        of: of.into_iter().map(queue_of).collect::<Result<_>>()?,
    })
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RawQueue {
    capacity: Option<usize>,
    max_bytes: Option<usize>,
    policy: QueuePolicy,
    spin_us: u64,
}

impl RawQueue {
    fn checked(self, path: &str) -> Result<QueueOptions> {
        let default = QueueOptions::default();
        let capacity = self.capacity.unwrap_or(default.capacity);
        let max_bytes = self.max_bytes.unwrap_or(default.max_bytes);
        check(
            &format!("{path}.capacity"),
            (1..=1 << 30).contains(&capacity),
            capacity,
            "from 1 to 1073741824 events",
        )?;
        check(
            &format!("{path}.max_bytes"),
            (4096..=1 << 40).contains(&max_bytes),
            max_bytes,
            "from 4096 to 1099511627776 bytes",
        )?;
        check(
            &format!("{path}.spin_us"),
            self.spin_us <= SPIN_US_MAX,
            self.spin_us,
            "from 0 to 1000000 microseconds",
        )?;
        Ok(QueueOptions {
            capacity,
            max_bytes,
            policy: self.policy,
            spin: Duration::from_micros(self.spin_us),
        })
    }
}

fn queue_of((kind, raw): (String, RawQueue)) -> Result<(SubKind, QueueOptions)> {
    let path = format!("queues.{kind}");
    let kind = SubKind::named(&kind).map_err(|error| at(&path, error))?;
    let options = raw.checked(&path)?;
    fits(&path, kind, options.policy)?;
    Ok((kind, options))
}
