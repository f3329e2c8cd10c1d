//! One thing said: when, how loud, by whom, what, and the values that belong to it. Texts are of bounded length, and only
//! this crate and upstream's are heard: what the libraries below them say may hold addresses with credentials in them.

use super::ROOT;
use crate::event;
use chrono::Utc;
use serde::{Serialize, Serializer};
use serde_json::Value;
use std::fmt::{Debug, Write};
use tracing::{
    Event, Metadata,
    field::{Field, Visit},
    level_filters::LevelFilter,
};

/// Bytes of a text at most.
const TEXT_MAX: usize = 4_096;

/// How important something is; ordered from the few most important to everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Level {
    /// Something does not work and will not by itself.
    Error = 1,
    /// Something does not work, and what is done about it.
    Warn = 2,
    /// What an operator wants to know of a day without trouble.
    Info = 3,
    /// Steps on the way.
    Debug = 4,
    /// Everything.
    Trace = 5,
}

impl Level {
    /// The level of this number.
    pub fn from_number(number: i32) -> Option<Self> {
        let all = [
            Self::Error,
            Self::Warn,
            Self::Info,
            Self::Debug,
            Self::Trace,
        ];
        all.into_iter().find(|level| *level as i32 == number)
    }

    pub(super) fn of(metadata: &Metadata<'_>) -> Self {
        match *metadata.level() {
            tracing::Level::ERROR => Self::Error,
            tracing::Level::WARN => Self::Warn,
            tracing::Level::INFO => Self::Info,
            tracing::Level::DEBUG => Self::Debug,
            tracing::Level::TRACE => Self::Trace,
        }
    }

    pub(super) fn filter(level: Option<Self>) -> LevelFilter {
        match level {
            None => LevelFilter::OFF,
            Some(Self::Error) => LevelFilter::ERROR,
            Some(Self::Warn) => LevelFilter::WARN,
            Some(Self::Info) => LevelFilter::INFO,
            Some(Self::Debug) => LevelFilter::DEBUG,
            Some(Self::Trace) => LevelFilter::TRACE,
        }
    }
}

/// The name of the logger of a target; `None` for what is not heard.
pub(super) fn logger(target: &str) -> Option<String> {
    let name = target.replace("::", ".");
    match target.split("::").next()? {
        ROOT => Some(name),
        "barter_data" | "barter_instrument" | "barter_integration" => {
            Some(format!("{ROOT}.upstream.{name}"))
        }
        _ => None,
    }
}

/// One thing said.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Record {
    /// When, ns since the epoch.
    pub time_ns: i64,
    /// How important it is.
    pub level: Level,
    /// By whom.
    pub logger: String,
    /// What.
    pub message: String,
    /// Which exchange, address and so on.
    #[serde(serialize_with = "as_object")]
    pub fields: Vec<(&'static str, Value)>,
    /// Where in the sources.
    pub file: Option<&'static str>,
    /// The line there.
    pub line: Option<u32>,
}

fn as_object<S: Serializer>(
    fields: &[(&'static str, Value)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(fields.iter().map(|(name, value)| (name, value)))
}

impl Record {
    /// What the library has to say of its log itself.
    pub(super) fn of_the_log(message: String) -> Self {
        Self {
            time_ns: event::nanoseconds(Utc::now()),
            level: Level::Warn,
            logger: format!("{ROOT}.log"),
            message,
            fields: Vec::new(),
            file: None,
            line: None,
        }
    }

    pub(super) fn of(event: &Event<'_>) -> Option<Self> {
        let metadata = event.metadata();
        // The path of a crate from a registry is that of the machine it was built on.
        let own = |file: &&str| !file.starts_with('/');
        let mut record = Self {
            time_ns: event::nanoseconds(Utc::now()),
            level: Level::of(metadata),
            logger: logger(metadata.target())?,
            message: String::new(),
            fields: Vec::new(),
            file: metadata.file().filter(own),
            line: metadata.line(),
        };
        event.record(&mut record);
        Some(record)
    }

    /// How much memory it takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        let text = |value: &Value| value.as_str().map_or(0, str::len);
        let fields = self.fields.iter();
        let fields = fields.map(|(name, value)| 64 + name.len() + text(value));
        256 + self.message.len() + fields.sum::<usize>()
    }
}

impl Visit for Record {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        let mut text = String::new();
        // Writing to a string does not fail; a value that fails to write itself is cut there.
        let _ = write!(text, "{value:?}");
        self.record_str(field, &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        let text = cut(value);
        if field.name() == "message" {
            self.message = text;
        } else {
            self.fields.push((field.name(), text.into()));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.fields.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.fields.push((field.name(), value.into()));
    }
}

fn cut(text: &str) -> String {
    if text.len() <= TEXT_MAX {
        return text.to_owned();
    }
    let mut end = TEXT_MAX;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}…", &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let text = "é".repeat(TEXT_MAX);
        let cut = cut(&text);
        assert_eq!(cut.chars().count(), TEXT_MAX / 2 + 1);
        assert!(cut.ends_with("é…"));
        assert_eq!(super::cut("short"), "short");
    }

    #[test]
    fn levels_have_their_numbers() {
        let of_number = |number| Level::from_number(number).map(|level| level as i32);
        assert_eq!(
            (1..=5).map(of_number).collect::<Vec<_>>(),
            (1..=5).map(Some).collect::<Vec<_>>()
        );
        assert_eq!((of_number(0), of_number(6)), (None, None));
    }
}
