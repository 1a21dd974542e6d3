//! Job and profiles to one resolved spec: merge, apply defaults, validate as a whole.
//!
//! Profiles come in order, a later one wins, the job last. Objects merge field by field; scalars and
//! lists replace; a codec union replaces whole when it names another codec; stores merge by name,
//! each entry whole, so that credentials never meet another layer's endpoint.

use serde_json::{Map, Value};
use transcode_api::{
    Attempts, AudioEncode, AudioTrackChoice, AverageBitrate, Bitrate, CappedCrf, Crop, DynamicRange, FanOut, Format,
    FrameRate, Mode, ProcessingOptions, ProfileSpec, Scheduling, StoreSpec, TranscodeJob, VideoEncode, VideoOptions,
    WorkData, X26xPreset, video,
};
use transcode_media::{
    argv::filters::{Captions, Deinterlacing, Filters},
    codec::{AudioCodec, VideoCodec},
    ladder::Rung,
    language::bcp47,
    rate::{Cap, Rate},
    time::MediaTime,
};

use crate::{
    plan::RetryPolicy,
    spec::{ResolvedSpec, ResolvedThumbnail},
    tracks::TrackChoice,
};

/// A field that can't be resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {message}")]
pub struct Invalid {
    /// `spec.outputs[0].s3.store`
    pub path: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// Default length of a segment.
const SEGMENT: MediaTime = MediaTime::seconds(4);

/// Resolves a job. `profiles` are those that it names, in its order, found by the driver.
pub fn resolve(job: &TranscodeJob, profiles: &[ProfileSpec]) -> Result<ResolvedSpec, Vec<Invalid>> {
    let merged = Merged::of(job, profiles).map_err(|e| vec![e])?;
    let mut problems = vec![];
    let (Some(input), Some(output)) = (job.spec.inputs.first(), job.spec.outputs.first()) else {
        return Err(vec![invalid("spec", "needs one input and one output")]);
    };
    let stores = [
        ("spec.inputs[0].s3.store", input.s3.as_ref().map(|s| &s.store)),
        ("spec.outputs[0].s3.store", output.s3.as_ref().map(|s| &s.store)),
    ];
    problems.extend(stores.into_iter().filter_map(|(path, store)| unknown_store(path, store?, &merged.stores)));
    let options = &merged.options;
    let video = options.video.clone().unwrap_or_default();
    let segment_duration = video.segment_duration.unwrap_or(SEGMENT);
    // The schema has this range for all forms but fractions.
    if !(MediaTime::seconds(1)..=MediaTime::seconds(30)).contains(&segment_duration) {
        problems.push(invalid("spec.options.video.segmentDuration", &format!("{segment_duration} is not 1s to 30s")));
    }
    if let Some(FrameRate::Constant(rate)) = video.frame_rate.filter(|rate| !rate.in_range()) {
        problems.push(invalid("spec.options.video.frameRate", &format!("{rate} is not 1 to 120 fps")));
    }
    let filters = filters(&video);
    problems.extend(film_and_more(&filters));
    let codec = video_codec(video.encode.as_ref());
    check_rate("spec.options.video.encode", &codec, &mut problems);
    let renditions = rungs(options.renditions.as_deref(), &codec, video.dynamic_range, &mut problems);
    let audio = options.audio.clone().unwrap_or_default();
    let audio_tracks = track_choices(audio.tracks.as_deref().unwrap_or_default(), &mut problems);
    let audio = match audio.mode {
        Some(Mode::Disabled) => None,
        _ => Some(audio_codec(audio.encode.as_ref(), &mut problems)),
    };
    let retry = merged.retry.unwrap_or_default();
    let scheduling = merged.scheduling.unwrap_or_default();
    let spec = ResolvedSpec {
        name: job.metadata.name.clone().unwrap_or_default(),
        namespace: job.metadata.namespace.clone().unwrap_or_else(|| "default".into()),
        stores: merged.stores,
        input: input.clone(),
        output: output.clone(),
        formats: output
            .formats
            .clone()
            .unwrap_or_else(|| vec![Format::Hls, Format::Dash, Format::Mp4])
            .into_iter()
            .collect(),
        video: codec,
        dynamic_range: video.dynamic_range,
        filters,
        segment_duration,
        fan_out: video.fan_out.unwrap_or(FanOut::Auto),
        renditions,
        audio,
        audio_tracks,
        thumbnail: options.thumbnail.as_ref().filter(|t| t.mode != Some(Mode::Disabled)).map(|t| ResolvedThumbnail {
            at: t.at,
            within: t.within,
            format: t.format.unwrap_or_default(),
        }),
        integrity: options.integrity.unwrap_or_default(),
        max_parallel: scheduling.max_parallel,
        scheduling,
        critical: policy(retry.critical.as_ref(), RetryPolicy::CRITICAL),
        enhancement: policy(retry.enhancement.as_ref(), RetryPolicy::ENHANCEMENT),
        whole_below_seconds: None,
        most_cpu_hours: None,
        delete_work: merged.work_data.and_then(|w| w.delete_on).unwrap_or_default(),
    };
    if spec.renditions.as_ref().is_some_and(Vec::is_empty) && spec.audio.is_none() {
        problems.push(invalid("spec.options", "renditions is empty and audio is disabled: nothing would be made"));
    }
    if problems.is_empty() { Ok(spec) } else { Err(problems) }
}

/// What inverse telecine can't be together with.
fn film_and_more(filters: &Filters) -> Option<Invalid> {
    let other = match (filters.frame_rate, filters.deinterlace) {
        (Some(_), _) => "frameRate",
        (None, Deinterlacing::All) => "deinterlace",
        (None, Deinterlacing::Marked | Deinterlacing::Off) => return None,
    };
    let message = format!("can't be together with {other}: it makes 23.976 or 24 progressive frames a second");
    filters.inverse_telecine.then(|| invalid("spec.options.video.inverseTelecine", &message))
}

fn unknown_store(path: &str, store: &str, stores: &[StoreSpec]) -> Option<Invalid> {
    let known: Vec<&str> = stores.iter().map(|store| store.name.as_str()).collect();
    if known.contains(&store) {
        return None;
    }
    let known = if known.is_empty() { "there are none".into() } else { known.join(", ") };
    Some(invalid(path, &format!("no store is named `{store}` (in spec.stores: {known})")))
}

fn invalid(path: &str, message: &str) -> Invalid {
    Invalid { path: path.into(), message: message.into() }
}

fn policy(asked: Option<&Attempts>, default: RetryPolicy) -> RetryPolicy {
    let asked = asked.cloned().unwrap_or_default();
    let seconds = |value: Option<i32>, default: u32| value.and_then(|v| u32::try_from(v).ok()).unwrap_or(default);
    RetryPolicy {
        max_attempts: asked.max_attempts.unwrap_or(default.max_attempts),
        initial_delay_seconds: seconds(asked.initial_delay_seconds, default.initial_delay_seconds),
        factor: seconds(asked.factor, default.factor),
        max_delay_seconds: seconds(asked.max_delay_seconds, default.max_delay_seconds),
    }
}

/// Why a high dynamic range can't be kept.
const NO_ROOM: &str =
    "Source needs 10 bits: take hevc, av1 or vp9 without `bitDepth: 8`, or Standard, which tone-maps to BT.709";

/// Whether a codec that is told to keep a high dynamic range can.
fn has_room(codec: &VideoCodec, range: Option<DynamicRange>) -> bool {
    range != Some(DynamicRange::Source) || codec.bit_depth(10) > 8
}

fn filters(video: &VideoOptions) -> Filters {
    Filters {
        deinterlace: match video.deinterlace.as_ref().map(|d| d.mode.unwrap_or_default()) {
            None => Deinterlacing::Marked,
            Some(Mode::Enabled) => Deinterlacing::All,
            Some(Mode::Disabled) => Deinterlacing::Off,
        },
        inverse_telecine: video.inverse_telecine.as_ref().is_some_and(|film| film.mode != Some(Mode::Disabled)),
        frame_rate: match video.frame_rate {
            None | Some(FrameRate::Source) => None,
            Some(FrameRate::Constant(rate)) => Some(rate),
        },
        crop: video.crop.filter(|crop| *crop != Crop::default()),
        denoise: video
            .denoise
            .as_ref()
            .filter(|d| d.mode != Some(Mode::Disabled))
            .map(|d| d.strength.unwrap_or_default()),
        captions: match video.captions.as_ref().and_then(|captions| captions.mode) {
            Some(Mode::Disabled) => Captions::LeftOut,
            None | Some(Mode::Enabled) => Captions::Kept,
        },
    }
}

/// The explicit ladder, if there is one.
fn rungs(
    asked: Option<&[video::Rendition]>,
    codec: &VideoCodec,
    range: Option<DynamicRange>,
    problems: &mut Vec<Invalid>,
) -> Option<Vec<Rung>> {
    let Some(asked) = asked else {
        let wrong = !has_room(codec, range);
        problems.extend(wrong.then(|| invalid("spec.options.video.dynamicRange", NO_ROOM)));
        return None;
    };
    let rungs: Vec<Rung> = asked.iter().map(|r| rung(r, codec, range)).collect();
    for (n, (_, rung)) in asked.iter().zip(&rungs).enumerate().filter(|(_, (asked, _))| asked.encode.is_some()) {
        check_rate(&format!("spec.options.renditions[{n}].encode"), &rung.codec, problems);
    }
    let wrong = rungs.iter().enumerate().filter(|(_, rung)| !has_room(&rung.codec, rung.dynamic_range));
    problems.extend(wrong.map(|(n, _)| invalid(&format!("spec.options.renditions[{n}].dynamicRange"), NO_ROOM)));
    Some(rungs)
}

fn rung(asked: &video::Rendition, default: &VideoCodec, range: Option<DynamicRange>) -> Rung {
    Rung {
        name: asked.name.clone(),
        within: asked.within,
        codec: asked.encode.as_ref().map_or_else(|| default.clone(), |e| video_codec(Some(e))),
        dynamic_range: asked.dynamic_range.or(range),
    }
}

/// The cap of an average, percent of it.
const CAP_PERCENT: u64 = 150;

fn cap(max_bitrate: Bitrate, buffer_size: Option<Bitrate>) -> Cap {
    Cap { max_bitrate: max_bitrate.0, buffer_size: buffer_size.unwrap_or(max_bitrate).0 }
}

/// Rates of video that are accepted, bit/s.
const BITRATES: std::ops::RangeInclusive<u32> = 10_000..=500_000_000;

fn rate_factor(crf: Option<u8>, capped: Option<CappedCrf>, default: u8) -> Rate {
    match capped {
        Some(capped) => Rate::CappedCrf { crf: capped.crf, cap: cap(capped.max_bitrate, capped.buffer_size) },
        None => Rate::Crf(crf.unwrap_or(default)),
    }
}

fn average(asked: &AverageBitrate) -> Rate {
    let usual = u64::from(asked.bitrate.0) * CAP_PERCENT / 100;
    let usual = Bitrate(u32::try_from(usual).unwrap_or(u32::MAX).min(*BITRATES.end()));
    let cap = cap(asked.max_bitrate.unwrap_or(usual), asked.buffer_size);
    Rate::AverageBitrate { bitrate: asked.bitrate.0, cap }
}

fn video_codec(encode: Option<&VideoEncode>) -> VideoCodec {
    let encode = encode.cloned().unwrap_or_default();
    if let Some(hevc) = encode.hevc {
        let preset = hevc.preset.unwrap_or(X26xPreset::Medium);
        let asked = hevc.rate.unwrap_or_default();
        return VideoCodec::Hevc {
            rate: rate_factor(asked.crf, asked.capped_crf, 26),
            preset,
            bit_depth: hevc.bit_depth,
        };
    }
    if let Some(av1) = encode.av1 {
        let crf = av1.rate.and_then(|r| r.crf).unwrap_or(35);
        return VideoCodec::Av1 { crf, preset: av1.preset.unwrap_or(8), bit_depth: av1.bit_depth };
    }
    if let Some(vp9) = encode.vp9 {
        return VideoCodec::Vp9 {
            crf: vp9.rate.and_then(|r| r.crf).unwrap_or(31),
            speed: vp9.speed.unwrap_or(4),
            bit_depth: vp9.bit_depth,
            hls: vp9.hls.unwrap_or(false),
        };
    }
    let h264 = encode.h264.unwrap_or_default();
    let asked = h264.rate.unwrap_or_default();
    let rate = match &asked.average_bitrate {
        Some(asked) => average(asked),
        None => rate_factor(asked.crf, asked.capped_crf, 23),
    };
    VideoCodec::H264 { rate, preset: h264.preset.unwrap_or(X26xPreset::Medium) }
}

/// What is wrong with the rates of a codec that lies at `path`.
fn check_rate(path: &str, codec: &VideoCodec, problems: &mut Vec<Invalid>) {
    let mut check = |field: &str, value: u32, allowed: std::ops::RangeInclusive<u32>, why: &str| {
        if !allowed.contains(&value) {
            let (low, high) = (Bitrate(*allowed.start()), Bitrate(*allowed.end()));
            problems.push(invalid(path, &format!("{field} {} is not {low} to {high}{why}", Bitrate(value))));
        }
    };
    let Some(cap) = codec.rate().cap() else { return };
    check("maxBitrate", cap.max_bitrate, BITRATES, "");
    // Less than a few pictures can't be steered, more than ten seconds no player has.
    let buffer = cap.max_bitrate / 10..=cap.max_bitrate.saturating_mul(10);
    check("bufferSize", cap.buffer_size, buffer, ", a tenth of a second to ten seconds of maxBitrate");
    if let Rate::AverageBitrate { bitrate, .. } = codec.rate() {
        check("bitrate", bitrate, BITRATES, "");
        let least = bitrate.saturating_add(bitrate / 10);
        check("maxBitrate", cap.max_bitrate, least..=u32::MAX, ", at least 1.1 times bitrate");
    }
}

/// Which audio tracks are kept.
fn track_choices(asked: &[AudioTrackChoice], problems: &mut Vec<Invalid>) -> Vec<TrackChoice> {
    let mut chosen = vec![];
    for (n, choice) in asked.iter().enumerate() {
        let path = format!("spec.options.audio.tracks[{n}]");
        match (&choice.language, choice.index, choice.pair.as_deref()) {
            (Some(tag), ..) if bcp47(tag) == "und" && !tag.eq_ignore_ascii_case("und") => {
                let words = format!("`{tag}` is no language: take a code such as `en` or `eng`, or `und`");
                problems.push(invalid(&format!("{path}.language"), &words));
            }
            (Some(tag), ..) => chosen.push(TrackChoice::Language(bcp47(tag))),
            (_, Some(index), _) => chosen.push(TrackChoice::Index(index)),
            (_, _, Some([left, right])) => chosen.push(TrackChoice::Pair(*left, *right)),
            _ => problems.push(invalid(&path, "say exactly one of language, index and pair")),
        }
    }
    chosen
}

fn audio_codec(encode: Option<&AudioEncode>, problems: &mut Vec<Invalid>) -> AudioCodec {
    let mut check = |path: &str, rate: Option<Bitrate>, range: std::ops::RangeInclusive<u32>| {
        if let Some(rate) = rate.filter(|r| !range.contains(&r.0)) {
            let (low, high) = (Bitrate(*range.start()), Bitrate(*range.end()));
            problems.push(invalid(path, &format!("{rate} is not {low} to {high}")));
        }
    };
    let encode = encode.cloned().unwrap_or_default();
    if let Some(opus) = encode.opus {
        check("spec.options.audio.encode.opus.bitrate", opus.bitrate, 6_000..=510_000);
        return AudioCodec::Opus { bitrate: opus.bitrate, channels: opus.channels };
    }
    if let Some(ac3) = encode.ac3 {
        check("spec.options.audio.encode.ac3.bitrate", ac3.bitrate, 32_000..=640_000);
        return AudioCodec::Ac3 { bitrate: ac3.bitrate, channels: ac3.channels };
    }
    if let Some(eac3) = encode.eac3 {
        check("spec.options.audio.encode.eac3.bitrate", eac3.bitrate, 32_000..=640_000);
        return AudioCodec::Eac3 { bitrate: eac3.bitrate, channels: eac3.channels };
    }
    if let Some(mp3) = encode.mp3 {
        check("spec.options.audio.encode.mp3.bitrate", mp3.bitrate, 32_000..=320_000);
        let playlists = mp3.playlists.unwrap_or(false);
        return AudioCodec::Mp3 { bitrate: mp3.bitrate, channels: mp3.channels, playlists };
    }
    if let Some(flac) = encode.flac {
        return AudioCodec::Flac { channels: flac.channels };
    }
    if encode.passthrough.is_some() {
        return AudioCodec::Passthrough;
    }
    let aac = encode.aac.unwrap_or_default();
    check("spec.options.audio.encode.aac.bitrate", aac.bitrate, 16_000..=512_000);
    AudioCodec::Aac { bitrate: aac.bitrate, channels: aac.channels, sample_rate: aac.sample_rate }
}

/// The layers of a job laid over each other.
struct Merged {
    stores: Vec<StoreSpec>,
    options: ProcessingOptions,
    scheduling: Option<Scheduling>,
    retry: Option<transcode_api::Retry>,
    work_data: Option<WorkData>,
}

impl Merged {
    fn of(job: &TranscodeJob, profiles: &[ProfileSpec]) -> Result<Self, Invalid> {
        let spec = &job.spec;
        let own = ProfileSpec {
            stores: Some(spec.stores.clone()),
            options: spec.options.clone(),
            scheduling: spec.scheduling.clone(),
            retry: spec.retry.clone(),
            work_data: spec.work_data.clone(),
        };
        let mut value = Value::Object(Map::new());
        let mut stores: Vec<StoreSpec> = vec![];
        for layer in profiles.iter().chain([&own]) {
            for store in layer.stores.iter().flatten() {
                stores.retain(|s| s.name != store.name);
                stores.push(store.clone());
            }
            let layer = ProfileSpec { stores: None, ..layer.clone() };
            let layer = serde_json::to_value(&layer).map_err(|e| invalid("spec", &e.to_string()))?;
            merge(&mut value, layer, "");
        }
        let merged: ProfileSpec = serde_json::from_value(value).map_err(|e| invalid("spec", &e.to_string()))?;
        Ok(Merged {
            stores,
            options: merged.options.unwrap_or_default(),
            scheduling: merged.scheduling,
            retry: merged.retry,
            work_data: merged.work_data,
        })
    }
}

/// Lays `over` on `base`. Objects named `encode` and `rate` are unions: another member replaces.
fn merge(base: &mut Value, over: Value, field: &str) {
    let over = match over {
        Value::Object(over) => over,
        other => {
            *base = other;
            return;
        }
    };
    let is_union = matches!(field, "encode" | "rate");
    match base {
        Value::Object(base) if !is_union || base.keys().eq(over.keys()) => {
            for (name, value) in over {
                match base.get_mut(&name) {
                    Some(slot) => merge(slot, value, &name),
                    None => {
                        base.insert(name, value);
                    }
                }
            }
        }
        base => *base = Value::Object(over),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use transcode_api::Rational;

    use super::*;

    fn job(spec: Value) -> TranscodeJob {
        let mut spec = spec;
        spec["inputs"] = json!([{"name": "main", "file": {"path": "in.mp4"}}]);
        spec["outputs"] = json!([{"name": "main", "file": {"path": "out"}}]);
        TranscodeJob::new("film", serde_json::from_value(spec).unwrap())
    }

    fn profile(spec: Value) -> ProfileSpec {
        serde_json::from_value(spec).unwrap()
    }

    #[test]
    fn only_input_and_output_are_needed() {
        let spec = resolve(&job(json!({})), &[]).unwrap();
        assert_eq!(spec.video, VideoCodec::H264 { rate: Rate::Crf(23), preset: X26xPreset::Medium });
        assert_eq!(spec.formats.len(), 3);
        assert_eq!((spec.critical.max_attempts, spec.enhancement.max_attempts), (5, 2));
    }

    #[test]
    fn later_layers_win_field_by_field_and_unions_whole() {
        let web = profile(
            json!({"options": {"video": {"encode": {"h264": {"preset": "slow", "rate": {"crf": 20}}}, "segmentDuration": "6s"}}}),
        );
        let team = profile(json!({"options": {"video": {"encode": {"h264": {"rate": {"crf": 21}}}}}}));
        let both = resolve(&job(json!({})), &[web.clone(), team]).unwrap();
        assert_eq!(both.video, VideoCodec::H264 { rate: Rate::Crf(21), preset: X26xPreset::Slow });
        assert_eq!(both.segment_duration, MediaTime::seconds(6));
        let own = resolve(&job(json!({"options": {"video": {"encode": {"av1": {}}}}})), &[web]).unwrap();
        assert_eq!(own.video, VideoCodec::Av1 { crf: 35, preset: 8, bit_depth: None });
    }

    #[test]
    fn film_is_made_of_video_as_it_is() {
        let with = |video: Value| resolve(&job(json!({"options": {"video": video}})), &[]);
        assert!(with(json!({"inverseTelecine": {}})).unwrap().filters.inverse_telecine);
        assert!(
            !with(json!({"inverseTelecine": {"mode": "Disabled"}, "frameRate": 25})).unwrap().filters.inverse_telecine
        );
        for (more, other) in [(json!({"frameRate": 25}), "frameRate"), (json!({"deinterlace": {}}), "deinterlace")] {
            let mut video = more;
            video["inverseTelecine"] = json!({});
            let problems = with(video).unwrap_err();
            assert!(
                problems[0].message.contains(other) && problems[0].path.ends_with("inverseTelecine"),
                "{problems:?}"
            );
        }
    }

    #[test]
    fn a_frame_rate_is_of_use_and_can_be_taken_back() {
        let with = |rate: &str| job(json!({"options": {"video": {"frameRate": rate}}}));
        let resolved = resolve(&with("30000/1001"), &[]).unwrap();
        assert_eq!(resolved.filters.frame_rate, Some(Rational::new(30000, 1001)));
        let problems = resolve(&with("60000/61"), &[]).unwrap_err();
        assert_eq!(problems[0].to_string(), "spec.options.video.frameRate: 60000/61 is not 1 to 120 fps");
        let team = profile(json!({"options": {"video": {"frameRate": 25}}}));
        assert_eq!(resolve(&with("Source"), &[team]).unwrap().filters, Filters::default());
    }

    #[test]
    fn a_high_dynamic_range_needs_ten_bits() {
        let options = json!({"options": {"video": {"dynamicRange": "Source", "encode": {"hevc": {}}},
            "renditions": [{"name": "720p"}, {"name": "480p", "encode": {"h264": {}}}]}});
        let problems = resolve(&job(options), &[]).unwrap_err();
        assert_eq!(problems.iter().map(|p| &*p.path).collect::<Vec<_>>(), ["spec.options.renditions[1].dynamicRange"]);
        let problems = resolve(&job(json!({"options": {"video": {"dynamicRange": "Source"}}})), &[]).unwrap_err();
        assert_eq!(problems[0].path, "spec.options.video.dynamicRange");
    }

    #[test]
    fn caps_have_a_range() {
        let capped = |max: &str, buffer: &str| {
            let capped = json!({"crf": 20, "maxBitrate": max, "bufferSize": buffer});
            json!({"options": {"video": {"encode": {"h264": {"rate": {"cappedCrf": capped}}}}}})
        };
        let cap = Cap { max_bitrate: 2_500_000, buffer_size: 5_000_000 };
        let spec = resolve(&job(capped("2.5M", "5M")), &[]).unwrap();
        assert_eq!(spec.video.rate(), Rate::CappedCrf { crf: 20, cap });
        for (max, buffer) in [("9k", "9k"), ("1M", "11M"), ("1M", "99k")] {
            let problems = resolve(&job(capped(max, buffer)), &[]).unwrap_err();
            assert_eq!(problems[0].path, "spec.options.video.encode", "{max} {buffer}");
        }
    }

    #[test]
    fn stores_merge_whole_by_name() {
        let shared = profile(
            json!({"stores": [{"name": "a", "s3": {"endpoint": "http://shared"}, "credentials": {"secretRef": {"name": "k"}}}]}),
        );
        let spec =
            resolve(&job(json!({"stores": [{"name": "a", "s3": {"endpoint": "http://mine"}}]})), &[shared]).unwrap();
        assert_eq!(spec.stores.len(), 1);
        assert_eq!(spec.stores[0].credentials, None);
    }

    #[test]
    fn all_problems_come_at_once() {
        let mut bad = job(
            json!({"options": {"video": {"segmentDuration": "500ms"}, "audio": {"encode": {"aac": {"bitrate": "1k"}}}}}),
        );
        bad.spec.inputs =
            serde_json::from_value(json!([{"name": "main", "s3": {"store": "nope", "bucket": "abc", "key": "k"}}]))
                .unwrap();
        let problems = resolve(&bad, &[]).unwrap_err();
        let paths: Vec<_> = problems.iter().map(|p| p.path.as_str()).collect();
        assert_eq!(
            paths,
            ["spec.inputs[0].s3.store", "spec.options.video.segmentDuration", "spec.options.audio.encode.aac.bitrate"]
        );
    }
}
