//! Numbers, names and times as exchanges write them: as a string, with JSON escapes or without, or as a JSON number, and
//! always within their range. The frames that the exchanges' modules read are made of these; none panics at what an
//! exchange sends.

use barter_data::books::Level;
use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use serde::{
    Deserialize, Deserializer,
    de::{self, IgnoredAny, SeqAccess},
};
use smol_str::{SmolStr, ToSmolStr};
use std::{fmt, marker::PhantomData, str::FromStr};

/// A finite number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Float(pub(crate) f64);

/// A decimal number without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Exact(pub(crate) Decimal);

/// A whole number from zero on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u64);

/// A name or an id: what the string holds, or the digits of the number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(crate) SmolStr);

/// Seconds since the epoch, with as many digits after the point as there are, to the nanosecond.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochSeconds(pub(crate) DateTime<Utc>);

/// Milliseconds since the epoch, likewise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EpochMillis(pub(crate) DateTime<Utc>);

/// A time as RFC 3339 writes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rfc3339(pub(crate) DateTime<Utc>);

/// A level of an order book: `[price, amount]`, whatever else follows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct PriceLevel(pub(crate) Level);

/// What is not a number of the kind, in words.
type NotOne = &'static str;

const NOT_OF_THIS_ERA: NotOne = "not a time of this era";
const MILLISECOND_NS: i64 = 1_000_000;
const SECOND_NS: i64 = 1_000_000_000;

/// A value that a string holds, or a whole number directly.
trait Scalar: FromStr<Err = NotOne> {
    fn from_whole(number: u64) -> Result<Self, NotOne> {
        number.to_smolstr().parse()
    }
}

impl FromStr for Float {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Self(number)),
            _ => Err("not a finite number"),
        }
    }
}

impl Scalar for Float {}

impl FromStr for Exact {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        Decimal::from_str(text)
            .or_else(|_| Decimal::from_scientific(text))
            .map(Self)
            .map_err(|_| "not a decimal number")
    }
}

impl Scalar for Exact {}

impl FromStr for Whole {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let number = text.parse().map_err(|_| "not a whole number")?;
        Ok(Self(number))
    }
}

impl Scalar for Whole {
    fn from_whole(number: u64) -> Result<Self, NotOne> {
        Ok(Self(number))
    }
}

impl FromStr for Name {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        Ok(Self(SmolStr::new(text)))
    }
}

impl Scalar for Name {}

impl FromStr for EpochSeconds {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        since_epoch(text, SECOND_NS).map(Self)
    }
}

impl Scalar for EpochSeconds {}

impl FromStr for EpochMillis {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        match text.parse() {
            Ok(whole) => Self::from_whole(whole),
            Err(_) => since_epoch(text, MILLISECOND_NS).map(Self),
        }
    }
}

impl Scalar for EpochMillis {
    fn from_whole(number: u64) -> Result<Self, NotOne> {
        i64::try_from(number)
            .ok()
            .and_then(|milliseconds| milliseconds.checked_mul(MILLISECOND_NS))
            .map(|nanoseconds| Self(DateTime::from_timestamp_nanos(nanoseconds)))
            .ok_or(NOT_OF_THIS_ERA)
    }
}

fn since_epoch(text: &str, unit_ns: i64) -> Result<DateTime<Utc>, NotOne> {
    let Exact(number) = text.parse()?;
    number
        .checked_mul(Decimal::from(unit_ns))
        .and_then(|nanoseconds| i64::try_from(nanoseconds.trunc()).ok())
        .map(DateTime::from_timestamp_nanos)
        .ok_or(NOT_OF_THIS_ERA)
}

impl FromStr for Rfc3339 {
    type Err = NotOne;

    fn from_str(text: &str) -> Result<Self, NotOne> {
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| "not a time of RFC 3339")?;
        // Past what nanoseconds since the epoch can count.
        at.timestamp_nanos_opt().ok_or(NOT_OF_THIS_ERA)?;
        Ok(Self(at.to_utc()))
    }
}

impl Scalar for Rfc3339 {}

macro_rules! from_string_or_number {
    ($($value:ty),*) => {$(
        impl<'de> Deserialize<'de> for $value {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(StringOrNumber(PhantomData))
            }
        }
    )*};
}

from_string_or_number!(
    Float,
    Exact,
    Whole,
    Name,
    EpochSeconds,
    EpochMillis,
    Rfc3339
);

struct StringOrNumber<T>(PhantomData<T>);

impl<T: Scalar> de::Visitor<'_> for StringOrNumber<T> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number, or a string that holds one")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse()
            .map_err(|reason| E::custom(format_args!("{text:?} is {reason}")))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        T::from_whole(number).map_err(|reason| E::custom(format_args!("{number} is {reason}")))
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_smolstr())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_smolstr())
    }
}

impl From<PriceLevel> for Level {
    fn from(level: PriceLevel) -> Self {
        level.0
    }
}

impl<'de> Deserialize<'de> for PriceLevel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(PriceAndAmount)
    }
}

struct PriceAndAmount;

impl<'de> de::Visitor<'de> for PriceAndAmount {
    type Value = PriceLevel;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an array of a price and an amount")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<PriceLevel, A::Error> {
        let price = sequence.next_element::<Exact>()?;
        let amount = sequence.next_element::<Exact>()?;
        let (Some(Exact(price)), Some(Exact(amount))) = (price, amount) else {
            return Err(de::Error::invalid_length(0, &self));
        };
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(PriceLevel(Level::new(price, amount)))
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
        for text in ["7", "18446744073709551615"] {
            let quoted = format!("{text:?}");
            let (a, b) = (from_str::<Whole>(text), from_str::<Whole>(&quoted));
            assert_eq!(a.unwrap(), b.unwrap(), "{text}");
            let (a, b) = (from_str::<Name>(text), from_str::<Name>(&quoted));
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
            assert!(from_str::<Whole>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn escapes_are_read_as_what_they_stand_for() {
        let name: Name = from_str(r#""\u0042TC\/USD""#).unwrap();
        assert_eq!(name.0, "BTC/USD");
        let price: Exact = from_str(r#""\u0031.5""#).unwrap();
        assert_eq!(price.0.to_string(), "1.5");
    }

    #[test]
    fn a_level_is_a_price_and_an_amount_whatever_follows() {
        let level: PriceLevel = from_str(r#"["1.5", 2, [], "x"]"#).unwrap();
        assert_eq!(level.0, Level::new(Decimal::new(15, 1), Decimal::from(2)));
        assert!(from_str::<PriceLevel>(r#"["1.5"]"#).is_err());
        assert!(from_str::<PriceLevel>(r#"["NaN", "1"]"#).is_err());
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
        for far in ["18446744073709551615", r#""18446744073709551615""#, "1e30"] {
            assert!(from_str::<EpochMillis>(far).is_err(), "{far}");
        }
        let at: Rfc3339 = from_str(r#""2014-11-07T08:19:27.028459Z""#).unwrap();
        assert_eq!(at.0.timestamp_micros(), 1_415_348_367_028_459);
        for far in [r#""9999-12-31T23:59:59Z""#, r#""yesterday""#, "1"] {
            assert!(from_str::<Rfc3339>(far).is_err(), "{far}");
        }
    }
}
