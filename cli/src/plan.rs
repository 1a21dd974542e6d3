//! `plan`: everything before encoding. Probes the source into a temporary folder; writes nothing to
//! the output.

use std::{collections::BTreeMap, path::Path};

use serde_json::json;
use tokio::sync::mpsc;
use transcode_api::{FanOut, FileOutput};
use transcode_engine::{
    Layout, MediaSummary, Need, Outcome, Plan, ResolvedSpec, SplitSummary,
    bundle::Bundle,
    commands,
    estimate::estimate,
    extend::{fan_out, renditions},
    status::fan_out_words,
};
use transcode_local::{Ended, Until};
use transcode_media::{
    argv::{
        Command, SourceUrl, probe,
        video::{Output, Pass},
    },
    chunk::Chunk,
    ladder::Rendition,
    rate::{Rate, Squeeze},
    time::human,
};

use crate::{
    Exit,
    args::{PlanArgs, PlanOutput},
    jobs, run, site,
};

/// Chunks that the text shows; JSON has all.
const ROWS: usize = 12;

/// Plans every job of the files.
pub async fn run(args: PlanArgs) -> anyhow::Result<Exit> {
    let Some(specs) = jobs::load(&args.files)? else { return Ok(Exit::WrongUse) };
    let stop = run::stop_on_signal()?;
    let mut worst = Exit::Done;
    for mut spec in specs {
        let folder = tempfile::tempdir()?;
        let engine = site::engine(&args.site, Some(&folder.path().join("work")), &mut spec)?;
        let mut dry = spec.clone();
        dry.output.s3 = None;
        dry.output.file = Some(FileOutput { path: folder.path().join("out").display().to_string() });
        let (sender, mut events) = mpsc::channel(64);
        let drain = tokio::spawn(async move { while events.recv().await.is_some() {} });
        let ended = engine.run(&dry, Until::Planned, sender, stop.clone()).await?;
        drain.await?;
        match ended {
            Ended::Planned(bundle) => print(args.output, &spec, &bundle, &folder.path().join("out"), engine.workers)?,
            Ended::Interrupted => return Ok(Exit::Interrupted),
            Ended::Job(Outcome::Failed { reason, message }, _) => {
                eprintln!("{}: can't be planned, {reason}: {message}", spec.name);
                worst = worst.max(Exit::Failed);
            }
            Ended::Job(Outcome::Complete { .. }, _) => {}
        }
    }
    Ok(worst)
}

/// A planned job with all that is known of it.
struct Planned<'a> {
    spec: &'a ResolvedSpec,
    plan: &'a Plan,
    media: &'a MediaSummary,
    split: &'a SplitSummary,
    chunks: Vec<Chunk>,
    ladder: Vec<Rendition>,
    workers: u32,
}

fn print(output: PlanOutput, spec: &ResolvedSpec, bundle: &Bundle, out: &Path, workers: u32) -> anyhow::Result<()> {
    let facts = &bundle.observation.record.facts;
    let (Some(media), Some(split)) = (facts.media(), facts.split()) else { anyhow::bail!("the source was not probed") };
    let table = out.join(Layout::new(&bundle.spec, media).chunk_table());
    let planned = Planned {
        spec,
        plan: &bundle.plan,
        media,
        split,
        chunks: serde_json::from_slice(&std::fs::read(table)?)?,
        ladder: renditions(spec, media).renditions,
        workers,
    };
    match output {
        PlanOutput::Text => planned.text(fan_out_words(spec, facts, true)),
        PlanOutput::Json => println!("{}", serde_json::to_string_pretty(&planned.json())?),
        PlanOutput::Dot => print!("{}", planned.dot()),
        PlanOutput::Mermaid => print!("{}", planned.mermaid()),
    }
    Ok(())
}

/// What the probe found, for people.
pub fn print_media(media: &MediaSummary) {
    println!("source       {} ({:.1} MiB)", media.source, media.bytes as f64 / 1_048_576.0);
    println!("  container  {}, {}", media.info.container, human(media.duration));
    if let (Some(video), Some(facts)) = (&media.info.video, &media.video) {
        let (frames, frame_rate, constant) = facts.of_source();
        let rate = if constant { "constant" } else { "variable" };
        println!(
            "  video      {} {}x{} {}, {frames} frames at {frame_rate} fps ({rate}), SAR {}, turned {}°",
            video.codec, video.width, video.height, video.pixel_format, video.sar, video.rotation
        );
    }
    for (stream, facts) in media.info.audio.iter().zip(&media.audio) {
        let (start, length) = (human(facts.start), human(facts.length));
        println!(
            "  audio      {} {} Hz, {} channels, {}, from {start}, {length} long",
            stream.codec, stream.sample_rate, stream.channels, stream.language
        );
    }
}

