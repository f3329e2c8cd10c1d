use super::*;
use crate::{
    abi::constants::{BARTER_DROPPED_CONFLATED, BARTER_ERROR_QUEUE_FULL},
    event::BarterEvent,
    options::QueuePolicy,
    outlet::{Gate, Outlet},
    pump::pump,
    queue::book::Book,
};
use barter_data::{books::Level, streams::reconnect::Event};
use std::{collections::HashMap, pin::pin};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

pub(super) const POLICIES: [QueuePolicy; 5] = [
    QueuePolicy::DropOldest,
    QueuePolicy::DropNewest,
    QueuePolicy::Block,
    QueuePolicy::Conflate,
    QueuePolicy::Close,
];

pub(super) fn queue_of(policy: QueuePolicy, capacity: usize) -> Queue {
    let queue = Queue::new(QueueOptions {
        capacity,
        policy,
        ..QueueOptions::default()
    });
    queue.producer_added();
    queue
}

pub(super) fn l1(instrument: usize, price: i64) -> MarketEvent<InstrumentIndex, OrderBookL1> {
    MarketEvent {
        time_exchange: DateTime::from_timestamp_nanos(price),
        time_received: DateTime::from_timestamp_nanos(price),
        exchange: KRAKEN,
        instrument: InstrumentIndex(instrument),
        kind: OrderBookL1 {
            last_update_time: DateTime::from_timestamp_nanos(price),
            best_bid: Some(Level::new(Decimal::from(price), Decimal::ONE)),
            best_ask: None,
        },
    }
}

fn told(queue: &Queue) -> Vec<String> {
    let mut all = Vec::new();
    while let Received::Records(slice) = queue.recv(usize::MAX, Some(Instant::now())) {
        all.extend(slice.events().iter().map(|event| match event.kind {
            kind::L1 => format!("{}: {}", event.instrument, event.l1().unwrap().bid_price),
            kind::DROPPED => {
                let notice = event.notice().unwrap();
                let why = match i32::from(notice.code) {
                    BARTER_DROPPED_CONFLATED => "conflated",
                    _ => "dropped",
                };
                format!("{why} {}", notice.count)
            }
            kind::BOOK => {
                let book = event.book().unwrap();
                let made = if event.flags & flag::RECOVERED != 0 {
                    " recovered"
                } else {
                    ""
                };
                format!(
                    "book {} at {} of {}{made}",
                    event.instrument, book.sequence, book.bids_len
                )
            }
            kind::TRADE => format!("{}", event.trade().unwrap().price),
            kind::RECONNECTING => "reconnecting".to_owned(),
            kind::ERROR => "error".to_owned(),
            other => panic!("kind {other}"),
        }));
    }
    all
}

#[test]
fn drop_newest_refuses_what_does_not_fit_and_tells_it_after_what_waited_and_before_what_comes() {
    let queue = queue_of(QueuePolicy::DropNewest, 4);
    queue.push(|state| (0..10).for_each(|n| state.event(&trade(n))));
    assert_eq!(
        take(&queue, 3).events().len(),
        1,
        "a chunk is an eighth of the capacity"
    );
    queue.push(|state| state.event(&trade(10)));
    assert_eq!(take(&queue, 3).events().len(), 1);
    queue.push(|state| state.event(&trade(11)));
    assert_eq!(told(&queue), ["2", "3", "dropped 7", "11"]);
    queue.push(|state| (0..6).for_each(|n| state.event(&trade(n))));
    queue.push(|state| state.notice(&reconnecting()));
    assert_eq!(
        told(&queue),
        ["0", "1", "2", "3", "dropped 2", "reconnecting"]
    );
    assert_eq!(queue.metrics().dropped, 9);
}

