//! What a media segment holds (`moof`, `mdat`; ISO/IEC 14496-12 8.8).

use super::{
    InitFacts, InspectError, MediaKind,
    bitstream::{self, Coding},
    boxes::{BoxRef, Bytes, Children, split},
    roll,
    runs::Runs,
};

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

/// What a media segment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFacts {
    /// `mfhd.sequence_number`.
    pub sequence: u32,
    /// `tfdt.baseMediaDecodeTime`, ticks, before the edit list.
    pub decode_time: u64,
    /// In decode order; never empty.
    pub samples: Vec<SampleFacts>,
    /// The first sample really is a random access point, by its bitstream: IDR (H.264, HEVC), or a
    /// sequence header and a shown key frame (AV1). Always true for sound.
    pub starts_with_random_access: bool,
    /// The encoder wrote its name and settings into the bitstream.
    pub has_encoder_banner: bool,
    /// The pre-roll that all samples have, access units; negative.
    pub roll: Option<i16>,
}

impl SegmentFacts {
    /// Decode time after the last sample, ticks, before the edit list.
    pub fn decode_end(&self) -> u64 {
        self.decode_time + self.samples.iter().map(|s| u64::from(s.duration)).sum::<u64>()
    }

    /// Bytes from the start of the file to the end of the first sample.
    pub fn key_bytes(&self) -> u64 {
        self.samples.first().map_or(0, |s| s.offset + u64::from(s.size))
    }
}

/// Boxes that may stand beside `moof` and `mdat`: they hold no media (ISO/IEC 23000-19 7.3.2.3).
const HARMLESS: [&[u8; 4]; 6] = [b"styp", b"sidx", b"prft", b"emsg", b"free", b"skip"];

/// Reads a media segment: one `moof`, then one `mdat` that holds exactly its samples, nothing else
/// but harmless boxes.
pub fn inspect_segment(data: &[u8], init: &InitFacts) -> Result<SegmentFacts, InspectError> {
    let (moof, mdat) = media_boxes(data)?;
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
    let coding = coding(init);
    let first = samples.first().map(|sample| slice(data, sample)).unwrap_or_default();
    let mut has_encoder_banner = false;
    for (at, sample) in samples.iter().enumerate() {
        has_encoder_banner |= bitstream::check(slice(data, sample), coding, at)?;
    }
    Ok(SegmentFacts {
        sequence,
        decode_time,
        starts_with_random_access: bitstream::starts_at_random_access(first, coding)?,
        has_encoder_banner,
        roll: roll::of_all(&traf, &init.rolls, samples.len())?,
        samples,
    })
}

fn media_boxes(data: &[u8]) -> Result<(BoxRef<'_>, BoxRef<'_>), InspectError> {
    let all = split(data)?;
    let media: Vec<_> = all.iter().filter(|b| !HARMLESS.contains(&&b.kind)).collect();
    for (at, media) in media.iter().enumerate() {
        let wanted = [b"moof", b"mdat"].get(at).is_some_and(|kind| media.kind == **kind);
        if !wanted {
            return Err(InspectError::Unexpected {
                kind: media.kind.escape_ascii().to_string(),
                at: media.at,
                size: (media.body_at - media.at + media.body.len()) as u64,
            });
        }
    }
    match media.as_slice() {
        [moof, mdat] => Ok((**moof, **mdat)),
        [_] => Err(InspectError::Missing("mdat")),
        _ => Err(InspectError::Missing("moof")),
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
