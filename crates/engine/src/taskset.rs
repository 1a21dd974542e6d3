//! A set of task indexes, written as ranges: `0-3,7`.

use std::{fmt, str::FromStr};

use range_set_blaze::RangeSetBlaze;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A set of task indexes; takes the memory of its ranges.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TaskSet(RangeSetBlaze<u32>);

/// Tasks of one stage at most: what a hostile text may name.
pub const MAX_TASKS: u32 = 10_000;

impl TaskSet {
    /// `0..count`
    pub fn first(count: u32) -> Self {
        (0..count).collect()
    }

    /// Just one.
    pub fn one(index: u32) -> Self {
        TaskSet(RangeSetBlaze::from_iter([index]))
    }

    /// Adds an index; false if it was there.
    pub fn insert(&mut self, index: u32) -> bool {
        self.0.insert(index)
    }

    /// Whether the index is in the set.
    pub fn contains(&self, index: u32) -> bool {
        self.0.contains(index)
    }

    /// Number of indexes.
    pub fn len(&self) -> u32 {
        u32::try_from(self.0.len()).unwrap_or(u32::MAX)
    }

    /// Whether it is empty.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Indexes in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.0.iter()
    }

    /// Adds all of another set.
    pub fn union(&mut self, other: &TaskSet) {
        self.0 |= &other.0;
    }

    /// Takes all of another set away.
    pub fn subtract(&mut self, other: &TaskSet) {
        self.0 = &self.0 - &other.0;
    }
}

impl FromIterator<u32> for TaskSet {
    fn from_iter<I: IntoIterator<Item = u32>>(iter: I) -> Self {
        TaskSet(iter.into_iter().collect())
    }
}

impl fmt::Display for TaskSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for range in self.0.ranges() {
            let (first, last) = range.into_inner();
            match last - first {
                0 => write!(f, "{separator}{first}")?,
                _ => write!(f, "{separator}{first}-{last}")?,
            }
            separator = ",";
        }
        Ok(())
    }
}

/// A text that names no task set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a set of tasks such as `0-3,7` with indexes below {MAX_TASKS}")]
pub struct NoTaskSet(String);

impl FromStr for TaskSet {
    type Err = NoTaskSet;

    fn from_str(text: &str) -> Result<Self, NoTaskSet> {
        let wrong = || NoTaskSet(text.chars().take(80).collect());
        let index = |t: &str| t.parse::<u32>().ok().filter(|i| *i < MAX_TASKS).ok_or_else(wrong);
        let mut set = TaskSet::default();
        for part in text.split(',').filter(|p| !p.is_empty()) {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            set.0.ranges_insert(index(first)?..=index(last)?);
        }
        Ok(set)
    }
}

impl Serialize for TaskSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for TaskSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_are_compact() {
        let set: TaskSet = [7, 0, 1, 2, 3, 9, 10].into_iter().collect();
        assert_eq!(set.to_string(), "0-3,7,9-10");
        assert!("0-4000000000".parse::<TaskSet>().is_err());
    }

    proptest! {
        #[test]
        fn text_reads_back(indexes in prop::collection::btree_set(0_u32..500, 0..100)) {
            let set: TaskSet = indexes.into_iter().collect();
            prop_assert_eq!(set.to_string().parse(), Ok(set));
        }
    }
}
