//! Requests to the server.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::Server;

/// What the server answered.
#[derive(Debug, Clone)]
pub struct Response {
    /// HTTP status.
    pub status: u16,
    /// The body; null when it is no JSON.
    pub body: Value,
}

impl Response {
    /// Whether it is a success.
    pub fn accepted(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// What a `Status` says of a refusal.
    pub fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or_default()
    }
}

/// How to reach the server.
#[derive(Debug)]
pub(crate) struct Client {
    url: String,
    certificate: PathBuf,
    /// A file of curl's options: a token on the command line would be seen by everyone.
    options: PathBuf,
}

impl Client {
    pub fn new(folder: &Path, port: u16, token: &str) -> Result<Self> {
        let options = folder.join("curl");
        fs::write(&options, format!("header = \"Authorization: Bearer {token}\"\n"))?;
        let certificate = folder.join("certificates/apiserver.crt");
        Ok(Client { url: format!("https://127.0.0.1:{port}"), certificate, options })
    }

    fn send(&self, method: &str, path: &str, content_type: &str, body: &[u8]) -> Result<Response> {
        let mut child = Command::new("curl")
            .args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "60", "--request", method])
            .args(["--write-out", "\n%{http_code}", "--header", &format!("Content-Type: {content_type}")])
            .arg("--config")
            .arg(&self.options)
            .arg("--cacert")
            .arg(&self.certificate)
            .args((!body.is_empty()).then_some(["--data-binary", "@-"]).into_iter().flatten())
            .arg(format!("{}{path}", self.url))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("curl cannot be started: is it installed?")?;
        // A curl that cannot connect ends without reading: its own message says more.
        let _ = child.stdin.take().map(|mut stdin| stdin.write_all(body));
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{method} {path}: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        let text = String::from_utf8_lossy(&output.stdout);
        let (body, status) = text.rsplit_once('\n').context("curl wrote no status")?;
        Ok(Response { status: status.parse()?, body: serde_json::from_str(body).unwrap_or_default() })
    }
}

impl Server {
    /// Reads.
    pub fn get(&self, path: &str) -> Result<Response> {
        self.client.send("GET", path, "application/json", &[])
    }

    /// Creates from YAML, which the server itself reads. `path` may have a query.
    pub fn create(&self, path: &str, yaml: &str) -> Result<Response> {
        self.client.send("POST", path, "application/yaml", yaml.as_bytes())
    }

    /// Changes by a JSON merge patch (RFC 7396).
    pub fn patch(&self, path: &str, patch: &Value) -> Result<Response> {
        self.client.send("PATCH", path, "application/merge-patch+json", patch.to_string().as_bytes())
    }
}
