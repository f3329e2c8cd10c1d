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
    let to = destination("http", address);
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
