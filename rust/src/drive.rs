//! The one thread that runs the runtime: its own, the keeper, or a reader that waits in `recv`. A reader that drives is
//! woken by the socket itself and reads what came in its own thread: nothing is handed over, nobody else has to wake.
//! Where much comes, or a reader takes its time, the keeper drives beside the readers.

use crate::platform::Alarm;
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::Notify,
};

/// How long nobody drives, at least, before the keeper does; twice that at the most. Shorter alarms cost more where
/// they are set: under a hypervisor the machine is left for each.
const GRACE: Duration = Duration::from_millis(5);

/// After so many drives in a row that found something at once, the keeper drives.
const BUSY_MAX: u32 = 8;

/// A runtime of one thread, and who that is.
pub(crate) struct Driver {
    runtime: Runtime,
    idleness: Arc<Idleness>,
    /// Whether the keeper drives.
    kept: AtomicBool,
    /// How many readers drive, or wait to.
    readers: AtomicUsize,
    /// How often readers have begun to drive.
    drives: AtomicU64,
    /// Drives in a row that found something at once.
    busy: AtomicU32,
    /// Asks the keeper to let a reader drive.
    asked: Notify,
    /// Tells the keeper to look whether it should drive.
    alarm: Alarm,
    alarm_is_set: AtomicBool,
    /// Whether the keeper should drive then whoever has driven meanwhile.
    given_back: AtomicBool,
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
                idle.times.fetch_add(1, SeqCst);
                idle.now.store(true, SeqCst);
            })
            .on_thread_unpark(move || busy.now.store(false, SeqCst))
            .build()?;
        let driver: &'static Self = Box::leak(Box::new(Self {
            runtime,
            idleness,
            kept: AtomicBool::new(true),
            readers: AtomicUsize::new(0),
            drives: AtomicU64::new(0),
            busy: AtomicU32::new(0),
            asked: Notify::new(),
            alarm: Alarm::new()?,
            alarm_is_set: AtomicBool::new(false),
            given_back: AtomicBool::new(false),
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
        !self.kept.load(SeqCst)
    }

    /// Whether the keeper has nothing to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.idleness.now.load(SeqCst)
    }

    /// Who drives has found nothing to do.
    pub(crate) fn found_nothing(&self) {
        self.idleness.times.fetch_add(1, SeqCst);
    }

    /// Drives until `future` is ready. `comes_back`: whether the caller is likely to drive again at once.
    pub(crate) fn drive<T>(&self, comes_back: bool, future: impl Future<Output = T>) -> T {
        self.readers.fetch_add(1, SeqCst);
        self.drives.fetch_add(1, SeqCst);
        let _leaving = Leaving {
            driver: self,
            comes_back,
            idle_times: self.idleness.times.load(SeqCst),
        };
        self.asked.notify_one();
        self.runtime.block_on(future)
    }

    /// Something was asked of the runtime: where nobody drives the keeper begins to, at once.
    pub(crate) fn attend(&self) {
        if self.is_with_readers() && self.readers.load(SeqCst) == 0 {
            self.give_back();
        }
    }

    /// What the keeper does.
    fn keep(&self) {
        loop {
            self.kept.store(true, SeqCst);
            while self.readers.load(SeqCst) == 0 {
                self.runtime.block_on(self.asked.notified());
            }
            self.kept.store(false, SeqCst);
            self.wait_until_left();
        }
    }

    /// Waits until no reader drives and none comes back.
    fn wait_until_left(&self) {
        let mut drives = self.drives.load(SeqCst);
        loop {
            self.alarm.wait();
            self.alarm_is_set.store(false, SeqCst);
            let given_back = self.given_back.swap(false, SeqCst);
            // The last reader that leaves sets the alarm.
            if self.readers.load(SeqCst) > 0 {
                continue;
            }
            let before = std::mem::replace(&mut drives, self.drives.load(SeqCst));
            if given_back || drives == before {
                return;
            }
            self.set_alarm(GRACE);
        }
    }

    fn set_alarm(&self, after: Duration) {
        if !self.alarm_is_set.swap(true, SeqCst) {
            self.alarm.set(after);
        }
    }

    fn give_back(&self) {
        self.given_back.store(true, SeqCst);
        self.alarm_is_set.store(true, SeqCst);
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
        let busy = match driver.idleness.times.load(SeqCst) == self.idle_times {
            true => driver.busy.fetch_add(1, SeqCst) + 1,
            false => {
                driver.busy.store(0, SeqCst);
                0
            }
        };
        if driver.readers.fetch_sub(1, SeqCst) > 1 {
            return;
        }
        if self.comes_back && busy < BUSY_MAX {
            driver.set_alarm(GRACE);
        } else {
            driver.busy.store(0, SeqCst);
            driver.give_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{sync::mpsc, thread::ThreadId, time::Instant};
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

    #[test]
    fn a_reader_that_comes_back_drives_again_and_again_without_the_keeper() {
        let driver = Driver::start("keeper").unwrap();
        let here = thread::current().id();
        let (mut drives, mut kept) = (0, 0);
        let begun = Instant::now();
        while begun.elapsed() < 20 * GRACE {
            let waited = async {
                sleep(Duration::from_micros(100)).await;
                thread_of_a_task().await
            };
            let by = driver.drive(true, waited);
            drives += 1;
            kept += u32::from(by != here || !driver.is_with_readers());
        }
        // A machine that has other work may keep the reader away for longer than the grace.
        assert!(kept < drives / 2, "{kept} of {drives}");
    }

    #[test]
    fn a_reader_that_always_finds_something_at_once_makes_the_keeper_drive() {
        let driver = Driver::start("keeper").unwrap();
        let drives = (1..1_000).find(|_| {
            driver.drive(true, async {});
            let begun = Instant::now();
            while driver.is_with_readers() && begun.elapsed() < GRACE / 10 {
                thread::yield_now();
            }
            !driver.is_with_readers()
        });
        assert!(drives.is_some());
        assert_ne!(thread_that_drives(driver), thread::current().id());
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
    fn what_is_asked_for_is_attended_to_at_once_though_a_reader_was_to_come_back() {
        let driver = Driver::start("keeper").unwrap();
        let waits = (0..100).map(|_| {
            driver.drive(true, async { sleep(Duration::from_micros(100)).await });
            driver.attend();
            let asked = Instant::now();
            thread_that_drives(driver);
            asked.elapsed()
        });
        let (soon, late): (Vec<_>, Vec<_>) = waits.partition(|wait| *wait < GRACE);
        assert!(soon.len() > late.len(), "{late:?}");
    }

    #[test]
    fn a_reader_whose_wait_panics_leaves_the_runtime_to_the_others() {
        let driver = Driver::start("keeper").unwrap();
        let wait =
            std::panic::AssertUnwindSafe(|| driver.drive(true, async { panic!("as asked") }));
        std::panic::catch_unwind(wait).unwrap_err();
        thread_that_drives(driver);
        assert_eq!(driver.readers.load(SeqCst), 0);
    }
}
