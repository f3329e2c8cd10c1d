//! Numbers and times as exchanges write them: as a string or as a JSON number, always within their range. Frames of
//! ours are made of these; none panics at what an exchange sends.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};
use std::{fmt, marker::PhantomData, str::FromStr};

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Float(pub(crate) f64);

/// A decimal number without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exact(pub(crate) Decimal);

/// Seconds since the epoch, with as many digits after the point as there are, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochSeconds(pub(crate) DateTime<Utc>);

/// Milliseconds since the epoch, likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochMillis(pub(crate) DateTime<Utc>);

impl FromStr for Float {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Self(number)),
            _ => Err("not a finite number"),
        }
    }
}

impl FromStr for Exact {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Decimal::from_str(text)
            .or_else(|_| Decimal::from_scientific(text))
            .map(Self)
            .map_err(|_| "not a decimal number")
    }
}

impl FromStr for EpochSeconds {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        since_epoch(text, 1_000_000_000).map(Self)
    }
}

impl FromStr for EpochMillis {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        since_epoch(text, 1_000_000).map(Self)
    }
}

fn since_epoch(text: &str, unit_ns: i64) -> Result<DateTime<Utc>, &'static str> {
    let Exact(number) = text.parse()?;
    number
        .checked_mul(Decimal::from(unit_ns))
        .and_then(|nanoseconds| i64::try_from(nanoseconds.trunc()).ok())
        .map(DateTime::from_timestamp_nanos)
        .ok_or("not a time of this era")
}

macro_rules! from_string_or_number {
    ($($value:ty),*) => {$(
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(StringOrNumber(PhantomData))
            }
        }
    )*};
}

from_string_or_number!(Float, Exact, EpochSeconds, EpochMillis);

struct StringOrNumber<T>(PhantomData<T>);

impl<T: FromStr<Err = &'static str>> de::Visitor<'_> for StringOrNumber<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, or a string that holds one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse()
            .map_err(|reason| E::custom(format_args!("{text:?} is {reason}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::from_str;

    #[test]
    fn numbers_read_the_same_from_a_string_and_from_a_number() {
        for text in ["997.8", "-2", "0.00001", "18446744073709551615"] {
            let quoted = format!("{text:?}");
            let (a, b) = (from_str::<Float>(text), from_str::<Float>(&quoted));
            assert_eq!(a.unwrap(), b.unwrap(), "{text}");
            let (a, b) = (from_str::<Exact>(text), from_str::<Exact>(&quoted));
            assert_eq!(a.unwrap(), b.unwrap(), "{text}");
        }
        let kept: Exact = from_str(r#""1.500""#).unwrap();
        assert_eq!(kept.0.to_string(), "1.500");
    }

    #[test]
    fn what_is_no_finite_number_is_an_error() {
        for text in [
            r#""NaN""#,
            r#""inf""#,
            r#""""#,
            r#""1e999""#,
            "null",
            "[]",
            "true",
        ] {
            assert!(from_str::<Float>(text).is_err(), "{text}");
            assert!(from_str::<Exact>(text).is_err(), "{text}");
            assert!(from_str::<EpochSeconds>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_keep_every_digit_and_are_within_this_era() {
        let at: EpochSeconds = from_str(r#""1534614057.321597""#).unwrap();
        assert_eq!(at.0.timestamp_nanos_opt(), Some(1_534_614_057_321_597_000));
        let at: EpochMillis = from_str(r#""1606292218213.4578""#).unwrap();
        assert_eq!(at.0.timestamp_nanos_opt(), Some(1_606_292_218_213_457_800));
        let at: EpochMillis = from_str("1606292218213").unwrap();
        assert_eq!(at.0.timestamp_nanos_opt(), Some(1_606_292_218_213_000_000));
        for far in ["1e30", "99999999999999999999999", r#""-99999999999.5""#] {
            assert!(from_str::<EpochSeconds>(far).is_err(), "{far}");
        }
    }
}
