//! HLS: what `m3u8-rs` reads is what the boxes say, and ffmpeg plays it.

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use m3u8_rs::{AlternativeMedia, AlternativeMediaType, MasterPlaylist, MediaPlaylist, VariantStream};

use super::{Evidence, audio};
use crate::{bitstream, boxes::Sample, listing, published::Media, tool};

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let folder = &evidence.published.folder;
    let path = folder.join("master.m3u8");
    if !evidence.row.formats.contains("hls") || evidence.listed().is_empty() {
        ensure!(!path.exists(), "HLS was not asked for, or has no track");
        return Ok(());
    }
    let text = fs::read(&path)?;
    let master = m3u8_rs::parse_master_playlist_res(&text).map_err(|e| anyhow!("m3u8-rs: {e}"))?;
    ensure!(master.independent_segments, "EXT-X-INDEPENDENT-SEGMENTS is missing");
    let video = evidence.published.video();
    let variants: Vec<_> = master.variants.iter().filter(|v| !v.is_i_frame).collect();
    // Each rendition once with each group of sounds.
    let groups = renditions(&master).map(|a| &a.group_id).collect::<BTreeSet<_>>().len().max(1);
    if video.is_empty() {
        ensure!(!variants.is_empty(), "no variant of the audio");
    } else {
        let expected = video.len() * groups;
        ensure!(variants.len() == expected, "{} variants instead of {expected}", variants.len());
    }
    let target = targets(evidence, &master)?;
    sounds(evidence, &master)?;
    captions(evidence, &master)?;
    for (n, variant) in variants.iter().enumerate() {
        let Some(media) = video.get(n / groups) else { break };
        check_variant(evidence, &master, variant, media, target).with_context(|| format!("variant {}", media.name))?;
    }
    let frames: Vec<_> = master.variants.iter().filter(|v| v.is_i_frame).collect();
    ensure!(frames.len() == video.len(), "{} I-frame playlists of {} renditions", frames.len(), video.len());
    for (variant, media) in frames.iter().zip(&video) {
        i_frames(evidence, variant, media).with_context(|| format!("I-frames of {}", media.name))?;
    }
    Ok(())
}

/// The one target duration of all media playlists (RFC 8216 6.2.4): the longest EXTINF, rounded.
fn targets(evidence: &Evidence<'_>, master: &MasterPlaylist) -> Result<u64> {
    let alternatives = master.alternatives.iter().filter_map(|a| a.uri.as_ref());
    let (mut told, mut longest) = (BTreeSet::new(), 0.0_f32);
    for uri in master.variants.iter().map(|v| &v.uri).chain(alternatives) {
        let (_, playlist) = media_playlist(evidence, uri)?;
        told.insert(playlist.target_duration);
        longest = playlist.segments.iter().map(|s| s.duration).fold(longest, f32::max);
    }
    let expected = (longest.round() as u64).max(1);
    ensure!(told.iter().eq([&expected]), "EXT-X-TARGETDURATION is {told:?} instead of {expected}");
    Ok(expected)
}

/// Renditions of sound with playlists of their own.
fn renditions(master: &MasterPlaylist) -> impl Iterator<Item = &AlternativeMedia> {
    master.alternatives.iter().filter(|a| a.media_type == AlternativeMediaType::Audio && a.uri.is_some())
}

/// The rendition of a track: its playlist lies beside the init segment.
fn rendition_of<'a>(master: &'a MasterPlaylist, media: &Media) -> Option<&'a AlternativeMedia> {
    let folder = Path::new(&media.init).parent();
    renditions(master).find(|a| a.uri.as_deref().map(Path::new).and_then(Path::parent) == folder)
}

fn sounds(evidence: &Evidence<'_>, master: &MasterPlaylist) -> Result<()> {
    let audio = evidence.listed_audio();
    let named = renditions(master).count();
    if evidence.published.video().is_empty() && named == 0 {
        return Ok(());
    }
    ensure!(named == audio.len(), "{named} audio tracks listed of {}", audio.len());
    for (media, (language, title)) in audio {
        let tag = rendition_of(master, media).with_context(|| format!("{} is not listed", media.name))?;
        ensure!(tag.language.as_deref() == Some(language), "{} is listed as {:?}", media.name, tag.language);
        let name = title.or(NAMES.iter().find(|(tag, _)| *tag == language).map(|(_, name)| *name));
        ensure!(name.is_some_and(|name| tag.name.starts_with(name)), "{} is named {}", media.name, tag.name);
        segments(evidence, tag.uri.as_deref().context("no URI")?, media).with_context(|| media.name.clone())?;
    }
    for group in renditions(master).map(|a| &a.group_id).collect::<BTreeSet<_>>() {
        let members: Vec<_> = renditions(master).filter(|a| a.group_id == *group).collect();
        let defaults = members.iter().filter(|a| a.default).count();
        ensure!(defaults == 1, "{defaults} default audio tracks in {group}");
        let names: BTreeSet<_> = members.iter().map(|a| &a.name).collect();
        ensure!(names.len() == members.len(), "several tracks of {group} have the same name");
    }
    Ok(())
}

