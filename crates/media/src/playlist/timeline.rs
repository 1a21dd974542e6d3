//! `SegmentTemplate` and `SegmentTimeline` (ISO/IEC 23009-1 5.3.9.4 and 5.3.9.6).

use super::{
    PlaylistError,
    pattern::Pattern,
    periods::Part,
    slots::Slot,
    uri::relative_uri,
    xml::{Attributes, Xml},
};
use crate::time::MediaTime;

/// Writes where the segments of a period lie and how long each is. `start` is the period's, `path`
/// the MPD's.
pub(super) fn write_segments(xml: &mut Xml, part: &Part, start: MediaTime, path: &str) -> Result<(), PlaylistError> {
    let track = &part.listed.track.track;
    let offset = track.timescale.round(start);
    xml.open(
        "SegmentTemplate",
        Attributes::default()
            .with("timescale", track.timescale.0)
            .maybe("presentationTimeOffset", (offset != 0).then_some(offset))
            .with("initialization", relative_uri(path, &track.init.path))
            .with("media", Pattern::of(&part.listed.track)?.template(path))
            .with("startNumber", part.segments.first().map_or(1, |slot| slot.number)),
    );
    xml.open("SegmentTimeline", Attributes::default());
    let mut first = part.segments.first().map(|slot| slot.start);
    for (duration, repeats) in runs(&part.segments) {
        xml.empty(
            "S",
            Attributes::default()
                .maybe("t", first.take())
                .with("d", duration)
                .maybe("r", (repeats > 0).then_some(repeats)),
        );
    }
    xml.close();
    xml.close();
    Ok(())
}

/// Equal durations in a row: the duration, and how often it comes again.
fn runs(segments: &[Slot]) -> Vec<(u64, usize)> {
    segments.chunk_by(|a, b| a.duration == b.duration).map(|run| (run[0].duration, run.len() - 1)).collect()
}
