//! The C ABI: `extern "C"` functions and nothing else. Every one that can fail returns a `barter_status`, catches
//! panics, refuses to work in a forked child, and leaves a message for the calling thread when it fails.

mod batch;
mod books;
pub mod constants;
mod facts;
mod log;
mod markets;
mod metrics;
mod stream;
mod streams;
mod testing;

pub use batch::*;
pub use books::*;
pub use facts::*;
pub use log::*;
pub use markets::*;
pub use metrics::*;
pub use stream::*;
pub use streams::*;
pub use testing::*;

use crate::{
    feed,
    handle::{self, Handled},
    runtime,
    status::{Error, Result, Status},
};
use std::{
    any::Any,
    cell::RefCell,
    ffi::{CStr, c_char, c_int},
    os::fd::{IntoRawFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

/// Zero is success, 1 to 99 are outcomes, 100 and above errors; see the `BARTER_*` constants.
#[allow(non_camel_case_types)]
pub type barter_status = i32;

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs the body of a C function: fork check, panic guard, last error.
fn call(body: impl FnOnce() -> Result<Status>) -> barter_status {
    if runtime::forked() {
        return fail(Error::new(
            Status::Forked,
            "this process is a fork of one in which the library runs, whose threads are not here; \
             start it afresh (multiprocessing: the spawn method)",
        ));
    }
    match catch_unwind(AssertUnwindSafe(body)) {
        Ok(Ok(status)) => status as barter_status,
        Ok(Err(error)) => fail(error),
        Err(panic) => fail(Error::new(Status::Panic, panic_message(panic.as_ref()))),
    }
}

/// Runs the body of a `_free` function: nothing happens in a forked child, the last error is left alone.
fn free<T: Handled>(handle: u64, end: impl FnOnce(&T)) -> barter_status {
    if handle == 0 || runtime::forked() {
        return Status::Ok as barter_status;
    }
    let freed = catch_unwind(AssertUnwindSafe(|| {
        handle::remove::<T>(handle).map(|this| end(&this))
    }));
    match freed {
        Ok(Ok(())) => Status::Ok as barter_status,
        Ok(Err(error)) => error.status as barter_status,
        Err(_) => Status::Panic as barter_status,
    }
}

fn fail(error: Error) -> barter_status {
    LAST_ERROR.with_borrow_mut(|last| *last = error.message);
    error.status as barter_status
}

/// Leaves a message for an outcome that is no error.
fn tell(message: String) {
    LAST_ERROR.with_borrow_mut(|last| *last = message);
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!(
        "a fault of the library, please report it: {}",
        text.unwrap_or("a panic without a message")
    )
}

/// What a typed pointer stands for.
fn live<T: Handled, P>(pointer: *const P) -> Result<Arc<T>> {
    if pointer.is_null() {
        return Err(null(T::NAME));
    }
    handle::get(pointer.addr() as u64)
}

/// A handle as the pointer that C sees.
fn pointer<P>(key: u64) -> *mut P {
    std::ptr::without_provenance_mut(key as usize)
}

fn null(what: &str) -> Error {
    Error::new(Status::NullPointer, format!("{what} is NULL"))
}

/// The moment a time-out ends, `None` for ever.
fn deadline(timeout_ns: i64) -> Option<Instant> {
    let timeout = u64::try_from(timeout_ns).ok()?;
    Instant::now().checked_add(Duration::from_nanos(timeout))
}

/// Writes through an out-parameter.
///
/// # Safety
/// `out` is NULL or valid for a write.
unsafe fn put<T>(out: *mut T, name: &str, value: T) -> Result<()> {
    if out.is_null() {
        return Err(null(name));
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    unsafe { out.write(value) };
    Ok(())
}

/// Puts a descriptor for the caller to own into `*fd`, -1 where there is none.
///
/// # Safety
/// `fd` is NULL or valid for a write.
unsafe fn put_fd(fd: *mut c_int, open: impl FnOnce() -> Result<OwnedFd>) -> Result<Status> {
    // SAFETY: the caller vouches for the pointer.
    unsafe { put(fd, "fd", -1) }?;
    let opened = open()?.into_raw_fd();
    // SAFETY: as above.
    unsafe { put(fd, "fd", opened) }?;
    Ok(Status::Ok)
}

/// A slice of C's.
///
/// # Safety
/// `start` is NULL or valid for reads of `len` elements for as long as the slice is used.
unsafe fn slice<'a, T>(start: *const T, len: usize, name: &str) -> Result<&'a [T]> {
    if len == 0 {
        return Ok(&[]);
    }
    if start.is_null() {
        return Err(null(name));
    }
    if len > isize::MAX as usize / size_of::<T>().max(1) {
        return Err(Error::new(
            Status::InvalidArgument,
            format!("{name}: {len} is no length that memory can have"),
        ));
    }
    // SAFETY: not NULL, of a possible size, and the caller vouches for the rest.
    Ok(unsafe { std::slice::from_raw_parts(start, len) })
}

/// The size that the caller set in the first field of a struct, at least what the struct had in its first form.
///
/// # Safety
/// `out` is NULL or valid for a read of its first field.
unsafe fn declared_size<T>(out: *const T, least: usize) -> Result<u32> {
    if out.is_null() {
        return Err(null("out"));
    }
    // SAFETY: every such struct begins with its size.
    let declared = unsafe { out.cast::<u32>().read() };
    if (declared as usize) < least {
        return Err(Error::new(
            Status::InvalidArgument,
            format!(
                "out->struct_size is {declared}, it must be set to sizeof *out, at least {least}"
            ),
        ));
    }
    Ok(declared)
}

/// Writes as much of a struct as its caller knows of, who declared `struct_size`.
///
/// # Safety
/// `out` is valid for writes of `struct_size` bytes.
unsafe fn write_known<T: Copy>(out: *mut T, whole: &T, struct_size: u32) {
    let known = size_of::<T>().min(struct_size as usize);
    // SAFETY: `known` is within the library's struct and within the size that the caller vouches for.
    unsafe {
        out.cast::<u8>()
            .copy_from_nonoverlapping((&raw const *whole).cast(), known);
    }
}

/// UTF-8 text of C's.
///
/// # Safety
/// As for [`slice`].
unsafe fn text<'a>(start: *const c_char, len: usize, name: &str) -> Result<&'a str> {
    if start.is_null() {
        return Err(null(name));
    }
    // SAFETY: the caller vouches for it.
    let bytes = unsafe { slice(start.cast::<u8>(), len, name) }?;
    utf8(bytes, name)
}

/// A NUL-terminated name of C's.
///
/// # Safety
/// `name` is NULL or a NUL-terminated string that lives as long as it is used.
unsafe fn name<'a>(name: *const c_char, what: &str) -> Result<&'a str> {
    if name.is_null() {
        return Err(null(what));
    }
    // SAFETY: not NULL, and the caller vouches for the rest.
    utf8(unsafe { CStr::from_ptr(name) }.to_bytes(), what)
}

fn utf8<'a>(bytes: &'a [u8], name: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes)
        .map_err(|error| Error::new(Status::InvalidUtf8, format!("{name}: {error}")))
}

/// Copies text out: as much as fits with a NUL behind it, and its whole length without the NUL.
///
/// # Safety
/// `buf` is NULL or valid for writes of `cap` bytes, `len` NULL or valid for a write.
unsafe fn copy_out(text: &str, buf: *mut c_char, cap: usize, len: *mut usize) -> Result<()> {
    if buf.is_null() && cap > 0 {
        return Err(null("buf"));
    }
    if cap > 0 {
        let mut cut = text.len().min(cap - 1);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        // SAFETY: `cut` is at most `cap - 1`, so text and NUL fit in the `cap` bytes that the caller vouches for.
        unsafe {
            buf.cast::<u8>()
                .copy_from_nonoverlapping(text.as_ptr(), cut);
            buf.add(cut).write(0);
        }
    }
    // SAFETY: the caller vouches for it.
    unsafe { put(len, "len", text.len()) }
}

/// Copies the calling thread's last error message, NUL-terminated, as much as fits; `*len` is its whole length in
/// bytes without the NUL, 0 where nothing has failed on this thread.
///
/// Ownership: the caller's buffer. Success and every `_free` leave the message alone.
/// Errors: `BARTER_NULL_POINTER` where `len` is NULL, or `buf` while `cap` is not 0.
/// Threads: any; each thread has its own message.
///
/// # Safety
/// `buf` is valid for writes of `cap` bytes, `len` for a write.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn barter_last_error_message(
    buf: *mut c_char,
    cap: usize,
    len: *mut usize,
) -> barter_status {
    call(|| {
        let message = LAST_ERROR.with_borrow(Clone::clone);
        // SAFETY: the caller vouches for the pointers.
        unsafe { copy_out(&message, buf, cap, len) }?;
        Ok(Status::Ok)
    })
}

