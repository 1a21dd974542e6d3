//! HLS: what `m3u8-rs` reads is what the boxes say, and ffmpeg plays it.

use std::{fs, path::Path};

use anyhow::{Context, Result, anyhow, ensure};
use m3u8_rs::{MasterPlaylist, MediaPlaylist, VariantStream};

use super::{Evidence, audio};
use crate::{listing, published::Media, tool};

/// Proves it.
pub fn prove(evidence: &Evidence<'_>) -> Result<()> {
    let folder = &evidence.published.folder;
    let path = folder.join("master.m3u8");
    if !evidence.row.formats.contains("hls") {
        ensure!(!path.exists(), "HLS was not asked for");
        return Ok(());
    }
    let text = fs::read(&path)?;
    let master = m3u8_rs::parse_master_playlist_res(&text).map_err(|e| anyhow!("m3u8-rs: {e}"))?;
    ensure!(master.independent_segments, "EXT-X-INDEPENDENT-SEGMENTS is missing");
    let video = evidence.published.video();
    let variants: Vec<_> = master.variants.iter().filter(|v| !v.is_i_frame).collect();
    if video.is_empty() {
        ensure!(!variants.is_empty(), "no variant of the audio");
    } else {
        ensure!(variants.len() == video.len(), "{} variants of {} renditions", variants.len(), video.len());
    }
    sounds(evidence, &master)?;
    captions(evidence, &master)?;
    for (variant, media) in variants.iter().zip(&video) {
        check_variant(evidence, variant, media).with_context(|| format!("variant {}", media.name))?;
    }
    let frames: Vec<_> = master.variants.iter().filter(|v| v.is_i_frame).collect();
    ensure!(frames.len() == video.len(), "{} I-frame playlists of {} renditions", frames.len(), video.len());
    for (variant, media) in frames.iter().zip(&video) {
        i_frames(evidence, variant, media).with_context(|| format!("I-frames of {}", media.name))?;
    }
    Ok(())
}

fn sounds(evidence: &Evidence<'_>, master: &MasterPlaylist) -> Result<()> {
    let audio = evidence.published.audio();
    let named: Vec<_> = master.alternatives.iter().filter(|a| a.uri.is_some()).collect();
    if evidence.published.video().is_empty() && named.is_empty() {
        return Ok(());
    }
    ensure!(named.len() == audio.len(), "{} audio tracks listed of {}", named.len(), audio.len());
    for ((tag, media), (language, title)) in named.into_iter().zip(audio).zip(evidence.row.audio) {
        let uri = tag.uri.as_deref().context("no URI")?;
        ensure!(
            tag.language.as_deref().unwrap_or("und") == *language,
            "{} is listed as {:?}",
            media.name,
            tag.language
        );
        ensure!(title.is_none_or(|title| tag.name == title), "{} is named {}", media.name, tag.name);
        segments(evidence, uri, media).with_context(|| media.name.clone())?;
    }
    let defaults = master.alternatives.iter().filter(|a| a.default).count();
    ensure!(evidence.row.audio.is_empty() || defaults == 1, "{defaults} default audio tracks");
    Ok(())
}

fn captions(evidence: &Evidence<'_>, master: &MasterPlaylist) -> Result<()> {
    let listed = master.alternatives.iter().filter(|a| a.group_id == "captions");
    let listed: Vec<String> = listed.filter_map(|a| a.instream_id.as_ref()).map(ToString::to_string).collect();
    ensure!(listed == evidence.row.captions, "captions are listed as {listed:?}");
    Ok(())
}

/// Bits per second: the highest of any run of segments that lasts 0.5 to 1.5 target durations
/// (RFC 8216bis 4.4.6.2), and the average.
pub fn rates(media: &Media) -> (f64, f64) {
    let bounds = media.bounds();
    let seconds = |from: usize, to: usize| (bounds[to] - bounds[from].max(0)) as f64 / media.track.timescale as f64;
    let count = media.segments.len();
    let rate = |from: usize, to: usize| media.sizes[from..to].iter().sum::<usize>() as f64 * 8.0 / seconds(from, to);
    let target = (0..count).map(|n| seconds(n, n + 1)).fold(0.0, f64::max).round().max(1.0);
    let runs = (0..count).flat_map(|from| (from + 1..=count).map(move |to| (from, to)));
    let counted = runs.filter(|(from, to)| (0.5 * target..=1.5 * target).contains(&seconds(*from, *to)));
    let average = rate(0, count);
    // What is shorter than half a target duration in all has no such run.
    (counted.map(|(from, to)| rate(from, to)).reduce(f64::max).unwrap_or(average), average)
}