#[test]
fn after_what_drop_newest_refused_a_book_comes_back_as_a_snapshot() {
    let queue = queue_of(QueuePolicy::DropNewest, 4);
    queue.push(|state| {
        for sequence in 1..=9 {
            state.event(&book(0, sequence, sequence == 1, &[(sequence as i64, 1)]));
        }
    });
    assert_eq!(
        told(&queue),
        [
            "book 0 at 1 of 1",
            "book 0 at 2 of 1",
            "book 0 at 3 of 1",
            "book 0 at 4 of 1",
            "dropped 5",
            "book 0 at 9 of 9 recovered"
        ]
    );
    queue.push(|state| state.event(&book(0, 10, false, &[(1, 0)])));
    assert_eq!(told(&queue), ["book 0 at 10 of 1"]);
    queue.push(|state| {
        (11..=20).for_each(|n| state.event(&book(0, n, false, &[(n as i64, 1)])));
    });
    assert_eq!(told(&queue).last().unwrap(), "book 0 at 20 of 18 recovered");
}

#[test]
fn the_newest_best_bid_and_ask_of_an_instrument_takes_the_older_ones_place() {
    let queue = queue_of(QueuePolicy::Conflate, 100);
    queue.push(|state| {
        for (instrument, price) in [(0, 10), (1, 20), (0, 11), (2, 30), (0, 12), (1, 21)] {
            state.event(&l1(instrument, price));
        }
    });
    assert_eq!(queue.metrics().queued_events, 3);
    let all = take(&queue, 1);
    assert_eq!(all.events()[0].kind, kind::DROPPED);
    queue.push(|state| state.event(&l1(1, 22)));
    assert_eq!(told(&queue), ["conflated 1", "0: 12", "1: 22", "2: 30"]);
    assert_eq!(queue.metrics().dropped, 4);
}

#[test]
fn what_is_conflated_does_not_pass_a_notice() {
    let queue = queue_of(QueuePolicy::Conflate, 100);
    queue.push(|state| {
        state.event(&l1(0, 1));
        state.notice(&reconnecting());
        state.event(&l1(0, 2));
        state.event(&l1(0, 3));
    });
    assert_eq!(
        told(&queue),
        ["conflated 1", "0: 1", "reconnecting", "0: 3"]
    );
}

#[test]
fn a_backlog_of_updates_becomes_one_snapshot_of_the_book_as_it_is_now() {
    let queue = queue_of(QueuePolicy::Conflate, 100);
    queue.push(|state| {
        state.event(&book(0, 1, true, &[(1, 1)]));
        state.event(&book(1, 1, true, &[(5, 1)]));
    });
    assert_eq!(told(&queue), ["book 0 at 1 of 1", "book 1 at 1 of 1"]);
    queue.push(|state| {
        state.event(&book(1, 2, false, &[(6, 1)]));
        (2..=9).for_each(|n| state.event(&book(0, n, false, &[(n as i64, 1)])));
    });
    assert_eq!(
        told(&queue),
        [
            "conflated 8",
            "book 0 at 9 of 9 recovered",
            "book 1 at 2 of 1"
        ]
    );
    queue.push(|state| state.event(&book(0, 10, false, &[(2, 0)])));
    assert_eq!(told(&queue), ["book 0 at 10 of 1"]);
}

#[test]
fn close_delivers_what_waits_then_the_loss_then_why_and_ends() {
    let queue = queue_of(QueuePolicy::Close, 3);
    queue.push(|state| (0..5).for_each(|n| state.event(&trade(n))));
    queue.push(|state| state.notice(&reconnecting()));
    for price in 0..3 {
        let slice = take(&queue, 1);
        assert_eq!(slice.events()[0].trade().unwrap().price, price as f64);
    }
    let found = queue.recv(1, Some(Instant::now()));
    assert!(
        matches!(found, Received::Timeout),
        "its sources are still ending"
    );
    queue.producer_gone();
    let last = take(&queue, 9);
    let kinds: Vec<u8> = last.events().iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [kind::DROPPED, kind::RECONNECTING, kind::ERROR]);
    assert_eq!(last.events()[0].notice().unwrap().count, 2);
    let error = last.events()[2].notice().unwrap();
    assert_eq!(i32::from(error.code), BARTER_ERROR_QUEUE_FULL);
    let text = &last.records().text[error.text_offset as usize..][..error.text_len as usize];
    let text = std::str::from_utf8(text).unwrap();
    assert!(
        text.starts_with("the queue was full (3 of 3 items"),
        "{text}"
    );
    assert!(matches!(queue.recv(1, None), Received::Ended));
}

