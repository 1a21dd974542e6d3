//! What a user should know although the job goes on: soft failures, gaps, and everything about the
//! source that is changed or left out.

use transcode_api::{Format, Position, status::Warning};
use transcode_media::{
    argv::filters::Deinterlacing,
    index::clock::direction,
    ladder::Rendition,
    probe::OtherHdr,
    spatial::Spatial,
    time::{MediaTime, human},
    track::VideoRange,
};

use crate::{
    assess::{Progress, StageProgress},
    cover,
    extend::renditions,
    facts::{Damage, Facts, Holes, MediaSummary, VideoFacts},
    plan::{StageEnd, StageId, StageKind},
    spec::ResolvedSpec,
};

mod listed;
mod sound;

/// Warnings in a status at most.
const MOST: usize = 64;

/// All of them.
pub fn warnings(spec: &ResolvedSpec, facts: &Facts, progress: &Progress) -> Vec<Warning> {
    let of_stages = progress.stages.iter().filter_map(|(id, standing)| of_stage(id, standing));
    let damage = facts.package().map(|package| package.damage).unwrap_or_default();
    let of_output = facts.media().into_iter().flat_map(|media| of_output(spec, media, damage));
    of_stages.chain(of_output).take(MOST).collect()
}

/// Those about what is published, whatever became of the tasks.
pub fn of_output(spec: &ResolvedSpec, media: &MediaSummary, damage: Damage) -> Vec<Warning> {
    let changes = damage.sound_changes.then(|| sound::changes(spec, media));
    let later = interlaced_later(spec, media, damage.interlaced);
    let all = of_source(spec, media).into_iter().chain(changes).chain(damaged(damage)).chain(later);
    all.take(MOST).collect()
}

fn of_stage(id: &StageId, standing: &StageProgress) -> Option<Warning> {
    let (reason, message) = match standing.end()? {
        StageEnd::SoftFailed(failure) => {
            let message = standing.last_failure.as_ref().map(|f| f.message.chars().take(500).collect());
            (failure.reason().to_string(), message.unwrap_or_default())
        }
        StageEnd::DoneWithGaps(gaps) => {
            ("Gaps".into(), format!("chunks {gaps} could not be made; they are gaps in every rendition"))
        }
        _ => return None,
    };
    Some(Warning { stage: id.to_string(), reason, message, attempts: standing.failed_attempts })
}

fn of_source(spec: &ResolvedSpec, media: &MediaSummary) -> Vec<Warning> {
    let left = media.info.left_out.iter();
    let left = left.map(|left| note(StageKind::Probe, "TrackLeftOut", format!("{left} is left out")));
    let rungs = renditions(spec, media).notes.into_iter().map(|words| note(StageKind::Split, "RungLeftOut", words));
    let pictures = media.video.iter().flat_map(of_video).chain(converted(spec, media)).chain(shown(spec, media));
    let cut = (media.missing_bytes > 0).then(|| {
        let words =
            format!("the source is cut: {} bytes are there, and {} are missing", media.bytes, media.missing_bytes);
        note(StageKind::Probe, "SourceCut", words)
    });
    let complaint = media.info.complaint.as_ref().map(|complaint| {
        note(
            StageKind::Probe,
            "SourceDamaged",
            format!("the source's container is damaged, and what can't be read is missing; ffprobe says: {complaint}"),
        )
    });
    left.chain(cut)
        .chain(complaint)
        .chain(signed(spec))
        .chain(of_clock(media))
        .chain(pictures)
        .chain(thumbnail(spec, media))
        .chain(sound::of_sound(spec, media))
        .chain(listed::warnings(spec, media))
        .chain(cover::warnings(spec, media))
        .chain(rungs)
        .collect()
}

/// Parameters by which URLs are signed: AWS (SigV4 and CloudFront), Google Cloud, Azure, Akamai, and what others call theirs.
const SIGNATURES: [&str; 9] =
    ["X-Amz-Signature", "X-Goog-Signature", "Signature", "sig", "hdnts", "hdnea", "token", "access_token", "signature"];

/// A URL that opens something to whoever can read the job.
fn signed(spec: &ResolvedSpec) -> Option<Warning> {
    let query = spec.input.http.as_ref()?.url.as_ref()?.split_once('?')?.1;
    let names = query.split('&').filter_map(|pair| pair.split('=').next());
    let found = names.into_iter().find(|name| SIGNATURES.contains(name))?;
    let words = format!(
        "the URL of the source has a signature ({found}), which whoever can read the job can use too: keep the URL in a Secret, and name it in inputs[0].http.urlSecretRef"
    );
    Some(note(StageKind::Probe, "UrlIsSigned", words))
}

