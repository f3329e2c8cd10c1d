//! Makes the TCP connection to an address, straight or through a proxy. Where a name has several addresses they are tried
//! as RFC 8305 asks: the other family a moment after the first, whichever answers first wins. Nagle's algorithm is off.

use super::{
    error::with_causes,
    proxy::{Protocol, Proxy, destination},
};
use futures::future::ready;
use hyper_util::{
    client::legacy::connect::{
        HttpConnector,
        dns::GaiResolver,
        proxy::{SocksV5, Tunnel},
    },
    rt::TokioIo,
};
use std::{convert::Infallible, error::Error, fmt::Display, time::Duration};
use tokio::net::{TcpStream, lookup_host};
use tokio_tungstenite::tungstenite::http::Uri;
use tower::{Service, ServiceExt, service_fn};
use url::Url;

/// Connects to the host and port of `address`. `limit` is shared by the addresses of one family; the caller bounds it all.
pub(crate) async fn dial(
    address: &Url,
    proxy: Option<&Proxy>,
    limit: Duration,
) -> Result<TcpStream, String> {
    dial_by(connector(GaiResolver::new(), limit), address, proxy).await
}

fn connector<R>(resolver: R, limit: Duration) -> HttpConnector<R> {
    let mut connector = HttpConnector::new_with_resolver(resolver);
    connector.set_nodelay(true);
    connector.set_connect_timeout(Some(limit));
    connector
}

async fn dial_by<C>(connector: C, address: &Url, proxy: Option<&Proxy>) -> Result<TcpStream, String>
where
    C: Service<Uri, Response = TokioIo<TcpStream>, Error: Error + 'static>,
{
    let to = destination("http", address)?;
    let Some(proxy) = proxy else {
        let connected = connector.oneshot(to).await;
        return connected
            .map(TokioIo::into_inner)
            .map_err(|error| with_causes(&error));
    };
    let connected = connector.oneshot(proxy.uri()).await;
    let stream = connected.map_err(|error| {
        format!(
            "cannot connect to the proxy {proxy}: {}",
            with_causes(&error)
        )
    })?;
    through(stream, proxy, to).await
}

/// Asks the proxy at the other end of `stream` for a connection to `to`.
async fn through(stream: TokioIo<TcpStream>, proxy: &Proxy, to: Uri) -> Result<TcpStream, String> {
    let far = to.authority().map(ToString::to_string).unwrap_or_default();
    let refused = |reason: &dyn Display| {
        let asked = proxy.asked();
        format!("the proxy {proxy}, asked {asked}, does not connect to {far}: {reason}")
    };
    let mut stream = Some(stream);
    let connected = service_fn(move |_: Uri| {
        let stream = stream.take().expect("a proxy is connected to once");
        ready(Ok::<_, Infallible>(stream))
    });
    let stream = match proxy.protocol {
        Protocol::Http => {
            let mut tunnel = Tunnel::new(proxy.uri(), connected);
            if let Some(header) = proxy.basic_auth() {
                tunnel = tunnel.with_auth(header.clone());
            }
            let tunnelled = tunnel.oneshot(to).await;
            tunnelled.map_err(|error| refused(&with_causes(&error)))
        }
        Protocol::Socks5 | Protocol::Socks5h => {
            let to = match proxy.protocol {
                Protocol::Socks5 => resolved(&to).await.map_err(|error| refused(&error))?,
                _ => to,
            };
            let mut socks = SocksV5::new(proxy.uri(), connected);
            if let Some((user, password)) = proxy.user_and_password() {
                socks = socks.with_auth(user.to_owned(), password.to_owned());
            }
            socks.oneshot(to).await.map_err(|error| refused(&error))
        }
    };
    stream.map(TokioIo::into_inner)
}