#[test]
fn a_full_queue_that_blocks_is_held_until_something_was_taken() {
    let queue = queue_of(QueuePolicy::Block, 2);
    let push = |from: i64| {
        let mut pushed = 0;
        queue.push(|state| {
            while !state.held() {
                state.event(&trade(from + pushed));
                pushed += 1;
            }
        });
        pushed
    };
    assert_eq!((push(0), push(2)), (2, 0));
    take(&queue, 1);
    assert_eq!(push(2), 1);
    assert_eq!(told(&queue), ["1", "2"]);
}

/// Numbers that look drawn and are the same in every run.
struct Draws(u64);

impl Draws {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) % end
    }
}

/// What a reader of book events knows, and what was true.
#[derive(Default)]
struct Account {
    sent: u64,
    received: u64,
    reported: u64,
    sequences: HashMap<u32, u64>,
    seen: HashMap<u32, Book>,
    truth: HashMap<u32, Vec<Book>>,
}

impl Account {
    fn receive(&mut self, records: &Records, event: &BarterEvent) {
        match event.kind {
            kind::DROPPED => self.reported += event.notice().unwrap().count,
            kind::BOOK => {
                let book = event.book().unwrap();
                let last = self
                    .sequences
                    .insert(event.instrument, book.sequence)
                    .unwrap_or(0);
                if event.flags & flag::RECOVERED != 0 {
                    assert!(last <= book.sequence, "a snapshot of the past");
                } else {
                    assert_eq!(
                        last + 1,
                        book.sequence,
                        "an event after a loss, before a snapshot"
                    );
                    self.received += 1;
                }
                let seen = self.seen.entry(event.instrument).or_default();
                seen.apply(records, event);
                let truth = &self.truth[&event.instrument][book.sequence as usize - 1];
                assert!(
                    seen.bids().eq(truth.bids()),
                    "another book than the exchange's"
                );
            }
            kind::RECONNECTING | kind::ERROR => {}
            other => panic!("kind {other}"),
        }
    }
}

#[test]
fn received_and_reported_is_sent_and_every_book_is_the_exchanges_whatever_the_policy() {
    for seed in 0..400 {
        let mut draws = Draws(seed);
        let policy = POLICIES[draws.below(5) as usize];
        let queue = queue_of(policy, 1 + draws.below(40) as usize);
        let mut account = Account::default();
        for _ in 0..draws.below(40) {
            if draws.below(3) == 0 {
                let found = queue.recv(1 + draws.below(30) as usize, Some(Instant::now()));
                if let Received::Records(slice) = found {
                    let records = slice.records();
                    slice
                        .events()
                        .iter()
                        .for_each(|event| account.receive(records, event));
                }
                continue;
            }
            queue.push(|state| {
                for _ in 0..draws.below(40) {
                    if state.held() || state.overflowed() {
                        break;
                    }
                    if draws.below(10) == 0 {
                        state.notice(&reconnecting());
                        continue;
                    }
                    let instrument = draws.below(3);
                    let truth = account.truth.entry(instrument as u32).or_default();
                    let (price, amount) = (draws.below(8) as i64, draws.below(3) as i64);
                    let sequence = truth.len() as u64 + 1;
                    let snapshot = sequence == 1 || draws.below(20) == 0;
                    let event = book(instrument as usize, sequence, snapshot, &[(price, amount)]);
                    let mut records = Records::default();
                    crate::event::push_event(&mut records, &event);
                    let mut now = truth.last().cloned().unwrap_or_default();
                    now.apply(&records, &records.events[0]);
                    truth.push(now);
                    account.sent += 1;
                    state.event(&event);
                }
            });
            let Metrics { queued_events, .. } = queue.metrics();
            assert!(
                queued_events as usize <= queue.options().capacity,
                "seed {seed}"
            );
        }
        queue.producer_gone();
        while let Received::Records(slice) = queue.recv(usize::MAX, None) {
            let records = slice.records();
            slice
                .events()
                .iter()
                .for_each(|event| account.receive(records, event));
        }
        let Account {
            sent,
            received,
            reported,
            ..
        } = account;
        assert_eq!(received + reported, sent, "seed {seed}, {policy:?}");
        assert_eq!(queue.metrics().dropped, reported, "seed {seed}, {policy:?}");
        if policy == QueuePolicy::Block {
            assert_eq!(reported, 0);
        }
        if policy != QueuePolicy::Close {
            for (instrument, truth) in &account.truth {
                let last = account.seen.get(instrument).map(Book::sequence);
                assert_eq!(
                    last,
                    Some(Some(truth.len() as u64)),
                    "seed {seed}, {policy:?}"
                );
            }
        }
    }
}

