//! The boxes that init segments and progressive files have in common (ISO/IEC 14496-12 8.2 to 8.6).

use super::{
    bytes::{BoxError, Cursor},
    entry,
    init::{AudioInit, TrackInit, VideoInit},
    spatial,
    writer::Writer,
};
use crate::probe::Hdr10;

/// What a `trak` says apart from its init facts.
pub(super) struct TrackHeader {
    /// `track_ID`, from 1.
    pub(super) id: u32,
    /// Chosen when a player isn't told otherwise.
    pub(super) enabled: bool,
    /// Tracks of one group (not 0) stand for each other.
    pub(super) alternate_group: u16,
    /// On the presentation timeline, movie ticks; 0 in an init segment.
    pub(super) presentation: u64,
    /// Sum of the samples' durations, track ticks; 0 in an init segment.
    pub(super) media: u64,
    /// In order; none writes no `edts`.
    pub(super) edits: Vec<Edit>,
}

/// An edit at normal rate (8.6.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Edit {
    /// Movie ticks; 0 in an init segment: to the end of the fragments.
    pub(super) duration: u64,
    /// Track ticks; -1 shows nothing.
    pub(super) media_time: i64,
}

/// Whether one of the values needs the 64-bit version of a box.
fn wide(values: &[u64]) -> bool {
    values.iter().any(|value| *value > u64::from(u32::MAX))
}

/// The unity matrix of `mvhd` and `tkhd`.
fn matrix(w: &mut Writer) {
    for value in [0x0001_0000, 0, 0, 0, 0x0001_0000, 0, 0, 0, 0x4000_0000] {
        w.u32(value);
    }
}

/// `mvhd` (8.2.2). Creation times are 0: they would make the bytes differ from run to run.
pub(super) fn movie(w: &mut Writer, timescale: u32, duration: u64, next_track: u32) {
    let wide = wide(&[duration]);
    w.full(b"mvhd", u8::from(wide), 0, |w| {
        w.sized(wide, 0);
        w.sized(wide, 0);
        w.u32(timescale);
        w.sized(wide, duration);
        w.u32(0x0001_0000); // rate
        w.u16(0x0100); // volume
        w.zeros(10);
        matrix(w);
        w.zeros(24);
        w.u32(next_track);
    });
}

/// `trak` (8.3.1); `tables` writes what follows `stsd` in `stbl`.
pub(super) fn track(w: &mut Writer, init: &TrackInit, header: &TrackHeader, tables: impl FnOnce(&mut Writer)) {
    w.boxed(b"trak", |w| {
        track_header(w, init, header);
        if !header.edits.is_empty() {
            w.boxed(b"edts", |w| edit_list(w, &header.edits));
        }
        w.boxed(b"mdia", |w| {
            media_header(w, init, header.media);
            handler(w, init);
            w.boxed(b"minf", |w| media_information(w, init, tables));
        });
    });
}

/// `tkhd` (8.3.2).
fn track_header(w: &mut Writer, init: &TrackInit, header: &TrackHeader) {
    let wide = wide(&[header.presentation]);
    // track_enabled, track_in_movie.
    let flags = if header.enabled { 3 } else { 2 };
    w.full(b"tkhd", u8::from(wide), flags, |w| {
        w.sized(wide, 0);
        w.sized(wide, 0);
        w.u32(header.id);
        w.u32(0);
        w.sized(wide, header.presentation);
        w.zeros(10);
        w.u16(header.alternate_group);
        w.u16(if matches!(init, TrackInit::Audio(_)) { 0x0100 } else { 0 }); // volume
        w.u16(0);
        matrix(w);
        let (width, height) = match init {
            TrackInit::Video(video) => video.display_size(),
            TrackInit::Audio(_) => (0, 0),
        };
        w.u32(width);
        w.u32(height);
    });
}

fn edit_list(w: &mut Writer, edits: &[Edit]) {
    let large = |edit: &Edit| i32::try_from(edit.media_time).is_err();
    let wide = edits.iter().any(|edit| wide(&[edit.duration]) || large(edit));
    w.full(b"elst", u8::from(wide), 0, |w| {
        w.u32(edits.len() as u32);
        for edit in edits {
            w.sized(wide, edit.duration);
            w.sized(wide, edit.media_time.cast_unsigned());
            w.u32(0x0001_0000); // media rate
        }
    });
}

