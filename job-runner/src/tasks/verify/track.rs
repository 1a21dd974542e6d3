//! A track by its boxes: init segment, every segment, and how they follow each other.

use futures::StreamExt;
use transcode_engine::{cover::end_of_sound, extend::renditions};
use transcode_media::{
    chunk::Chunk,
    cmaf::rewrite::Fragments,
    codec::AudioCodec,
    inspect::{
        Finding, InitFacts, LightBoxes, MediaKind, SampleFacts, SegmentFacts, continuity, inspect_init, inspect_segment,
    },
    ladder::Rendition,
    probe::Hdr10,
    rate::{CapCheck, SegmentSizes},
    spatial::Spatial,
    time::{MediaTime, human},
    timeline::Timeline,
    track::{FinishedTrack, Segment, TrackKind, VideoRange},
};

use super::{Verify, spatial};
use crate::{error::TaskError, tasks::audio::PASSTHROUGH_SLACK};

/// Segments that are read at a time.
const PARALLEL: usize = 4;
/// How far the end of an audio track may be from the source's: an access unit, and what containers
/// round.
const AUDIO_TOLERANCE: MediaTime = MediaTime::new_raw(1, 10);

/// What `mdcv` and `clli` have to hold (ISO/IEC 14496-12 12.1.6 and 12.1.7), bytes in network order.
fn light_boxes(hdr10: &Hdr10) -> LightBoxes {
    let pair = |(a, b): (u16, u16)| [a.to_be_bytes(), b.to_be_bytes()].concat();
    let display = hdr10.mastering.map(|display| {
        let [red, green, blue] = display.primaries;
        let places = [green, blue, red, display.white].into_iter().flat_map(pair);
        let luminances = [display.max_luminance, display.min_luminance].into_iter().flat_map(u32::to_be_bytes);
        places.chain(luminances).collect()
    });
    LightBoxes {
        mastering_display: display,
        content_light_level: hdr10.light.map(|level| pair((level.content, level.average))),
    }
}