#[test]
fn merged_queues_go_on_with_their_policy_their_books_and_their_losses() {
    for policy in [
        QueuePolicy::DropOldest,
        QueuePolicy::DropNewest,
        QueuePolicy::Conflate,
    ] {
        let (a, b) = (Arc::new(queue_of(policy, 4)), Arc::new(queue_of(policy, 4)));
        for (queue, instrument) in [(&a, 0), (&b, 1)] {
            queue.push(|state| {
                for n in 1..=9 {
                    state.event(&book(instrument, n, n == 1, &[(n as i64, 1)]));
                }
            });
        }
        let merged = Queue::merge(&[a, b]);
        merged.push(|state| state.event(&book(0, 10, false, &[(10, 1)])));
        let all = told(&merged);
        let lost: u64 = all
            .iter()
            .filter_map(|item| {
                item.strip_prefix("dropped ")
                    .or(item.strip_prefix("conflated "))
            })
            .map(|count| count.parse::<u64>().unwrap())
            .sum();
        let read = all
            .iter()
            .filter(|item| item.starts_with("book") && !item.ends_with("recovered"));
        assert_eq!(lost + read.count() as u64, 19, "{policy:?}: {all:?}");
        assert!(
            all.contains(&"book 1 at 9 of 9 recovered".to_owned()),
            "{policy:?}: {all:?}"
        );
    }
}

#[test]
fn a_reader_that_spins_gets_what_comes_meanwhile_and_sleeps_when_its_time_is_over() {
    let queue = Arc::new(Queue::new(QueueOptions {
        spin: Duration::from_millis(20),
        ..QueueOptions::default()
    }));
    queue.producer_added();
    let reading = {
        let queue = queue.clone();
        std::thread::spawn(move || {
            (0..200).all(|_| matches!(queue.recv(1, None), Received::Records(_)))
        })
    };
    for number in 0..200 {
        if number == 100 {
            // Past the spinning, so that the reader sleeps.
            std::thread::sleep(Duration::from_millis(30));
        }
        queue.push(|state| state.event(&trade(number)));
    }
    assert!(reading.join().unwrap());
    let began = Instant::now();
    let deadline = began + Duration::from_millis(5);
    assert!(matches!(queue.recv(1, Some(deadline)), Received::Timeout));
    assert!(began.elapsed() >= Duration::from_millis(5));
}

