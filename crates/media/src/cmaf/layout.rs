//! Where everything goes in a progressive file: times, edits, chunks.

use num_integer::Integer;

use super::{
    headers::Edit,
    init::TrackInit,
    progressive::{Copy, ProgressiveError, ProgressiveTrack},
    tables::Chunk,
};
use crate::time::MediaTime;

/// A chunk on its way into the file.
pub(super) struct Piece {
    /// Index.
    pub(super) track: usize,
    /// Of one segment; one, unless it has samples of several fragments.
    pub(super) copies: Vec<Copy>,
    pub(super) samples: u32,
    /// Presentation time at which it should be there.
    pub(super) time: MediaTime,
}

/// A track with its times worked out.
pub(super) struct Laid {
    /// Movie ticks.
    pub(super) presentation: u64,
    pub(super) media: u64,
    pub(super) edits: Vec<Edit>,
    pub(super) chunks: Vec<Chunk>,
}

/// Ticks in which all tracks' times are whole; at most what 32 bits hold, else milliseconds.
pub(super) fn movie_timescale(tracks: &[ProgressiveTrack]) -> u32 {
    let scales = tracks.iter().map(|track| u64::from(track.init.timescale().0));
    let common = scales.fold(1, |common, scale| common.lcm(&scale.max(1)).min(1 << 33));
    u32::try_from(common).unwrap_or(1000)
}

/// Makes decode times continuous by longer last durations.
pub(super) fn close_gaps(track: &mut ProgressiveTrack, at: usize) -> Result<(), ProgressiveError> {
    let starts: Vec<u64> = track.segments.iter().map(|segment| segment.decode_time).collect();
    if starts.is_empty() {
        return Err(ProgressiveError::Empty { track: at });
    }
    let nexts = starts.into_iter().skip(1).enumerate();
    for ((index, next), segment) in nexts.zip(&mut track.segments) {
        let expected = segment.decode_end();
        let gap = next.checked_sub(expected).ok_or(ProgressiveError::Overlap {
            track: at,
            segment: index + 1,
            expected,
            found: next,
        })?;
        if let Some(last) = segment.samples.last_mut() {
            let longer = u64::from(last.duration).saturating_add(gap);
            last.duration = u32::try_from(longer).map_err(|_| ProgressiveError::TooLarge)?;
        }
    }
    Ok(())
}

/// Durations and edits of a track.
///
/// Sample tables start at decode time 0, whatever the first `tfdt` was, so a track that starts late
/// gets an empty edit first.
pub(super) fn lay(track: &ProgressiveTrack, movie: u32) -> Result<Laid, ProgressiveError> {
    let too_large = || ProgressiveError::TooLarge;
    let first = track.segments.first().ok_or_else(too_large)?;
    let media: u64 =
        track.segments.iter().flat_map(|segment| &segment.samples).map(|sample| u64::from(sample.duration)).sum();
    let shift = i64::from(track.init.media_time());
    let start = i64::try_from(first.decode_time).map_err(|_| too_large())?;
    let mut decode = start;
    let mut shown = i64::MAX;
    for sample in &first.samples {
        shown = shown.min(decode.saturating_add(i64::from(sample.composition_offset)));
        decode = decode.saturating_add(i64::from(sample.duration));
    }
    // On the presentation timeline, with the edit list applied.
    let from = shown.saturating_sub(shift).max(0);
    let end = start.checked_add_unsigned(media).ok_or_else(too_large)?;
    let end = match track.init {
        // Decode times of video are its presentation times in order: the last one ends at the end.
        TrackInit::Video(_) => end,
        TrackInit::Audio(_) => end.saturating_sub(shift),
    };
    let scale = |ticks: i64| {
        let wide = i128::from(ticks.max(0)) * i128::from(movie);
        let per_second = i128::from(track.init.timescale().0.max(1));
        u64::try_from((wide + per_second / 2) / per_second).unwrap_or(u64::MAX)
    };
    let empty = Edit { duration: scale(from), media_time: -1 };
    let shows = Edit {
        duration: scale(end).saturating_sub(scale(from)),
        media_time: from.saturating_add(shift).saturating_sub(start),
    };
    let edits = if from > 0 { vec![empty, shows] } else { vec![shows] };
    Ok(Laid { presentation: scale(end), media, edits, chunks: Vec::new() })
}

/// Cuts the segments of a track into chunks of at most `interleave`.
pub(super) fn cut(track: &ProgressiveTrack, at: usize, interleave: MediaTime) -> Vec<Piece> {
    let scale = track.init.timescale();
    let longest = scale.floor(interleave).max(1);
    let mut pieces = Vec::new();
    for (index, segment) in track.segments.iter().enumerate() {
        let mut time = segment.decode_time.min(i64::MAX as u64) as i64;
        let mut open: Option<(Piece, i64)> = None;
        for (sample, offset) in segment.placed() {
            let full = |from: &i64| time.saturating_sub(*from) >= longest;
            if let Some((piece, _)) = open.take_if(|(_, from)| full(from)) {
                pieces.push(piece);
            }
            let (piece, _) = open.get_or_insert_with(|| {
                (Piece { track: at, copies: Vec::new(), samples: 0, time: scale.time(time) }, time)
            });
            append(&mut piece.copies, Copy { track: at, segment: index, offset, length: u64::from(sample.size) });
            piece.samples += 1;
            time = time.saturating_add(i64::from(sample.duration));
        }
        pieces.extend(open.map(|(piece, _)| piece));
    }
    pieces
}

/// Gives every chunk its place; says how many bytes there are.
pub(super) fn place(pieces: &[Piece], laid: &mut [Laid]) -> Result<u64, ProgressiveError> {
    let mut offset = 0_u64;
    for Piece { track, copies, samples, .. } in pieces {
        if let Some(track) = laid.get_mut(*track) {
            track.chunks.push(Chunk { samples: *samples, offset });
        }
        for copy in copies {
            offset = offset.checked_add(copy.length).ok_or(ProgressiveError::TooLarge)?;
        }
    }
    Ok(offset)
}

/// The copies of all chunks in order; neighbours in the same segment become one.
pub(super) fn joined(pieces: &[Piece]) -> Vec<Copy> {
    let mut copies = Vec::new();
    pieces.iter().flat_map(|piece| &piece.copies).for_each(|copy| append(&mut copies, *copy));
    copies
}

/// Adds a copy, or makes the last one longer where the two are neighbours.
fn append(copies: &mut Vec<Copy>, copy: Copy) {
    match copies.last_mut() {
        Some(last)
            if (last.track, last.segment) == (copy.track, copy.segment)
                && last.offset.checked_add(last.length) == Some(copy.offset) =>
        {
            last.length = last.length.saturating_add(copy.length);
        }
        _ => copies.push(copy),
    }
}