fn check_variant(evidence: &Evidence<'_>, variant: &VariantStream, media: &Media) -> Result<()> {
    let sounds: Vec<_> = evidence.published.audio();
    let loudest = sounds.iter().map(|m| rates(m)).fold((0.0_f64, 0.0_f64), |a, b| (a.0.max(b.0), a.1.max(b.1)));
    let (peak, average) = (rates(media).0 + loudest.0, rates(media).1 + loudest.1);
    ensure!(variant.bandwidth as f64 + 1.0 >= peak, "BANDWIDTH {} is below the measured {peak:.0}", variant.bandwidth);
    ensure!(
        (variant.bandwidth as f64) < peak * 1.05 + 2000.0,
        "BANDWIDTH {} is far above the measured {peak:.0}",
        variant.bandwidth
    );
    let told = variant.average_bandwidth.context("no AVERAGE-BANDWIDTH")? as f64;
    ensure!((told / average - 1.0).abs() < 0.02, "AVERAGE-BANDWIDTH {told} is not the measured {average:.0}");
    let codecs = variant.codecs.as_deref().unwrap_or_default();
    ensure!(
        codecs.split(',').next() == Some(codec(media)?.as_str()),
        "CODECS is {codecs}, the boxes say {}",
        codec(media)?
    );
    let named = evidence.row.codecs.iter().find(|(name, _)| *name == media.name);
    ensure!(named.is_none_or(|(_, codec)| codecs.starts_with(codec)), "CODECS is {codecs}, expected {named:?}");
    for sound in sounds {
        ensure!(
            codecs.split(',').any(|c| Some(c) == codec(sound).ok().as_deref()),
            "CODECS {codecs} lacks {}",
            codec(sound)?
        );
    }
    let size = variant.resolution.map(|r| (r.width, r.height));
    let row = evidence.row.pictures.iter().find(|p| p.0 == media.name).context("not in the row")?;
    ensure!(size == Some((u64::from(row.1), u64::from(row.2))), "RESOLUTION is {size:?}");
    ensure!(variant.frame_rate.is_some_and(|r| r > 0.0), "no FRAME-RATE");
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
        b"mp4a" if audio::mpeg1(media) => "mp4a.6b".into(),
        b"mp4a" => "mp4a.40.2".into(),
        b"Opus" => "opus".into(),
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

/// Each range of bytes behind the init segment is one picture.
fn i_frames(evidence: &Evidence<'_>, variant: &VariantStream, media: &Media) -> Result<()> {
    let (path, playlist) = media_playlist(evidence, &variant.uri)?;
    ensure!(playlist.i_frames_only, "EXT-X-I-FRAMES-ONLY is missing");
    ensure!(
        playlist.segments.len() == media.segments.len(),
        "{} I-frames of {} segments",
        playlist.segments.len(),
        media.segments.len()
    );
    let file = evidence.folder.join("iframe.mp4");
    for (n, listed) in playlist.segments.iter().enumerate() {
        let range = listed.byte_range.as_ref().context("no EXT-X-BYTERANGE")?;
        let start = range.offset.context("no offset")? as usize;
        let content = fs::read(resolved(evidence, &path, &listed.uri)?)?;
        let part = content.get(start..start + range.length as usize).context("a range beyond its file")?;
        ensure!(media.segment(n).starts_with(part), "I-frame {n} is not the start of segment {n}");
        let first = media.track.samples.iter().find(|s| s.fragment == n).context("no sample")?;
        let segment_start = media.segment(n).as_ptr() as usize - media.bytes.as_ptr() as usize;
        ensure!(segment_start + part.len() == first.bytes.end, "I-frame {n} does not end with its sample");
        if n == 0 || n + 1 == playlist.segments.len() {
            fs::write(&file, [media.init(), part].concat())?;
            // The rest of the segment's samples is missing on purpose: only the picture counts.
            let ran = tool::ffmpeg(
                "-v fatal -i {in} -map 0:v:0 -fps_mode passthrough -f framehash -hash md5 -",
                &[("in", &file)],
                &evidence.folder,
            )?;
            let pictures = listing::Listing::parse(&String::from_utf8_lossy(&ran.stdout))?.frames.len();
            ensure!(pictures == 1, "I-frame {n} decodes to {pictures} pictures");
        }
    }
    Ok(())
}
