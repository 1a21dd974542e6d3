//! Sizes, numbers and names of the parts of an object.

pub(super) const MIB: u64 = 1 << 20;
/// S3's limit of parts in an upload.
pub(super) const PARTS: u64 = 10_000;
/// A part of a large copy.
pub(super) const COPY: u64 = 512 * MIB;

/// Sizes that tests make smaller.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The smallest part of an upload.
    pub(super) part: u64,
    /// The largest object that `CopyObject` takes.
    pub(super) copy_max: u64,
    /// The smallest part of a copy.
    pub(super) copy_part: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { part: 8 * MIB, copy_max: 5 * 1024 * MIB, copy_part: COPY }
    }
}

/// Bytes of part `number` (from 0). Equal parts when the size is known; else they double every
/// 1,000 parts, so that 10,000 hold more than 5 TiB, S3's largest object.
pub(super) fn part_size(smallest: u64, number: u64, size: Option<u64>) -> u64 {
    match size {
        Some(size) => size.div_ceil(PARTS).next_multiple_of(MIB).max(smallest),
        None => smallest << (number / 1000).min(9),
    }
}

/// S3 counts from 1.
pub(super) fn part_number(number: u64) -> i32 {
    i32::try_from(number + 1).unwrap_or(i32::MAX)
}

/// `bucket/key` as a header wants it.
pub(super) fn copy_source(bucket: &str, key: &str) -> String {
    let mut source = format!("{bucket}/");
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => source.push(byte.into()),
            _ => source.push_str(&format!("%{byte:02X}")),
        }
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_always_suffice() {
        let unknown: u64 = (0..PARTS).map(|n| part_size(8 * MIB, n, None)).sum();
        assert!(unknown > 5 << 40);
        for size in [0, 1, 80_000 * MIB, 80_000 * MIB + 1, 5 << 40] {
            let part = part_size(8 * MIB, 0, Some(size));
            assert!(part >= 8 * MIB && part * PARTS >= size && part <= 5 << 30, "{size}");
        }
    }

    #[test]
    fn copy_sources_are_escaped() {
        assert_eq!(copy_source("b", "a b/ü+%.mp4"), "b/a%20b/%C3%BC%2B%25.mp4");
    }
}