#[test]
fn maintained_books_are_the_exchanges_from_before_they_were_selected_whatever_the_policy() {
    for policy in POLICIES {
        let queue = queue_of(policy, 4);
        let bids: Vec<(i64, i64)> = (1..=9).map(|n| (n, 1)).collect();
        queue.push(|state| {
            state.event(&book(0, 1, true, &bids));
            (2..=4).for_each(|n| state.event(&book(0, n, false, &[(n as i64, 0)])));
        });
        queue.maintain();
        queue.push(|state| {
            (5..=7).for_each(|n| state.event(&book(0, n, false, &[(n as i64, 0)])));
        });
        let read = |queue: &Queue| {
            let look = |book: &Book| (book.live(), book.sequence(), book.bids().len());
            queue.book(0, look)
        };
        assert_eq!(read(&queue), Some((true, Some(7), 3)), "{policy:?}");
        let all = told(&queue);
        assert!(
            all.iter().all(|item| !item.starts_with("book")),
            "{policy:?}: {all:?}"
        );
        let mut broken = reconnecting();
        broken.exchange = Some(ExchangeId::BinanceSpot);
        queue.push(|state| state.notice(&broken));
        assert_eq!(read(&queue), Some((false, Some(7), 3)), "{policy:?}");
        queue.push(|state| state.event(&book(0, 8, false, &[(9, 0)])));
        assert_eq!(
            read(&queue),
            Some((false, Some(8), 2)),
            "an update is no new beginning"
        );
        queue.push(|state| state.event(&book(0, 9, true, &bids)));
        assert_eq!(read(&queue), Some((true, Some(9), 9)));
        assert_eq!(told(&queue), ["reconnecting"]);
        let subscribed = |is| queue.subscribed(ExchangeId::BinanceSpot, [InstrumentIndex(0)], is);
        subscribed(false);
        queue.push(|state| state.event(&book(0, 10, true, &bids)));
        assert_eq!(
            read(&queue),
            Some((false, Some(10), 9)),
            "what was on its way when it was unsubscribed"
        );
        subscribed(true);
        assert_eq!(read(&queue), Some((false, Some(10), 9)));
        queue.push(|state| state.event(&book(0, 11, true, &bids)));
        assert_eq!(read(&queue), Some((true, Some(11), 9)));
        assert_eq!(queue.book(1, |_| ()), None);
        let without_an_event = |wanted| {
            queue.subscribed(ExchangeId::Kraken, [InstrumentIndex(1)], wanted);
            (queue.books(), queue.book(1, Book::live))
        };
        assert_eq!(without_an_event(true), (vec![0, 1], Some(false)));
        assert_eq!(without_an_event(false), (vec![0], None));
    }
}

#[test]
fn books_selected_after_their_queue_has_closed_itself_stay_as_they_were_and_are_not_live() {
    let queue = queue_of(QueuePolicy::Close, 3);
    queue.push(|state| {
        (1..=5).for_each(|n| state.event(&book(0, n, n == 1, &[(n as i64, 1)])));
    });
    queue.maintain();
    let read = || {
        let look = |book: &Book| (book.live(), book.sequence(), book.bids().len());
        queue.book(0, look)
    };
    assert_eq!(read(), Some((false, Some(3), 3)));
    assert!(queue.overflowed(), "selecting it does not open it again");
    // What was on its way: it no longer follows, and a snapshot is no new beginning of what has ended.
    queue.push(|state| {
        state.event(&book(0, 6, false, &[(6, 1)]));
        state.event(&book(0, 7, true, &[(7, 1)]));
        state.notice(&reconnecting());
    });
    assert_eq!(read(), Some((false, Some(3), 3)));
    let found = queue.recv(1, Some(Instant::now()));
    assert!(matches!(found, Received::Timeout), "{found:?}");
    queue.producer_gone();
    assert_eq!(told(&queue), ["dropped 4", "reconnecting", "error"]);
    assert!(matches!(queue.recv(1, None), Received::Ended));
    assert_eq!(queue.metrics().dropped, 4);
}

#[test]
fn an_update_that_does_not_follow_makes_its_own_book_stale_alone() {
    let queue = queue_of(QueuePolicy::DropOldest, 100);
    queue.push(|state| {
        state.event(&book(0, 11, true, &[(1, 1)]));
        state.event(&book(1, 22, true, &[(1, 1)]));
    });
    let gap = |state: &mut State| {
        let mut notice = error("gap");
        notice.exchange = Some(ExchangeId::BinanceSpot);
        notice.code = crate::abi::constants::BARTER_ERROR_INVALID_SEQUENCE as u16;
        notice.instrument = state.instrument_at(ExchangeId::BinanceSpot, 22);
        assert_eq!(notice.instrument, 1);
        state.error(&notice);
    };
    queue.push(gap);
    queue.maintain();
    let live = |instrument| queue.book(instrument, Book::live);
    assert_eq!((live(0), live(1)), (Some(true), Some(false)));
    queue.push(|state| state.event(&book(1, 22, true, &[(1, 1)])));
    assert_eq!((live(0), live(1)), (Some(true), Some(true)));
    queue.push(gap);
    assert_eq!((live(0), live(1)), (Some(true), Some(false)));
}