/// What people call the languages of the rows.
const NAMES: [(&str, &str); 7] = [
    ("und", "Audio"),
    ("en", "English"),
    ("fr", "French"),
    ("de", "German"),
    ("ja", "Japanese"),
    ("it", "Italian"),
    ("es", "Spanish"),
];

fn captions(evidence: &Evidence<'_>, master: &MasterPlaylist) -> Result<()> {
    let listed = master.alternatives.iter().filter(|a| a.group_id == "captions");
    let listed: Vec<String> = listed.filter_map(|a| a.instream_id.as_ref()).map(ToString::to_string).collect();
    ensure!(listed == evidence.row.captions, "captions are listed as {listed:?}");
    Ok(())
}

/// Length of the longest segment of all tracks, whole seconds.
pub fn longest_segment<'a>(tracks: impl IntoIterator<Item = &'a Media>) -> u64 {
    let longest = |media: &Media| {
        let bounds = media.bounds();
        bounds.windows(2).map(|b| (b[1] - b[0]) as f64 / media.track.timescale as f64).fold(0.0, f64::max)
    };
    (tracks.into_iter().map(longest).fold(0.0, f64::max).round() as u64).max(1)
}

/// Bits per second: the highest of any run of segments that lasts 0.5 to 1.5 target durations
/// (RFC 8216bis 4.4.6.2), and the average.
pub fn rates(media: &Media, target: u64) -> (f64, f64) {
    let bounds = media.bounds();
    let seconds = |from: usize, to: usize| (bounds[to] - bounds[from].max(0)) as f64 / media.track.timescale as f64;
    let count = media.segments.len();
    let rate = |from: usize, to: usize| media.sizes[from..to].iter().sum::<usize>() as f64 * 8.0 / seconds(from, to);
    let target = target as f64;
    let runs = (0..count).flat_map(|from| (from + 1..=count).map(move |to| (from, to)));
    let counted = runs.filter(|(from, to)| (0.5 * target..=1.5 * target).contains(&seconds(*from, *to)));
    let average = rate(0, count);
    // What is shorter than half a target duration in all has no such run.
    (counted.map(|(from, to)| rate(from, to)).reduce(f64::max).unwrap_or(average), average)
}

