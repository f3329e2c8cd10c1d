//! Opens a WebSocket within its time. What goes wrong is told by address and in words; nothing is retried here.

use super::error::{FeedError, http_status_meaning, with_causes};
use barter_instrument::exchange::ExchangeId;
use barter_integration::protocol::websocket::WebSocket;
use std::time::Duration;
use tokio_tungstenite::{
    connect_async_tls_with_config,
    tungstenite::{Error, protocol::WebSocketConfig},
};
use url::Url;

/// The longest message that is read.
const MESSAGE_BYTES_MAX: usize = 32 << 20;

/// Connects, secures and upgrades within `limit`.
pub(crate) async fn open_socket(
    exchange: ExchangeId,
    address: &Url,
    limit: Duration,
) -> Result<WebSocket, FeedError> {
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_BYTES_MAX))
        .max_frame_size(Some(MESSAGE_BYTES_MAX));
    let disable_nagle = true;
    let connecting =
        connect_async_tls_with_config(address.as_str(), Some(config), disable_nagle, None);
    let failed = |reason: String| FeedError::Connect {
        exchange,
        address: address.to_string(),
        reason,
    };
    match tokio::time::timeout(limit, connecting).await {
        Ok(Ok((socket, _))) => Ok(socket),
        Ok(Err(Error::Http(response))) => {
            let status = response.status().as_u16();
            Err(FeedError::Upgrade {
                exchange,
                address: address.to_string(),
                status,
                meaning: http_status_meaning(status).to_owned(),
            })
        }
        Ok(Err(error)) => Err(failed(with_causes(&error))),
        Err(_) => Err(failed(format!(
            "no answer within {} s",
            limit.as_secs_f64()
        ))),
    }
}
