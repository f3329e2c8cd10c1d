//! Readers that drive the runtime while they wait.

use super::*;
use crate::runtime;
use std::{
    sync::{Arc, mpsc},
    thread,
};
use tokio::time::sleep;

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

#[test]
fn a_reader_that_waits_long_and_comes_back_soon_runs_what_fills_its_queue() {
    for spin in [Duration::ZERO, Duration::from_millis(20)] {
        let queue = with_spin(spin);
        let begun = Instant::now();
        // At first the runtime's own thread does, and now and then on a machine that has other work.
        while {
            let by = push_later(&queue);
            let deadline = Some(Instant::now() + LONG);
            assert!(matches!(queue.recv(1, deadline), Received::Records(_)));
            by.recv().unwrap() != thread::current().id()
        } {
            assert!(begun.elapsed() < LONG, "it never drives");
        }
    }
}

#[test]
fn a_reader_that_drives_ends_its_wait_by_time_wake_and_close() {
    for spin in [Duration::ZERO, Duration::from_millis(2)] {
        let queue = with_spin(spin);
        for _ in 0..5 {
            let _by = push_later(&queue);
            assert!(matches!(queue.recv(1, None), Received::Records(_)));
            let late = Some(Instant::now() + Duration::from_millis(3));
            assert!(matches!(queue.recv(1, late), Received::Timeout));
            assert!(late < Some(Instant::now()));
            assert!(matches!(queue.recv(1, late), Received::Timeout));
            thread::scope(|scope| {
                scope.spawn(|| {
                    thread::sleep(Duration::from_millis(3));
                    queue.wake();
                });
                assert!(matches!(queue.recv(1, None), Received::Timeout));
            });
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                thread::sleep(Duration::from_millis(3));
                queue.close();
            });
            assert!(matches!(queue.recv(1, None), Received::Closed));
        });
    }
}

#[test]
fn in_a_runtime_of_another_nobody_drives_and_everything_is_received() {
    let queue = with_spin(Duration::ZERO);
    let other = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    other.block_on(async {
        for _ in 0..5 {
            let by = push_later(&queue);
            assert!(matches!(queue.recv(1, None), Received::Records(_)));
            assert_ne!(by.recv().unwrap(), thread::current().id());
        }
    });
}

#[test]
fn a_thread_with_little_stack_does_not_drive_and_receives_everything() {
    let small = thread::Builder::new().stack_size(128 << 10);
    let reader = small.spawn(|| {
        let queue = with_spin(Duration::ZERO);
        for _ in 0..5 {
            let by = push_later(&queue);
            assert!(matches!(queue.recv(1, None), Received::Records(_)));
            assert_ne!(by.recv().unwrap(), thread::current().id());
        }
    });
    reader.unwrap().join().unwrap();
}
