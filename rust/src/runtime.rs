//! The one Tokio runtime of the process, built at first use, and the check that this is still the process that
//! runs it. Everything that runs in the background runs here; callers need no event loop of their own. It has one thread,
//! in whose place readers drive it ([`Driver`]), unless more are asked for.

use crate::{
    drive::Driver,
    status::{Error, Result, Status},
};
use parking_lot::Mutex;
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};
use tokio::runtime::{Builder, Handle, Runtime};

/// The environment variable that sets the number of worker threads.
pub const WORKER_THREADS_VARIABLE: &str = "BARTER_WORKER_THREADS";

const THREAD_NAME: &str = "barter-worker";
/// Stack that a thread must have left to drive: a few times what a TLS handshake takes.
const STACK_MIN: usize = 256 << 10;
const WORKER_THREADS_MAX: usize = 256;

static RUNTIME: OnceLock<Threads> = OnceLock::new();
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// A runtime of one thread, or of several.
enum Threads {
    One(&'static Driver),
    Several(Runtime),
}

impl Threads {
    fn handle(&self) -> &Handle {
        match self {
            Self::One(driver) => driver.handle(),
            Self::Several(runtime) => runtime.handle(),
        }
    }
}

/// The runtime, for something that is to be done soon.
pub fn handle() -> Result<Handle> {
    static BUILDING: Mutex<()> = Mutex::new(());
    if let Some(runtime) = RUNTIME.get() {
        attend();
        return Ok(runtime.handle().clone());
    }
    let _alone = BUILDING.lock();
    let runtime = match RUNTIME.get() {
        Some(runtime) => runtime,
        None => {
            PROCESS.store(std::process::id(), Ordering::Release);
            let built = build()?;
            RUNTIME.get_or_init(|| built)
        }
    };
    Ok(runtime.handle().clone())
}

/// Whether this process is a fork of the one that runs the runtime: its threads are not here.
pub fn forked() -> bool {
    let running_in = PROCESS.load(Ordering::Acquire);
    running_in != 0 && running_in != std::process::id()
}

/// Something was asked of the runtime that is to be done soon: somebody drives it from now on.
pub(crate) fn attend() {
    if let Some(Threads::One(driver)) = RUNTIME.get() {
        driver.attend();
    }
}

/// What drives the runtime, for a thread that waits, is none of a runtime itself and has room on its stack for whatever
/// there is to do; `None` where the runtime has not begun, or has several threads.
pub(crate) fn driver() -> Option<&'static Driver> {
    let Threads::One(driver) = RUNTIME.get()? else {
        return None;
    };
    let roomy = stacker::remaining_stack().is_some_and(|left| left >= STACK_MIN);
    let of_none = Handle::try_current().is_err_and(|error| error.is_missing_context());
    (roomy && of_none).then_some(*driver)
}

/// Waits for the runtime to do something. Not for threads of a runtime.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> Result<T> {
    let handle = handle()?;
    Ok(match driver().filter(|driver| driver.is_with_readers()) {
        Some(driver) => driver.drive(true, future),
        None => handle.block_on(future),
    })
}

fn build() -> Result<Threads> {
    let threads = match worker_threads()? {
        None | Some(1) => Driver::start(THREAD_NAME).map(Threads::One),
        Some(count) => {
            let mut builder = Builder::new_multi_thread();
            let builder = builder.worker_threads(count).thread_name(THREAD_NAME);
            builder.enable_all().build().map(Threads::Several)
        }
    };
    threads.map_err(|error| {
        Error::new(
            Status::Internal,
            format!("no runtime can be built: {error}"),
        )
    })
}

fn worker_threads() -> Result<Option<usize>> {
    match std::env::var(WORKER_THREADS_VARIABLE) {
        Err(std::env::VarError::NotPresent) => Ok(None),
        Err(error) => Err(invalid(&error.to_string())),
        Ok(text) => parse_worker_threads(&text).map(Some),
    }
}

fn parse_worker_threads(text: &str) -> Result<usize> {
    text.parse()
        .ok()
        .filter(|count| (1..=WORKER_THREADS_MAX).contains(count))
        .ok_or_else(|| invalid(&format!("{text:?}")))
}

fn invalid(value: &str) -> Error {
    Error::new(
        Status::InvalidArgument,
        format!(
            "{WORKER_THREADS_VARIABLE} must be a number from 1 to {WORKER_THREADS_MAX}, it is {value}"
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_worker_threads_is_checked_and_the_message_names_the_variable() {
        assert_eq!(parse_worker_threads("2"), Ok(2));
        for bad in ["0", "257", "-1", "two", ""] {
            let error = parse_worker_threads(bad).unwrap_err();
            assert_eq!(error.status, Status::InvalidArgument);
            assert!(error.message.contains(WORKER_THREADS_VARIABLE), "{error}");
            assert!(error.message.contains(&format!("{bad:?}")), "{error}");
        }
    }

    #[test]
    fn the_process_that_runs_the_runtime_is_not_a_fork() {
        assert!(!forked());
        handle().unwrap();
        assert!(!forked());
    }
}
