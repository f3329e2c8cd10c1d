//! The credentials of a proxy are in no error and in no record of the log, of this library or of those below it,
//! whatever a proxy does.

use super::{PATIENCE, options};
use crate::{
    feed::{connect::open_socket, http, proxy::ProxyRule},
    options::StreamOptions,
};
use barter_instrument::exchange::ExchangeId;
use parking_lot::Mutex;
use std::{io, sync::Arc};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    time::timeout,
};
use tracing_subscriber::fmt::MakeWriter;
use url::Url;

/// User, password and both as HTTP has them, `printf 'aladdin:sesame' | base64`.
const SECRETS: [&str; 3] = ["aladdin", "sesame", "YWxhZGRpbjpzZXNhbWU="];

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

type Answers = &'static [&'static [u8]];

/// What kinds of proxies do: scheme, whether they get the credentials, and what they answer.
const PROXIES: &[(&str, bool, Answers)] = &[
    ("http", true, &[OK]),
    (
        "http",
        true,
        &[b"HTTP/1.1 407 Required\r\nContent-Length: 0\r\n\r\n"],
    ),
    (
        "http",
        true,
        &[b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"],
    ),
    ("http", true, &[b""]),
    (
        "socks5h",
        true,
        &[
            b"\x05\x02",
            b"\x01\x00",
            b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00",
            OK,
        ],
    ),
    ("socks5h", true, &[b"\x05\x02", b"\x01\x01"]),
    ("socks5h", false, &[b"\x05\xff"]),
    ("socks5h", false, &[b""]),
];

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Log {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

/// A proxy that gives each connection these answers, one whenever the client has said something, and what clients said.
async fn proxy(answers: Answers) -> (u16, Log) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Log::default();
    let hears = heard.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            for answer in answers {
                let mut said = [0; 4096];
                let Ok(length @ 1..) = client.read(&mut said).await else {
                    break;
                };
                hears.0.lock().extend_from_slice(&said[..length]);
                if client.write_all(answer).await.is_err() {
                    break;
                }
            }
        }
    });
    (port, heard)
}

/// Everything that a connection and a request by these options say, and what a client with them shows of itself.
async fn said(options: &StreamOptions, websocket: &Url, rest: &Url) -> String {
    let opened = open_socket(ExchangeId::Kraken, websocket, options).await;
    let client = http::client(options, rest, options.connect_timeout).unwrap();
    let answered = http::get(&client, rest.clone()).await;
    let answered = answered.map(|answer| (answer.status, answer.body));
    format!("{options:?} {:?} {answered:?}", opened.map(|_| ()))
}

#[tokio::test]
async fn nothing_that_is_said_or_logged_has_the_credentials_of_a_proxy() {
    let _ = tracing_log::LogTracer::init();
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(log.clone())
        .finish();
    let _logging = tracing::subscriber::set_default(subscriber);

    let mut all = String::new();
    for (scheme, gets_them, answers) in PROXIES {
        for rest in ["http://exchange.test/", "https://exchange.test/"] {
            let (port, heard) = proxy(answers).await;
            let websocket = "ws://exchange.test/".parse().unwrap();
            let rest = rest.parse().unwrap();
            let mut options = options(ExchangeId::Kraken, &websocket, None);
            let address = format!("{scheme}://aladdin:sesame@127.0.0.1:{port}");
            options.proxy = ProxyRule::always(&address).unwrap();
            let saying = said(&options, &websocket, &rest);
            let words = timeout(PATIENCE, saying).await.expect("in time");
            assert!(words.contains(&format!("127.0.0.1:{port}")), "{words}");
            all += &words;
            let heard = String::from_utf8_lossy(&heard.0.lock()).into_owned();
            let sent = SECRETS.iter().any(|secret| heard.contains(secret));
            assert_eq!(sent, *gets_them, "{scheme}, {answers:?}: {heard}");
        }
    }
    let logged = String::from_utf8(log.0.lock().clone()).unwrap();
    for library in ["hyper_util", "reqwest", "tungstenite"] {
        assert!(logged.contains(library), "{library} logs: {logged}");
    }
    all += &logged;
    for secret in SECRETS {
        assert!(!all.contains(secret), "{secret} in {all}");
    }
}