fn check_variant(
    evidence: &Evidence<'_>,
    master: &MasterPlaylist,
    variant: &VariantStream,
    media: &Media,
    target: u64,
) -> Result<()> {
    let own = |media: &&Media| rendition_of(master, media).map(|a| &a.group_id) == variant.audio.as_ref();
    let all = evidence.listed_audio().into_iter().map(|(media, _)| media);
    let sounds: Vec<_> = all.filter(own).collect();
    let loudest = sounds.iter().map(|m| rates(m, target)).fold((0.0_f64, 0.0_f64), |a, b| (a.0.max(b.0), a.1.max(b.1)));
    let (peak, average) = (rates(media, target).0 + loudest.0, rates(media, target).1 + loudest.1);
    ensure!(variant.bandwidth as f64 + 1.0 >= peak, "BANDWIDTH {} is below the measured {peak:.0}", variant.bandwidth);
    ensure!(
        (variant.bandwidth as f64) < peak * 1.05 + 2000.0,
        "BANDWIDTH {} is far above the measured {peak:.0}",
        variant.bandwidth
    );
    let told = variant.average_bandwidth.context("no AVERAGE-BANDWIDTH")? as f64;
    ensure!((told / average - 1.0).abs() < 0.02, "AVERAGE-BANDWIDTH {told} is not the measured {average:.0}");
    let codecs: Vec<&str> = variant.codecs.as_deref().unwrap_or_default().split(',').collect();
    let mut expected = vec![codec(media)?];
    expected.extend(sounds.into_iter().map(codec).collect::<Result<BTreeSet<_>>>()?);
    ensure!(codecs == expected, "CODECS is {codecs:?}, the boxes say {expected:?}");
    let named = evidence.row.codecs.iter().find(|(name, _)| *name == media.name);
    ensure!(named.is_none_or(|(_, codec)| codecs[0].starts_with(codec)), "CODECS is {codecs:?}, expected {named:?}");
    let size = variant.resolution.map(|r| (r.width, r.height));
    let row = evidence.row.pictures.iter().find(|p| p.0 == media.name).context("not in the row")?;
    let (width, height) = media.displayed()?;
    ensure!(row.2 == height, "{} is {height} pixels high", media.name);
    ensure!(
        size.is_some_and(|(w, h)| (w as f64 - width).abs() < 1.0 && h == u64::from(height)),
        "RESOLUTION is {size:?}, the boxes say {width:.2}x{height}"
    );
    let (told, highest) = (variant.frame_rate.context("no FRAME-RATE")?, media.frame_rates().0);
    // Of a variable rate, the standard one that it is near, or the next whole one.
    let right = (highest * 0.98..=(highest * 1.02).max(highest.ceil())).contains(&told);
    ensure!(right, "FRAME-RATE is {told}, the busiest second has {highest:.3}");
    let other = |name: &str| variant.other_attributes.as_ref().and_then(|o| o.get(name)).map(ToString::to_string);
    let range = evidence.row.ranges.iter().find(|(name, _)| *name == media.name).map_or("SDR", |(_, range)| range);
    ensure!(other("VIDEO-RANGE").is_some_and(|r| r.contains(range)), "VIDEO-RANGE is {:?}", other("VIDEO-RANGE"));
    let group = if evidence.row.captions.is_empty() { "None" } else { "captions" };
    ensure!(
        format!("{:?}", variant.closed_captions).contains(group),
        "CLOSED-CAPTIONS is {:?}",
        variant.closed_captions
    );
    let path = segments(evidence, &variant.uri, media)?;
    let frames = listing::decode(&path, "v:0", &evidence.folder).context("as HLS")?.frames.len();
    ensure!(frames == evidence.row.shown_frames(), "HLS plays {frames} frames");
    Ok(())
}

/// RFC 6381 text of a track, from its sample entry.
fn codec(media: &Media) -> Result<String> {
    let entry = &media.bytes[media.track.description.clone()];
    let find = |kind: &[u8; 4]| entry.windows(4).position(|w| w == kind).map(|at| &entry[at + 4..]);
    Ok(match &media.track.entry {
        b"avc1" => {
            let config = find(b"avcC").context("no avcC")?;
            format!("avc1.{:02x}{:02x}{:02x}", config[1], config[2], config[3])
        }
        b"mp4a" if audio::mpeg1(media) => "mp4a.6B".into(),
        b"mp4a" => "mp4a.40.2".into(),
        b"hvc1" => {
            let config = find(b"hvcC").context("no hvcC")?;
            let flags = u32::from_be_bytes([config[2], config[3], config[4], config[5]]).reverse_bits();
            let tier = if config[1] & 0x20 == 0 { 'L' } else { 'H' };
            let constraints: Vec<String> = config[6..12].iter().map(|b| format!("{b:X}")).collect();
            let last = constraints.iter().rposition(|c| c != "0").map_or(0, |n| n + 1);
            let constraints: String = constraints[..last].iter().map(|c| format!(".{c}")).collect();
            format!("hvc1.{}.{flags:X}.{tier}{}{constraints}", config[1] & 0x1f, config[12])
        }
        b"av01" => {
            let config = find(b"av1C").context("no av1C")?;
            let (profile, level, tier) =
                (config[1] >> 5, config[1] & 0x1f, if config[2] & 0x80 == 0 { 'M' } else { 'H' });
            let depth = if config[2] & 0x40 == 0 { 8 } else { 10 };
            let short = format!("av01.{profile}.{level:02}{tier}.{depth:02}");
            // Primaries, transfer, matrix and range of `nclx`; BT.709 needs no words.
            let colour = find(b"nclx").map(|c| [c[1], c[3], c[5], c[6] >> 7]).unwrap_or([1, 1, 1, 0]);
            match colour {
                [1, 1, 1, 0] => short,
                [p, t, m, range] => format!("{short}.0.11{}.{p:02}.{t:02}.{m:02}.{range}", config[2] & 3),
            }
        }
        b"vp09" => {
            // Behind version and flags: profile, level, depth and subsampling and range, colour.
            let c = &find(b"vpcC").context("no vpcC")?[4..];
            let (depth, chroma, range) = (c[2] >> 4, c[2] >> 1 & 7, c[2] & 1);
            format!(
                "vp09.{:02}.{:02}.{depth:02}.{chroma:02}.{:02}.{:02}.{:02}.{range:02}",
                c[0], c[1], c[3], c[4], c[5]
            )
        }
        other => String::from_utf8_lossy(other).into_owned(),
    })
}