/// Times that can't be right, and what was done about them.
fn of_clock(media: &MediaSummary) -> Vec<Warning> {
    let clock = &media.info.clock;
    let at = |time: MediaTime| human(time - media.origin);
    let jumps = clock.jumps.map(|jumps| match jumps.count {
        1 => format!(
            "the source's clock jumps {} at {}: the parts before and after are joined without a pause",
            direction(jumps.by),
            at(jumps.first)
        ),
        count => format!(
            "the source's clock jumps in {count} places, first {} at {}: the parts are joined without pauses",
            direction(jumps.by),
            at(jumps.first)
        ),
    });
    let back = media.info.audio.iter().enumerate().filter_map(|(n, audio)| {
        let step = clock.steps_back.iter().find(|step| step.stream == audio.index)?;
        let more = if step.count == 1 { String::new() } else { format!(" and {} times later", step.count - 1) };
        let (by, at) = (human(step.by), at(step.first));
        Some(format!(
            "the times of audio track {n} step back at {at}{more}, by {by} in all: the overlapping sound is dropped"
        ))
    });
    let strays = clock.strays.map(|strays| {
        format!(
            "{} pictures after {} have timestamps that jump {} and back: they are left out",
            strays.pictures,
            at(strays.at),
            direction(strays.by)
        )
    });
    let last = clock.last_picture.map(|time| {
        format!(
            "the last picture is to be shown for {}, far longer than the rest of the source lasts; it ends with the sound, or lasts as long as the other pictures",
            human(time)
        )
    });
    let all = jumps.map(|words| ("ClockJumps", words)).into_iter();
    let all =
        all.chain(back.map(|words| ("SoundStepsBack", words))).chain(strays.map(|words| ("PicturesLeftOut", words)));
    all.chain(last.map(|words| ("LastPictureCut", words)))
        .map(|(reason, words)| note(StageKind::Probe, reason, words))
        .collect()
}

fn damaged(damage: Damage) -> Vec<Warning> {
    let frames = format!("{} frames are damaged in the source, and shown as the decoder made them up", damage.frames);
    let packets = format!("{} packets of the source's sound can't be decoded", damage.packets);
    let all = [(damage.frames, StageKind::Encode, frames), (damage.packets, StageKind::Audio, packets)];
    all.into_iter().filter(|(n, ..)| *n > 0).map(|(_, stage, words)| note(stage, "SourceDamaged", words)).collect()
}

/// Interlaced frames of a source that begins with progressive ones.
fn interlaced_later(spec: &ResolvedSpec, media: &MediaSummary, frames: u32) -> Option<Warning> {
    let stream = media.info.video.as_ref().filter(|_| frames > 0)?;
    let (reason, what) = match spec.filters.deinterlace {
        _ if spec.filters.inverse_telecine || stream.interlaced => return None,
        Deinterlacing::Off => ("Combed", "deinterlace is disabled, and they are published combed"),
        Deinterlacing::Marked | Deinterlacing::All => ("Deinterlaced", "each of them becomes one progressive picture"),
    };
    let words = format!("{frames} frames of the source are interlaced, although its first frames are not: {what}");
    Some(note(StageKind::Encode, reason, words))
}

fn of_video(video: &VideoFacts) -> Vec<Warning> {
    let equal =
        format!("{} frames have the time of the frame before them and are shown one tick later", video.equal_times);
    let head = format!(
        "{} frames at the start refer to frames that the source does not have, and can't be decoded",
        video.undecodable_head
    );
    let tail = format!(
        "{} frames at the end can't be decoded, because the source is cut there; they are left out",
        video.undecodable_tail
    );
    let converted = converted_rate(video).map(|words| note(StageKind::Split, "FrameRateConverted", words));
    let all = [
        (video.undecodable_tail, "UndecodableEnd", tail),
        (video.equal_times, "EqualTimes", equal),
        (video.undecodable_head, "UndecodableStart", head),
    ];
    all.into_iter()
        .filter(|(count, ..)| *count > 0)
        .map(|(_, reason, words)| note(StageKind::Probe, reason, words))
        .chain(video.holes.as_ref().map(held))
        .chain(converted)
        .collect()
}

fn converted_rate(video: &VideoFacts) -> Option<String> {
    let source = video.source?;
    let repeats = video.own_frames() - (source.frames - source.left_out);
    Some(format!(
        "{} frames at {} fps become {} at {} fps: {} are left out, and {repeats} repeat the frame before them",
        source.frames,
        source.frame_rate,
        video.own_frames(),
        video.frame_rate,
        source.left_out
    ))
}

