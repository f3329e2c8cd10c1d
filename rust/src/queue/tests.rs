mod accounts;
mod books;
mod doors;
mod laws;
mod policies;
mod receiving;
mod succession;

use super::{state::CHUNK_EVENTS_MAX, *};
use crate::event::{NO_INSTRUMENT, Notice, flag, instrument_number, kind};
use barter_data::{books::OrderBook, event::MarketEvent};
use barter_instrument::{Side, exchange::ExchangeId, instrument::InstrumentIndex};
use chrono::DateTime;
use rust_decimal::Decimal;
use std::time::{Duration, Instant};

const KRAKEN: ExchangeId = ExchangeId::Kraken;

fn queue(capacity: usize) -> Queue {
    let queue = Queue::new(QueueOptions {
        capacity,
        ..QueueOptions::default()
    });
    queue.producer_added();
    queue
}

fn trade(number: i64) -> MarketEvent<InstrumentIndex, PublicTrade> {
    MarketEvent {
        time_exchange: DateTime::from_timestamp_nanos(number),
        time_received: DateTime::from_timestamp_nanos(number + 1),
        exchange: KRAKEN,
        instrument: InstrumentIndex(0),
        kind: PublicTrade {
            id: format!("{number:050}"),
            price: number as f64,
            amount: 1.0,
            side: Side::Buy,
        },
    }
}

fn book(
    instrument: usize,
    sequence: u64,
    snapshot: bool,
    bids: &[(i64, i64)],
) -> MarketEvent<InstrumentIndex, OrderBookEvent> {
    let levels = bids
        .iter()
        .map(|(price, amount)| (Decimal::from(*price), Decimal::from(*amount)));
    let book = OrderBook::new(sequence, None, levels, Vec::<(Decimal, Decimal)>::new());
    MarketEvent {
        time_exchange: DateTime::from_timestamp_nanos(sequence as i64),
        time_received: DateTime::from_timestamp_nanos(sequence as i64),
        exchange: ExchangeId::BinanceSpot,
        instrument: InstrumentIndex(instrument),
        kind: if snapshot {
            OrderBookEvent::Snapshot(book)
        } else {
            OrderBookEvent::Update(book)
        },
    }
}

fn error(text: &str) -> Notice {
    let mut notice = Notice::new(kind::ERROR, Some(KRAKEN), 1, 7);
    notice.text = text.to_owned();
    notice
}

fn reconnecting() -> Notice {
    Notice::new(kind::RECONNECTING, Some(KRAKEN), 1, 7)
}

fn take(queue: &Queue, max: usize) -> Slice {
    match queue.recv(max, Some(Instant::now())) {
        Received::Records(slice) => slice,
        other => panic!("{other:?}"),
    }
}

/// Everything that waits, a letter or number each: trades by price, books by sequence, notices by name and count.
fn drain(queue: &Queue) -> Vec<String> {
    let mut all = Vec::new();
    loop {
        match queue.recv(usize::MAX, Some(Instant::now())) {
            Received::Records(slice) => all.extend(slice.events().iter().map(|event| {
                let notice = |name: &str| format!("{name} {}", event.notice().unwrap().count);
                match event.kind {
                    kind::TRADE => format!("{}", event.trade().unwrap().price),
                    kind::BOOK => {
                        let of = event.instrument;
                        let made = if event.flags & flag::RECOVERED != 0 {
                            " recovered"
                        } else {
                            ""
                        };
                        let book = event.book().unwrap();
                        format!("book {of} at {} of {}{made}", book.sequence, book.bids_len)
                    }
                    kind::ERROR => notice("error"),
                    kind::DROPPED => notice("dropped"),
                    kind::RECONNECTING => notice("reconnecting"),
                    other => panic!("kind {other}"),
                }
            })),
            Received::Timeout | Received::Ended => return all,
            Received::Closed => panic!("closed"),
        }
    }
}

#[test]
fn what_goes_in_comes_out_in_order_in_slices_of_any_size() {
    let queue = queue(100_000);
    queue.push(|state| (0..3_000).for_each(|number| state.event(&trade(number))));
    let mut prices = Vec::new();
    for max in [1, 7, 1_023, 500, 5_000] {
        let slice = take(&queue, max);
        assert!((1..=max.min(CHUNK_EVENTS_MAX)).contains(&slice.events().len()));
        for event in slice.events() {
            let trade = event.trade().unwrap();
            let (offset, len) = event.id_in_text().unwrap();
            let id = &slice.records().text[offset as usize..][..len];
            assert_eq!(id, format!("{:050}", trade.price as i64).as_bytes());
            prices.push(trade.price as i64);
        }
    }
    assert_eq!(prices, (0..prices.len() as i64).collect::<Vec<_>>());
    assert_eq!(prices.len() + drain(&queue).len(), 3_000);
}

