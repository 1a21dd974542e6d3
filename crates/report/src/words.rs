//! Numbers for people.

use jiff::{Timestamp, Unit};
use transcode_media::time::{MediaTime, human};

/// `12.3 MiB`
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1024 => format!("{bytes} B"),
        1024..1_048_576 => format!("{:.1} KiB", bytes as f64 / 1024.0),
        1_048_576..1_073_741_824 => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
        _ => format!("{:.2} GiB", bytes as f64 / 1_073_741_824.0),
    }
}

/// `12,345`
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let grouped: Vec<&str> = digits.as_bytes().rchunks(3).rev().filter_map(|c| str::from_utf8(c).ok()).collect();
    grouped.join(",")
}

/// `1,234 kbit/s`
pub fn rate(bits_per_second: u64) -> String {
    format!("{} kbit/s", count(bits_per_second.div_ceil(1000)))
}

/// `1m30.5s`; tenths below ten minutes, whole seconds above.
pub fn seconds(seconds: f64) -> String {
    let millis = match seconds {
        ..10.0 => (seconds * 1000.0).round(),
        10.0..600.0 => (seconds * 10.0).round() * 100.0,
        _ => seconds.round() * 1000.0,
    };
    human(MediaTime::millis(millis as i64))
}

/// As everywhere in Kubernetes: RFC 3339, in whole seconds.
pub fn moment(at: Timestamp) -> String {
    at.round(Unit::Second).unwrap_or(at).to_string()
}

/// `1 task`, `2 tasks`
pub fn plural(number: usize, thing: &str) -> String {
    format!("{} {thing}{}", count(number as u64), if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        assert_eq!([bytes(1023), bytes(1536), bytes(5 << 30)], ["1023 B", "1.5 KiB", "5.00 GiB"]);
        assert_eq!([count(0), count(999), count(1_234_567)], ["0", "999", "1,234,567"]);
        assert_eq!(rate(1_234_001), "1,235 kbit/s");
        assert_eq!([seconds(1.2345), seconds(90.54), seconds(3_723.4)], ["1.235s", "1m30.5s", "1h02m3s"]);
        assert_eq!([plural(1, "task"), plural(5000, "task")], ["1 task", "5,000 tasks"]);
    }
}
