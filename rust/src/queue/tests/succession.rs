//! The queue of a source that follows one that has ended: all that the first holds or lost comes first, and is not changed
//! by what the next brings.

use super::{
    policies::{l1, queue_of, told},
    *,
};
use crate::{
    options::QueuePolicy,
    outlet::{Gate, Outlet},
    pump::pump,
};
use barter_data::streams::reconnect::Event;
use std::pin::pin;
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{sleep, timeout},
};

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