impl Planned<'_> {
    fn text(&self, fan_out: Option<String>) {
        println!("job          {}/{}", self.spec.namespace, self.spec.name);
        print_media(self.media);
        if let Some(facts) = self.media.video.as_ref().filter(|facts| facts.source.is_some()) {
            println!("shown        {} frames at {} fps", facts.frames, facts.frame_rate);
        }
        println!("ladder");
        for r in &self.ladder {
            println!("  {:<10} {}x{} (SAR {}), {}", r.name, r.width, r.height, r.sar, words(&r.codec));
        }
        if let Some(audio) = self.spec.audio.as_ref().filter(|_| !self.media.info.audio.is_empty()) {
            println!("  {:<10} {}", "audio", words(audio));
        }
        println!("graph        fan-out {}", fan_out.as_deref().unwrap_or("of no video"));
        for stage in self.plan.stages.values() {
            let needs: Vec<String> = stage.needs.iter().map(need).collect();
            let needs = if needs.is_empty() { String::new() } else { format!(" after {}", needs.join(", ")) };
            println!(
                "  {:<18} {:>4} task{}{needs}",
                stage.id.to_string(),
                stage.tasks,
                if stage.tasks == 1 { " " } else { "s" }
            );
        }
        self.print_chunks();
        let e = estimate(self.spec, self.media, self.split, self.workers);
        println!(
            "estimate     {} CPU-seconds, about {} s with {} workers; memory {} MiB, scratch {} MiB, output {} MiB",
            e.cpu_seconds, e.seconds, self.workers, e.memory_mib, e.scratch_mib, e.output_mib
        );
        println!("commands");
        for (name, command) in self.commands() {
            println!("  # {name}\n  {command}");
        }
    }

    fn print_chunks(&self) {
        let line = |c: &Chunk| {
            let seek = c.seek.map_or("the beginning".into(), human);
            println!(
                "  {:>5}  {:>4} segments from {:<5} {:>6} frames, PTS [{}, {}), decodes from {seek}, {} frames before",
                c.index,
                c.segments.len(),
                c.first_segment,
                c.frames(),
                c.start,
                c.end,
                c.preroll
            );
        };
        println!(
            "chunks       {}, {} segments of about {}",
            self.split.chunks,
            self.split.segments,
            human(self.spec.segment_duration)
        );
        self.chunks.iter().take(ROWS).for_each(line);
        if self.chunks.len() > ROWS {
            println!("  … and {} more (-o json has them all)", self.chunks.len() - ROWS);
        }
    }

    /// Every ffmpeg command of the job, by task. Merge, package, verify and publish need none.
    fn commands(&self) -> Vec<(String, Command)> {
        let input = &self.spec.input;
        let url = match (&input.file, &input.http, &input.s3) {
            (Some(file), _, _) => file.path.clone(),
            // Whoever runs the command has the URL at hand.
            (_, Some(http), _) => http.url.clone().unwrap_or_else(|| "URL".into()),
            // ffmpeg reads no object stores: copy the object here first.
            (_, _, Some(object)) => object.key.rsplit('/').next().unwrap_or("source").to_string(),
            _ => String::new(),
        };
        let source = SourceUrl::pasteable(url).read_as(&self.media.info);
        let mut list = vec![
            ("probe: streams".to_string(), probe::streams(&source, probe::Analysis::Usual)),
            ("probe: packets".to_string(), probe::packets(&source, &self.media.info, probe::Analysis::Usual)),
        ];
        let (picked, _) = fan_out(self.spec, self.split, self.ladder.len());
        let together: Vec<Vec<&Rendition>> = match picked {
            FanOut::Chunk => vec![self.ladder.iter().collect()],
            _ => self.ladder.iter().map(|r| vec![r]).collect(),
        };
        for renditions in together.iter().filter(|r| !r.is_empty()) {
            let twice: Vec<_> = renditions.iter().copied().filter(|r| r.codec.rate().passes() == 2).collect();
            for chunk in &self.chunks {
                list.extend(self.pass(&twice, chunk, &source, true));
                list.extend(self.pass(renditions, chunk, &source, false));
            }
        }
        let audio = commands::audio(self.spec, self.media, &source, |n| format!("audio-{n}.mp4").into());
        list.extend(audio.map(|c| ("audio".to_string(), c)));
        list.extend(self.thumbnail(&source));
        list
    }

    /// One run over a chunk. What it takes in a second pass only the first one tells: here it is the average.
    fn pass(
        &self,
        renditions: &[&Rendition],
        chunk: &Chunk,
        source: &SourceUrl,
        first: bool,
    ) -> Option<(String, Command)> {
        let stage = if first { "first pass" } else { "encode" };
        let named = |ending| renditions.iter().map(move |r| format!("{}-{:06}.{ending}", r.name, chunk.index));
        let (files, noted): (Vec<_>, Vec<_>) = (named("mp4").collect(), named("stats").collect());
        let output = |rendition, file, statistics| {
            let rendition: &Rendition = rendition;
            let (path, pass) = match rendition.codec.rate() {
                _ if first => (statistics, Pass::First),
                Rate::AverageBitrate { bitrate, .. } => (file, Pass::Second { statistics, bitrate }),
                Rate::Crf(_) | Rate::CappedCrf { .. } => (file, Pass::Only),
            };
            Output { rendition, path, squeeze: Squeeze::None, pass }
        };
        let paths = files.iter().map(Path::new).zip(noted.iter().map(Path::new));
        let outputs: Vec<_> = renditions.iter().zip(paths).map(|(r, (f, s))| output(*r, f, s)).collect();
        let names: Vec<_> = renditions.iter().map(|r| r.name.as_str()).collect();
        let command = commands::video(self.spec, self.media, self.split, chunk, chunk.seek, source, &outputs)?;
        (!outputs.is_empty()).then(|| (format!("{stage} {} chunk {}", names.join("+"), chunk.index), command))
    }

    /// Where the most representative frame is only the first command can tell; the second one then
    /// draws the first frame here.
    fn thumbnail(&self, source: &SourceUrl) -> Vec<(String, Command)> {
        let Some(wanted) = &self.spec.thumbnail else { return vec![] };
        let at = commands::thumbnail_time(self.spec, self.media);
        let choose = if at.is_none() { commands::choose_thumbnail(self.media, source) } else { None };
        let path = format!("thumbnail.{}", wanted.format.extension());
        let draw =
            commands::draw_thumbnail(self.spec, self.media, source, at.unwrap_or(self.media.origin), Path::new(&path));
        let choose = choose.map(|c| ("thumbnail: choose".to_string(), c));
        choose.into_iter().chain(draw.map(|c| ("thumbnail".to_string(), c))).collect()
    }

    fn json(&self) -> serde_json::Value {
        let commands: BTreeMap<String, String> = self.commands().into_iter().map(|(n, c)| (n, c.to_string())).collect();
        json!({
            "job": format!("{}/{}", self.spec.namespace, self.spec.name),
            "media": self.media,
            "ladder": self.ladder,
            "plan": self.plan,
            "split": self.split,
            "chunks": self.chunks,
            "estimate": estimate(self.spec, self.media, self.split, self.workers),
            "commands": commands,
        })
    }

    fn edges(&self) -> impl Iterator<Item = (String, String)> + '_ {
        self.plan.stages.values().flat_map(|stage| {
            stage.needs.iter().map(|n| match n {
                Need::Done(id) | Need::Settled { stage: id, .. } | Need::Ended(id) => {
                    (id.to_string(), stage.id.to_string())
                }
                Need::JobComplete => ("publish".to_string(), stage.id.to_string()),
            })
        })
    }

    fn dot(&self) -> String {
        let mut text = String::from("digraph job {\n  rankdir=LR;\n  node [shape=box];\n");
        for stage in self.plan.stages.values() {
            text.push_str(&format!("  \"{}\" [label=\"{} x{}\"];\n", stage.id, stage.id, stage.tasks));
        }
        for (from, to) in self.edges() {
            text.push_str(&format!("  \"{from}\" -> \"{to}\";\n"));
        }
        text + "}\n"
    }

    fn mermaid(&self) -> String {
        let mut text = String::from("flowchart LR\n");
        for stage in self.plan.stages.values() {
            text.push_str(&format!("  {}[\"{} x{}\"]\n", stage.id, stage.id, stage.tasks));
        }
        for (from, to) in self.edges() {
            text.push_str(&format!("  {from} --> {to}\n"));
        }
        text
    }
}

fn need(need: &Need) -> String {
    match need {
        Need::Done(id) => id.to_string(),
        Need::Settled { stage, within_seconds } => format!("{stage} (at most {within_seconds} s)"),
        Need::Ended(id) => format!("{id}, however it ends"),
        Need::JobComplete => "the end of the job".into(),
    }
}

/// `h264 {"crf":23,"preset":"medium"}` as people write it.
fn words(codec: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(codec).unwrap_or_default();
    if let Some(name) = value.as_str() {
        return name.into();
    }
    let Some((name, options)) = value.as_object().and_then(|o| o.iter().next()) else { return value.to_string() };
    format!("{name} {}", options_words(options))
}

fn options_words(options: &serde_json::Value) -> String {
    let set = options.as_object().into_iter().flatten().filter(|(_, v)| !v.is_null());
    let word = |(name, value): (&String, &serde_json::Value)| match value {
        serde_json::Value::Object(_) => format!("{name} ({})", options_words(value)),
        _ => format!("{name} {}", value.to_string().trim_matches('"')),
    };
    set.map(word).collect::<Vec<_>>().join(", ")
}