/// `mdhd` (8.4.2).
fn media_header(w: &mut Writer, init: &TrackInit, duration: u64) {
    let wide = wide(&[duration]);
    w.full(b"mdhd", u8::from(wide), 0, |w| {
        w.sized(wide, 0);
        w.sized(wide, 0);
        w.u32(init.timescale().0);
        w.sized(wide, duration);
        w.u16(match init {
            TrackInit::Video(_) => super::init::Language::UNDETERMINED.packed(),
            TrackInit::Audio(audio) => audio.language.packed(),
        });
        w.u16(0);
    });
}

/// `hdlr` (8.4.3).
fn handler(w: &mut Writer, init: &TrackInit) {
    let (kind, name) = match init {
        TrackInit::Video(_) => (b"vide", b"VideoHandler\0"),
        TrackInit::Audio(_) => (b"soun", b"SoundHandler\0"),
    };
    w.full(b"hdlr", 0, 0, |w| {
        w.u32(0);
        w.bytes(kind);
        w.zeros(12);
        w.bytes(name);
    });
}

/// The body of `minf` (8.4.4).
fn media_information(w: &mut Writer, init: &TrackInit, tables: impl FnOnce(&mut Writer)) {
    match init {
        TrackInit::Video(_) => w.full(b"vmhd", 0, 1, |w| w.zeros(8)),
        TrackInit::Audio(_) => w.full(b"smhd", 0, 0, |w| w.zeros(4)),
    }
    w.boxed(b"dinf", |w| {
        w.full(b"dref", 0, 0, |w| {
            w.u32(1);
            w.full(b"url ", 0, 1, |_| {}); // flag 1: the media is in this file
        });
    });
    w.boxed(b"stbl", |w| {
        w.full(b"stsd", 0, 0, |w| {
            w.u32(1);
            match init {
                TrackInit::Video(video) => video_entry(w, video),
                TrackInit::Audio(AudioInit { entry, .. }) => entry::write_audio(w, entry),
            }
        });
        tables(w);
    });
}

/// The sample entry, and what is known of the picture besides its coding.
fn video_entry(w: &mut Writer, video: &VideoInit) {
    entry::write_video(w, &video.entry, |w| {
        if let Some(colour) = video.colour {
            w.boxed(b"colr", |w| {
                w.bytes(b"nclx");
                w.u16(colour.primaries);
                w.u16(colour.transfer);
                w.u16(colour.matrix);
                w.u8(if colour.full_range { 0x80 } else { 0 });
            });
        }
        w.boxed(b"pasp", |w| {
            w.u32(u32::try_from(*video.sar.numer()).unwrap_or(1));
            w.u32(u32::try_from(*video.sar.denom()).unwrap_or(1));
        });
        light(w, &video.hdr10);
        spatial::write(w, &video.spatial);
    });
}

/// Mastering display, its primaries in the order green, blue, red, and light level (12.1.6, 12.1.7).
fn light(w: &mut Writer, hdr10: &Hdr10) {
    if let Some(display) = &hdr10.mastering {
        let [red, green, blue] = display.primaries;
        w.boxed(b"mdcv", |w| {
            for (x, y) in [green, blue, red, display.white] {
                w.u16(x);
                w.u16(y);
            }
            w.u32(display.max_luminance);
            w.u32(display.min_luminance);
        });
    }
    if let Some(level) = &hdr10.light {
        w.boxed(b"clli", |w| {
            w.u16(level.content);
            w.u16(level.average);
        });
    }
}

/// Reads `elst`: where the presentation's 0 lies on the media timeline. One edit at most, since
/// this reads what [`super::init`] wrote.
pub(super) fn read_edit(trak: Cursor<'_>) -> Result<u32, BoxError> {
    let Some(edts) = trak.find("edts")? else {
        return Ok(0);
    };
    let mut elst = edts.one("elst")?;
    let wide = elst.version_flags()?.0 == 1;
    if elst.u32()? != 1 {
        return Err(BoxError::invalid("elst", "must have one edit"));
    }
    elst.sized(wide)?;
    u32::try_from(elst.sized(wide)?).map_err(|_| BoxError::invalid("elst", "is out of range"))
}
