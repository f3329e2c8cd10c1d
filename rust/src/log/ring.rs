//! What was said and not read yet, bounded in records and bytes, and how often each place in the code may speak. Time
//! is given to it, so its rules are tested without waiting.

use super::{Said, record::Record};
use std::{
    collections::{HashMap, VecDeque},
    time::Instant,
};
use tracing::callsite::Identifier;

/// Records that are kept, at most.
const RECORDS_MAX: usize = 1_024;
/// Bytes of records that are kept, at most.
const BYTES_MAX: usize = 1 << 20;
/// How often in a row a place may speak.
pub(super) const BURST: f64 = 50.0;
/// How often it may speak from then on.
const PER_SECOND: f64 = 5.0;

/// The records that wait, and the places they come from.
#[derive(Default)]
pub(super) struct Ring {
    records: VecDeque<Record>,
    bytes: usize,
    /// Records that did not fit, younger than all that wait.
    lost: u64,
    places: HashMap<Identifier, Place>,
}

/// One place in the code that speaks.
struct Place {
    /// How often it may speak now.
    allowed: f64,
    at: Instant,
    suppressed: u64,
    /// What it said last.
    last: Option<Record>,
}

impl Place {
    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.allowed = BURST.min(self.allowed + passed * PER_SECOND);
        self.at = now;
    }

    /// Tells once how often it was suppressed.
    fn told(&mut self) -> Option<Record> {
        let suppressed = std::mem::take(&mut self.suppressed);
        let mut record = self.last.clone().filter(|_| suppressed > 0)?;
        record.time_ns = crate::event::nanoseconds(chrono::Utc::now());
        record.message = format!("{suppressed} more times: {}", record.message);
        record.fields = vec![("suppressed", suppressed.into())];
        Some(record)
    }
}

impl Ring {
    /// Whether a place may speak now; if not it is counted.
    pub(super) fn admits(&mut self, place: &Identifier, now: Instant) -> bool {
        let place = self.places.entry(place.clone()).or_insert(Place {
            allowed: BURST,
            at: now,
            suppressed: 0,
            last: None,
        });
        place.refill(now);
        if place.allowed < 1.0 {
            place.suppressed += 1;
            return false;
        }
        place.allowed -= 1.0;
        let told = place.told();
        self.keep_all(told);
        true
    }

    /// Keeps what an admitted place says.
    pub(super) fn say(&mut self, place: Identifier, record: Record) {
        if let Some(place) = self.places.get_mut(&place) {
            place.last = Some(record.clone());
        }
        self.keep_all([record]);
    }

    /// Tells of what was suppressed at places that may speak again.
    pub(super) fn settle(&mut self, now: Instant) {
        let mut told = Vec::new();
        for place in self
            .places
            .values_mut()
            .filter(|place| place.suppressed > 0)
        {
            place.refill(now);
            if place.allowed >= 1.0 {
                told.extend(place.told());
            }
        }
        self.keep_all(told);
    }

    pub(super) fn has_suppressed(&self) -> bool {
        self.places.values().any(|place| place.suppressed > 0)
    }

    fn keep_all(&mut self, records: impl IntoIterator<Item = Record>) {
        for record in records {
            if self.records.len() >= RECORDS_MAX || self.bytes + record.bytes() > BYTES_MAX {
                self.lost += 1;
            } else {
                self.tell_lost();
                self.push(record);
            }
        }
    }

    /// Says, where they would stand, how many records did not fit.
    fn tell_lost(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        if lost > 0 {
            let records = if lost == 1 {
                "record was"
            } else {
                "records were"
            };
            self.push(Record::of_the_log(format!(
                "{lost} {records} not kept: nobody read them"
            )));
        }
    }

    fn push(&mut self, record: Record) {
        self.bytes += record.bytes();
        self.records.push_back(record);
    }

