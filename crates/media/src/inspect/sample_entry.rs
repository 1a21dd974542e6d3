//! `stsd` (ISO/IEC 14496-12 8.5.2): one sample entry, and the configuration record in it.

use super::{
    InspectError,
    bitstream::has_banner,
    boxes::{Bytes, Children, split},
    codec, conformance,
    init::{Colour, LightBoxes, MediaKind, SpatialBoxes, aspect},
};
use crate::time::Rational;

/// What the sample entry says.
pub(super) struct SampleEntry {
    pub(super) codec: String,
    pub(super) kind: MediaKind,
    pub(super) nal_length_size: Option<u8>,
    pub(super) has_encoder_banner: bool,
}

pub(super) fn read(stsd: &[u8]) -> Result<SampleEntry, InspectError> {
    let mut bytes = Bytes::new(stsd, "stsd");
    bytes.version_flags()?;
    if bytes.u32()? != 1 {
        return Err(InspectError::invalid("stsd", "must have one sample entry"));
    }
    let entries = split(bytes.take(bytes.remaining())?)?;
    let [entry] = entries.as_slice() else {
        return Err(InspectError::invalid("stsd", "must have one sample entry"));
    };
    match &entry.kind {
        b"avc1" | b"avc3" | b"hvc1" | b"hev1" | b"av01" | b"vp09" => visual(&entry.kind, entry.body),
        b"mp4a" | b"Opus" | b"ac-3" | b"ec-3" | b"fLaC" => audio(&entry.kind, entry.body),
        other => {
            let name = other.escape_ascii();
            Err(InspectError::invalid("stsd", format!("sample entry `{name}` is not known")))
        }
    }
}

/// `VisualSampleEntry` (12.1.3).
fn visual(kind: &[u8; 4], body: &[u8]) -> Result<SampleEntry, InspectError> {
    let mut bytes = Bytes::new(body, "visual sample entry");
    bytes.take(24)?;
    let (width, height) = (u32::from(bytes.u16()?), u32::from(bytes.u16()?));
    bytes.take(50)?;
    let boxes = Children::of(bytes.take(bytes.remaining())?)?;
    let sar = boxes.maybe("pasp")?.map_or(Ok(Rational::from_integer(1)), aspect)?;
    let colour = colour(&boxes)?;

    let (codec, conformance, nal_length_size, parameter_sets) = match kind {
        b"avc1" | b"avc3" => {
            let record = codec::avc(boxes.one("avcC")?)?;
            let (text, conformance) = (codec::avc_text(kind, &record), conformance::avc(&record)?);
            let sets = [record.sequence_parameter_sets, record.picture_parameter_sets].concat();
            (text, conformance, Some(record.length_size), sets)
        }
        b"hvc1" | b"hev1" => {
            let record = codec::hevc(boxes.one("hvcC")?)?;
            let (text, conformance) = (codec::hevc_text(kind, &record), conformance::hevc(&record)?);
            let sets = record.arrays.into_iter().flat_map(|array| array.nalus).collect();
            (text, conformance, Some(record.length_size_minus_one + 1), sets)
        }
        b"vp09" => {
            let (text, conformance) = codec::vp9(boxes.one("vpcC")?)?;
            (text, conformance, None, vec![])
        }
        _ => {
            let record = codec::av1(boxes.one("av1C")?)?;
            let (text, conformance) = (codec::av1_text(&record, colour), conformance::av1(&record)?);
            (text, conformance, None, vec![record.config_obus])
        }
    };
    if nal_length_size == Some(3) {
        return Err(InspectError::invalid("stsd", "NAL lengths of 3 bytes are not allowed"));
    }
    Ok(SampleEntry {
        codec,
        kind: MediaKind::Video {
            width,
            height,
            sar,
            colour,
            conformance,
            light: light(&boxes)?,
            spatial: spatial(&boxes)?,
        },
        nal_length_size,
        has_encoder_banner: parameter_sets.iter().any(|nal| has_banner(nal)),
    })
}

/// The first `colr` of type `nclx` (12.1.5).
fn colour(boxes: &Children) -> Result<Option<Colour>, InspectError> {
    for colr in boxes.all("colr") {
        let mut bytes = Bytes::new(colr.body, "colr");
        if bytes.take(4)? == b"nclx" {
            return Ok(Some(Colour {
                primaries: bytes.u16()?,
                transfer: bytes.u16()?,
                matrix: bytes.u16()?,
                full_range: bytes.u8()? & 0x80 != 0,
            }));
        }
    }
    Ok(None)
}

/// `mdcv` and `clli` (12.1.6, 12.1.5.4 of the 2022 edition), as they stand.
fn light(boxes: &Children) -> Result<LightBoxes, InspectError> {
    let owned = |body: Option<&[u8]>| body.map(<[u8]>::to_vec);
    Ok(LightBoxes { mastering_display: owned(boxes.maybe("mdcv")?), content_light_level: owned(boxes.maybe("clli")?) })
}

/// `st3d` and `sv3d` (Spherical Video V2), as they stand.
fn spatial(boxes: &Children) -> Result<SpatialBoxes, InspectError> {
    let projection = match boxes.maybe("sv3d")? {
        Some(body) => Some(Children::of(body)?.one("proj")?.to_vec()),
        None => None,
    };
    Ok(SpatialBoxes { stereo: boxes.maybe("st3d")?.map(<[u8]>::to_vec), projection })
}

/// `AudioSampleEntry` (12.2.3).
fn audio(kind: &[u8; 4], body: &[u8]) -> Result<SampleEntry, InspectError> {
    let mut bytes = Bytes::new(body, "audio sample entry");
    bytes.take(8)?;
    if bytes.u16()? != 0 {
        return Err(InspectError::invalid("stsd", "a QuickTime sound description"));
    }
    bytes.take(6)?;
    let (channels, bits) = (u32::from(bytes.u16()?), bytes.u16()?);
    bytes.take(4)?;
    let sample_rate = bytes.u32()? >> 16;
    let boxes = Children::of(bytes.take(bytes.remaining())?)?;
    let (codec, channels, sample_rate) = match kind {
        b"mp4a" => codec::aac(boxes.one("esds")?, channels, sample_rate)?,
        b"ac-3" => codec::ac3(boxes.one("dac3")?)?,
        b"ec-3" => codec::eac3(boxes.one("dec3")?)?,
        b"fLaC" => codec::flac(boxes.one("dfLa")?, bits)?,
        _ => codec::opus(boxes.one("dOps")?)?,
    };
    let stream_id = boxes.maybe("esds")?.map(codec::stream_id).transpose()?;
    Ok(SampleEntry {
        codec,
        kind: MediaKind::Audio { channels, sample_rate, stream_id },
        nal_length_size: None,
        has_encoder_banner: false,
    })
}
