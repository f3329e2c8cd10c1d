//! The law of every policy for queues that are merged and for one that follows another: what was received and what was
//! reported lost is what was sent, each source in its own order, every loss told where it was, every book at its last
//! sequence in the end.

use super::{policies::*, *};
use crate::{abi::constants::BARTER_ERROR_QUEUE_FULL, event::BarterEvent, options::QueuePolicy};
use proptest::{collection::vec, prelude::*, sample::select};
use std::collections::HashMap;

/// The sources of a run, each in a queue of its own until they are merged: an exchange and the kind of its events.
const MIXED: &[(ExchangeId, u8)] = &[
    (KRAKEN, kind::TRADE),
    (ExchangeId::Okx, kind::L1),
    (ExchangeId::BinanceSpot, kind::BOOK),
];
/// What is conflated is of one kind.
const QUOTES: &[(ExchangeId, u8)] = &[(KRAKEN, kind::L1), (ExchangeId::Okx, kind::L1)];
const BOOKS: &[(ExchangeId, u8)] = &[
    (ExchangeId::BinanceSpot, kind::BOOK),
    (ExchangeId::BybitSpot, kind::BOOK),
];

#[derive(Debug, Clone, Copy)]
enum What {
    Event { instrument: usize },
    Error,
    Marker,
}

#[derive(Debug, Clone)]
enum Step {
    /// Into the queue of a source, or into the next one of the same source where there are two.
    Push {
        source: usize,
        late: bool,
        items: Vec<What>,
    },
    /// From the queue of a source, or from all of them once they are merged.
    Read { source: usize, max: usize },
}

fn pushes() -> impl Strategy<Value = Step> {
    let event = (0..3usize).prop_map(|instrument| What::Event { instrument });
    let what = prop_oneof![8 => event, 1 => Just(What::Error), 1 => Just(What::Marker)];
    (0..3usize, any::<bool>(), vec(what, 1..20)).prop_map(|(source, late, items)| Step::Push {
        source,
        late,
        items,
    })
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let read = (0..3usize, 1..30usize).prop_map(|(source, max)| Step::Read { source, max });
    vec(prop_oneof![2 => pushes(), 1 => read], 0..12)
}

/// What was sent by a source and what became of it.
#[derive(Default)]
struct Line {
    /// The numbers of its events and errors in the order in which they are to be received.
    sent: Vec<i64>,
    /// How many of them came before each marker.
    markers: Vec<usize>,
    passed: usize,
    /// Where the last of each instrument was, and the last error.
    last: HashMap<u32, usize>,
    received: u64,
    reported: u64,
    /// Reported since the last that was received.
    told: u64,
    markers_received: u64,
}

impl Line {
    fn receive(&mut self, event: &BarterEvent, strict: bool) {
        self.received += 1;
        let number = event.time_exchange_ns;
        let found = self.sent.iter().position(|sent| *sent == number);
        let place = found.expect("it was sent");
        let last = self.last.insert(event.instrument, place);
        assert!(last < Some(place), "{number} twice or out of order");
        let markers = self.markers.iter().filter(|before| **before <= place);
        if strict {
            let lost = place.checked_sub(self.passed).map(|lost| lost as u64);
            assert_eq!(lost, Some(self.told), "lost before {number}");
            self.told = 0;
            self.passed = place + 1;
        }
        assert_eq!(
            self.markers_received,
            markers.count() as u64,
            "markers before {number}"
        );
    }
}

/// Numbers what is sent, makes it, and follows what is received.
struct Run {
    sources: &'static [(ExchangeId, u8)],
    policy: QueuePolicy,
    lines: Vec<Line>,
    /// What the next queue of the first source was sent: it is to come after all of the first one.
    after: Line,
    number: i64,
    sequences: HashMap<(usize, usize), u64>,
    /// The sequence of each book as it was read.
    read: HashMap<(u16, u32), u64>,
    /// Whether it was told that the queue was full and has closed itself.
    closed: bool,
}

impl Run {
    fn push(&mut self, queue: &Queue, source: usize, into_next: bool, items: &[What]) {
        let (exchange, of) = self.sources[source];
        queue.push(|state| {
            for item in items {
                if state.held() {
                    return;
                }
                self.number += 1;
                let number = self.number;
                let line = match into_next {
                    true => &mut self.after,
                    false => &mut self.lines[source],
                };
                let mut notice = error("broken");
                (notice.exchange, notice.sub_kind, notice.time_ns) = (Some(exchange), of, number);
                match item {
                    What::Marker => {
                        line.markers.push(line.sent.len());
                        notice.kind = kind::RECONNECTING;
                        state.notice(&notice);
                        continue;
                    }
                    What::Error => state.error(&notice),
                    What::Event { instrument } => match of {
                        kind::TRADE => state.event(&trade(number)),
                        kind::L1 => {
                            let mut event = l1(*instrument, number);
                            event.exchange = exchange;
                            state.event(&event);
                        }
                        _ => {
                            let sequence = self.sequences.entry((source, *instrument)).or_default();
                            *sequence += 1;
                            let bids = [(*sequence as i64, 1)];
                            let mut event = book(*instrument, *sequence, *sequence == 1, &bids);
                            event.exchange = exchange;
                            event.time_exchange = DateTime::from_timestamp_nanos(number);
                            state.event(&event);
                        }
                    },
                }
                line.sent.push(number);
            }
        });
    }

    fn read(&mut self, queue: &Queue, max: usize) -> bool {
        let Received::Records(slice) = queue.recv(max, Some(Instant::now())) else {
            return false;
        };
        let among = slice.records().among;
        for event in slice.events() {
            assert!(among.kinds >> event.kind & 1 == 1 && event.flags & !among.flags == 0);
            self.receive(event);
        }
        true
    }

