//! One GET request: status, the time it asks to be left alone, and a body of bounded length. It goes the way of the
//! WebSocket, by the same proxy and with the same trust. What else can go wrong is told in words; what an
//! answer of success means is the caller's to say.

use super::{
    error::{http_status_meaning, with_causes},
    proxy::Proxy,
};
use crate::options::StreamOptions;
use reqwest::header::{HeaderMap, RETRY_AFTER, USER_AGENT};
use std::time::Duration;
use url::Url;

/// The longest body that is read.
const BODY_BYTES_MAX: usize = 16 << 20;

/// The longest time to be left alone that is believed; the longest ban that Binance documents.
const RETRY_AFTER_MAX: Duration = Duration::from_secs(3 * 24 * 3_600);

/// How much of an answer is quoted.
const QUOTED_CHARS: usize = 200;

/// Some exchanges answer nobody who does not say who it is.
const OUR_NAME: &str = concat!("barter_cffi/", env!("CARGO_PKG_VERSION"));

/// The proxy wants other credentials than it got.
const PROXY_AUTHENTICATION_REQUIRED: u16 = 407;

/// An answer of whatever status.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// What it says where its status is none of success: HTTP status, the exchange's words, when to ask again.
    pub(crate) fn refusal(&self) -> Option<String> {
        let meaning = match self.status {
            200..300 => return None,
            400 => "the exchange refuses the request",
            status => http_status_meaning(status),
        };
        let mut words = format!("HTTP {}, {meaning}: {}", self.status, self.quoted());
        if let Some(wait) = self.retry_after {
            words.push_str(&format!(" (retry after {} s)", wait.as_secs()));
        }
        Some(words)
    }

    /// As much of its body as a message has room for.
    pub(crate) fn quoted(&self) -> String {
        let text = String::from_utf8_lossy(&self.body);
        match text.char_indices().nth(QUOTED_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.into_owned(),
        }
    }
}

/// Asks one server.
pub(crate) struct Client {
    requests: reqwest::Client,
    proxy: Option<Proxy>,
}

/// A client for the server at `address`, whose requests take no longer than `limit`.
pub(crate) fn client(
    options: &StreamOptions,
    address: &Url,
    limit: Duration,
) -> Result<Client, String> {
    let proxy = options.proxy.proxy_to(address)?;
    let mut requests = reqwest::Client::builder()
        .timeout(limit)
        .connect_timeout(limit)
        .use_preconfigured_tls((*options.trust.config()).clone())
        .no_proxy();
    if let Some(proxy) = &proxy {
        // There are proxies that know `Proxy-Authorization` in this spelling only.
        let spelled = requests.http1_title_case_headers();
        requests = spelled.proxy(proxy.for_requests()?);
    }
    let requests = requests.build().map_err(|error| with_causes(&error))?;
    Ok(Client { requests, proxy })
}

/// Requests `address`.
pub(crate) async fn get(client: &Client, address: Url) -> Result<Answer, String> {
    let failed = |mut error: reqwest::Error| {
        // A key may stand in the query of an address; the credentials in it are a header by now.
        if let Some(address) = error.url_mut() {
            address.set_query(None);
        }
        let through = client.proxy.as_ref();
        let through =
            through.map(|proxy| format!("through the proxy {proxy}, asked {}: ", proxy.asked()));
        through.unwrap_or_default() + &with_causes(&error)
    };
    // Said with the request, for a client that has it says it to the proxy, and then in small letters all that it says.
    let request = client.requests.get(address).header(USER_AGENT, OUR_NAME);
    let mut response = request.send().await.map_err(failed)?;
    let (status, retry_after) = (response.status().as_u16(), retry_after(response.headers()));
    if let (PROXY_AUTHENTICATION_REQUIRED, Some(proxy)) = (status, &client.proxy) {
        let asked = proxy.asked();
        return Err(format!(
            "the proxy {proxy}, asked {asked}, refuses with HTTP {status}"
        ));
    }
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

/// How long an answer asks to be left alone, where it says so in seconds; no longer than is believed.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?;
    let wait = seconds.trim().parse().ok().map(Duration::from_secs)?;
    Some(wait.min(RETRY_AFTER_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_answer_asks_to_be_left_alone_for_longer_than_is_believed() {
        let asked = |seconds: &'static str| {
            let value = seconds.parse().unwrap();
            retry_after(&HeaderMap::from_iter([(RETRY_AFTER, value)])).map(|wait| wait.as_secs())
        };
        assert_eq!(asked("17"), Some(17));
        assert_eq!(asked(" 259200 "), Some(259_200));
        assert_eq!(asked("259201"), Some(259_200));
        assert_eq!(asked("18446744073709551615"), Some(259_200));
        assert_eq!(asked("Thu, 26 Nov 2026 00:00:00 GMT"), None);
    }
}
