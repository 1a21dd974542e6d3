//! The rule by which the paths of a track's segments follow from their numbers.

use super::{PlaylistError, uri};
use crate::track::FinishedTrack;

/// `before`, the number in `width` digits, `after`: DASH's `$Number%0<width>d$` (ISO/IEC 23009-1
/// 5.3.9.4.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern {
    before: String,
    width: usize,
    after: String,
}

impl Pattern {
    /// Taken from the first segment, and then checked on each of them: a wrong template sends every
    /// player to files that don't exist.
    pub(super) fn of(track: &FinishedTrack) -> Result<Self, PlaylistError> {
        let name = || track.track.name.clone();
        let first = track.segments.first().ok_or_else(|| PlaylistError::NoSegments { track: name() })?;
        let pattern = Self::find(&first.file.path, first.number).ok_or_else(|| PlaylistError::Unnumbered {
            track: name(),
            number: first.number,
            path: first.file.path.clone(),
        })?;
        for segment in &track.segments {
            let expected = pattern.path(segment.number);
            if segment.file.path != expected {
                return Err(PlaylistError::Path {
                    track: name(),
                    number: segment.number,
                    expected,
                    found: segment.file.path.clone(),
                });
            }
        }
        Ok(pattern)
    }

    /// The last run of digits in the file's name, without its extension, that is the number.
    fn find(path: &str, number: u32) -> Option<Self> {
        let name_start = path.rfind('/').map_or(0, |slash| slash + 1);
        let stem_end = path.rfind('.').filter(|dot| *dot > name_start).unwrap_or(path.len());
        let stem = &path[name_start..stem_end];
        let end = stem.rfind(|c: char| c.is_ascii_digit())? + 1;
        let start = stem[..end]
            .rfind(|c: char| !c.is_ascii_digit())
            .map_or(0, |at| at + stem[at..].chars().next().map_or(1, char::len_utf8));
        if stem[start..end].parse() != Ok(number) {
            return None;
        }
        Some(Pattern {
            before: path[..name_start + start].to_owned(),
            width: end - start,
            after: path[name_start + end..].to_owned(),
        })
    }

    /// Where the segment of a number lies, or would lie.
    pub(super) fn path(&self, number: u32) -> String {
        format!("{}{number:0width$}{}", self.before, self.after, width = self.width)
    }

    /// The `media` attribute of a SegmentTemplate in the file `from`.
    pub(super) fn template(&self, from: &str) -> String {
        let (folder, before) = uri::split(&self.before);
        format!(
            "{}{}$Number%0{}d${}",
            uri::relative_folder(from, folder),
            uri::encoded(before),
            self.width,
            uri::encoded(&self.after)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_is_found_before_the_extension() {
        let pattern = Pattern::find("k9/720p/seg-000007.m4s", 7).unwrap();
        assert_eq!(pattern.path(1234567), "k9/720p/seg-1234567.m4s");
        assert_eq!(pattern.path(12), "k9/720p/seg-000012.m4s");
        assert_eq!(pattern.template("manifest.mpd"), "k9/720p/seg-$Number%06d$.m4s");
        assert_eq!(pattern.template("k9/a.mpd"), "720p/seg-$Number%06d$.m4s");
        assert_eq!(Pattern::find("7/000007", 7).unwrap().template("m"), "7/$Number%06d$");
        assert_eq!(Pattern::find("é$3é.m4s", 3).unwrap().template("m"), "%C3%A9%24$Number%01d$%C3%A9.m4s");
    }

    #[test]
    fn a_name_without_its_number_is_refused() {
        assert_eq!(Pattern::find("7/first.m4s", 7), None);
        assert_eq!(Pattern::find("a/000008.m4s", 7), None);
        assert_eq!(Pattern::find("", 7), None);
    }
}