#[test]
fn a_wait_for_maintained_books_ends_by_a_change_time_end_and_close_and_says_which() {
    let queue = Arc::new(queue_of(QueuePolicy::DropOldest, 10));
    assert!(!queue.maintains(), "it is a stream of events");
    queue.maintain();
    assert!(queue.maintains());
    let Changed::To(version) = queue.changed_since(0, None) else {
        panic!("what was there before is a change");
    };
    let soon = Some(Instant::now() + Duration::from_millis(5));
    assert_eq!(queue.changed_since(version, soon), Changed::Timeout);
    let waiting: Vec<_> = (0..3)
        .map(|_| {
            let queue = queue.clone();
            std::thread::spawn(move || queue.changed_since(version, None))
        })
        .collect();
    queue.push(|state| state.event(&book(0, 1, true, &[(1, 1)])));
    for wait in waiting {
        assert_eq!(wait.join().unwrap(), Changed::To(version + 1));
    }
    queue.producer_gone();
    assert_eq!(queue.changed_since(version + 1, None), Changed::Ended);
    queue.close();
    assert_eq!(queue.changed_since(version + 1, None), Changed::Closed);
}

#[test]
fn the_next_change_of_maintained_books_makes_its_descriptor_readable_for_good_and_no_other() {
    let queue = queue_of(QueuePolicy::DropOldest, 10);
    queue.maintain();
    let (first, same) = (
        queue.next_change_fd().unwrap(),
        queue.next_change_fd().unwrap(),
    );
    assert_eq!((readable(&first), readable(&same)), (false, false));
    queue.wake();
    assert!(!readable(&first), "no book has changed");
    queue.push(|state| state.event(&book(0, 1, true, &[(1, 1)])));
    let second = queue.next_change_fd().unwrap();
    assert_eq!((readable(&first), readable(&same)), (true, true));
    assert!(!readable(&second));
    queue.push(|state| state.error(&error("a notice is a change")));
    assert!(readable(&second));
    let last = queue.next_change_fd().unwrap();
    queue.producer_gone();
    assert!(readable(&last));
    assert!(
        readable(&queue.next_change_fd().unwrap()),
        "there is none to come"
    );
    queue.close();
    assert!(readable(&queue.next_change_fd().unwrap()));
    assert!(readable(&first));
}

#[test]
fn a_book_that_misses_something_keeps_no_best_bid_and_ask_of_its_instrument_out() {
    let queue = queue_of(QueuePolicy::DropOldest, 2);
    let mut quote = l1(0, 7);
    quote.exchange = ExchangeId::BinanceSpot;
    queue.push(|state| {
        state.event(&book(0, 1, true, &[(1, 1)]));
        (0..2).for_each(|_| state.event(&quote));
    });
    assert_eq!(
        told(&queue),
        ["dropped 1", "book 0 at 1 of 1 recovered", "0: 7", "0: 7"]
    );
}

#[test]
fn a_maintained_book_that_missed_something_before_it_was_selected_is_live_as_the_newest_says() {
    let mut broken = reconnecting();
    broken.exchange = Some(ExchangeId::BinanceSpot);
    let mut gap = error("gap");
    gap.exchange = Some(ExchangeId::BinanceSpot);
    gap.code = crate::abi::constants::BARTER_ERROR_INVALID_SEQUENCE as u16;
    gap.instrument = 0;
    let snapshot = |sequence| book(0, sequence, true, &[(1, 1)]);
    let update = |sequence| book(0, sequence, false, &[(2, 1)]);
    type Push<'a> = &'a dyn Fn(&mut State);
    let (reconnect, error): (Push, Push) =
        (&|state| state.notice(&broken), &|state| state.error(&gap));
    for policy in [
        QueuePolicy::DropOldest,
        QueuePolicy::DropNewest,
        QueuePolicy::Conflate,
    ] {
        for (breaks, name) in [(reconnect, "reconnecting"), (error, "error")] {
            // Whether it broke when the book missed something already, or when it waited whole.
            for missing in [1, 3, 4, 5, 9] {
                let queue = queue_of(policy, 4);
                queue.push(|state| {
                    state.event(&snapshot(1));
                    (0..missing).for_each(|n| state.event(&update(2 + n)));
                    breaks(state);
                });
                let others = |state: &mut State| (0..4).for_each(|n| state.event(&trade(n)));
                let live = |queue: &Queue| {
                    queue.maintain();
                    queue.book(0, Book::live)
                };
                let what = format!("{policy:?}, {name} after {missing}");
                queue.push(others);
                queue.push(|state| state.event(&update(2 + missing)));
                assert_eq!(live(&queue), Some(false), "{what}");
                let queue = queue_of(policy, 4);
                queue.push(|state| {
                    state.event(&snapshot(1));
                    (0..missing).for_each(|n| state.event(&update(2 + n)));
                    breaks(state);
                    state.event(&snapshot(20));
                });
                assert_eq!(live(&queue), Some(true), "{what}, then a snapshot");
            }
        }
    }
}

