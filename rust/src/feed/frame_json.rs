//! Reads the JSON of exchanges' frames, which are simple: short keys, no escapes, nothing deep. What is not so simple, or
//! not right, is left to serde_json from the start: results and errors are its, this is only faster.

use serde::{
    Deserializer,
    de::{
        self, Deserialize, DeserializeSeed, IntoDeserializer, MapAccess, SeqAccess, Visitor,
        value::BorrowedStrDeserializer,
    },
    forward_to_deserialize_any,
};
use std::fmt;

/// Arrays and objects within each other, at most.
const DEPTH_MAX: u8 = 16;

/// What serde_json reads of the text, or its error.
pub(crate) fn from_str<'de, T: Deserialize<'de>>(text: &'de str) -> serde_json::Result<T> {
    match simple(text) {
        Ok(value) => Ok(value),
        Err(NotSimple) => serde_json::from_str(text),
    }
}

/// What the text says, where it is simple.
pub(crate) fn simple<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, NotSimple> {
    let mut reader = Reader {
        text,
        at: 0,
        depth: 0,
    };
    let value = T::deserialize(&mut reader)?;
    match reader.token() {
        None => Ok(value),
        Some(_) => Err(NotSimple),
    }
}

/// It is for serde_json to say what it is.
#[derive(Debug)]
pub(crate) struct NotSimple;

impl fmt::Display for NotSimple {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("not simple")
    }
}

impl std::error::Error for NotSimple {}

impl de::Error for NotSimple {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

struct Reader<'de> {
    text: &'de str,
    /// Of the next byte.
    at: usize,
    depth: u8,
}

impl<'de> Reader<'de> {
    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no space.
    #[inline]
    fn token(&mut self) -> Option<u8> {
        loop {
            let byte = self.byte()?;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
            self.at += 1;
        }
    }

    #[inline]
    fn expect(&mut self, token: u8) -> Result<(), NotSimple> {
        if self.token() != Some(token) {
            return Err(NotSimple);
        }
        self.at += 1;
        Ok(())
    }

    #[inline]
    fn literal(&mut self, literal: &str) -> Result<(), NotSimple> {
        if !self.text.as_bytes()[self.at..].starts_with(literal.as_bytes()) {
            return Err(NotSimple);
        }
        self.at += literal.len();
        Ok(())
    }