    fn receive(&mut self, event: &BarterEvent) {
        assert!(!self.closed, "nothing follows the end");
        let notice = event.notice();
        if notice.is_some_and(|notice| i32::from(notice.code) == BARTER_ERROR_QUEUE_FULL)
            && event.kind == kind::ERROR
        {
            assert_eq!(self.policy, QueuePolicy::Close);
            self.closed = true;
            return;
        }
        let is_of = |(exchange, of): &(ExchangeId, u8)| {
            let number = crate::feed::exchange::number(*exchange);
            event.exchange == number && notice.map_or(event.kind, |notice| notice.sub_kind) == *of
        };
        let source = self.sources.iter().position(is_of).expect("of a source");
        let of = self.sources[source].1;
        let line = &mut self.lines[source];
        let of_instrument = (event.exchange, event.instrument);
        match (event.kind, notice) {
            (kind::DROPPED, Some(notice)) => {
                line.reported += notice.count;
                line.told += notice.count;
            }
            (kind::RECONNECTING, Some(notice)) => line.markers_received += notice.count,
            (kind::BOOK, _) => {
                let sequence = event.book().map_or(0, |book| book.sequence);
                let last = self.read.insert(of_instrument, sequence).unwrap_or(0);
                if event.flags & flag::RECOVERED != 0 {
                    assert!(last <= sequence, "a snapshot of the past");
                } else {
                    assert_eq!(last + 1, sequence, "after a loss, before a snapshot");
                    line.receive(event, false);
                }
            }
            _ => {
                // What one instrument lost of order books says nothing of what stands between the others', and what is
                // conflated changes in its place.
                let strict = of != kind::BOOK && self.policy != QueuePolicy::Conflate;
                line.receive(event, strict);
            }
        }
    }

    fn settle(&self) {
        for (line, (exchange, _)) in self.lines.iter().zip(self.sources) {
            let sent = line.sent.len() as u64;
            assert_eq!(line.received + line.reported, sent, "{exchange}");
            assert_eq!(
                line.markers_received,
                line.markers.len() as u64,
                "{exchange}"
            );
        }
        if self.policy != QueuePolicy::Close {
            for ((source, instrument), sequence) in &self.sequences {
                let exchange = crate::feed::exchange::number(self.sources[*source].0);
                let read = self.read.get(&(exchange, *instrument as u32));
                assert_eq!(read, Some(sequence), "a book lags behind");
            }
        }
    }
}

fn policies() -> impl Strategy<Value = (QueuePolicy, &'static [(ExchangeId, u8)])> {
    let sources = |policy| match policy {
        QueuePolicy::Conflate => select(vec![QUOTES, BOOKS]),
        _ => select(vec![MIXED, QUOTES, BOOKS]),
    };
    select(POLICIES.to_vec()).prop_flat_map(move |policy| (Just(policy), sources(policy)))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn received_and_reported_is_sent_and_each_source_in_order_whatever_is_merged_when(
        (policy, sources) in policies(),
        capacities in vec(prop_oneof![2 => 1..8usize, 1 => 8..80usize], 3),
        max_bytes in prop_oneof![Just(64usize << 20), 4_096..9_000usize],
        before in steps(),
        follows in any::<bool>(),
        after in steps(),
    ) {
        let made = |place: usize| {
            let queue = Queue::new(QueueOptions {
                capacity: capacities[place],
                max_bytes,
                policy,
                ..QueueOptions::default()
            });
            queue.producer_added();
            Arc::new(queue)
        };
        let mut queues: Vec<_> = (0..sources.len()).map(made).collect();
        // Of order books a new connection begins with a snapshot, whose sequence is another.
        let follows = follows && sources[0].1 != kind::BOOK;
        let next = follows.then(|| made(0));
        let mut run = Run {
            sources,
            policy,
            lines: sources.iter().map(|_| Line::default()).collect(),
            after: Line::default(),
            number: 0,
            sequences: HashMap::new(),
            read: HashMap::new(),
            closed: false,
        };
        for step in &before {
            match step {
                Step::Read { source, max } => {
                    run.read(&queues[source % sources.len()], *max);
                }
                Step::Push { source, late, items } => {
                    let source = source % sources.len();
                    match &next {
                        Some(next) if source == 0 && *late => run.push(next, source, true, items),
                        _ => run.push(&queues[source], source, false, items),
                    }
                }
            }
        }
        if let Some(next) = next {
            queues[0].producer_gone();
            // The set refuses to add to one that has closed itself.
            prop_assume!(!queues[0].overflowed());
            queues[0] = Queue::succeed(&queues[0], &next);
            let line = &mut run.lines[0];
            let before = line.sent.len();
            line.sent.append(&mut run.after.sent);
            line.markers.extend(run.after.markers.drain(..).map(|place| before + place));
        }
        let merged = Queue::merge(&queues);
        for step in &after {
            match step {
                Step::Read { max, .. } => {
                    run.read(&merged, *max);
                }
                Step::Push { source, items, .. } => {
                    run.push(&merged, source % sources.len(), false, items);
                }
            }
        }
        sources.iter().for_each(|_| merged.producer_gone());
        while run.read(&merged, usize::MAX) {}
        run.settle();
        let reported: u64 = run.lines.iter().map(|line| line.reported).sum();
        assert_eq!(merged.metrics().dropped, reported);
        match policy {
            QueuePolicy::Block => assert_eq!(reported, 0),
            QueuePolicy::Close => assert!(run.closed || reported == 0, "{reported} lost and not told why"),
            _ => {}
        }
    }
}
