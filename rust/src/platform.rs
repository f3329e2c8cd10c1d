//! All that differs between operating systems: the descriptor that tells when something is ready to be read, and the
//! alarm that wakes a thread later.

use crate::status::{Error, Result, Status};
use rustix::io::{read, write};
use std::{io, os::fd::OwnedFd, time::Duration};

/// A level-triggered descriptor: readable while set. Set and cleared only by its owner, never read by others.
#[derive(Debug)]
pub struct ReadySignal {
    readable: OwnedFd,
    #[cfg(not(target_os = "linux"))]
    writable: OwnedFd,
    is_set: bool,
}

impl ReadySignal {
    /// A cleared signal.
    pub fn new() -> Result<Self> {
        Self::open().map_err(|error| {
            Error::new(
                Status::Internal,
                format!("no descriptor can be opened: {error}"),
            )
        })
    }

    #[cfg(target_os = "linux")]
    fn open() -> rustix::io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        Ok(Self {
            readable: eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?,
            is_set: false,
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn open() -> rustix::io::Result<Self> {
        use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
        use rustix::io::{FdFlags, fcntl_setfd};
        let (readable, writable) = rustix::pipe::pipe()?;
        for end in [&readable, &writable] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
            fcntl_setfl(end, fcntl_getfl(end)? | OFlags::NONBLOCK)?;
        }
        Ok(Self {
            readable,
            writable,
            is_set: false,
        })
    }

    /// Makes the descriptor readable, or not.
    pub fn set(&mut self, ready: bool) {
        if ready == self.is_set {
            return;
        }
        let mut word = 1u64.to_ne_bytes();
        // Neither can fail: the descriptor is ours and never full or, when cleared, empty.
        let done = if ready {
            write(self.writable(), &word)
        } else {
            read(&self.readable, &mut word)
        };
        debug_assert!(done.is_ok(), "the ready signal: {done:?}");
        self.is_set = ready;
    }

    /// A duplicate for a caller to own, closed on exec.
    pub fn duplicate(&self) -> Result<OwnedFd> {
        self.readable.try_clone().map_err(|error| {
            Error::new(
                Status::Internal,
                format!("no descriptor can be opened: {error}"),
            )
        })
    }

    #[cfg(target_os = "linux")]
    fn writable(&self) -> &OwnedFd {
        &self.readable
    }

    #[cfg(not(target_os = "linux"))]
    fn writable(&self) -> &OwnedFd {
        &self.writable
    }
}

/// Wakes the one thread that waits for it, some time later. Setting it wakes nobody.
#[cfg(target_os = "linux")]
#[derive(Debug)]
pub struct Alarm(OwnedFd);

#[cfg(target_os = "linux")]
impl Alarm {
    /// One that is not set.
    pub fn new() -> io::Result<Self> {
        use rustix::time::{TimerfdClockId, TimerfdFlags, timerfd_create};
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::CLOEXEC)?;
        Ok(Self(timer))
    }

    /// Lets it go off in so long; it goes off once, at the time that was set last.
    pub fn set(&self, after: Duration) {
        use rustix::time::{Itimerspec, TimerfdTimerFlags, Timespec, timerfd_settime};
        let time = |duration: Duration| Timespec {
            tv_sec: duration.as_secs() as _,
            tv_nsec: duration.subsec_nanos().into(),
        };
        let once = Itimerspec {
            it_interval: time(Duration::ZERO),
            // Zero would mean never.
            it_value: time(after.max(Duration::from_nanos(1))),
        };
        let set = timerfd_settime(&self.0, TimerfdTimerFlags::empty(), &once);
        debug_assert!(set.is_ok(), "the alarm: {set:?}");
    }

    /// Waits until it goes off, or a signal comes.
    pub fn wait(&self) {
        let gone_off = read(&self.0, &mut [0; 8]);
        debug_assert!(
            matches!(gone_off, Ok(8) | Err(rustix::io::Errno::INTR)),
            "the alarm: {gone_off:?}"
        );
    }
}

/// Wakes the one thread that waits for it, some time later.
#[cfg(not(target_os = "linux"))]
#[derive(Debug, Default)]
pub struct Alarm {
    due: parking_lot::Mutex<Option<std::time::Instant>>,
    set: parking_lot::Condvar,
}

#[cfg(not(target_os = "linux"))]
impl Alarm {
    /// One that is not set.
    pub fn new() -> io::Result<Self> {
        Ok(Self::default())
    }

    /// Lets it go off in so long; it goes off once, at the time that was set last.
    pub fn set(&self, after: Duration) {
        *self.due.lock() = Some(std::time::Instant::now() + after);
        self.set.notify_one();
    }

    /// Waits until it goes off.
    pub fn wait(&self) {
        let mut due = self.due.lock();
        loop {
            match *due {
                None => self.set.wait(&mut due),
                Some(time) if time <= std::time::Instant::now() => break,
                Some(time) => {
                    self.set.wait_until(&mut due, time);
                }
            }
        }
        *due = None;
    }
}
