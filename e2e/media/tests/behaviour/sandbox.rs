//! A hostile program in ffprobe's place reaches neither credentials nor the network.

use std::{
    collections::BTreeMap,
    fs,
    net::{Ipv4Addr, TcpListener, UdpSocket},
    path::Path,
    thread,
};

use anyhow::{Context, Result, anyhow};
use landlock::{ABI, AccessFs, Ruleset, RulesetAttr};

use crate::{OPTIONS, film, folder, job};

/// Landlock of this kernel.
fn landlock() -> Result<ABI> {
    let status = thread::spawn(|| Ruleset::default().handle_access(AccessFs::MakeBlock)?.create()?.restrict_self());
    Ok(status.join().map_err(|_| anyhow!("no Landlock thread"))??.landlock.into())
}

/// An address of this machine that others see, if it has one.
fn own_address() -> Option<Ipv4Addr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    match socket.local_addr().ok()?.ip() {
        std::net::IpAddr::V4(address) if !address.is_loopback() => Some(address),
        _ => None,
    }
}

#[test]
fn a_hostile_program_is_kept_from_credentials_and_network() -> Result<()> {
    let folder = folder()?;
    let at = |name: &str| folder.path().join(name);
    let text = |path: &Path| path.display().to_string();
    for place in ["tools/bin", "credentials/store", "home/.ssh"] {
        fs::create_dir_all(at(place))?;
    }
    let (secret, private, outside) = (at("credentials/store/secretAccessKey"), at("home/.ssh/id"), at("home/.bashrc"));
    fs::write(&secret, "secret")?;
    fs::write(&private, "private")?;
    let listener = TcpListener::bind("0.0.0.0:0")?;
    let port = listener.local_addr()?.port();
    let local = format!("127.0.0.1:{port}");
    let remote = own_address().map(|address| format!("{address}:{port}"));
    let read = [text(&secret), text(&private), text(&film()?), "/etc/passwd".into(), "/etc/shadow".into()];
    let connect: Vec<&String> = [&local].into_iter().chain(&remote).collect();
    let plan = serde_json::json!({"read": read, "write": [text(&outside)], "connect": connect});
    fs::write(at("tools/attempts.json"), plan.to_string())?;
    fs::copy(env!("CARGO_BIN_EXE_intruder"), at("tools/bin/ffprobe"))?;

    let path = format!("{}:{}", text(&at("tools/bin")), std::env::var("PATH")?);
    let job =
        job(&folder, OPTIONS)?.with("PATH", path).with("HOME", text(&at("home"))).with("AWS_SECRET_ACCESS_KEY", "s");
    let finished = job.run(&["--credentials-dir", &text(&at("credentials"))])?;
    assert_eq!(finished.reason(), "BadInput", "{}", finished.message());
    let told = told(&at("work"))?;
    let done = |what: &str| {
        let words = told.get(what).with_context(|| format!("no attempt to {what} in {told:#?}"))?;
        Ok::<_, anyhow::Error>(words == "done")
    };
    for (what, _) in told.iter().filter(|(what, _)| what.starts_with("needed")) {
        assert!(done(what)?, "{what}: {}", told[what]);
    }
    assert!(done("needed: the source")? && done("needed: the work folder")?);

    // What refuses each: nothing new (0), or Landlock from an ABI on.
    let mut refused: Vec<(String, i32)> = read.iter().map(|file| (format!("read {file}"), 1)).collect();
    refused.push((format!("write {}", text(&outside)), 1));
    refused.extend(
        ["environ", "maps", "mem", "root/etc/hostname", "fd/0"].map(|f| (format!("read of the parent: {f}"), 1)),
    );
    refused.extend(connect.iter().map(|address| (format!("connect {address}"), 4)));
    let rest = [("bind", 0), ("socket UDP", 0), ("socket raw", 0), ("socket UDP over IPv6", 0), ("socket netlink", 0)];
    let more = [("socket packet", 0), ("socket UNIX", 0), ("run what it wrote", 1), ("trace the parent", 0)];
    let last = [("signal the parent", 6), ("find a secret in its environment", 0)];
    refused.extend(rest.into_iter().chain(more).chain(last).map(|(what, abi)| (what.to_owned(), abi)));
    let abi = landlock()?;
    for (what, least) in refused {
        match abi >= ABI::from(least) {
            true => assert!(!done(&what)?, "the program could {what}"),
            false => eprintln!("skipped: {what} (Landlock here is {abi:?}, and that takes ABI {least})"),
        }
    }
    assert!(!outside.exists() || abi == ABI::Unsupported);
    Ok(())
}

/// What the intruder logged: attempts, and how they ended.
fn told(work: &Path) -> Result<BTreeMap<String, String>> {
    let mut told = BTreeMap::new();
    let mut folders = vec![work.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let text = fs::read(&path)?;
            for line in String::from_utf8_lossy(&text).lines().filter_map(|line| serde_json::from_str(line).ok()) {
                let line: serde_json::Value = line;
                let message = line["fields"]["message"].as_str().unwrap_or_default();
                if let Some((what, how)) = message.strip_prefix("intruder: ").and_then(|m| split(m)) {
                    told.insert(what.to_owned(), how.to_owned());
                }
            }
        }
    }
    Ok(told)
}

/// `read /a: failed: Permission denied` to `read /a` and the rest.
fn split(line: &str) -> Option<(&str, &str)> {
    [": done", ": failed: "].iter().find_map(|mark| {
        let at = line.find(mark)?;
        Some((&line[..at], &line[at + 2..]))
    })
}