#[test]
fn a_new_queue_of_the_same_books_loses_nothing_to_what_the_ended_one_lost() {
    for policy in [
        QueuePolicy::DropOldest,
        QueuePolicy::DropNewest,
        QueuePolicy::Conflate,
    ] {
        let (ended, new) = (Arc::new(queue_of(policy, 8)), Arc::new(queue_of(policy, 8)));
        ended.push(|state| {
            (1..=9).for_each(|n| state.event(&book(0, n, n == 1, &[(n as i64, 1)])));
        });
        ended.producer_gone();
        new.subscribed(ExchangeId::BinanceSpot, [InstrumentIndex(0)], true);
        new.push(|state| state.event(&book(0, 100, true, &[(1, 1)])));
        let all = told(&Queue::succeed(&ended, &new));
        assert_eq!(
            all.last().unwrap(),
            "book 0 at 100 of 1",
            "{policy:?}: {all:?}"
        );
        let before = &all[all.len() - 2];
        assert_eq!(before, "book 0 at 9 of 9 recovered", "{policy:?}: {all:?}");
        let (ended, new) = (Arc::new(queue_of(policy, 4)), Arc::new(queue_of(policy, 4)));
        for (queue, first) in [(&ended, 1), (&new, 100)] {
            queue.push(|state| {
                (0..9).for_each(|n| state.event(&book(0, first + n, n == 0, &[(n as i64, 1)])));
            });
        }
        ended.producer_gone();
        let all = told(&Queue::succeed(&ended, &new));
        let place = |what: &str| all.iter().position(|item| item == what);
        let (old, young) = (
            place("book 0 at 9 of 9 recovered"),
            place("book 0 at 108 of 9 recovered"),
        );
        assert!(old.is_some() && old < young, "{policy:?}: {all:?}");
        assert_eq!(young, Some(all.len() - 1), "{policy:?}: {all:?}");
    }
}

#[test]
fn all_that_an_ended_queue_holds_or_lost_comes_before_what_the_next_of_its_source_brings() {
    for policy in [
        QueuePolicy::DropOldest,
        QueuePolicy::DropNewest,
        QueuePolicy::Block,
        QueuePolicy::Close,
    ] {
        let (ended, next) = (Arc::new(queue_of(policy, 4)), Arc::new(queue_of(policy, 4)));
        let other = Arc::new(queue_of(policy, 4));
        let push = |queue: &Queue, number| queue.push(|state| state.event(&trade(number)));
        push(&ended, 0);
        push(&next, 10);
        // Late: its connection is gone, and what that had read is still being taken.
        push(&ended, 1);
        ended.producer_gone();
        push(&other, 20);
        push(&next, 11);
        let whole = Queue::succeed(&ended, &next);
        assert_eq!(whole.metrics().queued_events, 4);
        let all = told(&Queue::merge(&[other, whole]));
        let of_source: Vec<_> = all.iter().filter(|item| *item != "20").collect();
        assert_eq!(of_source, ["0", "1", "10", "11"], "{policy:?}");
    }
}

#[test]
fn what_an_ended_queue_and_the_next_of_its_source_lost_is_told_where_each_lost_it() {
    let lost = |policy| {
        let (ended, next) = (Arc::new(queue_of(policy, 2)), Arc::new(queue_of(policy, 2)));
        for (queue, first) in [(&ended, 0), (&next, 10)] {
            queue.push(|state| (first..first + 3).for_each(|n| state.event(&trade(n))));
        }
        ended.producer_gone();
        told(&Queue::succeed(&ended, &next))
    };
    assert_eq!(
        lost(QueuePolicy::DropOldest),
        ["dropped 1", "1", "2", "dropped 1", "11", "12"]
    );
    assert_eq!(
        lost(QueuePolicy::DropNewest),
        ["0", "1", "dropped 1", "10", "11", "dropped 1"]
    );
}

