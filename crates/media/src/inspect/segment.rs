//! What a media segment holds (`moof` and `mdat` in turn; ISO/IEC 14496-12 8.8).

use std::ops::Range;

use super::{
    InitFacts, InspectError, MediaKind,
    bitstream::{self, Coding},
    boxes::{BoxRef, Bytes, Children, split},
    roll,
    runs::Runs,
};
use crate::track::KeyFrame;

/// One access unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SampleFacts {
    /// Presentation time after the edit list, ticks: `tfdt` + durations before + composition offset
    /// - `elst`.
    pub pts: i64,
    /// Decode time after the edit list, ticks.
    pub dts: i64,
    /// Ticks.
    pub duration: u32,
    /// Bytes.
    pub size: u32,
    /// Marked as a sync sample.
    pub sync: bool,
    /// Of its first byte in the file.
    pub offset: u64,
}

/// What a fragment, one `moof` and its `mdat`, says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FragmentFacts {
    /// `mfhd.sequence_number`.
    pub sequence: u32,
    /// Of the first byte of `moof` in the file.
    pub offset: u64,
    /// `tfdt.baseMediaDecodeTime`, ticks, before the edit list.
    pub decode_time: u64,
    /// Which of [`SegmentFacts::samples`] are its own; never empty.
    pub samples: Range<usize>,
    /// The first sample really is a random access point, by its bitstream: IDR (H.264, HEVC), or a
    /// sequence header and a shown key frame (AV1). Always true for sound.
    pub starts_with_random_access: bool,
}

/// What a media segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFacts {
    /// In order; never empty.
    pub fragments: Vec<FragmentFacts>,
    /// Of all fragments, in decode order; never empty.
    pub samples: Vec<SampleFacts>,
    /// The encoder wrote its name and settings into the bitstream.
    pub has_encoder_banner: bool,
    /// The pre-roll that all samples have, access units; negative.
    pub roll: Option<i16>,
}

impl SegmentFacts {
    /// Decode time of the first sample, ticks, before the edit list.
    pub fn decode_time(&self) -> u64 {
        self.fragments.first().map_or(0, |fragment| fragment.decode_time)
    }

    /// Decode time after the last sample, ticks, before the edit list.
    pub fn decode_end(&self) -> u64 {
        self.fragments.last().map_or(0, |fragment| self.end_of(fragment))
    }

    /// The same of a fragment.
    pub(super) fn end_of(&self, fragment: &FragmentFacts) -> u64 {
        fragment.decode_time + self.of(fragment).iter().map(|s| u64::from(s.duration)).sum::<u64>()
    }

    /// Samples of a fragment.
    pub(super) fn of(&self, fragment: &FragmentFacts) -> &[SampleFacts] {
        self.samples.get(fragment.samples.clone()).unwrap_or_default()
    }

    /// Bytes from the start of the file to the end of the first sample.
    pub fn key_bytes(&self) -> u64 {
        self.samples.first().map_or(0, |s| s.offset + u64::from(s.size))
    }

    /// The first samples of all fragments but the first, as key frames.
    pub fn further_keys(&self) -> Vec<KeyFrame> {
        let key = |fragment: &FragmentFacts| {
            let samples = self.of(fragment);
            samples.first().map(|first| KeyFrame {
                offset: fragment.offset,
                bytes: first.offset + u64::from(first.size) - fragment.offset,
                start: first.pts,
                samples: samples.len() as u32,
            })
        };
        self.fragments.iter().skip(1).filter_map(key).collect()
    }

    /// A sync sample that isn't the first of its fragment: nobody can find it.
    pub fn hidden_key(&self) -> Option<&SampleFacts> {
        self.fragments.iter().flat_map(|fragment| self.of(fragment).iter().skip(1)).find(|sample| sample.sync)
    }
}

/// Boxes that may stand beside `moof` and `mdat`: they hold no media (ISO/IEC 23000-19 7.3.2.3).
const HARMLESS: [&[u8; 4]; 6] = [b"styp", b"sidx", b"prft", b"emsg", b"free", b"skip"];

