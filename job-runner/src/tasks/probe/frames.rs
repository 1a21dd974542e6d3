//! Which frames are shown, and when: packets say it in most sources, and the decoder in the others.

use transcode_engine::Failure;
use transcode_media::{
    argv::{self, SourceUrl, probe::Analysis},
    index::{
        IndexBuilder, IndexError, PacketIndex, PacketRow, Smallest, Stretch, VideoIndex,
        clock::{Clock, ClockBuilder, ClockError},
    },
    probe::{FrameTimes, MediaInfo, VideoStream},
    time::MediaTime,
};

use crate::{
    error::TaskError,
    process::{Finished, Follow},
    source::OpenSource,
};

/// What packets say.
pub struct Packets {
    /// Their index.
    pub index: PacketIndex,
    smallest: Option<Smallest>,
    /// The parser met packets without a picture.
    pictureless: bool,
    /// Presentation times are made up, by ffmpeg or from decode times.
    made_up: bool,
}

/// How times that packets lack are found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lacking {
    /// Not at all.
    Refused,
    /// The decode time is taken.
    Decode,
    /// ffmpeg makes them up.
    Generated,
}

/// The packets, and the clock beside them.
type Read = (Result<Packets, IndexError>, Result<Clock, ClockError>);

/// Reads every packet once.
pub async fn packets(
    source: &OpenSource,
    info: &mut MediaInfo,
    analysis: Analysis,
) -> Result<(Packets, Result<Clock, ClockError>), TaskError> {
    let (packets, clock) = match read(source, info, analysis, Lacking::Refused).await? {
        (Err(IndexError::NoTimestamps { .. }), _) => without_times(source, info, analysis).await?,
        read => read,
    };
    Ok((packets.map_err(TaskError::bad_input)?, clock))
}

/// Memory is the index.
async fn read(
    source: &OpenSource,
    info: &mut MediaInfo,
    analysis: Analysis,
    lacking: Lacking,
) -> Result<Read, TaskError> {
    let mut builder = IndexBuilder::new(
        info.video.as_ref().map(|v| (v.index, v.timebase)),
        info.audio.iter().map(|a| (a.index, a.timebase)),
    )
    .of(&info.container);
    if lacking == Lacking::Decode {
        builder = builder.shown_when_decoded();
    }
    let mut clock = ClockBuilder::new(
        info.video.as_ref().map(|v| (v.index, v.timebase)),
        info.audio.iter().map(|a| (a.index, a.timebase)),
    );
    let mut on_line = |line: &str| {
        if let Some(row) = PacketRow::parse(line) {
            builder.push(&row);
            clock.push(&row);
        }
    };
    let command = argv::probe::packets(&source.url().read_as(info), info, analysis);
    let finished = source.run_lines(&command, &mut on_line).await?;
    let container = format!("[{} @", info.container);
    let complaint = finished.complaints.lines().find(|line| line.starts_with(&container));
    info.complaint =
        complaint.map(|line| line.split("[error]").last().unwrap_or(line).trim().chars().take(160).collect());
    // Those of a stream without packets of its own are the parser's: it may begin or end within a picture.
    let parsed = ["mpegts", "mpeg", "h264"].contains(&info.container.as_str());
    let pictureless = finished.pictureless > 0 && !parsed;
    let (smallest, made_up) = (builder.smallest(), lacking == Lacking::Generated);
    let packets = builder.finish().map(|index| Packets { index, smallest, pictureless, made_up });
    Ok((packets, clock.finish(&info.container)))
}

/// Reads packets that have decode times only. Those of H.264 and HEVC are when frames are shown, or can't be known but
/// from a decoder, at a constant rate; of older codecs, which have one reordered frame at most, ffmpeg makes up the times.
async fn without_times(source: &OpenSource, info: &mut MediaInfo, analysis: Analysis) -> Result<Read, TaskError> {
    let Some(stream) = &mut info.video else { return read(source, info, analysis, Lacking::Refused).await };
    let modern = ["h264", "hevc"].contains(&stream.codec.as_str());
    // A frame in each chunk, at a constant rate.
    let counted = info.container == "avi" && (stream.reordered || !modern);
    match (counted, modern, stream.reordered) {
        (true, ..) => {
            let (packets, clock) = read(source, info, analysis, Lacking::Decode).await?;
            Ok((packets.map(|packets| Packets { made_up: true, ..packets }), clock))
        }
        (false, true, true) => Err(TaskError::bad_input(IndexError::Reordered { codec: stream.codec.clone() })),
        (false, true, false) => {
            stream.times = FrameTimes::Decode;
            read(source, info, analysis, Lacking::Decode).await
        }
        (false, false, _) => {
            info.generated_times = true;
            read(source, info, analysis, Lacking::Generated).await
        }
    }
}