/// How long `barter_shutdown` waits for the sockets.
const SOCKETS_GONE_LIMIT: Duration = Duration::from_millis(100);

/// Closes every set and every stream of the process; waits end with `BARTER_HANDLE_CLOSED`. Handles stay to be freed.
/// Returns when every socket has said goodbye with a close frame and is gone, after 100 ms at the latest.
///
/// Ownership: nothing changes hands. Errors: none of its own. Threads: any.
#[unsafe(no_mangle)]
pub extern "C" fn barter_shutdown() -> barter_status {
    call(|| {
        let (sets, streams) = handle::all();
        sets.iter().for_each(|set| set.close());
        streams.iter().for_each(|stream| stream.close());
        drop((sets, streams));
        feed::wait_until_gone(SOCKETS_GONE_LIMIT);
        Ok(Status::Ok)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_error() -> String {
        let mut buf = [0u8; 256];
        let mut len = 0;
        let status =
            unsafe { barter_last_error_message(buf.as_mut_ptr().cast(), buf.len(), &mut len) };
        assert_eq!(status, Status::Ok as barter_status);
        String::from_utf8(buf[..len].to_vec()).unwrap()
    }

    #[test]
    fn a_panic_becomes_a_status_and_its_message_the_last_error() {
        assert_eq!(call(|| panic!("oh no")), Status::Panic as barter_status);
        assert!(last_error().ends_with("oh no"));
        assert_eq!(call(|| Ok(Status::Ok)), Status::Ok as barter_status);
        assert!(
            last_error().ends_with("oh no"),
            "success leaves the message alone"
        );
    }

    #[test]
    fn a_message_is_cut_between_characters_and_its_whole_length_told() {
        fail(Error::new(Status::Internal, "zä"));
        let mut buf = [1u8; 3];
        let mut len = 0;
        unsafe { barter_last_error_message(buf.as_mut_ptr().cast(), buf.len(), &mut len) };
        assert_eq!((&buf, len), (b"z\0\x01", 3));
    }
}
