//! Prepared frames of Binance spot's public WebSocket, as its documents show them. Numbers have a fixed width, so that
//! the update ids of order books can be counted on in place however often the frames are sent.

use crate::Outcome;
use std::fmt::Write as _;

/// Distinct frames prepared; they are sent over and over.
pub const FRAMES: usize = 8_192;
/// The id of the first order book update; the snapshot's is one less.
pub const FIRST_UPDATE_ID: u64 = 100_000_000_000;
/// Levels a side of an order book, at the least: about what a busy market keeps within a few per cent.
const LEVELS_A_SIDE: u64 = 385;
const SYMBOLS: usize = 200;
/// The middle of every order book, in hundredths.
const MID: u64 = 6_500_000;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Workload {
    /// Trades of one symbol.
    Trades,
    /// Trades of 200 symbols in turn.
    Mixed,
    /// Best prices of one symbol.
    L1,
    /// Order book updates of so many levels, half of them on each side.
    L2(u64),
    /// Trades at so many a second, whose ids are the monotonic clock's nanoseconds at sending.
    Paced(u64),
    /// Nothing after the acknowledgement.
    Idle,
}

impl Workload {
    /// Reads `trades`, `mixed`, `l1`, `l2:LEVELS`, `paced:RATE` or `idle`.
    pub fn parse(text: &str) -> Outcome<Self> {
        let (name, number) = text.split_once(':').unwrap_or((text, "0"));
        let number = number.parse()?;
        Ok(match name {
            "trades" => Self::Trades,
            "mixed" => Self::Mixed,
            "l1" => Self::L1,
            "l2" if number > 0 => Self::L2(number),
            "paced" if number > 0 => Self::Paced(number),
            "idle" => Self::Idle,
            _ => return Err(format!("no workload is called {text:?}").into()),
        })
    }

    /// The texts of the frames.
    pub fn texts(self) -> Vec<String> {
        let numbers = 0..FRAMES as u64;
        match self {
            Self::Trades => numbers.map(|n| trade("BTCUSDT", n, n)).collect(),
            Self::Mixed => numbers.map(|n| trade(&symbol(n), n, n)).collect(),
            Self::L1 => numbers.map(best_prices).collect(),
            Self::L2(levels) => numbers.map(|n| update(n, levels)).collect(),
            Self::Paced(_) | Self::Idle => Vec::new(),
        }
    }

    /// The same trades in the combined stream of aggregate trades, which some clients ask for.
    pub fn aggregate_texts(self) -> Vec<String> {
        (0..FRAMES as u64).map(aggregate_trade).collect()
    }
}

/// The market that a frame of [`Workload::Mixed`] is of.
pub fn symbol(number: u64) -> String {
    format!("A{:03}USDT", number as usize % SYMBOLS)
}

/// A trade; `number` decides everything but the id.
pub fn trade(symbol: &str, number: u64, id: u64) -> String {
    let (time, price, side) = (
        time(number),
        price(wandering(number)),
        number.is_multiple_of(2),
    );
    format!(
        r#"{{"e":"trade","E":{time},"s":"{symbol}","t":{},"p":"{price}","q":"{}","T":{time},"m":{side},"M":true}}"#,
        3_000_000_000 + id,
        quantity(number),
    )
}

fn aggregate_trade(number: u64) -> String {
    let (time, price, side) = (
        time(number),
        price(wandering(number)),
        number.is_multiple_of(2),
    );
    let id = 3_000_000_000 + number;
    format!(
        r#"{{"stream":"btcusdt@aggTrade","data":{{"e":"aggTrade","E":{time},"s":"BTCUSDT","a":{id},"p":"{price}","q":"{}","f":{id},"l":{id},"T":{time},"m":{side},"M":true}}}}"#,
        quantity(number),
    )
}

fn best_prices(number: u64) -> String {
    let cents = wandering(number);
    format!(
        r#"{{"u":{},"s":"BTCUSDT","b":"{}","B":"31.21000000","a":"{}","A":"40.66000000"}}"#,
        40_000_000_000 + number,
        price(cents),
        price(cents + 1),
    )
}

