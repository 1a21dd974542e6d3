//! The `Range` header (RFC 9110, section 14).

use std::ops::Range;

/// What a client asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// No range, or one that isn't understood, which is to be ignored.
    All,
    /// A part that exists.
    Part(Range<u64>),
    /// A part past the end.
    Nothing,
}

/// Reads `bytes=N-`, `bytes=N-M` and `bytes=-N`. Several ranges at once are ignored, as is allowed.
pub(super) fn wanted(header: Option<&str>, size: u64) -> Wanted {
    let Some((first, last)) = header.and_then(|h| h.trim().strip_prefix("bytes=")).and_then(|r| r.split_once('-'))
    else {
        return Wanted::All;
    };
    let range = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Wanted::All,
    };
    if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        let part = |header| wanted(Some(header), 100);
        assert_eq!(wanted(None, 100), Wanted::All);
        assert_eq!(part("bytes=0-"), Wanted::Part(0..100));
        assert_eq!(part("bytes=10-19"), Wanted::Part(10..20));
        assert_eq!(part("bytes=90-1000"), Wanted::Part(90..100));
        assert_eq!(part("bytes=-30"), Wanted::Part(70..100));
        assert_eq!(part("bytes=-300"), Wanted::Part(0..100));
        for past in ["bytes=100-", "bytes=200-300", "bytes=-0"] {
            assert_eq!(part(past), Wanted::Nothing, "{past}");
        }
        for strange in ["bytes=20-10", "bytes=a-b", "bytes=1-2,5-6", "items=1-2", "bytes=-", ""] {
            assert_eq!(part(strange), Wanted::All, "{strange}");
        }
        assert_eq!(wanted(Some("bytes=0-"), 0), Wanted::Nothing);
    }
}
