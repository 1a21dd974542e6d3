//! What is done to pictures besides scaling, and how far each filter looks.
//!
//! A chunk is decoded from before its start to after its end. So a filter may look at neighbours when
//! the trim comes behind it; its *reach* says how many. What looks at everything before can't be cut.
//!
//! | filter       | reach                              | trim   |
//! | ------------ | ---------------------------------- | ------ |
//! | deinterlace  | one frame before and one after     | before |
//! | inverse telecine | cycles of five frames, counted from the first, and one frame beside them | before |
//! | frame rate   | one frame after: when the next one begins; places are counted from the source's zero | before |
//! | crop         | none                               | after  |
//! | denoise      | none: noise is told from texture within one picture | after |
//! | tone mapping | none: the peak is the plan's, not the frame's | after |

use serde::{Deserialize, Serialize};
use transcode_api::{Crop, DenoiseStrength};

use super::video::sixteen_bit;
use crate::{
    codec::VideoCodec,
    container::ContainerCrop,
    probe::VideoStream,
    retime::{Hold, Lead, Retiming},
    time::{Rational, Timebase},
};

/// What is done to every picture of a source, before it is scaled.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Filters {
    /// Which frames are deinterlaced.
    #[serde(default)]
    pub deinterlace: Deinterlacing,
    /// Whether film is made of video again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub inverse_telecine: bool,
    /// Frames a second; `None` keeps the source's frames and times.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub frame_rate: Option<Rational>,
    /// Pixels that are cut off the upright picture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crop: Option<Crop>,
    /// How much noise is taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub denoise: Option<DenoiseStrength>,
    /// What becomes of captions inside the pictures.
    #[serde(default, skip_serializing_if = "Captions::is_kept")]
    pub captions: Captions,
}

/// What becomes of captions inside the pictures (CEA-608 and CEA-708).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Captions {
    /// They stay with their pictures.
    #[default]
    Kept,
    /// No picture has any.
    LeftOut,
}

impl Captions {
    fn is_kept(&self) -> bool {
        *self == Captions::Kept
    }
}

/// Which frames are deinterlaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deinterlacing {
    /// Those that are marked so, wherever they are in the source.
    #[default]
    Marked,
    /// Every one.
    All,
    /// None.
    Off,
}

impl Filters {
    /// Why captions of a source can't be kept in a rendition of this codec; `None` when they can, or need not.
    pub fn loses_captions(&self, codec: &VideoCodec) -> Option<&'static str> {
        match (self.captions, self.retiming(), codec) {
            (Captions::LeftOut, ..) => None,
            // Pairs of bytes that are left out or repeated spell other words.
            (Captions::Kept, Some(_), _) => Some("another frame rate tears them apart"),
            (Captions::Kept, None, VideoCodec::H264 { .. }) => None,
            (Captions::Kept, None, _) => Some("they can be kept in H.264 only"),
        }
    }

    /// Whether pictures of the output have captions inside them.
    pub fn carries_captions(&self, stream: &VideoStream) -> bool {
        self.captions == Captions::Kept && stream.closed_captions
    }

    /// What becomes of the times of frames; `None` when they stay as they are.
    pub fn retiming(&self) -> Option<Retiming> {
        match self.inverse_telecine {
            true => Some(Retiming::Film),
            false => self.frame_rate.map(Retiming::Rate),
        }
    }

    /// Frames at a constant rate. The last of the source is followed by a copy of itself behind the end, so that it
    /// is repeated up to there: what `fps` does at the end of its input depends on the filters before it.
    pub(super) fn convert_rate(&self, hold: Option<Hold>) -> Option<String> {
        let hold = hold.map_or(String::new(), |Hold { frame, until }| {
            format!("tpad=stop=1:stop_mode=clone,setpts=if(gte(PREV_OUTPTS\\,{frame})\\,{until}\\,PTS),")
        });
        self.frame_rate.map(|rate| format!("{hold}fps=fps={rate}:round=near"))
    }

    /// Film from video: fields that belong together are put together, what is combed all the same is deinterlaced, and
    /// of each five frames the one is left out that repeats another. The first frame that is seen begins a cycle;
    /// what comes out is counted from `place`.
    pub(super) fn to_film(lead: Option<Lead>) -> Option<String> {
        lead.map(|Lead { frame, place, zero, step, tick: Timebase { num, den } }| {
            let (ticks, of) = (step.numer(), step.denom());
            format!(
                "trim=start_pts={frame},fieldmatch,bwdif=mode=send_frame:deint=interlaced,decimate,settb={num}/{den},setpts=round((N+{place})*{ticks}/{of})+{zero}"
            )
        })
    }

    /// Whether frames that are marked as interlaced need the deinterlacer, in a source that begins with others.
    pub fn deinterlaces_later(&self, stream: &VideoStream) -> bool {
        !self.inverse_telecine && self.deinterlace == Deinterlacing::Marked && !stream.interlaced
    }

    /// The deinterlacer, whose output has the source's times again: it halves the timebase. Of frames without a known
    /// rate, ffmpeg 7 and later leave captions as they are. `interleave` makes such frames of them, in millionths of a
    /// second; of times finer than that `setpts` does, up to ffmpeg 7.
    pub(super) fn deinterlace(&self, stream: &VideoStream) -> Option<String> {
        let Timebase { num, den } = stream.timebase;
        if self.inverse_telecine {
            return None;
        }
        let coarse = u64::from(num) * 250_000 >= u64::from(den);
        let which = match self.deinterlace {
            Deinterlacing::Marked if stream.interlaced => "interlaced",
            Deinterlacing::All => "all",
            Deinterlacing::Marked | Deinterlacing::Off => return None,
        };
        let unrated = if coarse { "interleave=nb_inputs=1" } else { "setpts=PTS" };
        Some(format!("{unrated},bwdif=mode=send_frame:parity=auto:deint={which},settb={num}/{den}"))
    }

    /// Takes captions out of the pictures.
    pub(super) fn without_captions(&self) -> Option<&'static str> {
        (self.captions == Captions::LeftOut).then_some("sidedata=mode=delete:type=A53_CC")
    }

    /// Crop, then denoise, of the upright picture.
    pub(super) fn upright(&self) -> Vec<String> {
        let crop = self.crop.map(|Crop { left, top, right, bottom }| {
            format!("crop=iw-{}:ih-{}:{left}:{top}:exact=1", left + right, top + bottom)
        });
        // The last two are over time: nothing of it. 0 would mean a default (ffmpeg's hqdn3d).
        let denoise = self.denoise.map(|strength| match strength {
            DenoiseStrength::Light => "hqdn3d=2:1.5:0.0001:0.0001",
            DenoiseStrength::Medium => "hqdn3d=4:3:0.0001:0.0001",
            DenoiseStrength::Strong => "hqdn3d=8:6:0.0001:0.0001",
        });
        crop.into_iter().chain(denoise.map(str::to_string)).collect()
    }
}