#[test]
fn the_oldest_chunk_goes_and_the_notice_in_its_place_has_the_exact_count() {
    let queue = queue(16);
    queue.push(|state| (0..21).for_each(|number| state.event(&trade(number))));
    let first = take(&queue, 100);
    let event = first.events()[0];
    let notice = event.notice().unwrap();
    assert_eq!(
        (event.kind, notice.count, notice.sub_kind),
        (kind::DROPPED, 6, 1)
    );
    assert_eq!(
        (notice.first_ns, notice.last_ns, event.instrument),
        (0, 5, 0)
    );
    assert_eq!(
        drain(&queue),
        (6..21).map(|n| n.to_string()).collect::<Vec<_>>()
    );
    let Metrics {
        events,
        dropped,
        queued_events,
        ..
    } = queue.metrics();
    assert_eq!((events, dropped, queued_events), (21, 6, 0));
}

#[test]
fn a_partly_read_chunk_loses_only_what_was_not_read() {
    let queue = queue(16);
    queue.push(|state| (0..16).for_each(|number| state.event(&trade(number))));
    assert_eq!(take(&queue, 1).events().len(), 1);
    queue.push(|state| (16..18).for_each(|number| state.event(&trade(number))));
    let left: Vec<String> = drain(&queue);
    assert_eq!(left[0], "dropped 1");
    assert_eq!(
        left[1..],
        (2..18).map(|n| n.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn errors_count_and_drop_like_events_and_their_bytes_too() {
    let queue = Queue::new(QueueOptions {
        capacity: 1_000,
        max_bytes: 4_096,
        ..QueueOptions::default()
    });
    queue.push(|state| (0..10).for_each(|_| state.error(&error(&"x".repeat(1_000)))));
    let told = drain(&queue);
    assert_eq!(told[0], "dropped 7");
    assert_eq!(told[1..], ["error 1", "error 1", "error 1"]);
    queue.push(|state| state.error(&error(&"x".repeat(5_000))));
    assert_eq!(
        drain(&queue),
        ["dropped 1"],
        "an item past the bound is counted, not kept"
    );
}

#[test]
fn a_reconnecting_notice_is_never_dropped_and_equal_neighbours_merge() {
    let queue = queue(8);
    queue.push(|state| {
        state.notice(&reconnecting());
        state.notice(&reconnecting());
        state.event(&trade(0));
        state.notice(&reconnecting());
    });
    assert_eq!(drain(&queue), ["reconnecting 2", "0", "reconnecting 1"]);
    queue.push(|state| {
        for number in 0..1_000 {
            state.event(&trade(number));
            state.notice(&reconnecting());
        }
    });
    let told = drain(&queue);
    assert_eq!(told[..2], ["dropped 996", "reconnecting 996"]);
    assert_eq!(told.len(), 2 + 8, "{told:?}");
}

#[test]
fn notices_that_touch_different_instruments_stay_apart() {
    let queue = queue(100);
    let mut of_one = reconnecting();
    of_one.instruments = vec![1];
    let mut of_two = reconnecting();
    of_two.instruments = vec![2];
    queue.push(|state| {
        [&of_one, &of_two, &of_two]
            .into_iter()
            .for_each(|n| state.notice(n))
    });
    assert_eq!(drain(&queue), ["reconnecting 1", "reconnecting 2"]);
}

#[test]
fn after_a_loss_a_book_comes_back_as_a_snapshot_and_updates_wait_for_it() {
    let queue = queue(8);
    queue.push(|state| {
        state.event(&book(0, 1, true, &[(100, 1), (99, 1)]));
        state.event(&book(1, 1, true, &[(50, 1)]));
        for sequence in 2..9 {
            state.event(&book(0, sequence, false, &[(90 + sequence as i64, 2)]));
        }
    });
    // The snapshot of book 0 went; its updates that wait are in the recovered snapshot, so they go and are counted.
    let told = drain(&queue);
    assert_eq!(
        told,
        [
            "dropped 8",
            "book 0 at 8 of 9 recovered",
            "book 1 at 1 of 1"
        ]
    );
    queue.push(|state| state.event(&book(0, 9, false, &[(100, 0)])));
    assert_eq!(drain(&queue), ["book 0 at 9 of 1"]);
    assert_eq!(queue.metrics().dropped, 8);
}

#[test]
fn an_unread_recovered_snapshot_that_goes_is_no_loss_but_is_made_again() {
    let queue = queue(8);
    queue.push(|state| (1..=9).for_each(|n| state.event(&book(0, n, n == 1, &[(n as i64, 1)]))));
    assert_eq!(take(&queue, 1).events()[0].kind, kind::DROPPED);
    queue.push(|state| (10..=18).for_each(|n| state.event(&book(0, n, false, &[(n as i64, 1)]))));
    assert_eq!(drain(&queue), ["dropped 9", "book 0 at 18 of 18 recovered"]);
}

#[test]
fn merged_queues_keep_each_order_and_sort_by_first_arrival() {
    let (a, b) = (Arc::new(queue(1_000)), Arc::new(queue(1_000)));
    a.push(|state| (0..200).for_each(|n| state.event(&trade(n))));
    b.push(|state| (1_000..1_200).for_each(|n| state.event(&trade(n))));
    a.push(|state| (200..300).for_each(|n| state.event(&trade(n))));
    let merged = Queue::merge(&[b, a]);
    let all = drain(&merged);
    let of_a: Vec<i64> = all
        .iter()
        .map(|n| n.parse().unwrap())
        .filter(|n| *n < 1_000)
        .collect();
    let of_b: Vec<i64> = all
        .iter()
        .map(|n| n.parse().unwrap())
        .filter(|n| *n >= 1_000)
        .collect();
    assert_eq!(of_a, (0..300).collect::<Vec<_>>());
    assert_eq!(of_b, (1_000..1_200).collect::<Vec<_>>());
    assert_eq!(all[0], "0", "what began first comes first");
    assert_eq!(merged.metrics().events, 500);
}

#[test]
fn recv_ends_by_time_wake_end_and_close_and_says_which() {
    let queue = Arc::new(queue(10));
    let began = Instant::now();
    let deadline = began + Duration::from_millis(30);
    assert!(matches!(queue.recv(1, Some(deadline)), Received::Timeout));
    assert!(began.elapsed() >= Duration::from_millis(30));
    queue.wake();
    assert!(matches!(queue.recv(1, None), Received::Timeout));
    let waiting = {
        let queue = queue.clone();
        std::thread::spawn(move || queue.recv(1, None))
    };
    queue.push(|state| state.event(&trade(1)));
    assert!(matches!(waiting.join().unwrap(), Received::Records(_)));
    queue.producer_gone();
    assert!(matches!(queue.recv(1, None), Received::Ended));
    queue.close();
    assert!(matches!(queue.recv(1, None), Received::Closed));
}

fn readable(fd: &OwnedFd) -> bool {
    let mut poll = [rustix::event::PollFd::new(fd, rustix::event::PollFlags::IN)];
    rustix::event::poll(&mut poll, Some(&rustix::event::Timespec::default())).unwrap() == 1
}

#[test]
fn the_descriptor_is_readable_exactly_when_recv_would_not_wait() {
    let queue = queue(10);
    let fd = queue.ready_fd().unwrap();
    let readable = || readable(&fd);
    assert!(!readable());
    queue.push(|state| (0..2).for_each(|n| state.event(&trade(n))));
    assert!(readable());
    take(&queue, 1);
    assert!(readable());
    take(&queue, 1);
    assert!(!readable());
    queue.wake();
    assert!(readable());
    assert!(matches!(queue.recv(1, None), Received::Timeout));
    assert!(!readable());
    queue.producer_gone();
    assert!(readable());
}

#[test]
fn the_memory_of_a_chunks_records_is_used_again_once_they_were_read() {
    let queue = Queue::new(QueueOptions::default());
    queue.producer_added();
    let read = || match queue.recv(usize::MAX, None) {
        Received::Records(slice) => slice,
        other => panic!("expected records, got {other:?}"),
    };
    let fill = || {
        queue.push(|state| (0..1_024).for_each(|id| state.event(&trade(id))));
    };
    fill();
    let first = read();
    let memory = first.events().as_ptr();
    drop(first);
    // The second took what there was when the first was full; the third takes the first's.
    fill();
    let second = read();
    fill();
    let third = read();
    assert_eq!(third.events().as_ptr(), memory);
    assert_eq!(third.events().len(), 1_024);
    assert_ne!(second.events().as_ptr(), memory);
}

#[test]
fn lent_bytes_are_counted_until_the_slices_are_gone() {
    let queue = queue(10_000);
    queue.push(|state| (0..1_024).for_each(|n| state.event(&trade(n))));
    let queued = queue.metrics().queued_bytes;
    assert_eq!(queued, (1_024 * (128 + 50)) as u64);
    let slices = [take(&queue, 1_000), take(&queue, 1_000)];
    assert_eq!(
        (queue.metrics().queued_bytes, queue.metrics().bytes_lent),
        (0, queued)
    );
    drop(slices);
    assert_eq!(queue.metrics().bytes_lent, 0);
}

#[test]
fn a_source_of_several_instruments_reports_a_loss_without_one() {
    let queue = queue(8);
    queue.push(|state| {
        for number in 0..10 {
            let mut event = trade(number);
            event.instrument = InstrumentIndex(number as usize);
            state.event(&event);
        }
    });
    assert_eq!(take(&queue, 1).events()[0].instrument, NO_INSTRUMENT);
    assert_eq!(
        instrument_number(InstrumentIndex(usize::MAX)),
        NO_INSTRUMENT
    );
}

#[test]
fn the_times_of_a_loss_are_those_of_its_first_and_last_event_in_their_order() {
    let queue = queue(1);
    queue.push(|state| (1..=3).for_each(|n| state.event(&book(0, n, n == 1, &[(n as i64, 1)]))));
    let event = take(&queue, 1).events()[0];
    let notice = event.notice().unwrap();
    assert_eq!((event.kind, notice.count), (kind::DROPPED, 3));
    assert_eq!((notice.first_ns, notice.last_ns), (1, 3));
}