/// An update of `levels` levels around a middle that stands still, a tenth of them removed.
fn update(number: u64, levels: u64) -> String {
    let id = FIRST_UPDATE_ID + number;
    let depth = LEVELS_A_SIDE.max(levels);
    let side = |count: u64, level: &dyn Fn(u64) -> u64| {
        let mut text = String::new();
        for place in 0..count {
            let spread = number * 7_919 + place * 104_729;
            let comma = if place == 0 { "" } else { "," };
            let amount = if spread.is_multiple_of(10) {
                0
            } else {
                spread % 9 + 1
            };
            let cents = level((number * 7_919 + place * 37) % depth);
            let _ = write!(text, r#"{comma}["{}","{amount}.50000000"]"#, price(cents));
        }
        text.replace("\"0.50000000\"", "\"0.00000000\"")
    };
    // A single level is a bid and an ask in turn.
    let bids = levels / 2 + levels % 2 * (number % 2);
    format!(
        r#"{{"e":"depthUpdate","E":{},"s":"BTCUSDT","U":{id},"u":{id},"b":[{}],"a":[{}]}}"#,
        time(number),
        side(bids, &|place| MID - 1 - place),
        side(levels - bids, &|place| MID + 1 + place),
    )
}

/// The order book before the first update, as REST gives it.
pub fn snapshot() -> String {
    let side = |level: &dyn Fn(u64) -> u64| {
        let levels =
            (0..LEVELS_A_SIDE).map(|place| format!(r#"["{}","1.50000000"]"#, price(level(place))));
        levels.collect::<Vec<_>>().join(",")
    };
    format!(
        r#"{{"lastUpdateId":{},"bids":[{}],"asks":[{}]}}"#,
        FIRST_UPDATE_ID - 1,
        side(&|place| MID - 1 - place),
        side(&|place| MID + 1 + place),
    )
}

fn time(number: u64) -> u64 {
    1_700_000_000_000 + number
}

/// Within one per cent of the middle.
fn wandering(number: u64) -> u64 {
    MID + number * 7_919 % 65_000
}

fn price(cents: u64) -> String {
    format!("{}.{:02}000000", cents / 100, cents % 100)
}

fn quantity(number: u64) -> String {
    format!("0.{:05}000", number % 99_999 + 1)
}

/// Frames as they go over the wire, one behind the other.
#[derive(Debug, Clone, Default)]
pub struct Frames {
    /// The bytes of all.
    pub bytes: Vec<u8>,
    /// Where each frame ends.
    pub ends: Vec<usize>,
    /// Where an update id stands: twice in each order book update.
    ids: Vec<usize>,
    passes: u64,
}

impl Frames {
    /// Unmasked text frames.
    pub fn new(texts: &[String]) -> Self {
        let mut frames = Self::default();
        for text in texts {
            let start = frames.bytes.len();
            frames.bytes.extend(header(text.len()));
            frames.bytes.extend(text.as_bytes());
            frames.ends.push(frames.bytes.len());
            for key in [r#""U":"#, r#""u":"#] {
                let place = frames.bytes[start..]
                    .windows(key.len())
                    .position(|window| window == key.as_bytes());
                let is_update = text.contains("depthUpdate");
                frames.ids.extend(
                    place
                        .filter(|_| is_update)
                        .map(|place| start + place + key.len()),
                );
            }
        }
        frames
    }

    /// Counts the update ids on, so that the next pass follows this one.
    pub fn count_on(&mut self) {
        self.passes += 1;
        let first = FIRST_UPDATE_ID + self.passes * FRAMES as u64;
        for (number, places) in self.ids.chunks_exact(2).enumerate() {
            let id = (first + number as u64).to_string();
            for place in places {
                self.bytes[*place..][..id.len()].copy_from_slice(id.as_bytes());
            }
        }
    }
}

/// The header of an unmasked text frame.
fn header(len: usize) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match len {
        0..126 => bytes.push(len as u8),
        126..65_536 => {
            bytes.push(126);
            bytes.extend((len as u16).to_be_bytes());
        }
        _ => {
            bytes.push(127);
            bytes.extend((len as u64).to_be_bytes());
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn update_ids_go_on_from_pass_to_pass() {
        let mut frames = Frames::new(&Workload::L2(2).texts());
        let first = |frames: &Frames| {
            let text = String::from_utf8(frames.bytes[..frames.ends[0]].to_vec()).unwrap();
            text[text.find("\"U\":").unwrap() + 4..][..12]
                .parse::<u64>()
                .unwrap()
        };
        assert_eq!(first(&frames), FIRST_UPDATE_ID);
        frames.count_on();
        assert_eq!(first(&frames), FIRST_UPDATE_ID + FRAMES as u64);
        assert_eq!(frames.ids.len(), 2 * FRAMES);
    }

    #[test]
    fn an_update_has_as_many_levels_as_asked_for_and_never_crosses() {
        for levels in [1, 20, 1_000] {
            for number in [0, 1, 77] {
                let update: serde_json::Value =
                    serde_json::from_str(&update(number, levels)).unwrap();
                let prices = |side: &str| -> Vec<f64> {
                    let side = update[side].as_array().unwrap().iter();
                    side.map(|level| level[0].as_str().unwrap().parse().unwrap())
                        .collect()
                };
                let (bids, asks) = (prices("b"), prices("a"));
                assert_eq!((bids.len() + asks.len()) as u64, levels);
                assert!(bids.iter().all(|price| *price < 65_000.0));
                assert!(asks.iter().all(|price| *price > 65_000.0));
            }
        }
    }
}
