//! Books that are kept here while nobody reads: they are the exchange's under every policy, say when they are not live,
//! and tell who waits of each change.

use super::{
    policies::{POLICIES, l1, queue_of, told},
    *,
};
use crate::{options::QueuePolicy, queue::book::Book};

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
