//! The one thread that runs the runtime: its own, the keeper, or a reader that waits in `recv`. A reader that drives is
//! woken by the socket itself and reads what came in its own thread: nothing is handed over, nobody else has to wake.
//! Where much comes, or a reader takes its time, the keeper drives beside the readers.

use crate::platform::Alarm;
use parking_lot::Mutex;
use std::{
    io, mem,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Notify,
};

/// How long nobody drives, at least, before the keeper does; twice that at the most, and what the machine takes to run
/// its thread. Below the tick of the kernel's clock an alarm costs more where it is set (ADR 14).
const GRACE: Duration = Duration::from_millis(5);

/// After so many drives in a row that found something at once, the keeper drives.
const BUSY_MAX: u32 = 8;

/// A runtime of one thread, and who that is.
pub(crate) struct Driver {
    runtime: Runtime,
    idleness: Arc<Idleness>,
    seats: Mutex<Seats>,
    /// Asks the keeper to let a reader drive.
    asked: Notify,
    /// Tells the keeper to look whether it should drive.
    alarm: Alarm,
}

/// Who drives, and what the keeper has to know.
#[derive(Default)]
struct Seats {
    /// Whether the keeper drives.
    kept: bool,
    /// How many readers drive, or wait to.
    readers: usize,
    /// How often readers have begun to drive.
    drives: u64,
    /// Drives in a row that found something at once.
    busy: u32,
    alarm_is_set: bool,
    /// Whether the keeper is to drive as soon as no reader does.
    given_back: bool,
}

/// Whether who drives has something to do.
#[derive(Default)]
struct Idleness {
    now: AtomicBool,
    /// How often there was nothing.
    times: AtomicU64,
}

impl Driver {
    /// A runtime that its keeper drives, for as long as the process lasts.
    pub(crate) fn start(thread_name: &str) -> io::Result<&'static Self> {
        let idleness = Arc::new(Idleness::default());
        let (idle, busy) = (idleness.clone(), idleness.clone());
        let runtime = Builder::new_current_thread()
            .thread_name(thread_name)
            .enable_all()
            .on_thread_park(move || {
                idle.times.fetch_add(1, Relaxed);
                idle.now.store(true, Relaxed);
            })
            .on_thread_unpark(move || busy.now.store(false, Relaxed))
            .build()?;
        let seats = Seats {
            kept: true,
            ..Seats::default()
        };
        let driver: &'static Self = Box::leak(Box::new(Self {
            runtime,
            idleness,
            seats: Mutex::new(seats),
            asked: Notify::new(),
            alarm: Alarm::new()?,
        }));
        let keeper = thread::Builder::new().name(thread_name.to_owned());
        keeper.spawn(|| driver.keep())?;
        Ok(driver)
    }

    /// The runtime's handle.
    pub(crate) fn handle(&self) -> &Handle {
        self.runtime.handle()
    }

    /// Whether readers drive: one that waits must, since the keeper may not.
    pub(crate) fn is_with_readers(&self) -> bool {
        !self.seats.lock().kept
    }

    /// Whether the keeper has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.idleness.now.load(Relaxed)
    }

    /// Who drives has found nothing to do.
    pub(crate) fn found_nothing(&self) {
        self.idleness.times.fetch_add(1, Relaxed);
    }

    /// Drives until `future` is ready. `comes_back`: whether the caller is likely to drive again at once.
    pub(crate) fn drive<T>(&self, comes_back: bool, future: impl Future<Output = T>) -> T {
        {
            let mut seats = self.seats.lock();
            seats.readers += 1;
            seats.drives += 1;
        }
        let _leaving = Leaving {
            driver: self,
            comes_back,
            idle_times: self.idleness.times.load(Relaxed),
        };
        self.asked.notify_one();
        self.runtime.block_on(future)
    }

    /// Something was asked of the runtime: the keeper drives as soon as no reader does.
    pub(crate) fn attend(&self) {
        let mut seats = self.seats.lock();
        if seats.readers > 0 {
            seats.given_back = true;
        } else if !seats.kept {
            self.give_back(&mut seats);
        }
    }

    /// As [`Self::attend`], for one that is about to wait without driving: who drives goes on.
    pub(crate) fn attend_unless_driven(&self) {
        let mut seats = self.seats.lock();
        if !seats.kept && seats.readers == 0 {
            self.give_back(&mut seats);
        }
    }

    /// What the keeper does.
    fn keep(&self) {
        let _unwinding = Unwinding(self);
        loop {
            while !self.leave_to_readers() {
                self.runtime.block_on(self.asked.notified());
            }
            self.wait_until_left();
        }
    }

    /// Whether there are readers, who drive from now on.
    fn leave_to_readers(&self) -> bool {
        let mut seats = self.seats.lock();
        seats.kept = seats.readers == 0;
        !seats.kept
    }

    /// Waits until no reader drives and none comes back. The last that leaves has set the alarm.
    fn wait_until_left(&self) {
        let mut drives = self.seats.lock().drives;
        loop {
            self.alarm.wait();
            let mut seats = self.seats.lock();
            seats.alarm_is_set = false;
            if seats.readers > 0 {
                continue;
            }
            let before = mem::replace(&mut drives, seats.drives);
            if mem::take(&mut seats.given_back) || drives == before {
                seats.kept = true;
                return;
            }
            self.set_alarm(&mut seats);
        }
    }

    fn set_alarm(&self, seats: &mut Seats) {
        if !mem::replace(&mut seats.alarm_is_set, true) {
            self.alarm.set(GRACE);
        }
    }

    fn give_back(&self, seats: &mut Seats) {
        seats.given_back = true;
        seats.alarm_is_set = true;
        self.alarm.set(Duration::ZERO);
    }
}

