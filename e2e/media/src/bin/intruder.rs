//! What an attacker would try who has taken ffprobe over with a hostile file. Tests put it in ffprobe's place.
//!
//! `attempts.json`, in the folder above its own, names files and addresses. It logs a line for each attempt.

use std::{
    env, fs,
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, ensure};
use nix::{
    sys::{
        ptrace,
        signal::kill,
        socket::{AddressFamily, SockFlag, SockType, socket},
    },
    unistd::Pid,
};
use serde_json::Value;

fn main() -> Result<()> {
    let program = env::current_exe()?;
    let plan = program.ancestors().nth(2).context("it lies in a folder bin")?.join("attempts.json");
    let plan: Value = serde_json::from_slice(&fs::read(plan)?)?;
    let named = |kind: &str| -> Vec<String> { serde_json::from_value(plan[kind].clone()).unwrap_or_default() };
    let parent = Pid::parent();
    let work = PathBuf::from(env::var_os("TMPDIR").context("no TMPDIR")?);

    needed(&work);
    for file in named("read") {
        tell(&format!("read {file}"), fs::File::open(&file));
    }
    for file in ["environ", "maps", "mem", "root/etc/hostname", "fd/0"] {
        tell(&format!("read of the parent: {file}"), fs::File::open(format!("/proc/{parent}/{file}")));
    }
    for file in named("write") {
        tell(&format!("write {file}"), fs::write(&file, "intruder"));
    }
    for address in named("connect") {
        tell(&format!("connect {address}"), TcpStream::connect(&address));
    }
    tell("bind", TcpListener::bind("127.0.0.1:0"));
    tell("socket UDP", UdpSocket::bind("127.0.0.1:0"));
    for (name, family, kind) in [
        ("raw", AddressFamily::Inet, SockType::Raw),
        ("UDP over IPv6", AddressFamily::Inet6, SockType::Datagram),
        ("netlink", AddressFamily::Netlink, SockType::Datagram),
        ("packet", AddressFamily::Packet, SockType::Datagram),
        ("UNIX", AddressFamily::Unix, SockType::Stream),
    ] {
        tell(&format!("socket {name}"), socket(family, kind, SockFlag::empty(), None));
    }
    tell("run what it wrote", run(&program, &work.join("written")));
    let secret = env::vars_os().find(|(name, _)| name.to_string_lossy().contains("SECRET"));
    tell("find a secret in its environment", secret.context("none"));
    tell("signal the parent", kill(parent, None));
    tell("trace the parent", ptrace::seize(parent, ptrace::Options::empty()));
    // The job ends with this, as with any file that is no video.
    eprintln!("Invalid data found when processing input");
    std::process::exit(1)
}

/// What ffprobe and ffmpeg can't do without.
fn needed(work: &Path) {
    let url = env::args().find(|argument| argument.starts_with("http://"));
    tell("needed: the source", url.context("no URL").and_then(|url| fetch(&url)));
    let file = work.join("file");
    tell("needed: the work folder", fs::write(&file, "x").and_then(|()| fs::read(&file)));
    tell(
        "needed: folders within",
        fs::create_dir(work.join("folder")).and_then(|()| fs::remove_dir(work.join("folder"))),
    );
    tell("needed: libraries", fs::read_dir("/usr/lib"));
    tell("needed: itself in /proc", fs::read("/proc/self/maps"));
    tell("needed: processors", fs::read("/sys/devices/system/cpu/online"));
    tell("needed: random numbers", fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut [0; 8])));
    tell("needed: threads", std::thread::Builder::new().spawn(|| {}).map(std::thread::JoinHandle::join));
}

fn fetch(url: &str) -> Result<()> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').context("no path")?;
    let mut server = TcpStream::connect(host)?;
    server.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(server, "GET /{path} HTTP/1.1\r\nHost: {host}\r\nRange: bytes=0-99\r\nConnection: close\r\n\r\n")?;
    let mut answer = vec![];
    server.read_to_end(&mut answer)?;
    ensure!(answer.starts_with(b"HTTP/1.1 206"), "{}", String::from_utf8_lossy(&answer));
    Ok(())
}

fn run(program: &Path, copy: &Path) -> Result<()> {
    fs::copy("/bin/true", copy).or_else(|_| fs::copy(program, copy))?;
    Command::new(copy).status().map(drop).map_err(|error| anyhow!(error))
}

fn tell<T, E: std::fmt::Display>(what: &str, result: Result<T, E>) {
    match result {
        Ok(_) => eprintln!("intruder: {what}: done"),
        Err(error) => eprintln!("intruder: {what}: failed: {error}"),
    }
}
