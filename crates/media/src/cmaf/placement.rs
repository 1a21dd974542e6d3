//! Where the samples of a chunk belong: the decode time rule, and what makes a segment whole.

use std::ops::Range;

use super::{
    encoded::EncodedSample,
    rewrite::{ChunkPlan, RewriteError, SegmentFrames, Times},
};

/// A sample, and its place in the output.
#[derive(Debug, Clone, Copy)]
pub(super) struct Placed {
    pub(super) offset: u64,
    pub(super) size: u32,
    pub(super) duration: u32,
    pub(super) composition_offset: u32,
    pub(super) sync: bool,
    /// Presentation time, ticks.
    pub(super) shown: i64,
}

/// A segment, ready to be written.
#[derive(Debug)]
pub(super) struct Planned {
    pub(super) number: u32,
    /// Samples of the track before it.
    pub(super) before: u32,
    pub(super) samples: usize,
    pub(super) start: i64,
    pub(super) duration: u64,
}

/// The plan's segments, after a check of the plan itself.
pub(super) fn planned(plan: &ChunkPlan<'_>) -> Result<Vec<Planned>, RewriteError> {
    let rising = plan.times.iter().zip(plan.times.iter().skip(1).chain([&plan.end]));
    if !rising.into_iter().all(|(early, late)| early < late) {
        return Err(RewriteError::Plan("the frames' times do not rise up to the end"));
    }
    if plan.times.first().is_none_or(|first| *first < 0) {
        return Err(RewriteError::Plan("there are no frames, or one before 0"));
    }
    let at = |frame: usize| plan.times.get(frame).copied().unwrap_or(plan.end);
    let (mut segments, mut next) = (Vec::with_capacity(plan.segments.len()), 0);
    for segment in plan.segments {
        let Range { start: first, end } = segment.frames;
        if first != next || end <= first || end > plan.times.len() {
            return Err(RewriteError::Plan("the segments do not partition the frames"));
        }
        next = end;
        segments.push(Planned {
            number: segment.number,
            before: plan.before.saturating_add(u32::try_from(first).unwrap_or(u32::MAX)),
            samples: end - first,
            start: at(first),
            duration: at(end).abs_diff(at(first)),
        });
    }
    match next == plan.times.len() {
        true => Ok(segments),
        false => Err(RewriteError::Plan("the segments do not partition the frames")),
    }
}

/// Gives every sample its place, or says why that can't be.
pub(super) fn placed(samples: &[EncodedSample], plan: &ChunkPlan<'_>) -> Result<Vec<Placed>, RewriteError> {
    if samples.is_empty() {
        return Err(RewriteError::Empty { expected: plan.times.len() });
    }
    let mut frames: Vec<(i64, usize)> =
        samples.iter().enumerate().map(|(at, sample)| (sample.pts.saturating_add(plan.offset), at)).collect();
    frames.sort_unstable();
    check_frames(&frames, plan.times)?;
    check_segments(&frames, samples, plan.segments)?;
    let mut shown = vec![0; samples.len()];
    for (time, at) in frames {
        if let Some(shown) = shown.get_mut(at) {
            *shown = time;
        }
    }
    timed(samples, &shown, plan)
}

/// The sorted encoded times must be the plan's.
fn check_frames(frames: &[(i64, usize)], times: &[i64]) -> Result<(), RewriteError> {
    let (mut missing, mut unexpected) = (Times::default(), Times::default());
    let mut expected = times.iter().copied().peekable();
    for (time, _) in frames {
        while let Some(early) = expected.next_if(|expected| expected < time) {
            missing.push(early);
        }
        if expected.next_if_eq(time).is_none() {
            unexpected.push(*time);
        }
    }
    expected.for_each(|time| missing.push(time));
    match missing.count + unexpected.count {
        0 => Ok(()),
        _ => Err(RewriteError::FrameMismatch { missing, unexpected }),
    }
}

/// Each segment must be closed, and begin with a sync sample. `frames` are the samples' indexes in
/// presentation order.
fn check_segments(
    frames: &[(i64, usize)],
    samples: &[EncodedSample],
    segments: &[SegmentFrames],
) -> Result<(), RewriteError> {
    let sync = |at: usize| samples.get(at).is_some_and(|sample| sample.sync);
    for segment in segments {
        let number = segment.number;
        let shown = frames.get(segment.frames.clone()).unwrap_or_default();
        let (coded_first, Some((time, shown_first))) = (segment.frames.start, shown.first()) else {
            return Err(RewriteError::Plan("a segment has no frames"));
        };
        if !sync(coded_first) && !sync(*shown_first) {
            return Err(RewriteError::NoKeyframe { segment: number, time: *time });
        }
        if let Some((time, _)) = shown.iter().find(|(_, at)| !segment.frames.contains(at)) {
            return Err(RewriteError::OpenSegment { segment: number, time: *time });
        }
        if !sync(coded_first) {
            return Err(RewriteError::OpenSegment { segment: number, time: *time });
        }
    }
    Ok(())
}

