//! Sample entries: what the encoder says of itself, and nothing else of what the muxer wrote.

use super::{
    asc,
    bytes::{BoxError, Cursor},
    writer::Writer,
};
use crate::level::Conformance;

/// Decoder configuration of a video encoder: the body of its box, unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VideoCodecConfig {
    /// H.264, `avc1`: `avcC` (ISO/IEC 14496-15 5.3.3.1).
    Avc(Vec<u8>),
    /// H.265, `hvc1`: `hvcC` (ISO/IEC 14496-15 8.3.3.1).
    Hevc(Vec<u8>),
    /// AV1, `av01`: `av1C` (AV1 in ISOBMFF 2.3).
    Av1(Vec<u8>),
    /// VP9, `vp09`: `vpcC` with version and flags (VP Codec ISO Media File Format Binding 1.0).
    Vp9(Vec<u8>),
}

/// Decoder configuration of an audio encoder: the body of its box, unchanged but for the ES_ID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AudioCodecConfig {
    /// AAC, `mp4a`: `esds` with version and flags (ISO/IEC 14496-14 6.7), its ES_ID 0.
    Aac(Vec<u8>),
    /// Opus: `dOps` (Opus in ISOBMFF 4.3.2), with the pre-skip.
    Opus(Vec<u8>),
    /// AC-3, `ac-3`: `dac3` (ETSI TS 102 366 F.4).
    Ac3(Vec<u8>),
    /// E-AC-3, `ec-3`: `dec3` (ETSI TS 102 366 F.6).
    Eac3(Vec<u8>),
    /// MP3, `mp4a`: `esds` with version and flags, its ES_ID 0.
    Mp3(Vec<u8>),
    /// FLAC, `fLaC`: `dfLa` with version and flags (Encapsulation of FLAC in ISOBMFF 3.3.2).
    Flac(Vec<u8>),
}

/// What a video sample entry is rebuilt from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoEntry {
    /// Codec and configuration.
    pub config: VideoCodecConfig,
    /// Coded width, pixels.
    pub width: u16,
    /// Coded height, pixels.
    pub height: u16,
}

/// What an audio sample entry is rebuilt from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AudioEntry {
    /// Codec and configuration.
    pub config: AudioCodecConfig,
    /// Channels after decoding.
    pub channels: u16,
    /// Hz after decoding.
    pub sample_rate: u32,
    /// Body of `chnl` (ISO/IEC 14496-12 12.2.4) when the muxer wrote one.
    pub channel_layout: Option<Vec<u8>>,
}

/// The sample entry of a track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SampleEntry {
    /// Pictures.
    Video(VideoEntry),
    /// Sound.
    Audio(AudioEntry),
}

impl VideoEntry {
    /// Of VP9, whose level stands in the container alone: ffmpeg's muxer takes it from a frame rate that it may not
    /// know. Encoders of the others write theirs.
    pub fn of_level(mut self, Conformance { level, .. }: Conformance) -> Self {
        if let VideoCodecConfig::Vp9(record) = &mut self.config
            && let Some(said) = record.get_mut(5)
        {
            *said = level;
        }
        self
    }
}

impl VideoCodecConfig {
    /// Bytes of the length before each NAL unit, and whether it is HEVC; `None` for AV1 and VP9.
    pub(super) fn nal_units(&self) -> Result<Option<(usize, bool)>, BoxError> {
        let (record, at, name, hevc) = match self {
            VideoCodecConfig::Avc(record) => (record, 4, "avcC", false),
            VideoCodecConfig::Hevc(record) => (record, 21, "hvcC", true),
            VideoCodecConfig::Av1(_) | VideoCodecConfig::Vp9(_) => return Ok(None),
        };
        let byte = record.get(at).ok_or(BoxError::CutOff(name))?;
        Ok(Some((usize::from(byte & 3) + 1, hevc)))
    }
}

/// A sample entry as it was read, with what stands beside the configuration.
pub(super) struct ReadEntry<'a> {
    pub(super) entry: SampleEntry,
    /// Its boxes.
    pub(super) boxes: Cursor<'a>,
}

impl AudioEntry {
    /// For a track that throws these many samples away at its start. Opus says it a second time, in `PreSkip`.
    pub fn primed(mut self, priming: u32) -> Self {
        if let AudioCodecConfig::Opus(config) = &mut self.config
            && let (Some(told), Ok(priming)) = (config.get_mut(2..4), u16::try_from(priming))
        {
            told.copy_from_slice(&priming.to_be_bytes());
        }
        self
    }
}

