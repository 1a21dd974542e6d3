//! The time axis of the tasks. Long pauses in which nothing ran are cut out: a job that went on the next day
//! has work in it that is hours older than the rest.

use jiff::{SignedDuration, Timestamp};

use crate::lanes::Bar;

/// Pauses shorter than this, or than the longest task, stay.
const SHORT_PAUSE: SignedDuration = SignedDuration::from_secs(60);
/// Share of the width that a cut takes.
const CUT: f64 = 0.03;

/// A stretch of time without a cut, and what part of the width it takes.
#[derive(Debug, Clone, Copy)]
struct Stretch {
    from: Timestamp,
    to: Timestamp,
    begin: f64,
    width: f64,
}

/// Times to places from 0 to 1.
#[derive(Debug)]
pub struct Axis(Vec<Stretch>);

impl Axis {
    /// Over all bars; `None` without any.
    pub fn new<'a>(bars: impl Iterator<Item = &'a Bar>) -> Option<Self> {
        let mut times: Vec<(Timestamp, Timestamp)> = bars.map(|bar| (bar.from, bar.to)).collect();
        times.sort_unstable();
        let mut busy: Vec<(Timestamp, Timestamp)> = vec![];
        let longest = times.iter().map(|(from, to)| to.duration_since(*from)).max()?;
        for (from, to) in times {
            match busy.last_mut() {
                Some((_, end)) if from.duration_since(*end) <= longest.max(SHORT_PAUSE) => *end = to.max(*end),
                _ => busy.push((from, to)),
            }
        }
        let total: f64 = busy.iter().map(|(from, to)| to.duration_since(*from).as_secs_f64()).sum();
        // However many there are, the stretches keep half of the width.
        let cut = CUT.min(0.5 / busy.len() as f64);
        let scale = (1.0 - cut * (busy.len() - 1) as f64) / total.max(0.001);
        let mut begin = 0.0;
        let stretches = busy.into_iter().map(|(from, to)| {
            let stretch = Stretch { from, to, begin, width: to.duration_since(from).as_secs_f64() * scale };
            begin += stretch.width + cut;
            stretch
        });
        Some(Axis(stretches.collect()))
    }

    /// Where a time is.
    pub fn place(&self, at: Timestamp) -> f64 {
        let holds = |s: &&Stretch| s.from <= at && at <= s.to;
        self.0.iter().find(holds).map_or(0.0, |s| {
            let whole = s.to.duration_since(s.from).as_secs_f64();
            s.begin + if whole > 0.0 { at.duration_since(s.from).as_secs_f64() / whole * s.width } else { 0.0 }
        })
    }

    /// Where the pauses were cut out (from, to), and how long each was.
    pub fn cuts(&self) -> impl Iterator<Item = (f64, f64, f64)> {
        self.0.windows(2).filter_map(|pair| {
            let [a, b] = pair else { return None };
            Some((a.begin + a.width, b.begin, b.from.duration_since(a.to).as_secs_f64()))
        })
    }

    /// When the first stretch begins, and its seconds: it has the ticks.
    pub fn first(&self) -> (Timestamp, f64) {
        self.0.first().map_or((Timestamp::UNIX_EPOCH, 0.0), |s| (s.from, s.to.duration_since(s.from).as_secs_f64()))
    }
}
