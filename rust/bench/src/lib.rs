//! What the programs of the benchmarks share: [`workload`] prepares frames of Binance spot, [`serve`] answers what its
//! clients ask over HTTP and WebSocket, with or without TLS.

#![warn(missing_docs)]

pub mod serve;
pub mod workload;

/// What a program of the benchmarks ends with.
pub type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;