/// Names a file below the output; it has to be there.
fn resolved(evidence: &Evidence<'_>, from: &Path, uri: &str) -> Result<std::path::PathBuf> {
    let path = from.parent().unwrap_or(Path::new("")).join(uri);
    let path = path.canonicalize().with_context(|| format!("{uri} is missing"))?;
    ensure!(path.starts_with(evidence.published.folder.canonicalize()?), "{uri} lies outside of the output");
    Ok(path)
}

fn media_playlist(evidence: &Evidence<'_>, uri: &str) -> Result<(std::path::PathBuf, MediaPlaylist)> {
    let path = resolved(evidence, &evidence.published.folder.join("master.m3u8"), uri)?;
    let playlist = m3u8_rs::parse_media_playlist_res(&fs::read(&path)?).map_err(|e| anyhow!("m3u8-rs: {e}"))?;
    ensure!(playlist.end_list, "no EXT-X-ENDLIST");
    let longest = playlist.segments.iter().map(|s| f64::from(s.duration).round() as u64).max().unwrap_or(0);
    ensure!(playlist.target_duration >= longest, "TARGETDURATION {} is below {longest}", playlist.target_duration);
    Ok((path, playlist))
}

/// A media playlist: every segment there, where the boxes say on the decode timeline; all of them together as
/// long as what is presented.
fn segments(evidence: &Evidence<'_>, uri: &str, media: &Media) -> Result<std::path::PathBuf> {
    let (path, playlist) = media_playlist(evidence, uri)?;
    let own = |p: &str| evidence.published.folder.join(p).canonicalize();
    let map = playlist.segments.first().and_then(|s| s.map.as_ref()).context("no EXT-X-MAP")?;
    ensure!(resolved(evidence, &path, &map.uri)? == own(&media.init)?, "EXT-X-MAP is {}", map.uri);
    ensure!(
        playlist.segments.len() == media.segments.len(),
        "{} segments listed of {}",
        playlist.segments.len(),
        media.segments.len()
    );
    let bounds = media.bounds();
    let scale = media.track.timescale as f64;
    // Decode times count from the priming of sound on, which the last segment makes up for where it is longer.
    let last = media.segments.len() - 1;
    let priming = -bounds[0].min(0);
    let made_up = if bounds[last + 1] - bounds[last] > priming { priming } else { 0 };
    for (n, (listed, segment)) in playlist.segments.iter().zip(&media.segments).enumerate() {
        ensure!(resolved(evidence, &path, &listed.uri)? == own(segment)?, "segment {n} is {}", listed.uri);
        let end = bounds[n + 1] - if n == last { made_up } else { 0 };
        let exact = (end - bounds[n]) as f64 / scale;
        ensure!(
            (f64::from(listed.duration) - exact).abs() < 2e-5,
            "EXTINF {} of segment {n}, the boxes say {exact:.6}",
            listed.duration
        );
    }
    exact_sum(&fs::read_to_string(&path)?, (bounds[last + 1] - bounds[0] - made_up) as f64 / scale)?;
    Ok(path)
}

/// The sum of the durations as they are written: `m3u8-rs` keeps no more than a float.
fn exact_sum(text: &str, seconds: f64) -> Result<()> {
    let written =
        text.lines().filter_map(|l| l.strip_prefix("#EXTINF:")?.trim_end_matches(',').parse::<f64>().ok()).sum::<f64>();
    ensure!((written - seconds).abs() < 2e-6, "durations sum to {written:.6}, the boxes say {seconds:.6}");
    Ok(())
}

