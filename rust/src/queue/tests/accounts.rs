//! The account of a queue under any policy: received and reported is sent, and every book is the exchange's.

use super::{
    policies::{POLICIES, queue_of},
    *,
};
use crate::{event::BarterEvent, options::QueuePolicy, queue::book::Book};
use std::collections::HashMap;

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