impl AudioCodecConfig {
    /// Samples that a decoder gives before the first sample of the sound, and which a player throws away:
    /// `PreSkip` of Opus (Encapsulation of Opus in ISOBMFF 4.3.2), else `initial_padding` of ffmpeg's encoders.
    pub fn priming(&self) -> u32 {
        match self {
            AudioCodecConfig::Opus(config) => {
                config.get(2..4).map_or(0, |b| b.iter().fold(0, |n, b| n << 8 | u32::from(*b)))
            }
            AudioCodecConfig::Aac(_) => 1024,
            AudioCodecConfig::Ac3(_) | AudioCodecConfig::Eac3(_) => 256,
            // LAME's delay of 576, and the decoder's of 528 and 1.
            AudioCodecConfig::Mp3(_) => 1105,
            AudioCodecConfig::Flac(_) => 0,
        }
    }
}

/// Reads the body of `stsd` (8.5.2), which must have one entry of a known kind.
pub(super) fn read(mut stsd: Cursor<'_>) -> Result<ReadEntry<'_>, BoxError> {
    stsd.version_flags()?;
    if stsd.u32()? != 1 {
        return Err(BoxError::invalid("stsd", "must have one sample entry"));
    }
    let (kind, body) = stsd.next_box()?.ok_or(BoxError::Missing("stsd"))?;
    match &kind {
        b"avc1" | b"hvc1" | b"av01" | b"vp09" => video(&kind, body),
        b"mp4a" | b"Opus" | b"ac-3" | b"ec-3" | b"fLaC" => audio(&kind, body),
        _ => Err(BoxError::invalid("stsd", "the sample entry is not known")),
    }
}

/// `VisualSampleEntry` (12.1.3).
fn video<'a>(kind: &[u8; 4], body: &'a [u8]) -> Result<ReadEntry<'a>, BoxError> {
    let mut fields = Cursor::new(body, "visual sample entry");
    fields.take(24)?;
    let (width, height) = (fields.u16()?, fields.u16()?);
    fields.take(50)?;
    let config = match kind {
        b"avc1" => VideoCodecConfig::Avc(fields.one("avcC")?.rest().to_vec()),
        b"hvc1" => VideoCodecConfig::Hevc(fields.one("hvcC")?.rest().to_vec()),
        b"av01" => VideoCodecConfig::Av1(fields.one("av1C")?.rest().to_vec()),
        _ => VideoCodecConfig::Vp9(fields.one("vpcC")?.rest().to_vec()),
    };
    Ok(ReadEntry { entry: SampleEntry::Video(VideoEntry { config, width, height }), boxes: fields })
}

/// `AudioSampleEntry` (12.2.3). ffmpeg writes two channels for whatever AAC, and a 16-bit rate, so
/// the configuration is asked first.
fn audio<'a>(kind: &[u8; 4], body: &'a [u8]) -> Result<ReadEntry<'a>, BoxError> {
    let mut fields = Cursor::new(body, "audio sample entry");
    fields.take(8)?;
    if fields.u16()? != 0 {
        return Err(BoxError::invalid("stsd", "a QuickTime sound description"));
    }
    fields.take(6)?;
    let channels = fields.u16()?;
    fields.take(6)?;
    let sample_rate = fields.u32()? >> 16;
    let (config, channels, sample_rate) = match kind {
        b"mp4a" => {
            let esds = fields.one("esds")?.rest();
            let said = asc::read(esds)?;
            let config = match said.object_type_indication {
                asc::MPEG1_AUDIO | asc::MPEG2_AUDIO => AudioCodecConfig::Mp3(asc::without_id(esds)),
                _ => AudioCodecConfig::Aac(asc::without_id(esds)),
            };
            (config, said.channels.unwrap_or(channels), said.sample_rate.unwrap_or(sample_rate))
        }
        b"ac-3" => (AudioCodecConfig::Ac3(fields.one("dac3")?.rest().to_vec()), channels, sample_rate),
        b"ec-3" => (AudioCodecConfig::Eac3(fields.one("dec3")?.rest().to_vec()), channels, sample_rate),
        b"fLaC" => {
            let dfla = fields.one("dfLa")?.rest();
            (AudioCodecConfig::Flac(dfla.to_vec()), channels, stream_info(dfla)?.0)
        }
        _ => {
            let dops = fields.one("dOps")?;
            let channels = dops.rest().get(1).ok_or(BoxError::CutOff("dOps"))?;
            (AudioCodecConfig::Opus(dops.rest().to_vec()), u16::from(*channels), 48_000)
        }
    };
    let channel_layout = fields.find("chnl")?.map(|chnl| chnl.rest().to_vec());
    let entry = AudioEntry { config, channels, sample_rate, channel_layout };
    Ok(ReadEntry { entry: SampleEntry::Audio(entry), boxes: fields })
}

