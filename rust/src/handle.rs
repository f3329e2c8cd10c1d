//! The table behind every opaque pointer of the C ABI. A handle's value is a key, never an address: slot number and
//! generation, so one that was freed, forged or meant for another type is found out and nothing is dereferenced.

use crate::{
    markets::MarketList,
    queue::Slice,
    status::{Error, Result, Status},
    stream::Stream,
    streams::Streams,
    testing::Injector,
};
use parking_lot::Mutex;
use std::sync::Arc;

#[cfg(not(target_pointer_width = "64"))]
compile_error!("a handle is a 64-bit key in a pointer: this platform's pointers are not 64 bits");

/// Everything a handle can stand for.
pub enum Entry {
    /// `barter_streams *`
    Streams(Arc<Streams>),
    /// `barter_stream *`
    Stream(Arc<Stream>),
    /// `barter_batch.owner`
    Batch(Arc<Slice>),
    /// `barter_test_injector *`
    Injector(Arc<Injector>),
    /// `barter_markets *`
    Markets(Arc<MarketList>),
}

/// A type that handles stand for.
pub trait Handled: Sized {
    /// What a message calls it.
    const NAME: &'static str;
    /// The entry that holds it.
    fn entry(this: Arc<Self>) -> Entry;
    /// What the entry holds, if it is of this type.
    fn of(entry: &Entry) -> Option<&Arc<Self>>;
}

macro_rules! handled {
    ($($type:ident in $variant:ident as $name:literal;)*) => {$(
        impl Handled for $type {
            const NAME: &'static str = $name;
            fn entry(this: Arc<Self>) -> Entry {
                Entry::$variant(this)
            }
            fn of(entry: &Entry) -> Option<&Arc<Self>> {
                match entry {
                    Entry::$variant(this) => Some(this),
                    _ => None,
                }
            }
        }
    )*};
}

handled! {
    Streams in Streams as "barter_streams";
    Stream in Stream as "barter_stream";
    Slice in Batch as "barter_batch";
    Injector in Injector as "barter_test_injector";
    MarketList in Markets as "barter_markets";
}

struct Slot {
    generation: u32,
    entry: Option<Entry>,
}

#[derive(Default)]
struct Table {
    slots: Vec<Slot>,
    free: Vec<u32>,
}

static TABLE: Mutex<Table> = Mutex::new(Table {
    slots: Vec::new(),
    free: Vec::new(),
});

/// The key of a new handle, never 0.
pub fn insert<T: Handled>(this: Arc<T>) -> Result<u64> {
    let mut table = TABLE.lock();
    let slot = match table.free.pop() {
        Some(slot) => slot,
        None => {
            let slot = u32::try_from(table.slots.len())
                .ok()
                .filter(|slot| *slot < u32::MAX)
                .ok_or_else(|| Error::new(Status::Internal, "there are too many handles"))?;
            table.slots.push(Slot {
                generation: 1,
                entry: None,
            });
            slot
        }
    };
    let taken = &mut table.slots[slot as usize];
    taken.entry = Some(T::entry(this));
    Ok(key(slot, taken.generation))
}

/// What a handle stands for.
pub fn get<T: Handled>(handle: u64) -> Result<Arc<T>> {
    let table = TABLE.lock();
    table
        .find(handle)
        .and_then(|slot| table.slots[slot].entry.as_ref())
        .and_then(T::of)
        .cloned()
        .ok_or_else(|| not_live::<T>(handle))
}

/// Takes a handle out of the table; it is never valid again.
pub fn remove<T: Handled>(handle: u64) -> Result<Arc<T>> {
    let mut table = TABLE.lock();
    let found = table.find(handle);
    let this = found
        .and_then(|slot| table.slots[slot].entry.as_ref())
        .and_then(T::of)
        .cloned();
    let (Some(slot), Some(this)) = (found, this) else {
        return Err(not_live::<T>(handle));
    };
    let freed = &mut table.slots[slot];
    freed.generation = freed.generation.wrapping_add(1).max(1);
    let entry = freed.entry.take();
    table.free.push(slot as u32);
    drop(table);
    drop(entry);
    Ok(this)
}

/// All sets and streams that are alive.
pub fn all() -> (Vec<Arc<Streams>>, Vec<Arc<Stream>>) {
    let table = TABLE.lock();
    let (mut sets, mut streams) = (Vec::new(), Vec::new());
    for slot in &table.slots {
        match &slot.entry {
            Some(Entry::Streams(set)) => sets.push(set.clone()),
            Some(Entry::Stream(stream)) => streams.push(stream.clone()),
            _ => {}
        }
    }
    (sets, streams)
}

impl Table {
    fn find(&self, handle: u64) -> Option<usize> {
        let number = (handle as u32).checked_sub(1)? as usize;
        let slot = self.slots.get(number)?;
        (key(number as u32, slot.generation) == handle).then_some(number)
    }
}

fn key(slot: u32, generation: u32) -> u64 {
    u64::from(generation) << 32 | u64::from(slot + 1)
}

fn not_live<T: Handled>(handle: u64) -> Error {
    Error::new(
        Status::InvalidHandle,
        format!(
            "{handle:#x} is not a live {} handle: it was freed, or is of another type, or never was one",
            T::NAME
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{options::QueueOptions, testing};

    #[test]
    fn a_handle_is_never_null_and_dies_with_its_removal_while_its_slot_is_used_again() {
        let (set, injector) = testing::streams(&[], QueueOptions::default()).unwrap();
        let first = insert(set.clone()).unwrap();
        assert_ne!(first, 0);
        assert!(Arc::ptr_eq(&get::<Streams>(first).unwrap(), &set));
        remove::<Streams>(first).unwrap();
        let second = insert(injector).unwrap();
        assert_ne!(first, second);
        for handle in [first, 0, 1, u64::MAX, 0xdead_beef] {
            let error = get::<Streams>(handle).err().unwrap();
            assert_eq!(error.status, Status::InvalidHandle);
            assert_eq!(
                remove::<Streams>(handle).err().unwrap().status,
                Status::InvalidHandle
            );
        }
        let wrong_type = get::<Streams>(second).err().unwrap();
        assert!(
            wrong_type.message.contains("barter_streams"),
            "{wrong_type}"
        );
        assert!(get::<Injector>(second).is_ok());
        remove::<Injector>(second).unwrap();
    }
}
