//! What a bare word means. YAML 1.1 as Go's `yaml.v2` reads it, because that is what kubectl and
//! the API server use: `yes` is a boolean and `010` is eight.
//!
//! Follows `resolve.go` of go.yaml.in/yaml/v2, then the way through JSON, where a whole float
//! becomes an integer.

/// A value without children.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    /// Nothing at all, `~` or `null`.
    Null,
    /// `true`, `yes`, `on`, `y` and their opposites.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// Everything else.
    Text(String),
}

/// Reads a scalar that is neither quoted nor tagged.
pub(crate) fn plain(word: &str) -> Scalar {
    match word {
        "" | "~" | "null" | "Null" | "NULL" => return Scalar::Null,
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => {
            return Scalar::Bool(true);
        }
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => {
            return Scalar::Bool(false);
        }
        ".nan" | ".NaN" | ".NAN" => return Scalar::Float(f64::NAN),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => {
            return Scalar::Float(f64::INFINITY);
        }
        "-.inf" | "-.Inf" | "-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ => {}
    }
    let number = match word.as_bytes().first() {
        Some(b'.') => decimal(word),
        Some(b'0'..=b'9' | b'+' | b'-') => {
            let digits = word.replace('_', "");
            integer(&digits).or_else(|| decimal(&digits))
        }
        _ => None,
    };
    number.unwrap_or_else(|| Scalar::Text(word.to_owned()))
}

/// Reads a scalar with one of YAML's own tags; none when the word has no such value.
pub(crate) fn tagged(tag: &str, word: &str) -> Option<Scalar> {
    match (tag, plain(word)) {
        ("str", _) => Some(Scalar::Text(word.to_owned())),
        ("float", Scalar::Int(int)) => Some(Scalar::Int(int)),
        ("int", value @ Scalar::Int(_))
        | ("float", value @ Scalar::Float(_))
        | ("bool", value @ Scalar::Bool(_))
        | ("null", value @ Scalar::Null) => Some(value),
        _ => None,
    }
}

/// Go's `strconv.ParseInt` with base 0.
fn integer(digits: &str) -> Option<Scalar> {
    let (negative, rest) = match digits.as_bytes().first()? {
        b'-' => (true, &digits[1..]),
        b'+' => (false, &digits[1..]),
        _ => (false, digits),
    };
    let lower = rest.to_ascii_lowercase();
    let (radix, number) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    if !number.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    let magnitude = i128::from_str_radix(number, radix).ok()?;
    let value = if negative { -magnitude } else { magnitude };
    match i64::try_from(value) {
        Ok(int) => Some(Scalar::Int(int)),
        Err(_) => u64::try_from(value).ok().map(|large| Scalar::Float(large as f64)),
    }
}

/// `^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`
fn decimal(digits: &str) -> Option<Scalar> {
    let number_like = digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    let value = digits.parse::<f64>().ok().filter(|v| number_like && v.is_finite())?;
    let whole = value.fract() == 0.0 && value.abs() < 9.2e18;
    Some(if whole { Scalar::Int(value as i64) } else { Scalar::Float(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_what_they_mean_to_kubectl() {
        let text = |s: &str| Scalar::Text(s.into());
        for (word, value) in [
            ("", Scalar::Null),
            ("~", Scalar::Null),
            ("yes", Scalar::Bool(true)),
            ("Off", Scalar::Bool(false)),
            ("oN", text("oN")),
            ("5", Scalar::Int(5)),
            ("+5", Scalar::Int(5)),
            ("-5", Scalar::Int(-5)),
            ("010", Scalar::Int(8)),
            ("09", Scalar::Int(9)),
            ("0o10", Scalar::Int(8)),
            ("0x1F", Scalar::Int(31)),
            ("-0b11", Scalar::Int(-3)),
            ("1_000", Scalar::Int(1000)),
            ("0", Scalar::Int(0)),
            ("1e3", Scalar::Int(1000)),
            ("5.0", Scalar::Int(5)),
            ("5.", Scalar::Int(5)),
            (".5", Scalar::Float(0.5)),
            ("-1.5", Scalar::Float(-1.5)),
            ("18446744073709551615", Scalar::Float(18446744073709551615.0)),
            ("1e999", text("1e999")),
            ("0x", text("0x")),
            ("-", text("-")),
            ("+-5", text("+-5")),
            ("5s", text("5s")),
            ("01:30", text("01:30")),
            ("2001-01-01", text("2001-01-01")),
            ("1080p", text("1080p")),
            ("infinity", text("infinity")),
        ] {
            assert_eq!(plain(word), value, "{word}");
        }
    }

    #[test]
    fn tags_override_and_may_fail() {
        assert_eq!(tagged("str", "5"), Some(Scalar::Text("5".into())));
        assert_eq!(tagged("int", "5"), Some(Scalar::Int(5)));
        assert_eq!(tagged("int", "five"), None);
        assert_eq!(tagged("binary", "aGk="), None);
    }
}