/// Decode times, durations and composition offsets; `shown` is each sample's presentation time.
fn timed(samples: &[EncodedSample], shown: &[i64], plan: &ChunkPlan<'_>) -> Result<Vec<Placed>, RewriteError> {
    let early = plan.times.iter().zip(shown).map(|(decode, shown)| decode.saturating_sub(*shown));
    let needed = early.max().unwrap_or(0).max(0).unsigned_abs();
    let planned = plan.composition_delay;
    if needed > u64::from(planned) {
        return Err(RewriteError::DelayTooShort { needed, planned });
    }
    let until = plan.times.iter().skip(1).chain([&plan.end]);
    let rows = samples.iter().zip(shown).zip(plan.times.iter().zip(until));
    rows.map(|((sample, shown), (decode, until))| {
        let too_long = |_| RewriteError::Plan("two frames are too far apart for 32-bit durations");
        let offset = shown.saturating_sub(*decode).saturating_add(i64::from(planned));
        Ok(Placed {
            offset: sample.offset,
            size: sample.size,
            duration: u32::try_from(until.saturating_sub(*decode)).map_err(too_long)?,
            composition_offset: u32::try_from(offset).map_err(too_long)?,
            sync: sample.sync,
            shown: *shown,
        })
    })
    .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{super::rewrite::Fragments::KeyFrames, *};

    /// Samples in decode order, presented at `order` places of `times`.
    fn samples(times: &[i64], order: &[usize]) -> Vec<EncodedSample> {
        let sample = |(n, at): (usize, &usize)| EncodedSample {
            dts: n as i64,
            pts: times[*at] - 7,
            duration: 1,
            sync: n == 0,
            offset: n as u64,
            size: 1,
        };
        order.iter().enumerate().map(sample).collect()
    }

    fn chunk() -> impl Strategy<Value = (Vec<i64>, Vec<usize>)> {
        let steps = prop::collection::vec(1_i64..5000, 1..80);
        steps.prop_flat_map(|steps| {
            let times: Vec<i64> = steps
                .iter()
                .scan(0, |at, step| {
                    *at += step;
                    Some(*at)
                })
                .collect();
            // The keyframe is presented first; the rest in any order.
            let rest: Vec<usize> = (1..times.len()).collect();
            let order = Just(rest).prop_shuffle();
            (Just(times), order.prop_map(|rest| [vec![0], rest].concat()))
        })
    }

    proptest! {
        #[test]
        fn decode_times_are_the_sorted_presentation_times((times, order) in chunk(), last in 1_i64..5000) {
            let samples = samples(&times, &order);
            let end = times[times.len() - 1] + last;
            let whole = [SegmentFrames { number: 1, frames: 0..times.len() }];
            let plan = ChunkPlan { before: 0, times: &times, end, offset: 7, composition_delay: 0, segments: &whole, fragments: KeyFrames };
            // A delay of 0 says how much is needed, and exactly that is enough.
            let needed = match placed(&samples, &plan) {
                Ok(_) => 0,
                Err(RewriteError::DelayTooShort { needed, planned: 0 }) => needed as u32,
                Err(other) => return Err(TestCaseError::fail(other.to_string())),
            };
            let short = ChunkPlan { composition_delay: needed.saturating_sub(1), ..plan };
            prop_assert_eq!(placed(&samples, &short).is_ok(), needed == 0);
            let plan = ChunkPlan { composition_delay: needed, ..plan };
            let mut decode = times[0];
            for (row, at) in placed(&samples, &plan).unwrap().iter().zip(&order) {
                let shown = decode + i64::from(row.composition_offset) - i64::from(needed);
                prop_assert_eq!(shown, times[*at]);
                decode += i64::from(row.duration);
            }
            prop_assert_eq!(decode, end);
        }
    }

    #[test]
    fn frames_of_another_segment_are_an_open_group() {
        let times: Vec<i64> = (0..6).collect();
        let mut open = samples(&times, &[0, 1, 3, 2, 4, 5]);
        open[2].sync = true;
        let two = [SegmentFrames { number: 1, frames: 0..3 }, SegmentFrames { number: 2, frames: 3..6 }];
        let plan = ChunkPlan {
            before: 0,
            times: &times,
            end: 6,
            offset: 7,
            composition_delay: 9,
            segments: &two,
            fragments: KeyFrames,
        };
        let error = placed(&open, &plan).unwrap_err();
        assert!(matches!(error, RewriteError::OpenSegment { segment: 1, time: 2 }), "{error}");
    }

    #[test]
    fn plans_that_contradict_themselves_are_refused() {
        let frames = |number, frames| SegmentFrames { number, frames };
        let good = [frames(1, 0..2), frames(2, 2..3)];
        let plan = ChunkPlan {
            before: 0,
            times: &[0, 5, 9],
            end: 10,
            offset: 0,
            composition_delay: 0,
            segments: &good,
            fragments: KeyFrames,
        };
        assert!(planned(&plan).is_ok());
        for wrong in [
            ChunkPlan { times: &[0, 9, 5], ..plan },
            ChunkPlan { times: &[-1, 5, 9], ..plan },
            ChunkPlan { end: 9, ..plan },
            ChunkPlan { segments: &good[..1], ..plan },
            ChunkPlan { segments: &[frames(1, 0..1), frames(2, 2..3)], ..plan },
            ChunkPlan { segments: &[frames(1, 0..4)], ..plan },
            ChunkPlan { times: &[], segments: &[], ..plan },
        ] {
            assert!(matches!(planned(&wrong), Err(RewriteError::Plan(_))), "{wrong:?}");
        }
    }
}
