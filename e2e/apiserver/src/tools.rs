//! Where the binaries are: `KUBEBUILDER_ASSETS`, `PATH`, then what `make tools` built. The same
//! order as `e2e/tools/install.sh`, which also tells whether a build is the pinned one.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

/// The path of a command.
pub fn find(name: &str) -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/install.sh");
    let output = Command::new(&script)
        .args(["--path", name])
        .output()
        .with_context(|| format!("{} cannot be run", script.display()))?;
    if !output.status.success() {
        bail!("{name} is missing: run `make tools`, or set TRANSCODE_SKIP_APISERVER=1 to leave these tests out");
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}