/// Crops to what the container shows. The size is a limit: a source may change it midway.
pub(super) fn container_crop(stream: &VideoStream) -> Option<String> {
    let VideoStream { width, height, sar, .. } = stream;
    let ContainerCrop { left, top, .. } = stream.container_crop?;
    let sar = sixteen_bit(*sar);
    let shape = format!("setsar={}/{}:max=65535", sar.numer(), sar.denom());
    Some(format!("crop=min(iw\\,{width}):min(ih\\,{height}):{left}:{top}:exact=1,{shape}"))
}

/// Turns the picture upright.
pub(super) fn rotate(stream: &VideoStream) -> Option<&'static str> {
    match (stream.mirrored, stream.rotation) {
        (false, 90) => Some("transpose=clock"),
        (false, 180) => Some("hflip,vflip"),
        (false, 270) => Some("transpose=cclock"),
        (true, 90) => Some("transpose=clock_flip"),
        (true, 180) => Some("vflip"),
        (true, 270) => Some("transpose=cclock_flip"),
        (true, _) => Some("hflip"),
        (false, _) => None,
    }
}

/// What a picture without metadata was graded for, cd/m2.
const USUAL_PEAK: u32 = 1000;
/// Reference white of SDR, cd/m2: linear light of 1 (zscale's `npl`).
const SDR_WHITE: u32 = 100;

/// PQ or HLG with BT.2020 primaries to BT.709: linear light, primaries, Hable's curve up to the peak,
/// back to gamma. Metadata of the high range goes: since ffmpeg 7 encoders write what frames have.
/// Gamma is exact (`agamma=0`): zscale's approximation depends on the processor, and was darker by a third on one.
pub(super) fn tone_map(stream: &VideoStream) -> String {
    let transfer = stream.colour.transfer.as_deref().unwrap_or("smpte2084");
    let primaries = zscale_name(stream.colour.primaries.as_deref(), "2020");
    let matrix = zscale_name(stream.colour.matrix.as_deref(), "2020_ncl");
    let range = if stream.colour.full_range { "full" } else { "limited" };
    let light = stream.hdr10.light.map(|light| u32::from(light.content));
    let display = stream.hdr10.mastering.map(|display| display.max_luminance / 10_000);
    // HLG is relative: zscale shows it on a display of the usual peak, whatever it was graded on.
    let known = light.or(display).filter(|_| transfer != "arib-std-b67");
    let peak = known.unwrap_or(USUAL_PEAK).clamp(SDR_WHITE, 10_000);
    let (whole, rest) = (peak / SDR_WHITE, peak % SDR_WHITE);
    format!(
        "zscale=tin={transfer}:pin={primaries}:min={matrix}:rin={range}:t=linear:p={primaries}:npl={SDR_WHITE}:agamma=0,format=gbrpf32le,\
         zscale=p=709,tonemap=tonemap=hable:desat=0:peak={whole}.{rest:02},zscale=t=709:m=709:r=limited:agamma=0,\
         sidedata=mode=delete:type=MASTERING_DISPLAY_METADATA,sidedata=mode=delete:type=CONTENT_LIGHT_LEVEL"
    )
}

/// zscale's name of primaries or a matrix, which are BT.2020's unless the source says so.
fn zscale_name(said: Option<&str>, usual: &'static str) -> &'static str {
    match said {
        Some("bt709") => "709",
        Some("smpte432") => "smpte432",
        _ => usual,
    }
}