/// Chroma and depth that no rendition keeps.
fn converted(spec: &ResolvedSpec, media: &MediaSummary) -> Option<Warning> {
    let stream = media.info.video.as_ref()?;
    let format = stream.pixel_format.as_str();
    let kept =
        ["yuv420", "yuva420", "yuvj420", "gray", "nv12", "nv21", "p010"].iter().any(|kept| format.starts_with(kept));
    let most = renditions(spec, media).renditions.iter().map(|r| r.codec.bit_depth(stream.bit_depth)).max()?;
    let fewer = most < stream.bit_depth;
    let words = format!("the source's pictures are {format}; they become 4:2:0 with {most} bits");
    (!kept || fewer).then(|| note(StageKind::Encode, "PicturesConverted", words))
}

/// What is done to interlaced pictures and to a high dynamic range, and which renditions HLS leaves out.
fn shown(spec: &ResolvedSpec, media: &MediaSummary) -> Vec<Warning> {
    let Some(stream) = &media.info.video else {
        let asked = spec.renditions.as_ref().is_some_and(|list| !list.is_empty());
        let words = "the source has no video: none of the renditions is made, only the sound";
        return asked.then(|| note(StageKind::Probe, "NoVideo", words.into())).into_iter().collect();
    };
    let made = renditions(spec, media).renditions;
    let names = |of: &dyn Fn(&Rendition) -> bool| {
        let names: Vec<&str> = made.iter().filter(|r| of(r)).map(|r| r.name.as_str()).collect();
        (!names.is_empty()).then(|| names.join(", "))
    };
    let mut found: Vec<(&str, String)> = vec![];
    match (stream.interlaced, spec.filters.deinterlace) {
        (true, Deinterlacing::Off) => {
            found.push((
                "Combed",
                "the source is interlaced, and deinterlace is disabled: its pictures are combed".into(),
            ));
        }
        (true, _) if !spec.filters.inverse_telecine => {
            found.push(("Deinterlaced", "the source is interlaced: each frame becomes one progressive picture".into()))
        }
        _ => {}
    }
    let standard = |r: &Rendition| r.range == VideoRange::Sdr;
    if let Some(names) = names(&standard).filter(|_| stream.colour.is_hdr()) {
        found.push((
            "ToneMapped",
            format!("the source has a high dynamic range; it is tone-mapped to BT.709 in {names}"),
        ));
    }
    if stream.alpha {
        let words = "the source's pictures have an alpha channel, which is dropped: every pixel is shown opaque, in the colour that is stored for it";
        found.push(("AlphaDropped", words.into()));
    }
    if let Some(other) = stream.other_hdr {
        let what = match other {
            OtherHdr::DolbyVision(profile) => format!("Dolby Vision (profile {profile})"),
            OtherHdr::Hdr10Plus => "HDR10+".into(),
        };
        found.push((
            "DynamicMetadataLeftOut",
            format!("the metadata of {what} are left out; what lies below them is kept"),
        ));
    }
    if !Spatial::kept(stream, &spec.filters).1 {
        let words = "the source's metadata of spherical or stereoscopic pictures can't be kept in full: players show what is left of it, or a flat picture";
        found.push(("SphericalMetadataLeftOut", words.into()));
    }
    let hidden = |r: &Rendition| !r.codec.in_hls();
    if let Some(names) = names(&hidden).filter(|_| spec.formats.contains(&Format::Hls)) {
        found.push(("NotInHls", format!("HLS does not list {names}: Apple's players know no VP9 in it; `vp9: {{hls: true}}` lists it all the same")));
    }
    found.into_iter().map(|(reason, words)| note(StageKind::Encode, reason, words)).collect()
}

/// A thumbnail that is not the one that was asked for.
fn thumbnail(spec: &ResolvedSpec, media: &MediaSummary) -> Option<Warning> {
    let words = match (&media.info.video, spec.thumbnail.as_ref()?.at) {
        (None, _) => "the source has no video, and so there is no thumbnail".into(),
        (Some(_), Some(Position::Time(at))) if at >= media.duration => {
            format!("thumbnail.at is {}, and the source ends at {}: its end is drawn", human(at), human(media.duration))
        }
        _ => return None,
    };
    Some(note(StageKind::Thumbnail, "ThumbnailMoved", words))
}

/// Pictures that the source lacks.
fn held(holes: &Holes) -> Warning {
    let words = match holes.count {
        1 => format!("the source has no pictures {}: the picture before is held", stretch(holes)),
        count => format!(
            "the source has no pictures in {count} places, {} in all, the first {}: the picture before is held",
            human(holes.silence),
            stretch(holes)
        ),
    };
    note(StageKind::Probe, "PicturesMissing", words)
}

/// From when to when the first hole is.
fn stretch(holes: &Holes) -> String {
    match holes.first_end > holes.first {
        false => format!("at {}", human(holes.first)),
        true => format!("from {} to {}", human(holes.first), human(holes.first_end)),
    }
}

pub(crate) fn note(stage: StageKind, reason: &str, message: String) -> Warning {
    Warning { stage: stage.name().into(), reason: reason.into(), message, attempts: 0 }
}
