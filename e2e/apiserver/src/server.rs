//! Starts etcd and kube-apiserver and waits until they serve.

use std::{
    ffi::OsString,
    fs,
    io::Read,
    net::TcpListener,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::{client::Client, process::Process, tools};

/// Starts in under 3 s on two idle cores; a busy machine may take much longer.
const PATIENCE: Duration = Duration::from_secs(90);
/// Another process may take a port between our look and the server's: then we start once more.
const STARTS: u32 = 3;

/// A running API server with one administrator and nothing installed.
///
/// Fields are dropped in order: the API server ends before etcd, the folder goes last.
#[derive(Debug)]
pub struct Server {
    pub(crate) client: Client,
    apiserver: Process,
    etcd: Process,
    folder: TempDir,
}

impl Server {
    /// Starts both and returns when the API server is ready.
    pub fn start() -> Result<Self> {
        let (etcd, apiserver) = (tools::find("etcd")?, tools::find("kube-apiserver")?);
        let mut failure = None;
        for _ in 0..STARTS {
            match Self::start_once(&etcd, &apiserver) {
                Ok(server) => return Ok(server),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or_else(|| bail!("no start was tried"), Err)
    }

    fn start_once(etcd: &Path, apiserver: &Path) -> Result<Self> {
        let folder = TempDir::with_prefix("transcode-apiserver-")?;
        let [client_port, peer_port, port] = free_ports()?;
        let store = format!("http://127.0.0.1:{client_port}");
        let etcd =
            Process::start(etcd, etcd_arguments(folder.path(), &store, peer_port), folder.path().join("etcd.log"))?;
        let token = random_token()?;
        fs::write(folder.path().join("tokens.csv"), format!("{token},admin,admin,\"system:masters\"\n"))?;
        let arguments = apiserver_arguments(folder.path(), &store, port);
        let apiserver = Process::start(apiserver, arguments, folder.path().join("apiserver.log"))?;
        let client = Client::new(folder.path(), port, &token)?;
        let mut server = Server { client, apiserver, etcd, folder };
        server.wait()?;
        Ok(server)
    }

    /// The folder that goes with the server.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Ready means that the namespace of the tests is there too.
    fn wait(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if !self.etcd.runs() {
                bail!("etcd ended:\n{}", self.etcd.last_words());
            }
            if !self.apiserver.runs() {
                bail!("kube-apiserver ended:\n{}", self.apiserver.last_words());
            }
            let ready = ["/readyz", "/api/v1/namespaces/default"];
            if ready.iter().all(|path| self.get(path).is_ok_and(|response| response.accepted())) {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        bail!("kube-apiserver is not ready after {} s:\n{}", PATIENCE.as_secs(), self.apiserver.last_words())
    }
}

fn etcd_arguments(folder: &Path, store: &str, peer_port: u16) -> Vec<OsString> {
    let mut arguments = vec!["--data-dir".into(), folder.join("etcd").into_os_string()];
    let flags = [
        format!("--listen-client-urls={store}"),
        format!("--advertise-client-urls={store}"),
        format!("--listen-peer-urls=http://127.0.0.1:{peer_port}"),
        "--unsafe-no-fsync".into(),
        "--log-level=warn".into(),
    ];
    arguments.extend(flags.map(OsString::from));
    arguments
}

/// The server signs itself a certificate in `--cert-dir`; its key serves for service accounts too.
fn apiserver_arguments(folder: &Path, store: &str, port: u16) -> Vec<OsString> {
    let certificates = folder.join("certificates");
    let key = certificates.join("apiserver.key");
    let flag = |name: &str, value: PathBuf| {
        let mut flag = OsString::from(format!("--{name}="));
        flag.push(value);
        flag
    };
    let mut arguments = vec![
        flag("cert-dir", certificates),
        flag("token-auth-file", folder.join("tokens.csv")),
        flag("service-account-key-file", key.clone()),
        flag("service-account-signing-key-file", key),
    ];
    let flags = [
        format!("--etcd-servers={store}"),
        format!("--secure-port={port}"),
        "--bind-address=127.0.0.1".into(),
        "--advertise-address=127.0.0.1".into(),
        "--authorization-mode=RBAC".into(),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        "--service-cluster-ip-range=10.96.0.0/16".into(),
        "--endpoint-reconciler-type=none".into(),
    ];
    arguments.extend(flags.map(OsString::from));
    arguments
}

/// Ports that are free now, all different: the listeners close together.
fn free_ports<const N: usize>() -> Result<[u16; N]> {
    let listeners = (0..N).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<Result<Vec<_>>>()?;
    ports.try_into().ok().context("as many ports as listeners")
}

/// A token that other users of the machine cannot guess.
fn random_token() -> Result<String> {
    let mut bytes = [0_u8; 16];
    fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
