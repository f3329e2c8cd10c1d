//! Decimal numbers as they stand in a record, without loss, and the levels of order books that are made of them.

use rust_decimal::Decimal;
use std::cmp::Ordering;

/// A decimal number without loss: `(-1)^negative × (hi·2^64 + mid·2^32 + lo) / 10^scale`, scale 0 to 28.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BarterDecimal {
    /// Bits 0 to 31 of the mantissa.
    pub lo: u32,
    /// Bits 32 to 63 of the mantissa.
    pub mid: u32,
    /// Bits 64 to 95 of the mantissa.
    pub hi: u32,
    /// Digits after the point.
    pub scale: u8,
    /// 1 where the number is negative.
    pub negative: u8,
    /// Zero.
    pub reserved: u16,
}

/// One price level of an order book; an amount of zero in an update removes the level.
#[repr(C)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BarterLevel {
    /// Price in the quote asset.
    pub price: BarterDecimal,
    /// Amount in the instrument's amount unit.
    pub amount: BarterDecimal,
}

/// A `rust_decimal` number without loss.
#[inline]
pub fn decimal(value: Decimal) -> BarterDecimal {
    let parts = value.unpack();
    BarterDecimal {
        lo: parts.lo,
        mid: parts.mid,
        hi: parts.hi,
        scale: parts.scale as u8,
        negative: u8::from(parts.negative),
        reserved: 0,
    }
}

impl BarterDecimal {
    /// The mantissa's magnitude, below 2⁹⁶.
    #[inline]
    pub fn mantissa(self) -> u128 {
        // By way of one 64-bit number, which costs half of three of 128 bits.
        let low = u64::from(self.mid) << 32 | u64::from(self.lo);
        u128::from(self.hi) << 64 | u128::from(low)
    }

    /// The number as a `rust_decimal`, `None` where its scale is past 28.
    pub fn to_decimal(self) -> Option<Decimal> {
        (self.scale <= 28).then(|| {
            let scale = u32::from(self.scale);
            let mut decimal = Decimal::from_parts(self.lo, self.mid, self.hi, false, scale);
            // Set apart from the parts, which would make a negative zero positive.
            decimal.set_sign_negative(self.negative != 0);
            decimal
        })
    }

    /// Which of two numbers is less; 1.0 and 1.00 are equal.
    #[inline]
    pub fn compare(&self, other: &Self) -> Ordering {
        if self.scale == other.scale && self.negative | other.negative == 0 {
            return self.mantissa().cmp(&other.mantissa());
        }
        self.to_decimal().cmp(&other.to_decimal())
    }
}

/// Powers of ten that an `f64` holds exactly.
const POWERS: [f64; 23] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15, 1e16,
    1e17, 1e18, 1e19, 1e20, 1e21, 1e22,
];

/// The nearest `f64`, ties to even: what Python's `float(Decimal)` gives.
pub fn decimal_to_f64(value: BarterDecimal) -> f64 {
    let mantissa = value.mantissa();
    let magnitude = match POWERS.get(usize::from(value.scale)) {
        // Both operands are exact, so the one division rounds correctly.
        Some(power) if mantissa < 1 << 53 => mantissa as f64 / power,
        _ => format!("{mantissa}e-{}", value.scale)
            .parse()
            .expect("digits, an e and digits are a float"),
    };
    if value.negative != 0 {
        -magnitude
    } else {
        magnitude
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decimal_comes_back_with_digits_scale_and_sign_and_its_double_is_the_nearest() {
        for mantissa in [
            0,
            1,
            1 << 53,
            (1 << 53) + 1,
            123_456_789_012_345_678,
            (1 << 96) - 1,
        ] {
            let mantissa: u128 = mantissa;
            for (scale, negative) in (0..=28).flat_map(|scale| [(scale, false), (scale, true)]) {
                let (lo, mid, hi) = (
                    mantissa as u32,
                    (mantissa >> 32) as u32,
                    (mantissa >> 64) as u32,
                );
                let mut value = Decimal::from_parts(lo, mid, hi, false, scale);
                value.set_sign_negative(negative);
                let flat = decimal(value);
                assert_eq!(flat.mantissa(), mantissa);
                assert_eq!(flat.to_decimal().unwrap().unpack(), value.unpack());
                let sign = if negative { "-" } else { "" };
                let nearest: f64 = format!("{sign}{mantissa}e-{scale}").parse().unwrap();
                assert_eq!(decimal_to_f64(flat).to_bits(), nearest.to_bits(), "{value}");
            }
        }
        let past = BarterDecimal {
            scale: 29,
            ..BarterDecimal::default()
        };
        assert_eq!(past.to_decimal(), None);
    }
}
