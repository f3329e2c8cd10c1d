//! Readers that drive the runtime while they wait.

use super::*;
use crate::runtime;
use std::{
    sync::{Arc, mpsc},
    thread,
};
use tokio::{task::JoinSet, time::sleep};

const LONG: Duration = Duration::from_secs(10);

fn with_spin(spin: Duration) -> Arc<Queue> {
    let queue = Queue::new(QueueOptions {
        spin,
        ..QueueOptions::default()
    });
    queue.producer_added();
    Arc::new(queue)
}

/// Pushes a trade from a task of the runtime, some time later; says which thread that was.
fn push_later(queue: &Arc<Queue>) -> mpsc::Receiver<thread::ThreadId> {
    let (tell, told) = mpsc::channel();
    let queue = queue.clone();
    runtime::handle().unwrap().spawn(async move {
        sleep(Duration::from_millis(1)).await;
        tell.send(thread::current().id()).unwrap();
        queue.push(|state| state.event(&trade(1)));
    });
    told
}

/// Receives until this thread ran what filled the queue.
fn drives(queue: &Arc<Queue>) {
    let begun = Instant::now();
    // At first the runtime's own thread does, and now and then on a machine that has other work.
    while {
        let by = push_later(queue);
        let found = queue.recv(1, Some(Instant::now() + LONG));
        assert!(matches!(found, Received::Records(_)));
        by.recv().unwrap() != thread::current().id()
    } {
        assert!(begun.elapsed() < LONG, "it never drives");
    }
}

/// How long a call took.
fn timed(call: impl FnOnce() -> Received) -> (Received, Duration) {
    let begun = Instant::now();
    (call(), begun.elapsed())
}

/// Most of them: a machine that has other work holds some up.
fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

#[test]
fn a_reader_that_waits_long_and_comes_back_soon_runs_what_fills_its_queue() {
    for spin in [Duration::ZERO, Duration::from_millis(20)] {
        drives(&with_spin(spin));
    }
}

#[test]
fn a_look_never_waits_and_a_short_wait_is_as_short_as_asked_for() {
    let queue = with_spin(Duration::ZERO);
    let (mut looks, mut waits) = (Vec::new(), Vec::new());
    for _ in 0..50 {
        drives(&queue);
        let (found, took) = timed(|| queue.recv(1, Some(Instant::now())));
        assert!(matches!(found, Received::Timeout));
        looks.push(took);
        drives(&queue);
        let short = Duration::from_micros(300);
        let (found, took) = timed(|| queue.recv(1, Some(Instant::now() + short)));
        assert!(matches!(found, Received::Timeout) && took >= short);
        waits.push(took - short);
    }
    assert!(median(looks) < Duration::from_micros(500));
    assert!(median(waits) < Duration::from_micros(500));
}

#[test]
fn a_reader_that_drives_ends_its_wait_by_time_wake_and_close() {
    for spin in [Duration::ZERO, Duration::from_millis(2)] {
        let queue = with_spin(spin);
        let mut late = Vec::new();
        for _ in 0..5 {
            drives(&queue);
            let wait = Duration::from_millis(5);
            let (found, took) = timed(|| queue.recv(1, Some(Instant::now() + wait)));
            assert!(matches!(found, Received::Timeout) && took >= wait);
            late.push(took - wait);
            drives(&queue);
            assert!(matches!(ended_by(&queue, Queue::wake), Received::Timeout));
        }
        assert!(median(late) < Duration::from_millis(5));
        drives(&queue);
        assert!(matches!(ended_by(&queue, Queue::close), Received::Closed));
    }
}

/// How a wait ends that another thread ends.
fn ended_by(queue: &Queue, end: impl FnOnce(&Queue) + Send) -> Received {
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(Duration::from_millis(3));
            end(queue);
        });
        let (found, took) = timed(|| queue.recv(1, Some(Instant::now() + LONG)));
        assert!(took < LONG / 2);
        found
    })
}

#[test]
fn what_a_closed_queue_ran_ends_at_once_though_its_reader_drove() {
    let mut ends = Vec::new();
    for _ in 0..50 {
        let queue = with_spin(Duration::ZERO);
        drives(&queue);
        let (until_gone, gone) = mpsc::channel::<()>();
        let ended = ended_by(&queue, |queue| {
            let mut tasks = JoinSet::new();
            tasks.spawn_on(
                async move {
                    let _until_gone = until_gone;
                    std::future::pending().await
                },
                &runtime::handle().unwrap(),
            );
            queue.adopt(Source {
                target: Arc::new(Mutex::new(Arc::new(Queue::new(QueueOptions::default())))),
                _pump: tasks,
                connections: JoinSet::new(),
                overflow: Arc::default(),
            });
            queue.close();
        });
        assert!(matches!(ended, Received::Closed));
        let begun = Instant::now();
        gone.recv_timeout(LONG).unwrap_err();
        ends.push(begun.elapsed());
    }
    assert!(median(ends) < Duration::from_millis(2));
}

/// Receives a few times; another thread ran what filled the queue.
fn does_not_drive() {
    let queue = with_spin(Duration::ZERO);
    for _ in 0..5 {
        let by = push_later(&queue);
        let found = queue.recv(1, Some(Instant::now() + LONG));
        assert!(matches!(found, Received::Records(_)));
        assert_ne!(by.recv().unwrap(), thread::current().id());
    }
}

#[test]
fn in_a_runtime_of_another_nobody_drives_and_everything_is_received() {
    let other = tokio::runtime::Builder::new_current_thread().build();
    other.unwrap().block_on(async { does_not_drive() });
}

#[test]
fn a_thread_with_little_stack_does_not_drive_and_receives_everything() {
    let small = thread::Builder::new().stack_size(128 << 10);
    small.spawn(does_not_drive).unwrap().join().unwrap();
}
