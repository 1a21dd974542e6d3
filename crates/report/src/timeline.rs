//! Tasks as a picture: time from left to right, a lane for each task that ran beside others.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use maud::{Markup, html};
use transcode_contract::TaskRun;
use transcode_engine::{StageId, StageKind};

use crate::{
    Facts,
    axis::Axis,
    lanes::{Bar, lanes},
    words,
};

/// Width of the picture, user units; also the finest step that is drawn.
const WIDTH: f64 = 1000.0;
/// Lanes are at most so high, and lower when there are many.
const LANE: f64 = 22.0;
/// Height that all lanes share once there are many.
const HEIGHT: f64 = 440.0;
/// A lane can't be seen below this.
const LOWEST: f64 = 3.0;
/// Bars narrower than this become one with their neighbours of the same stage.
const NARROW: f64 = 2.0;

/// Bars, and where they come from.
struct Drawn {
    bars: Vec<Bar>,
    origin: &'static str,
}

/// The picture, and its figures by stage.
pub fn section(facts: &Facts) -> Markup {
    let Drawn { bars, origin } = bars(facts);
    let figures = figures(&bars);
    let Some(axis) = Axis::new(bars.iter()) else { return html! { p { "No times of tasks are known." } } };
    let count = bars.len();
    let lanes = lanes(bars);
    html! {
        figure {
            div.scroll { (picture(&axis, &lanes, count)) }
            figcaption { (legend(&figures)) p { (origin) } }
        }
        div.scroll { (table(&figures)) }
    }
}

fn bars(facts: &Facts) -> Drawn {
    let of_record = || facts.record.iter().flat_map(|record| &record.runs);
    if !facts.runs.is_empty() {
        let bars = facts.runs.iter().map(|run| bar(&run.ran, run.failure.clone()));
        return Drawn { bars: bars.collect(), origin: "Every run of a task in this run of the job, failed ones too." };
    }
    if of_record().next().is_some() {
        return Drawn {
            bars: of_record().map(|run| bar(run, None)).collect(),
            origin: "The runs that left results, as the record has them. Probe, split, cleanup and failed attempts leave none. Work that was done earlier is shown when it was done.",
        };
    }
    let stages = facts.status.iter().flat_map(|status| &status.stages);
    let of_stage = |stage: &transcode_api::status::StageStatus| {
        let time = |text: &Option<String>| text.as_deref()?.parse::<Timestamp>().ok();
        let (from, to) = (time(&stage.started_at)?, time(&stage.finished_at)?);
        let words = format!("{}, {}", stage.name, words::plural(stage.total as usize, "task"));
        let failure = (stage.state == "Failed").then(|| stage.message.clone().unwrap_or_default());
        Some(Bar { stage: stage.name.parse().ok()?, words, from, to: to.max(from), failure })
    };
    Drawn {
        bars: stages.filter_map(of_stage).collect(),
        origin: "Whole stages, from the start of the first task to the end of the last: the status of a job has no times of single tasks.",
    }
}

fn bar(ran: &TaskRun, failure: Option<String>) -> Bar {
    let words = match ran.stage.kind {
        kind if kind.is_of_chunks() => format!("{} chunk {}", ran.stage, ran.task),
        _ => ran.stage.to_string(),
    };
    // A clock may have been set back meanwhile.
    Bar { stage: ran.stage.clone(), words, from: ran.began, to: ran.ended.max(ran.began), failure }
}

/// One or several bars as they are drawn.
struct Block<'a> {
    bars: Vec<&'a Bar>,
    x: f64,
    end: f64,
}

impl Block<'_> {
    fn title(&self) -> String {
        let took = |from: Timestamp, to: Timestamp| words::seconds(to.duration_since(from).as_secs_f64());
        match self.bars.as_slice() {
            [bar] => {
                let failure = bar.failure.as_ref().map(|why| format!(", failed: {}", first_line(why)));
                format!("{}: {}{}", bar.words, took(bar.from, bar.to), failure.unwrap_or_default())
            }
            [first, .., last] => {
                format!("{} of {}: {}", words::plural(self.bars.len(), "task"), first.stage, took(first.from, last.to))
            }
            [] => String::new(),
        }
    }
}

/// What can be seen apart; never more than a block for each step of the width.
fn blocks<'a>(axis: &Axis, lane: &'a [Bar]) -> Vec<Block<'a>> {
    let mut blocks: Vec<Block<'a>> = vec![];
    for bar in lane {
        let (x, end) = (axis.place(bar.from) * WIDTH, axis.place(bar.to) * WIDTH);
        let same = |block: &&mut Block<'_>| {
            let alike = block
                .bars
                .iter()
                .all(|b| b.stage.kind == bar.stage.kind && b.failure.is_some() == bar.failure.is_some());
            alike && end - block.x < 2.0 * NARROW
        };
        match blocks.last_mut().filter(same) {
            Some(block) => {
                block.bars.push(bar);
                block.end = end;
            }
            None => blocks.push(Block { bars: vec![bar], x, end }),
        }
    }
    blocks
}

