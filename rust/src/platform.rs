//! All that differs between operating systems: the descriptor that tells when something is ready to be read.

use crate::status::{Error, Result, Status};
use rustix::io::{read, write};
use std::os::fd::OwnedFd;

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
