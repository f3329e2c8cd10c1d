//! Which proxy a connection takes, for WebSocket and REST alike: the one given in the options, none, or what the
//! environment says (`HTTPS_PROXY` for `wss` and `https`, `HTTP_PROXY` for `ws` and `http`, `ALL_PROXY`, `NO_PROXY`, in
//! upper or lower case, as curl reads them). Whatever is printed of a proxy is its host and port, never its credentials.

use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use std::{fmt, sync::Arc};
use tokio_tungstenite::tungstenite::http::{HeaderValue, Uri};
use url::Url;

const FORM: &str = "http://, socks5:// or socks5h:// and [user:password@]host[:port], with the special characters of \
                    user and password as %XX";

/// Which connections take a proxy.
#[derive(Debug, Clone)]
pub enum ProxyRule {
    /// Those that the environment's variables name, as they were when the options were read.
    Environment(Arc<Matcher>),
    /// None.
    Direct,
    /// All, to loopback addresses too.
    Always(Proxy),
}

impl ProxyRule {
    /// Reads the environment's variables.
    pub fn from_environment() -> Self {
        let excepted = ["NO_PROXY", "no_proxy"];
        let excepted = excepted.iter().find_map(|name| std::env::var(name).ok());
        // As the matcher reads it, an asterisk holds for names but not for numbers.
        if excepted.is_some_and(|hosts| hosts.trim() == "*") {
            return Self::Direct;
        }
        Self::Environment(Arc::new(Matcher::from_env()))
    }

    /// Every connection takes the proxy at `address`; the error does not repeat it.
    pub fn always(address: &str) -> Result<Self, String> {
        let anywhere = Uri::from_static("http://anywhere/");
        let matcher = Matcher::builder().all(address).build();
        match matcher.intercept(&anywhere) {
            Some(intercept) => Proxy::new(intercept).map(Self::Always),
            None => Err(format!("it is no address of a proxy, which is {FORM}")),
        }
    }

    /// The proxy on the way to this address; an error where the environment names one that cannot be used.
    pub(crate) fn proxy_to(&self, address: &Url) -> Result<Option<Proxy>, String> {
        match self {
            Self::Direct => Ok(None),
            Self::Always(proxy) => Ok(Some(proxy.clone())),
            Self::Environment(matcher) => {
                let scheme = match address.scheme() {
                    "wss" | "https" => "https",
                    _ => "http",
                };
                let intercept = matcher.intercept(&destination(scheme, address)?);
                intercept.map(Proxy::new).transpose().map_err(|reason| {
                    format!("the proxy of the environment cannot be used: {reason}")
                })
            }
        }
    }
}

/// Host and port of an address, as connectors take them; an error where its host is one that they do not.
pub(crate) fn destination(scheme: &str, address: &Url) -> Result<Uri, String> {
    let host = address.host_str().unwrap_or_default();
    let port = address.port_or_known_default().unwrap_or_default();
    let uri = format!("{scheme}://{host}:{port}/");
    uri.parse()
        .map_err(|_| format!("{host:?} is no name of a host"))
}

/// A proxy and the credentials for it.
#[derive(Clone)]
pub struct Proxy {
    pub(crate) protocol: Protocol,
    host: String,
    port: u16,
    credentials: Intercept,
}

/// How a proxy is asked for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// HTTP CONNECT.
    Http,
    /// SOCKS5, names resolved here.
    Socks5,
    /// SOCKS5, names resolved by the proxy.
    Socks5h,
}

impl Protocol {
    fn scheme(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Socks5 => "socks5",
            Self::Socks5h => "socks5h",
        }
    }
}

impl Proxy {
    fn new(intercept: Intercept) -> Result<Self, String> {
        let scheme = intercept.uri().scheme_str().unwrap_or_default();
        let protocols = [Protocol::Http, Protocol::Socks5, Protocol::Socks5h];
        let known = protocols.into_iter().find(|known| known.scheme() == scheme);
        let Some(protocol) = known else {
            return Err(format!("{scheme} proxies are not supported, use {FORM}"));
        };
        let usual_port = if protocol == Protocol::Http { 80 } else { 1080 };
        let authority = intercept.uri().authority();
        let (host, port) = authority.map_or(("", ""), |authority| {
            authority.as_str().split_at(authority.host().len())
        });
        if host.is_empty() {
            return Err("it names no host".to_owned());
        }
        let port = match port.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| "its port is no number to 65535")?,
            None => usual_port,
        };
        Ok(Self {
            protocol,
            host: host.to_owned(),
            port,
            credentials: intercept,
        })
    }

    /// Where the proxy itself is.
    pub(crate) fn uri(&self) -> Uri {
        let uri = format!("http://{self}/");
        uri.parse().expect("host and port are those of an address")
    }

    /// The credentials as HTTP has them.
    pub(crate) fn basic_auth(&self) -> Option<&HeaderValue> {
        self.credentials.basic_auth()
    }

    /// User and password as SOCKS5 has them.
    pub(crate) fn user_and_password(&self) -> Option<(&str, &str)> {
        self.credentials.raw_auth()
    }

    /// Whether there are credentials, in words.
    pub(crate) fn asked(&self) -> &'static str {
        if self.basic_auth().is_some() || self.user_and_password().is_some() {
            "with the credentials given"
        } else {
            "without credentials"
        }
    }

    /// The same proxy for requests over REST.
    pub(crate) fn for_requests(&self) -> Result<reqwest::Proxy, String> {
        let unfit = || format!("the address of the proxy {self} is not understood");
        let mut address = format!("{}://{self}", self.protocol.scheme())
            .parse::<Url>()
            .map_err(|_| unfit())?;
        if let Some((user, password)) = self.user_and_password() {
            // An address has them encoded, and the encoding leaves `%` as it is.
            let encoded = |text: &str| text.replace('%', "%25");
            let set = address
                .set_username(&encoded(user))
                .and_then(|()| address.set_password(Some(&encoded(password))));
            set.map_err(|()| unfit())?;
        }
        let proxy = reqwest::Proxy::all(address).map_err(|_| unfit())?;
        Ok(match self.basic_auth() {
            Some(header) => proxy.custom_http_auth(header.clone()),
            None => proxy,
        })
    }
}