/// Every key frame has a range of bytes that begins with its fragment and ends with it, until the next one. Behind the
/// init segment it is one picture: the one that all segments together show there.
fn i_frames(evidence: &Evidence<'_>, variant: &VariantStream, media: &Media) -> Result<()> {
    let (path, playlist) = media_playlist(evidence, &variant.uri)?;
    ensure!(playlist.i_frames_only, "EXT-X-I-FRAMES-ONLY is missing");
    let keys = key_frames(evidence, media)?;
    ensure!(playlist.segments.len() == keys.len(), "{} I-frames of {} key frames", playlist.segments.len(), keys.len());
    let (alone, whole) = (evidence.folder.join("iframe.mp4"), evidence.folder.join("iframes.mp4"));
    fs::write(&whole, &media.bytes)?;
    let (shown, order) = (listing::decode(&whole, "v:0", &evidence.folder)?.frames, media.track.presented());
    let presented = |key: &Sample| key.composition - media.track.media_time;
    let ends = keys.iter().skip(1).map(|key| presented(key)).chain(media.bounds().last().copied());
    for ((n, (listed, key)), end) in playlist.segments.iter().zip(&keys).enumerate().zip(ends) {
        let exact = (end - presented(key)) as f64 / media.track.timescale as f64;
        ensure!(
            (f64::from(listed.duration) - exact).abs() < 2e-5,
            "EXTINF {} of I-frame {n}, not {exact:.6}",
            listed.duration
        );
        let file = resolved(evidence, &path, &listed.uri)?;
        let own = evidence.published.folder.join(&media.segments[key.segment]).canonicalize()?;
        ensure!(file == own, "I-frame {n} is in {}", listed.uri);
        let range = listed.byte_range.as_ref().context("no EXT-X-BYTERANGE")?;
        let start = range.offset.context("no offset")? as usize;
        let content = fs::read(file)?;
        let part = content.get(start..start + range.length as usize).context("a range beyond its file")?;
        let segment = media.segment(key.segment).as_ptr() as usize - media.bytes.as_ptr() as usize;
        let first = key.segment != n.checked_sub(1).map_or(usize::MAX, |before| keys[before].segment);
        let begins = if first { 0 } else { key.fragment - segment };
        ensure!(start == begins, "I-frame {n} begins at byte {start} of its segment, not {begins}");
        ensure!(segment + start + part.len() == key.bytes.end, "I-frame {n} does not end with its sample");
        if !first || n == 0 || n + 1 == playlist.segments.len() {
            fs::write(&alone, [media.init(), part].concat())?;
            // The rest of the segment's samples is missing on purpose: only the picture counts.
            let ran = tool::ffmpeg(
                "-v fatal -i {in} -map 0:v:0 -fps_mode passthrough -f framehash -hash md5 -",
                &[("in", &alone)],
                &evidence.folder,
            )?;
            let pictures = listing::Listing::parse(&String::from_utf8_lossy(&ran.stdout))?.frames;
            ensure!(pictures.len() == 1, "I-frame {n} decodes to {} pictures", pictures.len());
            let frame = order.binary_search(&presented(key)).ok().context("a key frame that is not presented")?;
            ensure!(pictures[0].hash == shown[frame].hash, "I-frame {n} is not picture {frame}");
        }
    }
    Ok(())
}

/// Samples that an I-frame playlist lists, in order: key frames by their bits, and marked so, that begin a fragment. Each
/// does, but in pictures with captions: there a segment is one fragment, with its own number. The row says which key
/// frames there are beside those that segments begin with.
fn key_frames<'a>(evidence: &Evidence<'_>, media: &'a Media) -> Result<Vec<&'a Sample>> {
    let (mut keys, mut fragment, captioned) = (vec![], None, !evidence.row.captions.is_empty());
    for (n, sample) in media.track.samples.iter().enumerate() {
        let key = bitstream::begins(media, &media.bytes[sample.bytes.clone()])?;
        ensure!(key == sample.sync, "sample {n} is marked as what it is not: a key frame or another");
        let begins = fragment.replace(sample.fragment) != Some(sample.fragment);
        ensure!(key || !begins, "sample {n} begins a fragment without a key frame");
        ensure!(begins || !key || captioned, "sample {n} is a key frame inside of a fragment");
        if captioned && begins {
            // `moof`, then `mfhd`: its header, version and flags, and the number.
            let number = &media.bytes[sample.fragment + 20..][..4];
            let wanted = sample.segment as u32 + 1;
            ensure!(number == wanted.to_be_bytes(), "fragment {number:?} is not segment {wanted}, or not all of it");
        }
        keys.extend(begins.then_some(sample));
    }
    let (times, order) = (keys.iter().map(|key| key.composition - media.track.media_time), media.track.presented());
    let frames: BTreeSet<usize> = times.filter_map(|time| order.binary_search(&time).ok()).collect();
    let without: Vec<_> = evidence.row.cuts.iter().filter(|cut| !frames.contains(cut)).collect();
    ensure!(without.is_empty(), "no key frames at the cuts {without:?}: {frames:?}");
    Ok(keys)
}
