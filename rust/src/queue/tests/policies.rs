//! What each policy does with a full queue, alone and merged, and how a reader that spins waits.

use super::*;
use crate::{
    abi::constants::{BARTER_DROPPED_CONFLATED, BARTER_ERROR_QUEUE_FULL},
    options::QueuePolicy,
};
use barter_data::books::Level;

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

pub(super) fn told(queue: &Queue) -> Vec<String> {
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
