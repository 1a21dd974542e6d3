//! The cluster and its S3 server, as the environment names them.

use std::{
    env, fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, ensure};
use kube::{
    Client, Config,
    api::DynamicObject,
    config::{KubeConfigOptions, Kubeconfig},
};
use tempfile::TempDir;
use transcode_api::{Addressing, S3Store as S3Spec, StoreSpec};
use transcode_storage::{GuardPolicy, S3Store};

/// Where the tests run. All of it is in variables, which `e2e/cluster/with-operator.sh` sets:
///
/// - `E2E_KUBECONFIG`: the cluster; its user may do everything
/// - `E2E_S3_ENDPOINT`, `E2E_S3_BUCKET`: an S3 server that pods and tests reach at the same address
/// - `E2E_S3_CREDENTIALS`: a file with `AWS_ACCESS_KEY_ID=…` and `AWS_SECRET_ACCESS_KEY=…`
/// - `E2E_HOST`: address of this machine, as pods reach it
/// - `E2E_KSTATUS`: the command of `e2e/tools/kstatus`
/// - `E2E_CLUSTER`: a command that kills nodes and restarts the API server, where there is one
///
/// `kubectl` is on `PATH`.
pub struct Site {
    /// As an administrator.
    pub client: Client,
    /// The kubeconfig's file.
    pub kubeconfig: PathBuf,
    /// The S3 server.
    pub endpoint: String,
    /// A bucket of it.
    pub bucket: String,
    /// Address of this machine, as pods reach it.
    pub host: String,
    /// Flux's and Argo CD's judge of objects.
    pub kstatus: String,
    /// The command for faults of the cluster itself.
    pub cluster: Option<String>,
    keys: TempDir,
}

impl Site {
    /// From the environment.
    pub async fn new() -> Result<Self> {
        let variable = |name: &str| env::var(name).with_context(|| format!("{name} is not set: run `make e2e`"));
        let kubeconfig = PathBuf::from(variable("E2E_KUBECONFIG")?);
        let config = Kubeconfig::read_from(&kubeconfig)?;
        let config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        Ok(Site {
            client: Client::try_from(config)?,
            kubeconfig,
            endpoint: variable("E2E_S3_ENDPOINT")?,
            bucket: variable("E2E_S3_BUCKET")?,
            host: variable("E2E_HOST")?,
            kstatus: variable("E2E_KSTATUS")?,
            cluster: env::var("E2E_CLUSTER").ok(),
            keys: keys(Path::new(&variable("E2E_S3_CREDENTIALS")?))?,
        })
    }

    /// As somebody else, who may do what was granted to them.
    pub async fn client_as(&self, user: &str) -> Result<Client> {
        let config = Kubeconfig::read_from(&self.kubeconfig)?;
        let mut config = Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await?;
        config.auth_info.impersonate = Some(user.into());
        Ok(Client::try_from(config)?)
    }

    /// Runs `kubectl` with a text as its input: whether it succeeded, and what it said.
    pub fn kubectl(&self, arguments: &[&str], text: &str) -> Result<(bool, String)> {
        let mut command = Command::new("kubectl");
        command.arg("--kubeconfig").arg(&self.kubeconfig).args(arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        child.stdin.take().context("no standard input")?.write_all(text.as_bytes())?;
        let output = child.wait_with_output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
    }

    /// One of the two keys: `accessKeyId`, `secretAccessKey`.
    pub fn key(&self, name: &str) -> Result<String> {
        Ok(fs::read_to_string(self.keys.path().join(name))?)
    }

    /// What Flux says of objects: `InProgress`, `Current`, `Failed` …
    pub fn flux_judges(&self, objects: &[DynamicObject]) -> Result<Vec<String>> {
        self.judge(&[], objects)
    }

    /// What Argo CD says of objects with our health check: `Progressing`, `Healthy`, `Degraded` …
    pub fn argo_judges(&self, objects: &[DynamicObject]) -> Result<Vec<String>> {
        self.judge(&["-health", concat!(env!("CARGO_MANIFEST_DIR"), "/../../manifests/argocd-health.lua")], objects)
    }

    fn judge(&self, arguments: &[&str], objects: &[DynamicObject]) -> Result<Vec<String>> {
        let mut command = Command::new(&self.kstatus);
        let mut child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let text: Vec<u8> = objects.iter().map(serde_json::to_vec).collect::<Result<Vec<_>, _>>()?.concat();
        child.stdin.take().context("no standard input")?.write_all(&text)?;
        let output = child.wait_with_output()?;
        ensure!(output.status.success(), "{} failed", self.kstatus);
        let words = |line: &str| line.split(' ').next().unwrap_or_default().to_owned();
        Ok(String::from_utf8(output.stdout)?.lines().map(words).collect())
    }

    /// The bucket below a prefix.
    pub fn store(&self, prefix: &str) -> Result<S3Store> {
        let endpoint = Some(self.endpoint.clone());
        let s3 = S3Spec { endpoint, region: None, addressing: Some(Addressing::Path) };
        let spec = StoreSpec { name: "tests".into(), s3, credentials: None };
        Ok(S3Store::new(&spec, &self.bucket, prefix, Some(self.keys.path()), &GuardPolicy::trusting())?)
    }
}

/// The credentials' file as a folder with a file for each key.
fn keys(file: &Path) -> Result<TempDir> {
    let text = fs::read_to_string(file).with_context(|| format!("{} can't be read", file.display()))?;
    let folder = tempfile::tempdir()?;
    for (variable, name) in [("AWS_ACCESS_KEY_ID", "accessKeyId"), ("AWS_SECRET_ACCESS_KEY", "secretAccessKey")] {
        let value = text.lines().find_map(|line| line.trim().strip_prefix(variable)?.strip_prefix('='));
        let value = value.with_context(|| format!("{} has no {variable}", file.display()))?;
        fs::write(folder.path().join(name), value.trim_matches('"'))?;
    }
    Ok(folder)
}
