//! Every reader on every output, a test of its own each: `hdr::gstreamer`.

use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};

use e2e_foreign::{
    limits::{self, Limit},
    outputs::{Kind, OUTPUTS, Output},
    readers::{READERS, Reader},
};
use libtest_mimic::{Arguments, Failed, Trial};

/// An output, made by the first test that reads it.
type Made = Arc<OnceLock<Result<Output, String>>>;

fn main() {
    let mut arguments = Arguments::from_args();
    // Encoders fill the machine by themselves.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let limits = Arc::new(limits::read().map_err(|e| format!("{e:#}")));
    let made: BTreeMap<&str, Made> = OUTPUTS.iter().map(|kind| (kind.row.name, Made::default())).collect();
    // Outputs in turn, so that two are made at the same time.
    let trials = READERS.iter().flat_map(|reader| OUTPUTS.iter().map(move |kind| (kind, reader)));
    let trials = trials.map(|(kind, reader)| {
        let (made, limits) = (made[kind.row.name].clone(), limits.clone());
        let name = format!("{}::{}", kind.row.name, reader.name);
        Trial::test(name, move || ask(reader, kind, &made, &limits)).with_ignored_flag((reader.missing)().is_some())
    });
    let trials = trials.collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    for (reader, why) in READERS.iter().filter_map(|reader| Some((reader.name, (reader.missing)()?))) {
        println!("{reader} was not asked: {why}");
    }
    conclusion.exit();
}

fn ask(reader: &Reader, kind: &'static Kind, made: &Made, limits: &Result<Vec<Limit>, String>) -> Result<(), Failed> {
    let limits = limits.as_ref().map_err(Failed::from)?;
    let output = made.get_or_init(|| Output::publish(kind).map_err(|e| format!("{e:#}")));
    let output = output.as_ref().map_err(Failed::from)?;
    let findings = (reader.read)(output).map_err(|error| Failed::from(format!("{error:#}")))?;
    let version = (reader.version)().map_err(|error| Failed::from(format!("{error:#}")))?;
    let wrong = limits::judge(limits, reader.name, &version, kind.row.name, &findings);
    if wrong.is_empty() { Ok(()) } else { Err(Failed::from(wrong.join("\n"))) }
}
