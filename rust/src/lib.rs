//! Real-time market data of 15 crypto exchange servers, on [barter-data](barter_data), behind a C ABI.
//!
//! In the order data flows: [`subscription`] and [`options`] say what is wanted, in what `json` reads, [`feed`] opens
//! connections and hands upstream's items to an [`outlet`], a [`pump`] drains them into a [`queue`] of [`event`]
//! records, and [`streams`] and [`stream`] are what callers hold, [`books`] what a stream of order books makes of them,
//! [`metrics`] what they have come to, [`log`] what is said meanwhile; [`markets`] says what there is to ask for.
//! [`abi`] is the boundary: C functions over [`handle`]s, with the codes of [`status`], on the one [`runtime`],
//! which `drive` lets readers drive.
//! [`testing`] makes streams from in-memory channels.

#![deny(unsafe_op_in_unsafe_fn)]
#![warn(missing_docs)]

pub mod abi;
pub mod books;
mod drive;
pub mod event;
pub mod feed;
pub mod handle;
pub mod instrument;
mod json;
pub mod log;
pub mod markets;
pub mod metrics;
pub mod options;
pub mod outlet;
mod platform;
mod pump;
pub mod queue;
pub mod runtime;
pub mod status;
pub mod stream;
pub mod streams;
pub mod subscription;
pub mod testing;
