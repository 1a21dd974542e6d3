//! HLS (RFC 8216bis): the multivariant playlist, and for each track its media and I-frame playlist.

use super::{
    ListedTrack, PlaylistError, Presentation,
    groups::{Member, groups, quotable},
    pattern::Pattern,
    slots::{key_frames, slots},
    uri::relative_uri,
    variants::{Picture, Sound},
};
use crate::captions::Channel;

/// `EXT-X-MAP` in a media playlist needs 6; 7 is what RFC 8216 describes.
const VERSION: u32 = 7;
/// The first version of the protocol in which `EXT-X-GAP` exists.
const VERSION_WITH_GAPS: u32 = 8;

/// All playlists of a presentation: path relative to the output prefix, and text.
///
/// In the order in which they are to be written: `master` (its path is given) comes last, so that a
/// reader never finds a playlist that names a missing one.
pub fn files(presentation: &Presentation, master_path: &str) -> Result<Vec<(String, String)>, PlaylistError> {
    let mut files = Vec::new();
    let target = presentation.target_duration()?;
    for listed in presentation.tracks() {
        files.push((listed.playlist.clone(), media(listed, target)?));
        if let Some(path) = &listed.iframes {
            files.push((path.clone(), iframes(listed, path, target)?));
        }
    }
    files.push((master_path.to_owned(), master(presentation, master_path)?));
    Ok(files)
}

/// The media playlist of a track, to be written at [`ListedTrack::playlist`]; `target` is the presentation's
/// [target duration](Presentation::target_duration).
///
/// `EXTINF` has six decimals and sums to the exact duration: each segment's ends are rounded to the
/// microsecond, not its length.
pub fn media(listed: &ListedTrack, target: u64) -> Result<String, PlaylistError> {
    media_lines(listed, &listed.playlist, target, &Form::Whole)
}

/// The I-frame playlist of a track (RFC 8216bis 4.4.3.6), to be written at `path`: every key frame
/// of each segment, as a range of bytes that includes the `moof` before it. Its target duration might differ
/// (RFC 8216 6.2.4), but has no reason to.
pub fn iframes(listed: &ListedTrack, path: &str, target: u64) -> Result<String, PlaylistError> {
    media_lines(listed, path, target, &Form::KeyFrames)
}

/// What of each segment a playlist names.
enum Form {
    Whole,
    KeyFrames,
}

fn media_lines(listed: &ListedTrack, path: &str, target: u64, form: &Form) -> Result<String, PlaylistError> {
    let track = &listed.track;
    let slots = match form {
        Form::Whole => slots(track)?,
        Form::KeyFrames => key_frames(track)?,
    };
    let timescale = track.track.timescale;
    let version = if track.gaps.is_empty() { VERSION } else { VERSION_WITH_GAPS };
    let pattern = if track.gaps.is_empty() { None } else { Some(Pattern::of(track)?) };

    let mut lines = vec![
        "#EXTM3U".to_owned(),
        format!("#EXT-X-VERSION:{version}"),
        format!("#EXT-X-TARGETDURATION:{target}"),
        format!("#EXT-X-MEDIA-SEQUENCE:{}", slots.first().map_or(1, |slot| slot.number)),
        "#EXT-X-PLAYLIST-TYPE:VOD".to_owned(),
    ];
    lines.push(match form {
        Form::Whole => "#EXT-X-INDEPENDENT-SEGMENTS".to_owned(),
        Form::KeyFrames => "#EXT-X-I-FRAMES-ONLY".to_owned(),
    });
    lines.push(format!("#EXT-X-MAP:URI=\"{}\"", relative_uri(path, &track.track.init.path)));
    for slot in &slots {
        let micros = slot.micros(timescale);
        lines.push(format!("#EXTINF:{}.{:06},", micros / 1_000_000, micros % 1_000_000));
        lines.extend(slot.key.map(|key| format!("#EXT-X-BYTERANGE:{}@{}", key.bytes, key.offset)));
        if slot.segment.is_none() {
            lines.push("#EXT-X-GAP".to_owned());
        }
        lines.push(match (slot.segment, &pattern) {
            (None, Some(pattern)) => relative_uri(path, &pattern.path(slot.number)),
            (segment, _) => relative_uri(path, segment.map_or("", |s| &s.file.path)),
        });
    }
    lines.push("#EXT-X-ENDLIST".to_owned());
    Ok(lines.join("\n") + "\n")
}

/// The multivariant playlist, to be written at `path`.
///
/// Variants keep the order of the renditions; each is listed once per audio group. `BANDWIDTH` is
/// the peak of the video plus that of the loudest track of the group (RFC 8216bis 4.4.6.2). Without
/// video, each audio group is a variant.
pub fn master(presentation: &Presentation, path: &str) -> Result<String, PlaylistError> {
    presentation.check()?;
    let groups = groups(&presentation.audio);
    let target = presentation.target_duration()?;
    let sound: Vec<Sound> = groups.iter().map(|group| Sound::of(group, target)).collect::<Result<_, _>>()?;
    let mut lines =
        vec!["#EXTM3U".to_owned(), format!("#EXT-X-VERSION:{VERSION}"), "#EXT-X-INDEPENDENT-SEGMENTS".to_owned()];

    // A lone track without video is its variant's own media.
    if !presentation.video.is_empty() || presentation.audio.len() > 1 {
        lines.push(String::new());
        for group in &groups {
            lines.extend(group.members.iter().map(|m| media_tag(&group.id, m, path)));
        }
    }
    let captions = presentation.captions();
    lines.extend(captions.iter().map(caption_tag));
    lines.push(String::new());
    for rendition in &presentation.video {
        let picture = Picture::of(rendition, target)?;
        match sound.is_empty() {
            true => lines.extend(picture.variant(None, &captions, path)),
            false => sound.iter().for_each(|s| lines.extend(picture.variant(Some(s), &captions, path))),
        }
    }
    if presentation.video.is_empty() {
        let named = presentation.audio.len() > 1;
        sound.iter().for_each(|s| lines.extend(s.variant(named, path)));
    } else {
        lines.push(String::new());
    }
    for rendition in &presentation.video {
        if let Some(iframes) = &rendition.iframes {
            let picture = Picture::of(rendition, target)?;
            lines.push(picture.iframe_tag(&relative_uri(path, iframes))?);
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    Ok(lines.join("\n") + "\n")
}

/// The group of all captions.
pub(super) const CAPTIONS: &str = "captions";

/// Captions that lie in the pictures have no URI (RFC 8216bis 4.4.6.1), and nobody says in which language they are.
fn caption_tag(channel: &Channel) -> String {
    format!(
        "#EXT-X-MEDIA:TYPE=CLOSED-CAPTIONS,GROUP-ID=\"{CAPTIONS}\",NAME=\"{channel}\",DEFAULT=NO,AUTOSELECT=YES,\
         INSTREAM-ID=\"{channel}\""
    )
}

fn media_tag(group: &str, member: &Member, path: &str) -> String {
    let yes = |yes| if yes { "YES" } else { "NO" };
    format!(
        "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{group}\",LANGUAGE=\"{}\",NAME=\"{}\",DEFAULT={},\
         AUTOSELECT={},CHANNELS=\"{}\",URI=\"{}\"",
        quotable(member.language),
        member.name,
        yes(member.default),
        yes(member.autoselect),
        member.channels,
        relative_uri(path, &member.listed.playlist),
    )
}
