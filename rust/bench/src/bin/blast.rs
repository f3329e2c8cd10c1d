//! A server that speaks Binance spot's WebSocket protocol as fast as the socket takes it: to every connection it
//! acknowledges the first request and then sends prepared frames of the workload until the client goes away.
//!
//! Usage: `blast <trades|l1|l2> [levels]`; prints `ws://127.0.0.1:<port>` and serves until it is killed.

use futures::{SinkExt, StreamExt};
use std::fmt::Write as _;
use tokio::{
    io::AsyncWriteExt,
    net::{TcpListener, TcpStream},
};
use tokio_tungstenite::tungstenite::Message;

/// Distinct frames prepared; they are sent over and over.
const FRAMES: u64 = 8_192;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let workload = arguments.next().unwrap_or_else(|| "trades".to_owned());
    let levels = arguments.next().map_or(Ok(20), |levels| levels.parse())?;
    let frames: Vec<String> = (0..FRAMES)
        .map(|number| payload(&workload, number, levels))
        .collect::<Option<_>>()
        .ok_or("the workload is trades, l1 or l2")?;
    let bytes: Vec<u8> = frames.iter().flat_map(|payload| frame(payload)).collect();
    let bytes: &'static [u8] = bytes.leak();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    println!("ws://{}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(socket, bytes).await {
                eprintln!("a connection ended: {error}");
            }
        });
    }
}

async fn serve(socket: TcpStream, frames: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    socket.set_nodelay(true)?;
    let mut websocket = tokio_tungstenite::accept_async(socket).await?;
    websocket.next().await.ok_or("no request came")??;
    websocket
        .send(Message::text(r#"{"result":null,"id":1}"#))
        .await?;
    let socket = websocket.get_mut();
    // The client's going away ends the writes.
    while socket.write_all(frames).await.is_ok() {}
    Ok(())
}

/// One unmasked text frame.
fn frame(payload: &str) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match payload.len() {
        len @ 0..126 => bytes.push(len as u8),
        len @ 126..65_536 => {
            bytes.push(126);
            bytes.extend((len as u16).to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes.extend(payload.as_bytes());
    bytes
}

/// A frame's text as Binance spot documents it; prices wander within one per cent.
fn payload(workload: &str, number: u64, levels: u64) -> Option<String> {
    let cents = 6_500_000 + number * 7_919 % 65_000;
    let price = |cents: u64| format!("{}.{:02}000000", cents / 100, cents % 100);
    let time = 1_700_000_000_000 + number;
    Some(match workload {
        "trades" => format!(
            r#"{{"e":"trade","E":{time},"s":"BTCUSDT","t":{},"p":"{}","q":"0.{:05}000","T":{time},"m":{},"M":true}}"#,
            3_000_000_000 + number,
            price(cents),
            number % 99_999 + 1,
            number.is_multiple_of(2),
        ),
        "l1" => format!(
            r#"{{"u":{},"s":"BTCUSDT","b":"{}","B":"31.21000000","a":"{}","A":"40.66000000"}}"#,
            40_000_000_000 + number,
            price(cents),
            price(cents + 1),
        ),
        "l2" => {
            let side = |first: u64| {
                let mut levels_text = String::new();
                for level in 0..levels {
                    let comma = if level == 0 { "" } else { "," };
                    let _ = write!(
                        levels_text,
                        r#"{comma}["{}","1.50000000"]"#,
                        price(first + level)
                    );
                }
                levels_text
            };
            format!(
                r#"{{"e":"depthUpdate","E":{time},"s":"BTCUSDT","U":{0},"u":{0},"b":[{1}],"a":[{2}]}}"#,
                number + 1,
                side(cents - levels),
                side(cents + 1),
            )
        }
        _ => return None,
    })
}