fn picture(axis: &Axis, lanes: &[Vec<Bar>], count: usize) -> Markup {
    let lane = (HEIGHT / lanes.len() as f64).clamp(LOWEST, LANE);
    let height = lane * lanes.len() as f64;
    let thick = (lane - 1.0).max(lane * 0.8);
    let words = format!("{} on {} at a time", words::plural(count, "task run"), lanes.len());
    html! {
        svg.tasks viewBox=(format!("0 0 {WIDTH} {:.1}", height + 22.0)) role="img" aria-label=(words) {
            title { (words) }
            @for (x, label) in ticks(axis) {
                line.grid x1=(x) x2=(x) y1="0" y2=(format!("{height:.1}")) {}
                text x=(x) y=(format!("{:.1}", height + 15.0)) { (label) }
            }
            @for (from, to, seconds) in axis.cuts() {
                rect.cut x=(place(from)) y="0" width=(place(to - from)) height=(format!("{height:.1}")) {
                    title { "nothing ran for " (words::seconds(seconds)) }
                }
            }
            @for (n, bars) in lanes.iter().enumerate() {
                @for block in blocks(axis, bars) {
                    rect class=(class(&block)) x=(format!("{:.2}", block.x)) y=(format!("{:.1}", lane * n as f64))
                        width=(format!("{:.2}", (block.end - block.x).max(0.7))) height=(format!("{thick:.1}")) {
                        title { (block.title()) }
                    }
                }
            }
        }
    }
}

fn place(x: f64) -> String {
    format!("{:.2}", x * WIDTH)
}

fn class(block: &Block<'_>) -> String {
    let kind = block.bars.first().map_or("", |bar| bar.stage.kind.name());
    let failed = if block.bars.iter().any(|bar| bar.failure.is_some()) { " failed" } else { "" };
    format!("{kind}{failed}")
}

/// About six round times of the first stretch.
fn ticks(axis: &Axis) -> Vec<(String, String)> {
    const STEPS: [f64; 17] = [
        0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0,
        86400.0,
    ];
    let (start, seconds) = axis.first();
    let step = STEPS.iter().copied().find(|step| seconds / step <= 7.0).unwrap_or(7.0 * 86400.0);
    let at = |n: u32| SignedDuration::from_millis((f64::from(n) * step * 1000.0) as i64);
    let ticks = (0..=7).map(at).take_while(|at| at.as_secs_f64() <= seconds);
    ticks
        .filter_map(|at| Some((place(axis.place(start.checked_add(at).ok()?)), words::seconds(at.as_secs_f64()))))
        .collect()
}

/// What the runs of a stage took.
struct Figures {
    runs: usize,
    failed: usize,
    took: Vec<Duration>,
}

fn figures(bars: &[Bar]) -> BTreeMap<StageId, Figures> {
    let mut stages: BTreeMap<StageId, Figures> = BTreeMap::new();
    for bar in bars {
        let stage = stages.entry(bar.stage.clone()).or_insert(Figures { runs: 0, failed: 0, took: vec![] });
        stage.runs += 1;
        stage.failed += usize::from(bar.failure.is_some());
        stage.took.push(bar.to.duration_since(bar.from).unsigned_abs());
    }
    stages.values_mut().for_each(|stage| stage.took.sort_unstable());
    stages
}

fn legend(figures: &BTreeMap<StageId, Figures>) -> Markup {
    let mut kinds: Vec<StageKind> = figures.keys().map(|stage| stage.kind).collect();
    kinds.dedup();
    html! {
        ul.legend {
            @for kind in kinds { li { span class=(format!("swatch {}", kind.name())) {} (kind.name()) } }
            @if figures.values().any(|stage| stage.failed > 0) { li { span.swatch.failed {} "failed" } }
        }
    }
}

fn table(figures: &BTreeMap<StageId, Figures>) -> Markup {
    let time = |took: Option<&Duration>| took.map(|took| words::seconds(took.as_secs_f64()));
    html! {
        table {
            caption { "Runs of tasks, by stage" }
            thead { tr {
                th scope="col" { "Stage" }
                @for name in ["Runs", "Failed", "Shortest", "Median", "Longest", "Together"] { th.number scope="col" { (name) } }
            } }
            tbody { @for (stage, figures) in figures { tr {
                th scope="row" { (stage) }
                td.number { (words::count(figures.runs as u64)) }
                td.number { (words::count(figures.failed as u64)) }
                td.number { (time(figures.took.first()).unwrap_or_default()) }
                td.number { (time(figures.took.get(figures.took.len() / 2)).unwrap_or_default()) }
                td.number { (time(figures.took.last()).unwrap_or_default()) }
                td.number { (words::seconds(figures.took.iter().sum::<Duration>().as_secs_f64())) }
            } } }
        }
    }
}

fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().chars().take(160).collect()
}