impl Verify<'_> {
    /// Every frame of every segment at its time.
    pub(super) async fn video(
        &mut self,
        track: &FinishedTrack,
        timeline: &Timeline,
        chunks: &[Chunk],
    ) -> Result<(), TaskError> {
        let init = self.init(track).await?;
        self.conforms(track, &init)?;
        let spans: Vec<_> = chunks.iter().flat_map(|c| c.segments.iter().zip(c.first_segment..)).collect();
        let (blame, mut rate, fragments) = (self.blame, self.rate(track)?, self.context.fragments()?);
        let (mut findings, mut over) = (vec![], None);
        let look = |claimed: &Segment, facts: &SegmentFacts| {
            let span = spans.iter().find(|(_, number)| *number == claimed.number).map(|(span, _)| **span);
            let Some(span) = span else {
                return Err(format!("segment {} is not in the chunk table", claimed.number));
            };
            let expected: Vec<i64> = (span.first..span.first + span.frames).map(|f| timeline.at(f)).collect();
            let mut found: Vec<i64> = facts.samples.iter().map(|s| s.pts).collect();
            found.sort_unstable();
            if found != expected {
                findings.push(blame.segment(track, claimed, "its frames are not those of the source"));
            } else if facts.decode_end() as i64 != timeline.at(span.first + span.frames) {
                findings.push(blame.segment(track, claimed, "its durations do not lead to the next segment"));
            } else if let Some(wrong) = misplaced(facts, fragments, claimed.number, span.first) {
                findings.push(blame.segment(track, claimed, &wrong));
            }
            if over.is_none() {
                over = rate.as_mut().and_then(|check| holds(check, track, claimed, facts).err());
            }
            Ok(())
        };
        self.segments(track, &init, look).await?;
        TaskError::all(findings)?;
        if let Some(over) = over {
            return Err(self.wrong(track, over));
        }
        let present = track.segments.len() + track.gaps.len();
        if present != spans.len() {
            return Err(self.wrong(track, format!("there are {present} segments and gaps instead of {}", spans.len())));
        }
        Ok(())
    }

    fn rendition(&self, track: &FinishedTrack) -> Result<Option<Rendition>, TaskError> {
        let all = renditions(&self.context.task.spec, self.context.media()?).renditions;
        Ok(all.into_iter().find(|rendition| rendition.name == track.track.name))
    }

    /// Profile, tier and level are those of the table: a player decides by them whether it can play at all.
    fn conforms(&self, track: &FinishedTrack, init: &InitFacts) -> Result<(), TaskError> {
        let rendition = self.rendition(track)?;
        let wanted = rendition.and_then(|rendition| self.context.media().ok()?.conformance(&rendition));
        match (&init.kind, wanted) {
            (MediaKind::Video { conformance, .. }, Some(wanted)) if *conformance != wanted => {
                Err(self.wrong(track, format!("its headers say {conformance}; its pictures and rate need {wanted}")))
            }
            _ => Ok(()),
        }
    }

    /// The rate model of a rendition that has one.
    fn rate(&self, track: &FinishedTrack) -> Result<Option<CapCheck>, TaskError> {
        let cap = self.rendition(track)?.and_then(|rendition| rendition.codec.rate().cap());
        let segment = self.context.task.spec.segment_duration;
        Ok(cap.map(|cap| CapCheck::new(cap, track.track.timescale, segment)))
    }

    /// The whole sound, from its priming to the source's end. Sound that is passed through may begin late.
    pub(super) async fn audio(&mut self, n: usize, track: &FinishedTrack) -> Result<(), TaskError> {
        let init = self.init(track).await?;
        let (mut first, mut end, mut rolls, mut before) = (None, 0, None, 0);
        let look = |claimed: &Segment, facts: &SegmentFacts| {
            if !numbered(facts, before) {
                return Err(format!("segment {} is not numbered by its access units", claimed.number));
            }
            before += claimed.samples;
            first = first.or(facts.samples.first().map(|sample| sample.pts));
            end = facts.decode_end() as i64;
            // Of a track of one unit, which may be short, nobody knows.
            let told = if facts.samples.len() == 1 { facts.roll } else { roll(&init, &facts.samples) };
            let rolls = *rolls.get_or_insert(told);
            if (facts.roll, init.rolls.as_slice()) != (rolls, rolls.as_slice()) {
                let (number, found) = (claimed.number, (facts.roll, &init.rolls));
                return Err(format!("segment {number} has a pre-roll of {found:?} instead of {rolls:?}"));
            }
            Ok(())
        };
        self.segments(track, &init, look).await?;
        let first = first.unwrap_or(0);
        let source = self.context.media()?.audio.get(n).map(|facts| track.track.timescale.round(facts.start));
        let (late, slack) = match source.filter(|_| self.passes_through()) {
            Some(late) => (late, track.track.timescale.round(PASSTHROUGH_SLACK)),
            None => (0, 0),
        };
        let expected = late - init.edit_media_time;
        if (first - expected).abs() > slack {
            return Err(self.wrong(track, format!("it starts at tick {first} instead of {expected}")));
        }
        let end = track.track.timescale.time(end - init.edit_media_time);
        if let Some(facts) = self.context.media()?.audio.get(n) {
            let expected = end_of_sound(&self.context.task.spec, self.context.media()?, facts);
            if end < expected - AUDIO_TOLERANCE || end > expected + AUDIO_TOLERANCE {
                let (end, expected) = (human(end), human(expected));
                return Err(self.wrong(track, format!("it ends at {end}, and should end at {expected}")));
            }
        }
        Ok(())
    }

    /// Whether the codec's own header says how many channels there are: MP3 has none, and what is passed through may say
    /// it in a way that the boxes don't.
    fn tells_channels(&self) -> bool {
        !matches!(self.context.task.spec.audio, Some(AudioCodec::Mp3 { .. } | AudioCodec::Passthrough))
    }

    fn passes_through(&self) -> bool {
        self.context.task.spec.audio == Some(AudioCodec::Passthrough)
    }

    async fn init(&self, track: &FinishedTrack) -> Result<InitFacts, TaskError> {
        let bytes = self.checked(track, None).await?;
        let init = inspect_init(&bytes).map_err(|e| self.wrong(track, format!("its init segment: {e}")))?;
        let claimed = &track.track;
        let same = init.codec == claimed.codec && init.timescale == claimed.timescale;
        let kind = match (&init.kind, &claimed.kind) {
            (
                MediaKind::Video { width, height, sar, light, spatial, .. },
                TrackKind::Video { width: w, height: h, sar: s, range, .. },
            ) => {
                let stream = self.context.media()?.info.video.as_ref();
                let hdr10 = stream.map_or(Hdr10::default(), |v| v.hdr10);
                let filters = &self.context.task.spec.filters;
                let kept = stream.map_or(Spatial::default(), |stream| Spatial::kept(stream, filters).0);
                let hdr10 = if *range == VideoRange::Sdr { Hdr10::default() } else { hdr10 };
                let lit = *light == light_boxes(&hdr10);
                lit && (width, height, sar) == (w, h, s) && *spatial == spatial::boxes(&kept)
            }
            // ES_ID is 0 in files (CMAF, ISO/IEC 23000-19, 10.3.4.2.3).
            (
                MediaKind::Audio { channels, sample_rate, stream_id },
                TrackKind::Audio { channels: expected, sample_rate: rate, .. },
            ) => {
                let same = sample_rate == rate && (channels == expected || !self.tells_channels());
                same && stream_id.is_none_or(|id| id == 0)
            }
            _ => false,
        };
        if same && kind {
            Ok(init)
        } else {
            Err(self.wrong(
                track,
                format!(
                    "its init segment says {} at {} ticks a second, its result {} at {}",
                    init.codec, init.timescale.0, claimed.codec, claimed.timescale.0
                ),
            ))
        }
    }

    /// Reads and checks every segment by itself, and how it follows the one before. One is kept at a time, and
    /// `look` sees each that is whole.
    async fn segments(
        &mut self,
        track: &FinishedTrack,
        init: &InitFacts,
        mut look: impl FnMut(&Segment, &SegmentFacts) -> Result<(), String>,
    ) -> Result<(), TaskError> {
        let (this, facts_of) = (&*self, init);
        let reads = track.segments.iter().map(|claimed| async move {
            let bytes = this.checked(track, Some(claimed)).await?;
            let facts =
                inspect_segment(&bytes, facts_of).map_err(|e| this.blame.segment(track, claimed, &e.to_string()))?;
            let same = facts.samples.len() as u32 == claimed.samples
                && facts.key_bytes() == claimed.key_bytes
                && facts.further_keys() == claimed.further_keys;
            if same {
                Ok((claimed, facts))
            } else {
                Err(this.blame.segment(track, claimed, "its boxes are not what its result says"))
            }
        });
        // What is passed through says what its encoder wanted it to say.
        let passed = self.passes_through() && matches!(track.track.kind, TrackKind::Audio { .. });
        let theirs = |finding: &Finding| passed && matches!(finding, Finding::EncoderBanner { .. });
        let (mut findings, mut wrong, mut before, mut samples) = (vec![], None, None, 0);
        let mut reads = futures::stream::iter(reads).buffered(PARALLEL);
        while let Some(read) = reads.next().await {
            let (claimed, facts) = match read {
                Ok(read) => read,
                Err(finding) => {
                    findings.push(finding);
                    continue;
                }
            };
            let pair: Vec<(u32, SegmentFacts)> = before.take().into_iter().chain([(claimed.number, facts)]).collect();
            let seam = continuity(&pair, &track.gaps).into_iter().find(|finding| !theirs(finding));
            wrong = wrong.or(seam.map(|finding| finding.to_string()));
            before = pair.into_iter().next_back();
            if let Some((_, facts)) = &before {
                samples += facts.samples.len() as u64;
                wrong = wrong.or(look(claimed, facts).err());
            }
        }
        drop(reads);
        TaskError::all(findings)?;
        if let Some(wrong) = wrong {
            return Err(self.wrong(track, wrong));
        }
        self.seen.segments += track.segments.len() as u64;
        self.seen.samples += samples;
        Ok(())
    }
}

