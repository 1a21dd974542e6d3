//! Tasks that ran at the same time, one below another: the picture has as many lanes as tasks ran at once.

use jiff::Timestamp;
use transcode_engine::StageId;

/// Something that took a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bar {
    /// Its stage.
    pub stage: StageId,
    /// What it is, for people.
    pub words: String,
    /// From.
    pub from: Timestamp,
    /// To; not before `from`.
    pub to: Timestamp,
    /// Why it failed.
    pub failure: Option<String>,
}

/// Gives each bar the first lane that is free; the bars come back in order of their start.
pub fn lanes(mut bars: Vec<Bar>) -> Vec<Vec<Bar>> {
    bars.sort_by(|a, b| (a.from, a.to, &a.words).cmp(&(b.from, b.to, &b.words)));
    let mut lanes: Vec<Vec<Bar>> = vec![];
    for bar in bars {
        let free = lanes.iter_mut().find(|lane| lane.last().is_none_or(|last| last.to <= bar.from));
        match free {
            Some(lane) => lane.push(bar),
            None => lanes.push(vec![bar]),
        }
    }
    lanes
}