    #[inline]
    fn string(&mut self) -> Result<&'de str, NotSimple> {
        self.expect(b'"')?;
        let rest = &self.text.as_bytes()[self.at..];
        let ends = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..=0x1f);
        let length = rest.iter().position(ends).ok_or(NotSimple)?;
        if rest[length] != b'"' {
            return Err(NotSimple);
        }
        let string = &self.text[self.at..][..length];
        self.at += length + 1;
        Ok(string)
    }

    #[inline]
    fn digits(&mut self) -> Result<Option<u64>, NotSimple> {
        let start = self.at;
        let mut number = Some(0u64);
        while let Some(digit @ b'0'..=b'9') = self.byte() {
            let digit = u64::from(digit - b'0');
            number = number.and_then(|number| number.checked_mul(10)?.checked_add(digit));
            self.at += 1;
        }
        if self.at == start {
            return Err(NotSimple);
        }
        Ok(number)
    }

    #[inline]
    fn number<V: Visitor<'de>>(&mut self, visitor: V) -> Result<V::Value, NotSimple> {
        let start = self.at;
        let negative = self.byte() == Some(b'-');
        self.at += usize::from(negative);
        let leading_zero = self.byte() == Some(b'0');
        let first = self.at;
        let whole = self.digits()?;
        if leading_zero && self.at - first > 1 {
            return Err(NotSimple);
        }
        if !matches!(self.byte(), Some(b'.' | b'e' | b'E')) {
            let whole = whole.ok_or(NotSimple)?;
            return match negative {
                false => visitor.visit_u64(whole),
                true if whole == 0 => Err(NotSimple),
                true => {
                    let whole = i64::try_from(whole).map_err(|_| NotSimple)?;
                    visitor.visit_i64(-whole)
                }
            };
        }
        if self.byte() == Some(b'.') {
            self.at += 1;
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.byte() {
            self.at += 1;
            self.at += usize::from(matches!(self.byte(), Some(b'+' | b'-')));
            self.digits()?;
        }
        match self.text[start..self.at].parse::<f64>() {
            Ok(number) if number.is_finite() => visitor.visit_f64(number),
            _ => Err(NotSimple),
        }
    }

    /// What stands between two brackets, the first of which is next.
    #[inline]
    fn within<T>(
        &mut self,
        end: u8,
        read: impl FnOnce(&mut Self) -> Result<T, NotSimple>,
    ) -> Result<T, NotSimple> {
        if self.depth == DEPTH_MAX {
            return Err(NotSimple);
        }
        self.depth += 1;
        self.at += 1;
        let value = read(self)?;
        self.depth -= 1;
        self.expect(end)?;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for &mut Reader<'de> {
    type Error = NotSimple;

    #[inline]
    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotSimple> {
        match self.token().ok_or(NotSimple)? {
            b'"' => visitor.visit_borrowed_str(self.string()?),
            b'-' | b'0'..=b'9' => self.number(visitor),
            b'{' => self.within(b'}', |reader| visitor.visit_map(Entries::of(reader, b'}'))),
            b'[' => self.within(b']', |reader| visitor.visit_seq(Entries::of(reader, b']'))),
            b't' => {
                self.literal("true")?;
                visitor.visit_bool(true)
            }
            b'f' => {
                self.literal("false")?;
                visitor.visit_bool(false)
            }
            b'n' => {
                self.literal("null")?;
                visitor.visit_unit()
            }
            _ => Err(NotSimple),
        }
    }

    #[inline]
    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, NotSimple> {
        if self.token() == Some(b'n') {
            self.literal("null")?;
            return visitor.visit_none();
        }
        visitor.visit_some(self)
    }

    #[inline]
    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, NotSimple> {
        visitor.visit_newtype_struct(self)
    }

    #[inline]
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, NotSimple> {
        visitor.visit_enum(self.string()?.into_deserializer())
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// What an array or an object has, one after the other.
struct Entries<'a, 'de> {
    reader: &'a mut Reader<'de>,
    end: u8,
    first: bool,
}

impl<'a, 'de> Entries<'a, 'de> {
    fn of(reader: &'a mut Reader<'de>, end: u8) -> Self {
        Self {
            reader,
            end,
            first: true,
        }
    }

    /// Whether there is another, which is next then.
    #[inline]
    fn more(&mut self) -> Result<bool, NotSimple> {
        if self.reader.token() == Some(self.end) {
            return Ok(false);
        }
        if !std::mem::take(&mut self.first) {
            self.reader.expect(b',')?;
        }
        Ok(true)
    }
}

impl<'de> SeqAccess<'de> for Entries<'_, 'de> {
    type Error = NotSimple;

    #[inline]
    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, NotSimple> {
        match self.more()? {
            true => seed.deserialize(&mut *self.reader).map(Some),
            false => Ok(None),
        }
    }
}

impl<'de> MapAccess<'de> for Entries<'_, 'de> {
    type Error = NotSimple;

    #[inline]
    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, NotSimple> {
        match self.more()? {
            true => {
                let key = BorrowedStrDeserializer::new(self.reader.string()?);
                seed.deserialize(key).map(Some)
            }
            false => Ok(None),
        }
    }

    #[inline]
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, NotSimple> {
        self.reader.expect(b':')?;
        seed.deserialize(&mut *self.reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    /// What is read is what serde_json reads; whatever it refuses is refused.
    fn agrees(text: &str) -> bool {
        let read = simple::<Value>(text);
        if let Ok(value) = &read {
            let expected: Value = serde_json::from_str(text)
                .unwrap_or_else(|error| panic!("{text} is read as {value}, but: {error}"));
            assert_eq!(value, &expected, "{text}");
        }
        read.is_ok()
    }

    #[test]
    fn frames_of_exchanges_are_simple() {
        for text in [
            r#"{"e":"trade","E":1,"s":"BTCUSDT","t":12345,"p":"0.001","q":"100","T":1672515782136,"m":true,"M":false}"#,
            r#"{"lastUpdateId":1,"bids":[["0.0024","10"]],"asks":[["0.0026","100"]]}"#,
            r#"[0,[["5541.2","0.15",1534614057.321597,"s","l",""]],"trade","XBT/USD"]"#,
            "[ 1.5e-7 , -3 , null , {} , [] , \"\u{e4}\" ]",
            " 18446744073709551615 ",
        ] {
            assert!(agrees(text), "{text}");
        }
    }

    #[test]
    fn what_is_no_json_is_refused() {
        for text in [
            "",
            "{",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "{a:1}",
            "01",
            "-",
            "-01",
            "1.",
            ".5",
            "1e",
            "1e+",
            "+1",
            "tru",
            "nul",
            "truefalse",
            "1 2",
            "\"a",
            "\"\n\"",
            "[1}",
            "{\"a\":1]",
            "NaN",
        ] {
            assert!(!agrees(text), "{text}");
            assert!(serde_json::from_str::<Value>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_simple_is_left_to_serde_json() {
        let deep = format!("{}{}", "[".repeat(17), "]".repeat(17));
        for text in [
            r#""\u0041""#,
            "-0",
            "18446744073709551616",
            "-9223372036854775808",
            &deep,
        ] {
            assert!(simple::<Value>(text).is_err(), "{text}");
            assert_eq!(
                from_str::<Value>(text).unwrap(),
                serde_json::from_str::<Value>(text).unwrap()
            );
        }
        let error = from_str::<u8>("\"a\"").unwrap_err().to_string();
        let expected = serde_json::from_str::<u8>("\"a\"").unwrap_err().to_string();
        assert_eq!(error, expected);
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,8}".prop_map(Value::from),
            "[0-9]{1,9}\\.[0-9]{1,9}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::hash_map(".{0,4}", inner, 0..6)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn any_json_is_read_as_serde_json_reads_it(value in json(), pretty: bool) {
            let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
            let text = text.unwrap();
            let is_simple = !text.contains('\\') && !text.contains(&i64::MIN.to_string());
            prop_assert_eq!(agrees(&text), is_simple, "{}", text);
        }

        #[test]
        fn broken_json_is_never_read(value in json(), place: prop::sample::Index, with in ".{0,2}", cut in 0usize..3) {
            let text = value.to_string();
            let chars: Vec<char> = text.chars().collect();
            let place = place.index(chars.len());
            let broken: String = chars[..place].iter().copied()
                .chain(with.chars())
                .chain(chars[place..].iter().skip(cut).copied())
                .collect();
            agrees(&broken);
        }

        #[test]
        fn text_like_json_is_read_as_serde_json_reads_it(text in r#"[\[\]{}",:0-9eE+.\- tfn\\a]{0,12}"#) {
            agrees(&text);
        }
    }
}