/// Of STREAMINFO (RFC 9639 8.2): the sample rate, which may not fit the sample entry, and the bits of a sample.
fn stream_info(dfla: &[u8]) -> Result<(u32, u16), BoxError> {
    let mut fields = Cursor::new(dfla, "dfLa");
    // Version and flags, the block's header, sizes of blocks and frames.
    fields.take(4 + 4 + 10)?;
    // 20 bits of rate, 3 of channels, 5 of bits less one, 4 of the length.
    let packed = fields.u32()?;
    Ok((packed >> 12, (packed >> 4 & 0x1f) as u16 + 1))
}

/// Writes a visual sample entry; `more` adds the boxes after the configuration.
pub(super) fn write_video(w: &mut Writer, entry: &VideoEntry, more: impl FnOnce(&mut Writer)) {
    let (kind, config, record) = match &entry.config {
        VideoCodecConfig::Avc(record) => (b"avc1", b"avcC", record),
        VideoCodecConfig::Hevc(record) => (b"hvc1", b"hvcC", record),
        VideoCodecConfig::Av1(record) => (b"av01", b"av1C", record),
        VideoCodecConfig::Vp9(record) => (b"vp09", b"vpcC", record),
    };
    w.boxed(kind, |w| {
        w.zeros(6);
        w.u16(1); // data_reference_index
        w.zeros(16);
        w.u16(entry.width);
        w.u16(entry.height);
        w.u32(0x0048_0000); // 72 dpi, as the box is defined
        w.u32(0x0048_0000);
        w.zeros(4);
        w.u16(1); // frames per sample
        w.zeros(32); // compressor name: none, it would differ between builds
        w.u16(0x0018); // depth
        w.u16(0xffff);
        w.boxed(config, |w| w.bytes(record));
        more(w);
    });
}

/// Bits of a sample: those of FLAC (Encapsulation of FLAC in ISOBMFF 3.3.1), else 16, as the box is defined.
fn bits(config: &AudioCodecConfig) -> u16 {
    match config {
        AudioCodecConfig::Flac(dfla) => stream_info(dfla).map_or(16, |(_, bits)| bits),
        _ => 16,
    }
}

/// Writes an audio sample entry.
pub(super) fn write_audio(w: &mut Writer, entry: &AudioEntry) {
    let (kind, config, record) = match &entry.config {
        AudioCodecConfig::Aac(record) => (b"mp4a", b"esds", record),
        AudioCodecConfig::Opus(record) => (b"Opus", b"dOps", record),
        AudioCodecConfig::Ac3(record) => (b"ac-3", b"dac3", record),
        AudioCodecConfig::Eac3(record) => (b"ec-3", b"dec3", record),
        AudioCodecConfig::Mp3(record) => (b"mp4a", b"esds", record),
        AudioCodecConfig::Flac(record) => (b"fLaC", b"dfLa", record),
    };
    w.boxed(kind, |w| {
        w.zeros(6);
        w.u16(1); // data_reference_index
        w.zeros(8);
        w.u16(entry.channels);
        w.u16(bits(&entry.config));
        w.zeros(4);
        // 16.16; of rates that don't fit the largest part that does (Encapsulation of FLAC in ISOBMFF 3.3.1).
        let parts = [1, 2, 4].map(|part| u16::try_from(entry.sample_rate / part));
        w.u16(parts.into_iter().find_map(Result::ok).unwrap_or(0));
        w.u16(0);
        w.boxed(config, |w| w.bytes(record));
        if let Some(layout) = &entry.channel_layout {
            w.boxed(b"chnl", |w| w.bytes(layout));
        }
    });
}
