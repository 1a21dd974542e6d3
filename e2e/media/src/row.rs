//! What a row of the table is.

/// A source, a job over it, and what must come of it.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Name of the test.
    pub name: &'static str,
    /// How the source is made, each step from the file of the one before.
    pub source: &'static [Step],
    /// Name of the source's file; the extension says the container.
    pub file: &'static str,
    /// `spec.options`, YAML.
    pub options: &'static str,
    /// `spec.outputs[0].formats`, YAML.
    pub formats: &'static str,
    /// Frames of the source that must come out; 0 without video.
    pub frames: usize,
    /// How often the first of them is shown before its time, from where the sound begins.
    pub ahead: usize,
    /// How often the last of them is shown once more, until the sound ends.
    pub held: usize,
    /// Chunks that there must be at least.
    pub chunks: usize,
    /// Renditions in the ladder's order: name, width, height.
    pub pictures: &'static [(&'static str, u32, u32)],
    /// Audio tracks: language and title as the playlists show them.
    pub audio: &'static [(&'static str, Option<&'static str>)],
    /// Tones of each encoded channel of each audio track from 2 s on, in ffmpeg's order: Hz, and the level in
    /// thousandths of the source's.
    pub tones: &'static [&'static [&'static [(u32, u32)]]],
    /// Words of warnings that there must be.
    pub warnings: &'static [&'static str],
    /// Those of them that HLS and DASH leave out, `audio-0`.
    pub unlisted: &'static [&'static str],
    /// A frame in every second is white, and a beep starts with it.
    pub flashes: bool,
    /// Filters of ffmpeg that make of the source what the renditions show.
    pub shown: &'static str,
    /// Dynamic range of each rendition, by name: `PQ` or `HLG`; SDR otherwise.
    pub ranges: &'static [(&'static str, &'static str)],
    /// How the codec of a rendition is named in headers, playlists and MPD, by name: as far as profile and level.
    pub codecs: &'static [(&'static str, &'static str)],
    /// Channels of captions inside the pictures, as playlists name them.
    pub captions: &'static [&'static str],
    /// After so many of its steps the source is in the order in which the product is to read it: what comes out is
    /// compared with that. 0 is the source itself.
    pub mended: usize,
    /// Words of warnings that the record must have.
    pub warns: &'static [&'static str],
    /// Frames a second, where frame n is shown at n of their length from 0 on, whatever ffmpeg says of the source.
    pub counted: Option<i64>,
    /// Frames inside of segments at which every rendition has a key frame, since another scene begins.
    pub cuts: &'static [usize],
    /// Takes minutes: proved with `make test-long` only.
    pub long: bool,
}

impl Row {
    /// Frames that are published.
    pub fn shown_frames(&self) -> usize {
        self.ahead + self.frames + self.held
    }
}

/// One step of making a source.
#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// Words for ffmpeg; `{in}` is the file of the step before, `{out}` its own.
    Ffmpeg(&'static str),
    /// Words for ffmpeg as above; what they make comes after the file of the step before, byte for byte.
    Append(&'static str),
    /// So many bytes of nothing before the media of an MP4, which take no room on a disk with sparse files.
    Hole(u64),
    /// Turns the picture by writing the display matrix: clockwise degrees.
    Turn(u16),
    /// The same of a picture whose left and right are exchanged first.
    Mirror(u16),
    /// Words for Python: a script of e2e/tools and its arguments; `{in}` and `{out}` as above.
    Python(&'static str),
    /// A script of the repository, run with `{out}` and these words.
    Script(&'static str, &'static str),
    /// Clips of a camera, from a package, looped to a length: file and seconds.
    Camera(&'static str, u32),
}

/// What rows have in common.
pub const ROW: Row = Row {
    name: "",
    source: &[],
    file: "source.mp4",
    options: "",
    formats: "[hls, dash, mp4]",
    frames: 0,
    ahead: 0,
    held: 0,
    chunks: 1,
    pictures: &[],
    audio: &[],
    tones: &[],
    warnings: &[],
    unlisted: &[],
    flashes: false,
    shown: "null",
    ranges: &[],
    codecs: &[],
    captions: &[],
    mended: 0,
    warns: &[],
    counted: None,
    cuts: &[],
    long: false,
};