/// Finds out where the video begins to be decodable, and all that is shown of it where packets can't say.
pub async fn begin(
    source: &OpenSource,
    info: &mut MediaInfo,
    packets: &mut Packets,
    first_frames: &[i64],
) -> Result<(), TaskError> {
    let (Some(stream), Some(video)) = (&mut info.video, &mut packets.index.video) else { return Ok(()) };
    let decoder = Decoder { source, container: &info.container, generated: info.generated_times };
    let fields = stream.interlaced && !packets.made_up && video.has_fields(first_frames, argv::probe::FIRST_FRAMES);
    // VP8 has packets that are never shown (RFC 6386 9.1, `show_frame`).
    let known = fields || packets.made_up || packets.pictureless || stream.codec == "vp8";
    let everything = known || decoder.leaves_out(stream, video, packets.smallest).await?;
    let until = if everything { i64::MAX } else { video.head() };
    let finished = decoder.decode(stream, until).await?;
    let mut shown = finished.shown;
    if !everything {
        return video.begin(&shown, until).map_err(TaskError::bad_input);
    }
    if fields {
        video.merge_fields(&shown).map_err(TaskError::bad_input)?;
        // Containers may count fields.
        stream.frame_rate = video.nearest_rate([stream.frame_rate, stream.frame_rate / 2]).unwrap_or(stream.frame_rate);
        return Ok(());
    }
    if let Some((first, last)) = stream.shown {
        shown.retain(|pts| (first..=last).contains(pts));
    }
    if packets.made_up && !info.generated_times {
        let late = video.late(&shown);
        stream.times = FrameTimes::Late(late);
        shown.iter_mut().for_each(|pts| *pts -= late);
    }
    video.list(&shown, finished.complaints.is_empty()).map_err(TaskError::bad_input)
}

/// Finds out which of the last frames of a cut source can be decoded.
pub async fn end(source: &OpenSource, info: &MediaInfo, index: &mut PacketIndex) -> Result<(), TaskError> {
    let (Some(stream), Some(video)) = (&info.video, &mut index.video) else { return Ok(()) };
    let (from, seek) = video.tail();
    let url = source.url().read_as(info);
    let command = argv::probe::frames(&url, &info.container, stream, seek, i64::MAX);
    let shown = source.run(&command, Follow::default()).await?.shown;
    video.end(&shown, from);
    Ok(())
}

/// Decodes the source's video.
struct Decoder<'a> {
    source: &'a OpenSource,
    container: &'a str,
    generated: bool,
}

impl Decoder<'_> {
    async fn run(&self, stream: &VideoStream, seek: Option<MediaTime>, until: i64) -> Result<Finished, TaskError> {
        let url = SourceUrl { generate_times: self.generated, ..self.source.url() };
        let command = argv::probe::frames(&url, self.container, stream, seek, until);
        self.source.run(&command, Follow::default()).await
    }

    /// From the beginning up to a time.
    async fn decode(&self, stream: &VideoStream, until: i64) -> Result<Finished, TaskError> {
        // Decoders of what is encrypted or of nothing that they know say a lot, and show nothing.
        self.run(stream, None, until).await.map_err(|error| match error.failure {
            Failure::BadInput | Failure::Transient if error.message.contains("ffmpeg exited") => {
                let line = error.message.lines().find(|line| line.contains("[error]")).unwrap_or(&error.message);
                TaskError::bad_input(format!("{}; ffmpeg says: {line}", IndexError::Undecodable))
            }
            _ => error,
        })
    }

    /// Whether a packet that hardly has room for a picture shows none.
    async fn leaves_out(
        &self,
        stream: &VideoStream,
        video: &VideoIndex,
        smallest: Option<Smallest>,
    ) -> Result<bool, TaskError> {
        let Some(stretch) = smallest.and_then(|smallest| video.around(smallest)) else { return Ok(false) };
        let Stretch { seek, until, .. } = stretch;
        // Whoever can't decode it says so when it comes to the whole.
        let shown = self.run(stream, seek, until).await.map(|finished| finished.shown).unwrap_or_default();
        Ok(video.leaves_out(stretch, &shown))
    }
}
