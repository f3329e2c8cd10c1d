//! Opens a WebSocket within its time: a connection to the exchange or through a proxy, TLS where the address has it, the
//! upgrade. What goes wrong is told by address and in words; nothing is retried here.

use super::{
    arrival::{Noted, WebSocket},
    dial::dial,
    error::{FeedError, http_status_meaning, shown, with_causes},
    http::retry_after,
    limits::connect_turn,
};
use crate::options::StreamOptions;
use barter_instrument::exchange::ExchangeId;
use tokio_tungstenite::{
    Connector, client_async_tls_with_config,
    tungstenite::{Error, protocol::WebSocketConfig},
};
use url::Url;

/// Bytes that are read from a socket at a time. The buffer is cleared for each read, which a single small frame must not
/// wait long for.
const READ_BUFFER_SIZE: usize = 32 << 10;

/// Waits for its turn, then connects, secures and upgrades within `connect_timeout`.
pub(crate) async fn open_socket(
    exchange: ExchangeId,
    address: &Url,
    options: &StreamOptions,
) -> Result<WebSocket, FeedError> {
    let failed = |reason: String| FeedError::Connect {
        exchange,
        address: shown(address),
        reason,
    };
    let limit = options.connect_timeout;
    let proxy = options.proxy.proxy_to(address).map_err(failed)?;
    let turn = connect_turn(exchange, address).await;
    let connecting = async {
        let stream = dial(address, proxy.as_ref(), limit).await.map_err(failed)?;
        turn.connected();
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_SIZE)
            .max_message_size(Some(options.max_message_size))
            .max_frame_size(Some(options.max_message_size));
        let tls = Connector::Rustls(options.trust.config());
        let stream = Noted::new(stream);
        let upgraded =
            client_async_tls_with_config(address.as_str(), stream, Some(config), Some(tls)).await;
        match upgraded {
            Ok((socket, _)) => Ok(socket),
            Err(Error::Http(response)) => {
                let status = response.status().as_u16();
                Err(FeedError::Upgrade {
                    exchange,
                    address: shown(address),
                    status,
                    meaning: http_status_meaning(status).to_owned(),
                    retry_after: retry_after(response.headers()),
                })
            }
            Err(error) => Err(failed(with_causes(&error))),
        }
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(opened) => opened,
        Err(_) => {
            let through = proxy.map(|proxy| format!(" through the proxy {proxy}"));
            let through = through.unwrap_or_default();
            let seconds = limit.as_secs_f64();
            Err(failed(format!("no answer{through} within {seconds} s")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::feed::proxy::ProxyRule;
    use std::time::Duration;
    use tokio::time::Instant;

    #[tokio::test(start_paused = true)]
    async fn attempts_that_reach_no_exchange_are_not_among_those_that_it_allows_in_an_hour() {
        let address = "wss://unreached.test/realtime".parse().unwrap();
        let options = StreamOptions {
            proxy: ProxyRule::always("http://127.0.0.1:1").unwrap(),
            ..StreamOptions::default()
        };
        let start = Instant::now();
        // BitMEX allows 20.
        for _ in 0..21 {
            let error = open_socket(ExchangeId::Bitmex, &address, &options).await;
            assert!(matches!(error, Err(FeedError::Connect { .. })));
        }
        assert!(start.elapsed() < Duration::from_secs(3_600));
    }
}
