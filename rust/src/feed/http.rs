//! One GET request: status, the time it asks to be left alone, and a body of bounded length. What else can go wrong
//! is told in words; what the answer means is the caller's to say.

use super::error::with_causes;
use reqwest::{Client, Response, header::RETRY_AFTER};
use std::time::Duration;
use url::Url;

/// The longest body that is read.
const BODY_BYTES_MAX: usize = 16 << 20;

/// Some exchanges answer nobody who does not say who it is.
const USER_AGENT: &str = concat!("barter_cffi/", env!("CARGO_PKG_VERSION"));

/// An answer of whatever status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// A client whose requests take no longer than `limit`.
pub(crate) fn client(limit: Duration) -> Result<Client, String> {
    let client = Client::builder().timeout(limit).user_agent(USER_AGENT);
    client.build().map_err(|error| with_causes(&error))
}

/// Requests `address`.
pub(crate) async fn get(client: &Client, address: Url) -> Result<Answer, String> {
    let failed = |error: reqwest::Error| with_causes(&error);
    let mut response = client.get(address).send().await.map_err(failed)?;
    let (status, retry_after) = (response.status().as_u16(), retry_after(&response));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > BODY_BYTES_MAX {
            return Err(format!("the answer has more than {BODY_BYTES_MAX} bytes"));
        }
    }
    Ok(Answer {
        status,
        retry_after,
        body,
    })
}

fn retry_after(response: &Response) -> Option<Duration> {
    let seconds = response.headers().get(RETRY_AFTER)?.to_str().ok()?;
    seconds.trim().parse().ok().map(Duration::from_secs)
}
