//! The one Tokio runtime of the process, built at first use, and the check that this is still the process that
//! runs it. Everything that runs in the background runs here; callers need no event loop of their own.

use crate::status::{Error, Result, Status};
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};
use tokio::runtime::{Builder, Handle, Runtime};

/// The environment variable that sets the number of worker threads.
pub const WORKER_THREADS_VARIABLE: &str = "BARTER_WORKER_THREADS";

const WORKER_THREADS_MAX: usize = 256;

static RUNTIME: OnceLock<Runtime> = OnceLock::new();
static PROCESS: AtomicU32 = AtomicU32::new(0);

/// The runtime.
pub fn handle() -> Result<Handle> {
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime.handle().clone());
    }
    PROCESS.store(std::process::id(), Ordering::Release);
    let built = build()?;
    // Of two that were built at once one is kept; the other has run nothing yet.
    Ok(RUNTIME.get_or_init(|| built).handle().clone())
}

/// Whether this process is a fork of the one that runs the runtime: its threads are not here.
pub fn forked() -> bool {
    let running_in = PROCESS.load(Ordering::Acquire);
    running_in != 0 && running_in != std::process::id()
}

fn build() -> Result<Runtime> {
    let mut builder = Builder::new_multi_thread();
    if let Some(count) = worker_threads()? {
        builder.worker_threads(count);
    }
    builder
        .thread_name("barter-worker")
        .enable_all()
        .build()
        .map_err(|error| {
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
