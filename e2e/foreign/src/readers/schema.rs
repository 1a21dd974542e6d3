//! The manifest against the schema of ISO/IEC 23009-1, where `DASH_SCHEMA` names it: no package carries it.

use std::path::Path;

use anyhow::{Result, ensure};

use crate::{outputs::Output, toolbox};

/// Prints what breaks the schema, in a line each. The schema imports that of XLink, which xmlschema carries.
const CHECK: &str = "
import sys, xmlschema
schema = xmlschema.XMLSchema(sys.argv[1], allow='local', defuse='never')
for error in schema.iter_errors(sys.argv[2]):
    print(error.path, ' '.join(str(error.reason).split()))
";

/// Says how to ask it.
pub fn missing() -> Option<&'static str> {
    std::env::var_os("DASH_SCHEMA").is_none().then_some("DASH_SCHEMA names no DASH-MPD.xsd")
}

/// Asks it.
pub fn read(output: &Output) -> Result<Vec<String>> {
    let schema = std::env::var("DASH_SCHEMA")?;
    let packages = toolbox::packages()?.join("python").display().to_string();
    let mut findings = vec![];
    for manifest in output.published.paths("dash") {
        let words = ["-c", CHECK, &schema, &manifest.display().to_string()];
        let said = toolbox::ask(Path::new("python3"), &words, &[("PYTHONPATH", &packages)], output.scratch()?.path())?;
        ensure!(said.success, "xmlschema: {}", said.stderr);
        findings.extend(said.stdout.lines().map(str::to_owned));
    }
    Ok(findings)
}
