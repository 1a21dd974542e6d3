//! Every row of the table as a test of its own, two at a time. Long rows are ignored tests.

use std::{env, path::PathBuf};

use e2e_media::{product, proof, row::Row, sources::TABLE};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    let mut arguments = Arguments::from_args();
    // Encoders fill the machine by themselves.
    arguments.test_threads = arguments.test_threads.or(Some(2));
    let trials =
        TABLE.iter().map(|row| Trial::test(row.name, move || prove(row)).with_ignored_flag(row.long)).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn prove(row: &Row) -> Result<(), Failed> {
    let told = |error: anyhow::Error| Failed::from(format!("{error:#}"));
    product::programs().map_err(told)?;
    match env::var_os("TRANSCODE_KEEP").map(PathBuf::from) {
        Some(keep) => {
            let folder = keep.join(row.name);
            // What an earlier run made would be found done.
            let _ = std::fs::remove_dir_all(&folder);
            proof::prove(row, &folder).map_err(told)
        }
        None => {
            let folder = tempfile::tempdir()?;
            proof::prove(row, folder.path()).map_err(told)
        }
    }
}