    /// Takes as many records as `room` bytes hold as lines.
    pub(super) fn lines(&mut self, room: usize) -> Said {
        let mut lines = String::new();
        loop {
            if self.records.is_empty() {
                self.tell_lost();
            }
            let Some(record) = self.records.front() else {
                break;
            };
            let line = serde_json::to_string(record).expect("texts and numbers are JSON");
            if lines.len() + line.len() + 1 > room {
                if lines.is_empty() {
                    return Said::Longer(line.len() + 1);
                }
                break;
            }
            lines.push_str(&line);
            lines.push('\n');
            self.bytes -= record.bytes();
            self.records.pop_front();
        }
        if lines.is_empty() {
            Said::Nothing
        } else {
            Said::Lines(lines)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::Level;
    use std::time::Duration;
    use tracing::{Metadata, callsite::Callsite, subscriber::Interest};

    struct Here;

    impl Callsite for Here {
        fn set_interest(&self, _: Interest) {}
        fn metadata(&self) -> &Metadata<'_> {
            unreachable!("nobody asks")
        }
    }

    static HERE: Here = Here;

    fn here() -> Identifier {
        Identifier(&HERE)
    }

    fn record(message: &str) -> Record {
        Record {
            level: Level::Info,
            ..Record::of_the_log(message.to_owned())
        }
    }

    fn messages(ring: &mut Ring) -> Vec<String> {
        match ring.lines(usize::MAX) {
            Said::Lines(lines) => lines
                .lines()
                .map(|line| {
                    let record: serde_json::Value = serde_json::from_str(line).unwrap();
                    record["message"].as_str().unwrap().to_owned()
                })
                .collect(),
            _ => Vec::new(),
        }
    }

    #[test]
    fn what_does_not_fit_is_counted_and_told_in_its_place() {
        let mut ring = Ring::default();
        ring.keep_all((0..RECORDS_MAX + 3).map(|number| record(&number.to_string())));
        let said = messages(&mut ring);
        assert_eq!(said.len(), RECORDS_MAX + 1);
        assert_eq!(said[RECORDS_MAX - 1], (RECORDS_MAX - 1).to_string());
        assert_eq!(
            said[RECORDS_MAX],
            "3 records were not kept: nobody read them"
        );
        ring.keep_all([record("later")]);
        assert_eq!(messages(&mut ring), ["later"]);
        assert_eq!(ring.bytes, 0);
    }

    #[test]
    fn bytes_are_bounded_too() {
        let mut ring = Ring::default();
        let long = "x".repeat(4_000);
        ring.keep_all((0..RECORDS_MAX).map(|_| record(&long)));
        assert!(ring.bytes <= BYTES_MAX);
        assert!(ring.lost > 0);
    }

    #[test]
    fn a_record_that_has_no_room_stays_and_its_length_is_told() {
        let mut ring = Ring::default();
        ring.keep_all([record("first"), record("second")]);
        let Said::Longer(needed) = ring.lines(10) else {
            panic!("there is no room");
        };
        let Said::Lines(lines) = ring.lines(needed) else {
            panic!("there is room");
        };
        assert_eq!(lines.len(), needed);
        assert!(lines.contains("first"));
        assert_eq!(messages(&mut ring), ["second"]);
    }

    #[test]
    fn a_place_that_speaks_too_often_is_counted_and_told_when_it_may_speak_again() {
        let begun = Instant::now();
        let mut ring = Ring::default();
        let speak = |ring: &mut Ring, now| {
            let admitted = ring.admits(&here(), now);
            if admitted {
                ring.say(here(), record("again"));
            }
            admitted
        };
        let admitted = (0..80).filter(|_| speak(&mut ring, begun)).count();
        assert_eq!(admitted, BURST as usize);
        ring.settle(begun);
        assert_eq!(messages(&mut ring).len(), BURST as usize);
        assert!(ring.has_suppressed());
        ring.settle(begun + Duration::from_secs(1));
        assert_eq!(messages(&mut ring), ["30 more times: again"]);
        assert!(!ring.has_suppressed());
        let later = begun + Duration::from_secs(1);
        let admitted = (0..8).filter(|_| speak(&mut ring, later)).count();
        assert_eq!(admitted, PER_SECOND as usize);
        assert!(speak(&mut ring, begun + Duration::from_secs(2)));
        assert_eq!(
            messages(&mut ring)[PER_SECOND as usize..],
            ["3 more times: again", "again"]
        );
    }
}
