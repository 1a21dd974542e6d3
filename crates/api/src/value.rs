//! Values with a unit, parsed once at the edge.

use std::{fmt, ops, str::FromStr};

use num_rational::Ratio;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A text that is not a value of its type: what was found and what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{found}` is not {expected}")]
pub struct ValueError {
    /// The text as it was written.
    pub found: String,
    /// What would be right, with an example.
    pub expected: &'static str,
}

/// An exact number: frame rates and aspect ratios, `30000/1001`.
pub type Rational = Ratio<i64>;

/// Exact media time in seconds. Never a float: 1001/30000 s stays what it is.
///
/// In YAML a text: `5s`, `250ms`, `00:00:05.040`. In the project's own records an exact
/// fraction of a second: `1001/30000s`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(Rational);

const MEDIA_TIME: &str = "a media time such as `5s`, `250ms`, `1.5s` or `00:00:05.040`";

impl MediaTime {
    /// The start of the timeline.
    pub const ZERO: MediaTime = MediaTime(Ratio::new_raw(0, 1));

    /// `numerator/denominator` seconds. `denominator` must not be zero.
    pub fn new(numerator: i64, denominator: i64) -> Self {
        MediaTime(Ratio::new(numerator, denominator))
    }

    /// A fraction in lowest terms with a positive denominator, for constants.
    pub const fn new_raw(numerator: i64, denominator: i64) -> Self {
        MediaTime(Ratio::new_raw(numerator, denominator))
    }

    /// Whole seconds.
    pub const fn seconds(seconds: i64) -> Self {
        MediaTime(Ratio::new_raw(seconds, 1))
    }

    /// Whole milliseconds.
    pub fn millis(millis: i64) -> Self {
        Self::new(millis, 1000)
    }

    /// The exact fraction of a second.
    pub fn ratio(self) -> Rational {
        self.0
    }

    /// For display and estimates only; the timeline itself never goes through a float.
    pub fn as_secs_f64(self) -> f64 {
        *self.0.numer() as f64 / *self.0.denom() as f64
    }

    /// Whether the time lies before the origin.
    pub fn is_negative(self) -> bool {
        self.0 < Ratio::from_integer(0)
    }
}

impl ops::Add for MediaTime {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        MediaTime(self.0 + other.0)
    }
}

impl ops::Sub for MediaTime {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        MediaTime(self.0 - other.0)
    }
}

impl ops::Neg for MediaTime {
    type Output = Self;
    fn neg(self) -> Self {
        MediaTime(-self.0)
    }
}

impl ops::Mul<i64> for MediaTime {
    type Output = Self;
    fn mul(self, by: i64) -> Self {
        MediaTime(self.0 * by)
    }
}

impl std::iter::Sum for MediaTime {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(MediaTime::ZERO, |a, b| a + b)
    }
}

impl fmt::Display for MediaTime {
    /// Exact: `4s`, `1001/250s`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}s", self.0)
    }
}

impl FromStr for MediaTime {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parsed = if text.contains(':') {
            parse_clock(text)
        } else if let Some(millis) = text.strip_suffix("ms") {
            parse_decimal(millis).map(|v| v / 1000)
        } else {
            text.strip_suffix('s').and_then(|seconds| match seconds.split_once('/') {
                Some((n, d)) => parse_fraction(n, d),
                None => parse_decimal(seconds),
            })
        };
        parsed.map(MediaTime).ok_or_else(|| ValueError { found: text.into(), expected: MEDIA_TIME })
    }
}

fn parse_fraction(numerator: &str, denominator: &str) -> Option<Rational> {
    // Ten times the finest timebase that is taken, and a few hundred years: sums of such stay exact.
    let denominator = denominator.parse::<i64>().ok().filter(|d| (1..=100_000_000).contains(d))?;
    let numerator = numerator.parse::<i64>().ok().filter(|n| (n / denominator).abs() < 10_000_000_000)?;
    Some(Ratio::new(numerator, denominator))
}

/// `12`, `12.5`, `-0.040`; at most nine decimals.
fn parse_decimal(text: &str) -> Option<Rational> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
    let all_digits = |s: &str| s.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || decimals.len() > 9 || !all_digits(whole) || !all_digits(decimals) {
        return None;
    }
    let scale = 10_i64.pow(decimals.len() as u32);
    let fraction = if decimals.is_empty() { 0 } else { decimals.parse::<i64>().ok()? };
    let value = Ratio::new(whole.parse::<i64>().ok()? * scale + fraction, scale);
    Some(if negative { -value } else { value })
}

/// `HH:MM:SS.mmm` or `MM:SS`.
fn parse_clock(text: &str) -> Option<Rational> {
    let mut parts = text.rsplit(':');
    let seconds = parse_decimal(parts.next()?)?;
    let minutes = parse_decimal(parts.next()?)?;
    let hours = parts.next().map_or(Some(Ratio::from_integer(0)), parse_decimal)?;
    let in_range = |v: Rational| v >= Ratio::from_integer(0) && v < Ratio::from_integer(60);
    let in_bounds = hours < Ratio::from_integer(10_000);
    (parts.next().is_none()
        && in_bounds
        && in_range(seconds)
        && in_range(minutes)
        && minutes.is_integer()
        && hours.is_integer())
    .then(|| hours * 3600 + minutes * 60 + seconds)
}

/// A bit rate in bit/s: an integer, or a text with `k` (1,000) or `M` (1,000,000).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bitrate(pub u32);

const BITRATE: &str = "a bit rate such as `128k`, `2.5M` or 128000";

impl FromStr for Bitrate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let (number, unit) = match text.as_bytes().last() {
            Some(b'k') => (&text[..text.len() - 1], 1_000),
            Some(b'M') => (&text[..text.len() - 1], 1_000_000),
            _ => (text, 1),
        };
        parse_decimal(number)
            .map(|v| v * unit)
            .filter(|v| v.is_integer())
            .and_then(|v| u32::try_from(v.to_integer()).ok())
            .map(Bitrate)
            .ok_or_else(|| ValueError { found: text.into(), expected: BITRATE })
    }
}

impl fmt::Display for Bitrate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            rate if rate > 0 && rate % 1_000 == 0 => write!(f, "{}k", rate / 1_000),
            rate => write!(f, "{rate}"),
        }
    }
}

/// Frames a second of what is made: an integer, or a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FrameRate {
    /// Those of the source, constant or not.
    Source,
    /// A constant rate, exact: 30000/1001, not 29.97.
    Constant(Rational),
}

const FRAME_RATE: &str = "a frame rate such as 25, `30000/1001` (for 29.97) or `Source`";

impl FrameRate {
    /// Whether a constant rate is one that is made: 1 to 120.
    pub fn in_range(self) -> bool {
        match self {
            FrameRate::Source => true,
            FrameRate::Constant(rate) => (Ratio::from_integer(1)..=Ratio::from_integer(120)).contains(&rate),
        }
    }
}

impl FromStr for FrameRate {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let part = |digits: &str| {
            let number = digits.parse::<i64>().ok().filter(|n| (1..1_000_000).contains(n))?;
            (number.to_string() == digits).then_some(number)
        };
        let (numerator, denominator) = text.split_once('/').unwrap_or((text, "1"));
        let rate = || Some(FrameRate::Constant(Ratio::new(part(numerator)?, part(denominator)?)));
        let parsed = if text == "Source" { Some(FrameRate::Source) } else { rate() };
        parsed.ok_or_else(|| ValueError { found: text.into(), expected: FRAME_RATE })
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FrameRate::Source => write!(f, "Source"),
            FrameRate::Constant(rate) => rate.fmt(f),
        }
    }
}

/// A place in the source: a share of its duration (`10%`) or a media time (`5s`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// Hundredths of a percent of the duration, 0 to 10,000.
    Share(u32),
    /// Media time from the start.
    Time(MediaTime),
}

const POSITION: &str = "a position such as `10%`, `5s` or `00:01:30`";

impl FromStr for Position {
    type Err = ValueError;

    fn from_str(text: &str) -> Result<Self, ValueError> {
        let parsed = match text.strip_suffix('%') {
            Some(percent) => parse_decimal(percent)
                .map(|v| v * 100)
                .filter(|v| v.is_integer() && (0..=10_000).contains(&v.to_integer()))
                .map(|v| Position::Share(v.to_integer() as u32)),
            None => text.parse().ok().filter(|t: &MediaTime| !t.is_negative()).map(Position::Time),
        };
        parsed.ok_or_else(|| ValueError { found: text.into(), expected: POSITION })
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Position::Share(share) if share % 100 == 0 => write!(f, "{}%", share / 100),
            Position::Share(share) => write!(f, "{}.{:02}%", share / 100, share % 100),
            Position::Time(time) => time.fmt(f),
        }
    }
}

/// Text in YAML and JSON, parsed on the way in; the schema carries the same pattern.
macro_rules! text_value {
    ($type:ty, $name:literal, $description:expr, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({"type": "string", "title": $description, "pattern": $pattern, "maxLength": 32})
            }
        }
    };
}

text_value!(
    MediaTime,
    "MediaTime",
    MEDIA_TIME,
    r"^(-?[0-9]{1,9}(\.[0-9]{1,9})?m?s|-?[0-9]{1,10}/[1-9][0-9]{0,7}s|([0-9]{1,4}:)?[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]{1,9})?)$"
);
text_value!(
    Position,
    "Position",
    POSITION,
    r"^((100|[0-9]{1,2}(\.[0-9]{1,2})?)%|[0-9]{1,9}(\.[0-9]{1,9})?m?s|([0-9]{1,4}:)?[0-5]?[0-9]:[0-5]?[0-9](\.[0-9]{1,9})?)$"
);

/// An integer or a text in YAML and JSON; the schema carries the same range and pattern.
macro_rules! number_value {
    ($type:ty, $name:literal, $description:expr, $maximum:literal, $pattern:literal) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                #[serde(untagged)]
                enum IntOrText {
                    Int(u32),
                    Text(String),
                }
                let text = match IntOrText::deserialize(deserializer)? {
                    IntOrText::Int(number) => number.to_string(),
                    IntOrText::Text(text) => text,
                };
                text.parse().map_err(de::Error::custom)
            }
        }

        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                $name.into()
            }
            fn inline_schema() -> bool {
                true
            }
            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "x-kubernetes-int-or-string": true,
                    "anyOf": [{"type": "integer"}, {"type": "string"}],
                    "title": $description,
                    "minimum": 1,
                    "maximum": $maximum,
                    "pattern": $pattern,
                    "maxLength": 16
                })
            }
        }
    };
}

number_value!(
    Bitrate,
    "Bitrate",
    BITRATE,
    999_999_999,
    r"^([0-9]{1,9}|[0-9]{1,6}(\.[0-9]{1,3})?k|[0-9]{1,3}(\.[0-9]{1,6})?M)$"
);
number_value!(FrameRate, "FrameRate", FRAME_RATE, 120, r"^([1-9][0-9]{0,5}(/[1-9][0-9]{0,5})?|Source)$");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_time_reads_every_form_exactly() {
        for (text, expected) in [
            ("5s", MediaTime::seconds(5)),
            ("250ms", MediaTime::millis(250)),
            ("1.5s", MediaTime::new(3, 2)),
            ("00:00:05.040", MediaTime::new(126, 25)),
            ("01:30", MediaTime::seconds(90)),
            ("1001/30000s", MediaTime::new(1001, 30000)),
            ("-0.5s", MediaTime::new(-1, 2)),
        ] {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
        for text in ["", "5", "s", "1:60", "1:2:3:4", "5 s", "1/0s", "1e3s", ".", "10000:00:00"] {
            assert!(text.parse::<MediaTime>().is_err(), "{text}");
        }
    }

    #[test]
    fn displayed_values_read_back() {
        let time = MediaTime::new(1001, 250);
        assert_eq!(time.to_string().parse(), Ok(time));
        for position in [Position::Share(1050), Position::Share(10_000), Position::Time(time)] {
            assert_eq!(position.to_string().parse(), Ok(position));
        }
        for rate in [FrameRate::Source, FrameRate::Constant(Ratio::new(24000, 1001))] {
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
        for rate in [Bitrate(128_000), Bitrate(1), Bitrate(1_500_001)] {
            assert_eq!(rate.to_string().parse(), Ok(rate));
        }
    }

    #[test]
    fn frame_rates_are_exact() {
        let rate = |n, d| Ok(FrameRate::Constant(Ratio::new(n, d)));
        assert_eq!("30000/1001".parse(), rate(30000, 1001));
        assert_eq!("25".parse(), rate(25, 1));
        assert_eq!("Source".parse(), Ok(FrameRate::Source));
        for text in ["29.97", "0", "25/0", "-25", "+25", "025", "1000000", "source", "25/1/1", ""] {
            assert!(text.parse::<FrameRate>().is_err(), "{text}");
        }
        let in_range = |text: &str| text.parse::<FrameRate>().unwrap().in_range();
        assert!(in_range("120") && in_range("1") && !in_range("999/1000") && !in_range("121"));
    }

    #[test]
    fn bit_rates_have_units() {
        assert_eq!("2.5M".parse(), Ok(Bitrate(2_500_000)));
        assert_eq!("128k".parse(), Ok(Bitrate(128_000)));
        for text in ["", "k", "1.0000001M", "128K", "-1k", "99999M"] {
            assert!(text.parse::<Bitrate>().is_err(), "{text}");
        }
    }
}
