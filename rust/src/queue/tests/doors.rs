//! Connections' outlets with a pump behind them: what they hand over comes out in the order of each, whether it was
//! pushed at once or went through the channel, and nothing enters a stream that has ended.

use super::{policies::queue_of, *};
use crate::{
    options::QueuePolicy,
    outlet::{Gate, Item, Outlet, OutletClosed, ReconnectingNote},
    pump::pump,
};
use barter_data::error::DataError;
use proptest::prelude::*;
use std::sync::LazyLock;
use tokio::{runtime::Runtime, sync::mpsc, task::yield_now};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(2).enable_all().build().unwrap()
});

/// What a connection does next. Whatever it hands over has the next number.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// A read of so many events.
    Read(usize),
    Error,
    Marker,
    /// Others have a turn.
    Yield,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..40usize).prop_map(Step::Read),
        1 => Just(Step::Error),
        1 => Just(Step::Marker),
        2 => Just(Step::Yield),
    ];
    prop::collection::vec(step, 0..40)
}

/// Numbers of the second connection begin here.
const SECOND: i64 = 1_000_000;

/// Hands over what the steps say; how many numbers were given.
async fn hand_over(outlet: Outlet<PublicTrade>, steps: Vec<Step>, first: i64) -> i64 {
    let mut next = first;
    for step in steps {
        match step {
            Step::Read(count) => {
                let numbers = next..next + count as i64;
                next = numbers.end;
                let mut read: Vec<Item<_>> = numbers.map(|number| Ok(trade(number))).collect();
                outlet.items(&mut read).await.unwrap();
                assert!(read.is_empty());
            }
            Step::Error => {
                let error = DataError::Socket(next.to_string());
                outlet.item(Err(error)).await.unwrap();
                next += 1;
            }
            Step::Marker => {
                let reason = next.to_string();
                let note = ReconnectingNote {
                    reason,
                    ..ReconnectingNote::default()
                };
                outlet.reconnecting(note).unwrap();
                next += 1;
            }
            Step::Yield => yield_now().await,
        }
    }
    next - first
}

/// The number of a record.
fn number(records: &Records, event: &BarterEvent) -> i64 {
    match event.kind {
        kind::TRADE => event.trade().unwrap().price as i64,
        kind::ERROR | kind::RECONNECTING => {
            let notice = event.notice().unwrap();
            let text = &records.text[notice.text_offset as usize..][..notice.text_len as usize];
            let text = std::str::from_utf8(text).unwrap();
            text.trim_start_matches("SocketError: ").parse().unwrap()
        }
        other => panic!("kind {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn what_connections_hand_over_comes_out_whole_and_in_the_order_of_each(
        scripts in [steps(), steps()],
        capacity in prop_oneof![1..30usize, Just(1_000_000)],
        most in 1..50usize,
    ) {
        let policy = if capacity < 30 { QueuePolicy::Block } else { QueuePolicy::DropOldest };
        let queue = Arc::new(queue_of(policy, capacity));
        let (sender, items) = mpsc::unbounded_channel();
        let gate = Arc::new(Gate::default());
        let outlet = Outlet::new(KRAKEN, sender, gate.clone());
        let target = Arc::new(Mutex::new(queue.clone()));
        RUNTIME.spawn(pump(KRAKEN, SubKind::Trades, items, gate, target, Arc::default()));
        let tasks: Vec<_> = scripts.into_iter().zip([0, SECOND])
            .map(|(steps, first)| (first, RUNTIME.spawn(hand_over(outlet.clone(), steps, first))))
            .collect();
        drop(outlet);
        let mut received = Vec::new();
        let deadline = Some(Instant::now() + Duration::from_secs(20));
        loop {
            match queue.recv(most, deadline) {
                Received::Records(slice) => {
                    received.extend(slice.events().iter().map(|event| number(slice.records(), event)));
                }
                Received::Ended => break,
                other => panic!("{other:?} after {} records", received.len()),
            }
        }
        for (first, task) in tasks {
            let given = RUNTIME.block_on(task).unwrap();
            let of_this = received.iter().filter(|number| (**number >= SECOND) == (first == SECOND));
            prop_assert_eq!(of_this.copied().collect::<Vec<_>>(), (first..first + given).collect::<Vec<_>>());
        }
    }
}

#[tokio::test]
async fn nothing_enters_a_stream_that_has_ended_though_its_connection_goes_on() {
    let queue = Arc::new(queue_of(QueuePolicy::Close, 2));
    let (sender, items) = mpsc::unbounded_channel();
    let gate = Arc::new(Gate::default());
    let outlet = Outlet::new(KRAKEN, sender, gate.clone());
    let target = Arc::new(Mutex::new(queue.clone()));
    let _as_its_source_does = target.clone();
    let pump = tokio::spawn(pump(
        KRAKEN,
        SubKind::Trades,
        items,
        gate,
        target,
        Arc::default(),
    ));
    yield_now().await;
    let mut read: Vec<Item<_>> = (0..5).map(|number| Ok(trade(number))).collect();
    assert_eq!(outlet.items(&mut read).await, Ok(()));
    pump.abort();
    assert!(pump.await.unwrap_err().is_cancelled());
    // What waits, the loss, and why.
    let mut kinds = Vec::new();
    while let Received::Records(slice) = queue.recv(1, Some(Instant::now())) {
        kinds.extend(slice.events().iter().map(|event| event.kind));
    }
    assert_eq!(
        kinds,
        [kind::TRADE, kind::TRADE, kind::DROPPED, kind::ERROR]
    );
    let before = queue.metrics();
    let mut late: Vec<Item<_>> = vec![Ok(trade(5))];
    assert_eq!(outlet.items(&mut late).await, Err(OutletClosed));
    assert!(matches!(queue.recv(1, None), Received::Ended));
    assert_eq!(queue.metrics(), before);
}