/// Reads a media segment: fragments of one `moof` and then one `mdat` that holds exactly its samples, nothing else
/// but harmless boxes.
pub fn inspect_segment(data: &[u8], init: &InitFacts) -> Result<SegmentFacts, InspectError> {
    let coding = coding(init);
    let mut segment =
        SegmentFacts { fragments: Vec::new(), samples: Vec::new(), has_encoder_banner: false, roll: None };
    for (n, (moof, mdat)) in media_boxes(data)?.into_iter().enumerate() {
        let (sequence, decode_time, samples, roll) = fragment(&moof, &mdat, init)?;
        let from = segment.samples.len();
        for (sample, at) in samples.iter().zip(from..) {
            segment.has_encoder_banner |= bitstream::check(slice(data, sample), coding, at)?;
        }
        let first = samples.first().map(|sample| slice(data, sample)).unwrap_or_default();
        segment.roll = if n == 0 { roll } else { segment.roll.filter(|of_others| roll == Some(*of_others)) };
        segment.samples.extend(samples);
        segment.fragments.push(FragmentFacts {
            sequence,
            offset: moof.at as u64,
            decode_time,
            samples: from..segment.samples.len(),
            starts_with_random_access: bitstream::starts_at_random_access(first, coding)?,
        });
    }
    Ok(segment)
}

/// What the boxes of a fragment say: sequence number, decode time, samples, and the pre-roll of all of them.
type Fragment = (u32, u64, Vec<SampleFacts>, Option<i16>);

fn fragment(moof: &BoxRef<'_>, mdat: &BoxRef<'_>, init: &InitFacts) -> Result<Fragment, InspectError> {
    let children = Children::of(moof.body)?;
    let sequence = full_u32(children.one("mfhd")?, "mfhd")?;
    let traf = children.inside("traf")?;
    let decode_time = decode_time(traf.one("tfdt")?)?;
    let start = i64::try_from(decode_time)
        .ok()
        .and_then(|time| time.checked_sub(init.edit_media_time))
        .ok_or_else(|| InspectError::invalid("tfdt", "the time overflows"))?;
    let media = (mdat.body_at as u64, (mdat.body_at + mdat.body.len()) as u64);
    let mut runs = Runs::new(traf.one("tfhd")?, init, moof.at as u64, start, media)?;
    for trun in traf.all("trun") {
        runs.read(trun.body)?;
    }
    let samples = runs.finish()?;
    let roll = roll::of_all(&traf, &init.rolls, samples.len())?;
    Ok((sequence, decode_time, samples, roll))
}

/// Each `moof` with its `mdat`; at least one.
fn media_boxes(data: &[u8]) -> Result<Vec<(BoxRef<'_>, BoxRef<'_>)>, InspectError> {
    let all = split(data)?;
    let media: Vec<_> = all.into_iter().filter(|b| !HARMLESS.contains(&&b.kind)).collect();
    for (media, wanted) in media.iter().zip([b"moof", b"mdat"].into_iter().cycle()) {
        if media.kind != *wanted {
            return Err(InspectError::Unexpected {
                kind: media.kind.escape_ascii().to_string(),
                at: media.at,
                size: (media.body_at - media.at + media.body.len()) as u64,
            });
        }
    }
    match media.as_chunks() {
        ([], []) => Err(InspectError::Missing("moof")),
        (_, [_, ..]) => Err(InspectError::Missing("mdat")),
        (fragments, []) => Ok(fragments.iter().map(|[moof, mdat]| (*moof, *mdat)).collect()),
    }
}

fn full_u32(body: &[u8], kind: &'static str) -> Result<u32, InspectError> {
    let mut bytes = Bytes::new(body, kind);
    bytes.version_flags()?;
    bytes.u32()
}

fn decode_time(body: &[u8]) -> Result<u64, InspectError> {
    let mut bytes = Bytes::new(body, "tfdt");
    let wide = bytes.version_flags()?.0 == 1;
    bytes.sized(wide)
}

fn coding(init: &InitFacts) -> Coding {
    match (&init.kind, init.nal_length_size) {
        (MediaKind::Audio { .. }, _) => Coding::Sound,
        (_, None) if init.codec.starts_with("vp09") => Coding::Vp9,
        (_, None) => Coding::Av1,
        (_, Some(length)) if init.codec.starts_with("avc") => Coding::Avc(length),
        (_, Some(length)) => Coding::Hevc(length),
    }
}

/// The bytes of a sample. Its bounds were checked against `mdat`.
fn slice<'a>(data: &'a [u8], sample: &SampleFacts) -> &'a [u8] {
    let start = sample.offset as usize;
    data.get(start..start + sample.size as usize).unwrap_or_default()
}