#[test]
fn a_best_bid_and_ask_of_an_ended_queue_is_not_changed_by_what_the_next_of_its_source_brings() {
    let queue = || Arc::new(queue_of(QueuePolicy::Conflate, 10));
    let (ended, next) = (queue(), queue());
    ended.push(|state| state.event(&l1(0, 1)));
    next.push(|state| state.event(&l1(1, 10)));
    ended.push(|state| state.event(&l1(1, 2)));
    ended.producer_gone();
    let whole = Queue::succeed(&ended, &next);
    whole.push(|state| {
        state.event(&l1(1, 11));
        state.event(&l1(0, 12));
        state.event(&l1(0, 13));
    });
    assert_eq!(
        told(&whole),
        ["conflated 2", "0: 1", "1: 2", "1: 11", "0: 13"]
    );
}

#[tokio::test]
async fn what_another_source_of_a_merged_stream_had_handed_over_when_it_closes_is_counted() {
    let queue = Arc::new(queue_of(QueuePolicy::Close, 2));
    queue.producer_added();
    let mut senders = Vec::new();
    for _ in 0..2 {
        let (sender, items) = mpsc::unbounded_channel();
        (0..5).for_each(|n| sender.send(Event::Item(Ok(trade(n)))).unwrap());
        // As an outlet that is kept does, it stays.
        senders.push(sender);
        let target = Arc::new(Mutex::new(queue.clone()));
        let (mut task, overflow) = (JoinSet::new(), Arc::new(Notify::new()));
        let gate = Arc::default();
        let pump = pump(
            KRAKEN,
            SubKind::Trades,
            items,
            gate,
            target.clone(),
            overflow.clone(),
        );
        task.spawn(pump);
        queue.adopt(Source {
            target,
            _pump: task,
            connections: JoinSet::new(),
            overflow,
        });
    }
    let (mut trades, mut dropped) = (0, 0);
    timeout(Duration::from_secs(10), async {
        loop {
            match queue.recv(usize::MAX, Some(Instant::now())) {
                Received::Records(slice) => {
                    slice.events().iter().for_each(|event| match event.kind {
                        kind::TRADE => trades += 1,
                        kind::DROPPED => dropped += event.notice().unwrap().count,
                        kind::ERROR => {}
                        other => panic!("kind {other}"),
                    })
                }
                Received::Timeout => tokio::task::yield_now().await,
                Received::Ended => return,
                Received::Closed => panic!("closed"),
            }
        }
    })
    .await
    .expect("its pumps end");
    assert_eq!((trades, dropped), (2, 8));
}

#[tokio::test(start_paused = true)]
async fn a_connection_hands_over_one_more_read_at_the_most_while_a_queue_that_blocks_is_full() {
    let queue = Arc::new(queue_of(QueuePolicy::Block, 2));
    let (sender, items) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate::default());
    let outlet = Outlet::new(KRAKEN, sender, gate.clone());
    let target = Arc::new(Mutex::new(queue.clone()));
    let overflow = Arc::new(Notify::new());
    let _pump = tokio::spawn(pump(KRAKEN, SubKind::Trades, items, gate, target, overflow));
    let read = |from: i64| (from..from + 5).map(|n| Ok(trade(n))).collect::<Vec<_>>();
    outlet.items(&mut read(0)).await.unwrap();
    // The time moves once nothing else can.
    sleep(Duration::from_secs(1)).await;
    let mut second = read(5);
    let mut handing = pin!(outlet.items(&mut second));
    assert!(timeout(Duration::from_secs(1), &mut handing).await.is_err());
    let mut all = Vec::new();
    for _ in 0..5 {
        all.extend(told(&queue));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(all, (0..10).map(|n| n.to_string()).collect::<Vec<_>>());
    assert_eq!(handing.await, Ok(()));
}