/// Host and port.
impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({}://{self})", self.protocol.scheme())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Url {
        text.parse().unwrap()
    }

    fn given(proxy: &str) -> Proxy {
        let rule = ProxyRule::always(proxy).unwrap();
        let proxy = rule.proxy_to(&address("wss://ws.kraken.com")).unwrap();
        proxy.unwrap()
    }

    #[test]
    fn a_proxy_is_told_by_host_and_port_and_its_credentials_are_decoded() {
        let http = given("http://al%20addin:open%3Asesame@proxy.local:3128");
        assert_eq!(
            (http.to_string(), http.protocol),
            ("proxy.local:3128".to_owned(), Protocol::Http)
        );
        let header = http.basic_auth().unwrap();
        // printf 'al addin:open:sesame' | base64
        assert_eq!(header, "Basic YWwgYWRkaW46b3BlbjpzZXNhbWU=");
        let socks = given("socks5h://aladdin:100%2541@[::1]");
        assert_eq!(
            (socks.to_string(), socks.protocol),
            ("[::1]:1080".to_owned(), Protocol::Socks5h)
        );
        assert_eq!(socks.user_and_password(), Some(("aladdin", "100%41")));
        assert_eq!(given("proxy.local:8080").to_string(), "proxy.local:8080");
        assert_eq!(given("http://proxy.local").to_string(), "proxy.local:80");
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_its_credentials() {
        for (text, words) in [
            ("", "it is no address of a proxy"),
            ("http://", "it is no address of a proxy"),
            (
                "ftp://aladdin:sesame@proxy:1",
                "it is no address of a proxy",
            ),
            ("http://aladdin:sesame@proxy:port", "its port is no number"),
            ("http://aladdin:sesame@proxy:65536", "its port is no number"),
            (
                "http://aladdin:ses ame@proxy:1",
                "it is no address of a proxy",
            ),
            (
                "https://aladdin:sesame@proxy:1",
                "https proxies are not supported",
            ),
            (
                "socks4://aladdin:sesame@proxy:1",
                "socks4 proxies are not supported",
            ),
            ("http://aladdin:sesame@:1", "it names no host"),
        ] {
            let error = ProxyRule::always(text).unwrap_err();
            assert!(error.starts_with(words), "{text}: {error}");
            assert!(
                !error.contains("sesame") && !error.contains("aladdin"),
                "{error}"
            );
        }
    }

    #[test]
    fn nothing_that_can_be_printed_has_the_credentials() {
        let rules = [
            ProxyRule::always("http://aladdin:sesame@proxy:1").unwrap(),
            ProxyRule::always("socks5://aladdin:sesame@proxy:1").unwrap(),
            ProxyRule::Environment(Arc::new(
                Matcher::builder()
                    .all("http://aladdin:sesame@proxy:1")
                    .build(),
            )),
        ];
        for rule in rules {
            let printed = format!("{rule:?}");
            assert!(printed.contains("proxy:1"), "{printed}");
            assert!(
                !printed.contains("sesame") && !printed.contains("aladdin"),
                "{printed}"
            );
            let proxy = rule
                .proxy_to(&address("wss://ws.kraken.com"))
                .unwrap()
                .unwrap();
            let printed = format!("{proxy:?} {:?}", proxy.basic_auth());
            // printf 'aladdin:sesame' | base64
            for secret in ["sesame", "aladdin", "YWxhZGRpbjpzZXNhbWU="] {
                assert!(!printed.contains(secret), "{printed}");
            }
            let requests = format!("{:?}", proxy.for_requests());
            assert!(requests.contains("proxy"), "{requests}");
        }
    }

    #[test]
    fn the_environment_s_rules_hold_for_wss_as_for_https_and_for_ws_as_for_http() {
        let matcher = Matcher::builder()
            .http("http://plain:1")
            .https("socks5://secure:2")
            .no("kraken.com, 127.0.0.0/8, ::1")
            .build();
        let rule = ProxyRule::Environment(Arc::new(matcher));
        for (to, through) in [
            ("wss://stream.binance.com:9443/ws", Some("secure:2")),
            ("https://api.binance.com", Some("secure:2")),
            ("ws://10.0.0.1:80", Some("plain:1")),
            ("http://10.0.0.1", Some("plain:1")),
            ("wss://ws.kraken.com", None),
            ("ws://127.0.0.1:9", None),
            ("wss://[::1]:9", None),
        ] {
            let proxy = rule.proxy_to(&address(to)).unwrap();
            assert_eq!(proxy.map(|p| p.to_string()).as_deref(), through, "{to}");
        }
        assert!(
            ProxyRule::Direct
                .proxy_to(&address("wss://a"))
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn a_proxy_of_the_environment_that_cannot_be_used_is_an_error_and_no_way_around_it() {
        let matcher = Matcher::builder()
            .all("https://aladdin:sesame@proxy:1")
            .build();
        let rule = ProxyRule::Environment(Arc::new(matcher));
        let error = rule.proxy_to(&address("wss://ws.kraken.com")).unwrap_err();
        assert!(error.contains("https proxies are not supported"), "{error}");
        assert!(!error.contains("sesame"), "{error}");
    }
}