/// A reader that drives, until it leaves.
struct Leaving<'a> {
    driver: &'a Driver,
    comes_back: bool,
    idle_times: u64,
}

impl Drop for Leaving<'_> {
    fn drop(&mut self) {
        let driver = self.driver;
        let found_at_once = driver.idleness.times.load(Relaxed) == self.idle_times;
        let mut seats = driver.seats.lock();
        seats.readers -= 1;
        seats.busy = if found_at_once { seats.busy + 1 } else { 0 };
        if seats.readers > 0 {
            return;
        }
        if self.comes_back && !seats.given_back && seats.busy < BUSY_MAX {
            driver.set_alarm(&mut seats);
        } else {
            seats.busy = 0;
            driver.give_back(&mut seats);
        }
    }
}

/// The keeper, should it panic, as it does where the system takes its descriptors away: readers drive from then on, and
/// are told by the same panic.
struct Unwinding<'a>(&'a Driver);

impl Drop for Unwinding<'_> {
    fn drop(&mut self) {
        self.0.seats.lock().kept = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{cell::Cell, sync::mpsc, thread::ThreadId, time::Instant};
    use tokio::{
        sync::oneshot,
        time::{sleep, timeout},
    };

    const LONG: Duration = Duration::from_secs(10);

    async fn thread_of_a_task() -> ThreadId {
        tokio::spawn(async { thread::current().id() })
            .await
            .unwrap()
    }

    /// In which thread the runtime runs a task that another thread hands it.
    fn thread_that_drives(driver: &Driver) -> ThreadId {
        let (tell, told) = mpsc::channel();
        driver
            .handle()
            .spawn(async move { tell.send(thread::current().id()).unwrap() });
        told.recv_timeout(LONG).unwrap()
    }

    #[test]
    fn the_keeper_drives_when_no_reader_does_and_again_after_the_last_has_left() {
        let driver = Driver::start("keeper").unwrap();
        let here = thread::current().id();
        let keeper = thread_that_drives(driver);
        assert_ne!(keeper, here);
        assert!(!driver.is_with_readers());

        for comes_back in [true, false, true] {
            // The keeper may run the task before it lets the reader drive.
            let begun = Instant::now();
            while driver.drive(comes_back, thread_of_a_task()) != here {
                assert!(begun.elapsed() < LONG);
            }
            // Nobody drives for some time where it was to come back, and then the keeper does.
            assert_eq!(thread_that_drives(driver), keeper);
        }
    }

    /// Drives until the keeper has left.
    fn take_the_seat(driver: &Driver) {
        let begun = Instant::now();
        while !driver.is_with_readers() {
            assert!(begun.elapsed() < LONG);
            driver.drive(true, async { sleep(Duration::from_millis(1)).await });
        }
    }

    #[test]
    fn a_reader_that_comes_back_drives_again_and_again_without_the_keeper() {
        let driver = Driver::start("keeper").unwrap();
        let here = thread::current().id();
        let begun = Instant::now();
        let (mut in_a_row, mut since) = (0, begun);
        // A machine that has other work may keep the reader away for longer than the grace.
        while in_a_row < 30 || since.elapsed() < 3 * GRACE {
            assert!(begun.elapsed() < LONG, "{in_a_row} in a row");
            let waited = async {
                sleep(Duration::from_micros(100)).await;
                thread_of_a_task().await
            };
            let by = driver.drive(true, waited);
            in_a_row += 1;
            if by != here || !driver.is_with_readers() {
                (in_a_row, since) = (0, Instant::now());
            }
        }
    }

    #[test]
    fn a_reader_that_always_finds_something_at_once_makes_the_keeper_drive() {
        for (drives, keeper_drives) in [(BUSY_MAX - 1, false), (BUSY_MAX, true)] {
            let driver = Driver::start("keeper").unwrap();
            take_the_seat(driver);
            driver.drive(true, async { sleep(Duration::from_millis(1)).await });
            for _ in 0..drives {
                driver.drive(true, async {});
            }
            assert_eq!(driver.seats.lock().given_back, keeper_drives);
            assert_ne!(thread_that_drives(driver), thread::current().id());
        }
    }

    #[test]
    fn what_is_asked_for_while_a_reader_drives_or_was_to_come_back_is_attended_to_at_once() {
        let driver = Driver::start("keeper").unwrap();
        let waits = (0..100).map(|number| {
            take_the_seat(driver);
            if number % 2 == 0 {
                driver.attend();
            } else {
                // Asked before the reader leaves, and not done by it: it is ready at its first look.
                let asked = Cell::new(false);
                driver.drive(true, async {
                    driver.attend();
                    asked.set(true);
                });
                assert!(asked.get());
            }
            let asked = Instant::now();
            thread_that_drives(driver);
            asked.elapsed()
        });
        let (soon, late): (Vec<_>, Vec<_>) = waits.partition(|wait| *wait < GRACE);
        assert!(soon.len() > 9 * late.len(), "{late:?}");
    }

    #[test]
    fn readers_that_wait_at_the_same_time_are_all_served_whoever_drives() {
        let driver = Driver::start("keeper").unwrap();
        thread::scope(|scope| {
            for reader in 0..4 {
                scope.spawn(move || {
                    for turn in 0..500 {
                        let (tell, told) = oneshot::channel();
                        driver.handle().spawn(async move {
                            if (turn + reader) % 3 == 0 {
                                sleep(Duration::from_micros(50)).await;
                            }
                            tell.send(turn).unwrap();
                        });
                        let got = driver.drive(turn % 5 > 0, async { timeout(LONG, told).await });
                        assert_eq!(got.unwrap().unwrap(), turn);
                    }
                });
            }
        });
        assert_ne!(thread_that_drives(driver), thread::current().id());
    }

    #[test]
    fn a_reader_whose_wait_panics_leaves_the_runtime_to_the_others() {
        let driver = Driver::start("keeper").unwrap();
        let wait =
            std::panic::AssertUnwindSafe(|| driver.drive(true, async { panic!("as asked") }));
        std::panic::catch_unwind(wait).unwrap_err();
        thread_that_drives(driver);
        assert_eq!(driver.seats.lock().readers, 0);
    }
}
