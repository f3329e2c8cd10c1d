//! Whether an exchange has the markets that it acknowledges: some accept a subscription to any well-formed name and
//! then send nothing. Where the exchange lists its markets over HTTP the names are looked up beside the handshake of
//! the first connection; a list that cannot be had says nothing, and the connection goes on without.

use super::{
    http,
    venue::{Market, market_name},
};
use crate::options::StreamOptions;
use serde::Deserialize;
use std::{collections::HashSet, time::Duration};
use url::Url;

/// How long the list is waited for.
const TIME_LIMIT: Duration = Duration::from_secs(3);

/// A list of markets: an array of objects that have a `symbol`.
#[derive(Debug)]
pub(crate) struct Listing {
    /// Appended to the base of the exchange's REST address.
    pub(crate) path: &'static str,
}

#[derive(Deserialize)]
struct Listed {
    symbol: String,
}

/// The first of the markets that the list at `address` does not have.
pub(crate) async fn unlisted(
    address: Url,
    markets: &[Market],
    options: &StreamOptions,
) -> Option<String> {
    let listed = match list(address, options).await {
        Ok(listed) => listed,
        Err(reason) => {
            tracing::debug!(reason, "markets were not looked up");
            return None;
        }
    };
    let mut names = markets.iter().map(market_name);
    names
        .find(|name| !listed.contains(*name))
        .map(str::to_owned)
}

async fn list(address: Url, options: &StreamOptions) -> Result<HashSet<String>, String> {
    let client = http::client(options, &address, TIME_LIMIT)?;
    let answer = http::get(&client, address).await?;
    if answer.status != 200 {
        return Err(format!("HTTP {}", answer.status));
    }
    let rows: Vec<Listed> =
        serde_json::from_slice(&answer.body).map_err(|error| error.to_string())?;
    Ok(rows.into_iter().map(|row| row.symbol).collect())
}