/// The pre-roll that a seeking decoder needs, access units: 80 ms of Opus (Encapsulation of Opus in ISOBMFF 4.3.6.2), one
/// unit of AAC (QuickTime File Format, appendix G). Only the last unit of a track may be short.
pub(super) fn roll(init: &InitFacts, samples: &[SampleFacts]) -> Option<i16> {
    let unit = i64::from(samples.iter().map(|sample| sample.duration).max()?.max(1));
    match init.codec.as_str() {
        "Opus" => {
            i16::try_from((init.timescale.ceil(MediaTime::millis(80)) + unit - 1) / unit).ok().map(|units| -units)
        }
        codec if codec.starts_with("mp4a.40.") => Some(-1),
        _ => None,
    }
}

/// Why the fragments of a segment of video are not where they should be, if so; `before` are the frames before it.
fn misplaced(facts: &SegmentFacts, fragments: Fragments, number: u32, before: u32) -> Option<String> {
    match fragments {
        Fragments::KeyFrames => match facts.hidden_key() {
            Some(key) => Some(format!("the key frame at tick {} begins no fragment", key.pts)),
            None => (!numbered(facts, before)).then(|| "its fragments are not numbered by their frames".into()),
        },
        Fragments::Segments => match &facts.fragments[..] {
            [fragment] if fragment.sequence == number => None,
            _ => Some("it is not one fragment with its own number".into()),
        },
    }
}

/// Whether `mfhd.sequence_number` of each fragment is that of its first sample in the track, of which so many come before
/// the segment.
fn numbered(facts: &SegmentFacts, before: u32) -> bool {
    let number = |first: usize| u32::try_from(first).ok().and_then(|first| before.checked_add(first)?.checked_add(1));
    facts.fragments.iter().all(|fragment| number(fragment.samples.start) == Some(fragment.sequence))
}

/// Whether the rate model still holds with a segment.
fn holds(check: &mut CapCheck, track: &FinishedTrack, claimed: &Segment, facts: &SegmentFacts) -> Result<(), String> {
    if track.gaps.iter().any(|gap| gap.number + 1 == claimed.number) {
        check.gap();
    }
    let samples: Vec<(u32, u32)> = facts.samples.iter().map(|s| (s.size, s.duration)).collect();
    let boxes = claimed.file.bytes.saturating_sub(samples.iter().map(|s| u64::from(s.0)).sum());
    let segment = SegmentSizes { number: claimed.number, boxes, samples };
    check.next(&segment).map_err(|error| error.to_string())
}