/// The same destination by number.
async fn resolved(to: &Uri) -> Result<Uri, String> {
    let authority = to.authority().map_or("", |authority| authority.as_str());
    let mut addresses = lookup_host(authority).await.map_err(|e| with_causes(&e))?;
    let Some(address) = addresses.next() else {
        return Err(format!("{authority} has no address"));
    };
    let uri = format!("http://{address}/");
    Ok(uri.parse().expect("a socket's address is host and port"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::proxy::ProxyRule;
    use hyper_util::client::legacy::connect::dns::Name;
    use std::{
        io,
        net::{IpAddr, SocketAddr},
        time::Instant,
    };
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpSocket},
    };

    /// Longer than anything that is waited for takes, and than the other family is waited for.
    const PATIENCE: Duration = Duration::from_secs(20);

    /// A port of `::1` that accepts nobody and refuses nobody: its queue is full, so a client hears nothing. The sockets
    /// hold it.
    async fn silent(port: u16) -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v6().unwrap();
        socket
            .bind(SocketAddr::new("::1".parse().unwrap(), port))
            .unwrap();
        let listener = socket.listen(0).unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        while let Ok(connected) =
            tokio::time::timeout(Duration::from_millis(200), TcpStream::connect(address)).await
        {
            waiting.push(connected.unwrap());
            assert!(waiting.len() < 16, "the queue is never full");
        }
        (listener, waiting)
    }

    async fn dial_at(addresses: Vec<IpAddr>, port: u16) -> Result<TcpStream, String> {
        let resolver = service_fn(move |name: Name| {
            assert_eq!(name.as_str(), "exchange.test");
            let addresses: Vec<_> = addresses.iter().map(|ip| SocketAddr::new(*ip, 0)).collect();
            ready(Ok::<_, io::Error>(addresses.into_iter()))
        });
        let address = format!("wss://exchange.test:{port}").parse().unwrap();
        dial_by(connector(resolver, PATIENCE), &address, None).await
    }

    #[tokio::test]
    async fn a_dead_address_of_a_name_does_not_keep_from_a_live_one() {
        let live = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = live.local_addr().unwrap().port();
        let _silent = silent(port).await;
        let [v4, v6, nobody] = ["127.0.0.1", "::1", "127.0.0.2"].map(|ip| ip.parse().unwrap());
        for addresses in [vec![v6, v4], vec![nobody, v4], vec![v6, nobody, v4]] {
            let began = Instant::now();
            let stream = dial_at(addresses, port).await.unwrap();
            // The other family is tried after 300 ms; a single address would be waited for till the end.
            assert!(began.elapsed() < PATIENCE / 4);
            assert_eq!(stream.peer_addr().unwrap(), live.local_addr().unwrap());
        }
    }

    #[tokio::test]
    async fn nagle_s_algorithm_is_off_straight_and_through_proxies() {
        let server = TcpListener::bind("[::1]:0").await.unwrap();
        let port = server.local_addr().unwrap().port();
        let answers: [(&str, &[&[u8]]); 3] = [
            ("", &[]),
            ("http://", &[b"HTTP/1.1 200 OK\r\n\r\n"]),
            (
                "socks5h://",
                &[b"\x05\x00", b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"],
            ),
        ];
        for (scheme, answers) in answers {
            let address: Url = format!("ws://[::1]:{port}").parse().unwrap();
            let proxy = match scheme {
                "" => ProxyRule::Direct,
                scheme => ProxyRule::always(&format!("{scheme}[::1]:{port}")).unwrap(),
            };
            let proxy = proxy.proxy_to(&address).unwrap();
            let serving = async {
                let (mut accepted, _) = server.accept().await.unwrap();
                for answer in answers {
                    assert_ne!(accepted.read(&mut [0; 1024]).await.unwrap(), 0);
                    accepted.write_all(answer).await.unwrap();
                }
                accepted
            };
            let dialling = dial(&address, proxy.as_ref(), PATIENCE);
            let (stream, _accepted) = tokio::join!(dialling, serving);
            assert!(stream.unwrap().nodelay().unwrap(), "{scheme}");
        }
    }
}
