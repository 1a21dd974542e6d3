//! The sandbox of ffmpeg and ffprobe. They parse untrusted media, so they are treated as hostile.
//!
//! Landlock names the files and the one TCP port. A seccomp filter refuses all other sockets, and the calls that lead
//! into other processes or deep into the kernel. Both hold for a thread and for what it starts. So a thread of its own
//! takes them on and starts the program: nothing has to run between fork and exec, which would be `unsafe`.

use std::{
    collections::BTreeMap,
    env,
    ffi::OsStr,
    fs, io,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::Once,
    thread,
};

use caps::{CapSet, Capability, errors::CapsError};
use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, NetPort, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetError, Scope,
    make_bitflags, path_beneath_rules,
};
use nix::{
    libc,
    sys::{
        prctl,
        resource::{Resource, setrlimit},
    },
    unistd::{AccessFlags, access},
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
    apply_filter, sock_filter,
};
use tokio::{
    process::{Child, Command},
    runtime::Handle,
};

/// The newest Landlock that is asked for; a kernel enforces what it knows of it.
const LANDLOCK: ABI = ABI::V10;

/// Programs, libraries and what these read: drivers too, of the distributions that keep them elsewhere.
const SYSTEM: [&str; 8] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/opt", "/nix/store"];
/// Settings of the loader, of libraries and of drivers; fonts.
const SETTINGS: [&str; 13] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.preload",
    "/etc/localtime",
    "/etc/fonts",
    "/var/cache/fontconfig",
    "/etc/gnutls",
    "/etc/gcrypt",
    "/etc/crypto-policies",
    "/etc/OpenCL",
    "/etc/vulkan",
    "/etc/glvnd",
    "/etc/drirc",
    "/etc/selinux/config",
];
/// What the kernel tells. Landlock keeps a program out of the memory, environment and files of other processes.
const KERNEL: [&str; 2] = ["/proc", "/sys"];
/// Devices that hold nothing, and directories of GPUs.
const DEVICES: [&str; 6] = ["/dev/null", "/dev/zero", "/dev/random", "/dev/urandom", "/dev/dri", "/dev/nvidia-caps"];

/// Calls that no decoder needs.
const REFUSED: [libc::c_long; 64] = [
    // Other processes: their memory and files, and memory that is shared by a name.
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_process_madvise,
    libc::SYS_pidfd_getfd,
    libc::SYS_kcmp,
    libc::SYS_shmget,
    libc::SYS_shmat,
    libc::SYS_semget,
    libc::SYS_msgget,
    libc::SYS_mq_open,
    // Servers.
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    // Other views of the system.
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_chroot,
    libc::SYS_pivot_root,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_move_mount,
    libc::SYS_mount_setattr,
    libc::SYS_open_tree,
    libc::SYS_fsopen,
    libc::SYS_fsconfig,
    libc::SYS_fsmount,
    libc::SYS_fspick,
    libc::SYS_name_to_handle_at,
    libc::SYS_open_by_handle_at,
    libc::SYS_fanotify_init,
    // Keys.
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
    // Parts of the kernel that were often the way into it.
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_io_uring_enter,
    libc::SYS_io_uring_register,
    libc::SYS_vmsplice,
    libc::SYS_remap_file_pages,
    libc::SYS_personality,
    // The machine.
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_kexec_file_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_acct,
    libc::SYS_quotactl,
    libc::SYS_quotactl_fd,
    libc::SYS_settimeofday,
    libc::SYS_clock_settime,
    libc::SYS_clock_adjtime,
    libc::SYS_adjtimex,
    libc::SYS_sethostname,
    libc::SYS_setdomainname,
    libc::SYS_syslog,
    libc::SYS_lookup_dcookie,
    libc::SYS_nfsservctl,
    libc::SYS_vhangup,
];

/// Keeps this process's memory and environment from others of the same user, and from core files; those of the programs
/// that it starts too. Where Landlock is, it does more.
pub fn hide() {
    if let Err(error) = prctl::set_dumpable(false).and_then(|()| setrlimit(Resource::RLIMIT_CORE, 0, 0)) {
        tracing::warn!(%error, "this process can't be hidden from others of the same user");
    }
}

/// What a program may access besides itself and the system's libraries.
#[derive(Debug, Clone, Copy)]
pub struct Reach<'a> {
    /// The task's own folder.
    pub work: &'a Path,
    /// The port of the loopback server.
    pub port: Option<u16>,
}

/// Starts a program with access to that and nothing else, as far as the kernel can enforce it.
pub(super) fn spawn(process: &mut Command, reach: Reach<'_>) -> io::Result<Child> {
    let runtime = Handle::current();
    thread::scope(|scope| {
        let confined = thread::Builder::new().spawn_scoped(scope, || {
            let _runtime = runtime.enter();
            confine(process.as_std().get_program(), reach)?;
            process.spawn()
        })?;
        confined.join().unwrap_or_else(|_| Err(io::Error::other("the sandbox thread panicked")))
    })
}

/// Confines this thread for good, and what it starts.
fn confine(program: &OsStr, reach: Reach<'_>) -> io::Result<()> {
    static TOLD: Once = Once::new();
    disempower().map_err(io::Error::other)?;
    let abi = restrict(program, reach).map_err(io::Error::other)?;
    if let Some(words) = lacking(abi) {
        TOLD.call_once(|| tracing::warn!("{words}"));
    }
    for program in filters().map_err(io::Error::other)? {
        apply_filter(&program).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Root's programs keep what opens folders of other users, and no other power. CAP_PERFMON, say, reads the environment
/// of every process from /proc, and Landlock is not asked.
fn disempower() -> Result<(), CapsError> {
    const KEPT: [Capability; 2] = [Capability::CAP_DAC_OVERRIDE, Capability::CAP_DAC_READ_SEARCH];
    caps::clear(None, CapSet::Ambient)?;
    if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP)? {
        let others = caps::all().into_iter().filter(|power| !KEPT.contains(power));
        // A kernel may not know all of them.
        for power in others.filter(|power| caps::has_cap(None, CapSet::Bounding, *power).unwrap_or(false)) {
            caps::drop(None, CapSet::Bounding, power)?;
        }
    }
    Ok(())
}

/// What the kernel can't enforce, and what that means.
fn lacking(abi: ABI) -> Option<&'static str> {
    match abi {
        ABI::Unsupported => Some(
            "Landlock is not available (it needs Linux 5.13 or later, and to be enabled): a malicious file that exploits ffmpeg could access this user's files, including credentials, and connect to any TCP server",
        ),
        ABI::V1 | ABI::V2 => Some(
            "Landlock cannot restrict truncation (Linux 6.2) or TCP (6.7) on this kernel: a malicious file that exploits ffmpeg could truncate this user's files and connect to any TCP server",
        ),
        ABI::V3 => Some(
            "Landlock cannot restrict TCP on this kernel (Linux 6.7 or later can): a malicious file that exploits ffmpeg could connect to any TCP server",
        ),
        ABI::V4 | ABI::V5 => Some(
            "Landlock cannot restrict signals on this kernel (Linux 6.12 or later can): a malicious file that exploits ffmpeg could stop this user's processes",
        ),
        _ => None,
    }
}

/// Restricts files and the port. Returns the Landlock ABI that is in force.
fn restrict(program: &OsStr, reach: Reach<'_>) -> Result<ABI, RulesetError> {
    let read = make_bitflags!(AccessFs::{ReadFile | ReadDir});
    let load = read | AccessFs::Execute;
    let device = make_bitflags!(AccessFs::{ReadFile | ReadDir | WriteFile | IoctlDev});
    // It makes files, and runs none of them.
    let not_made = make_bitflags!(AccessFs::{Execute | MakeChar | MakeBlock | MakeSock | IoctlDev | ResolveUnix});
    let own: BitFlags<AccessFs> = AccessFs::from_all(LANDLOCK) & !not_made;
    let libraries = env::var_os("LD_LIBRARY_PATH").unwrap_or_default();
    let ruleset = Ruleset::default()
        .handle_access(AccessFs::from_all(LANDLOCK))?
        .handle_access(AccessNet::from_all(LANDLOCK))?
        .scope(Scope::from_all(LANDLOCK))?
        .create()?
        .add_rules(path_beneath_rules(SYSTEM, load))?
        .add_rules(path_beneath_rules(installation(program), load))?
        .add_rules(path_beneath_rules(env::split_paths(&libraries).filter(|path| path.is_absolute()), load))?
        .add_rules(path_beneath_rules(SETTINGS, read))?
        .add_rules(path_beneath_rules(KERNEL, read))?
        .add_rules(path_beneath_rules(DEVICES, device))?
        .add_rules(path_beneath_rules(gpus(), device))?
        .add_rules(path_beneath_rules([reach.work], own))?
        .add_rules(reach.port.map(|port| Ok::<_, RulesetError>(NetPort::new(port, AccessNet::ConnectTcp))))?;
    Ok(ruleset.restrict_self()?.landlock.into())
}

/// The first program of that name on `PATH`, as `execvp` finds it, with what belongs to it.
fn installation(program: &OsStr) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let found = env::split_paths(&path).map(|folder| folder.join(program));
    let Some(found) = found.into_iter().find(|file| file.is_file() && access(file, AccessFlags::X_OK).is_ok()) else {
        return vec![];
    };
    let home = env::var_os("HOME").map(PathBuf::from);
    let real = fs::canonicalize(&found).unwrap_or_else(|_| found.clone());
    [found, real].into_iter().flat_map(|file| belonging(file, home.as_deref())).collect()
}

/// A program, and where it lies in a `bin` the folder with its libraries: all above that `bin` has, unless that has
/// what is the user's own.
fn belonging(program: PathBuf, home: Option<&Path>) -> Vec<PathBuf> {
    let above = program.parent().filter(|folder| folder.ends_with("bin")).and_then(Path::parent);
    let Some(above) = above.map(Path::to_path_buf) else { return vec![program] };
    let personal = home.is_some_and(|home| home.starts_with(&above) || above.parent() == Some(home));
    match personal || above.parent().is_none() {
        true => vec![above.join("lib"), above.join("lib64"), program],
        false => vec![above, program],
    }
}

/// The device files of NVIDIA's driver.
fn gpus() -> impl Iterator<Item = PathBuf> {
    let devices = fs::read_dir("/dev").into_iter().flatten().flatten();
    devices.filter(|file| file.file_name().as_bytes().starts_with(b"nvidia")).map(|file| file.path())
}

/// What the kernel refuses by the numbers of a call.
fn filters() -> seccompiler::Result<[BpfProgram; 2]> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = REFUSED.iter().map(|call| (*call, vec![])).collect();
    rules.extend([
        (libc::SYS_socket, sockets()?),
        // A pair that takes datagrams can send them to other UNIX sockets. To start a program takes one that does not.
        (libc::SYS_socketpair, kinds_but(&[libc::SOCK_STREAM, libc::SOCK_SEQPACKET])?),
        // They connect without `connect`, of which alone Landlock knows.
        (libc::SYS_sendto, vec![any_of(3, libc::MSG_FASTOPEN)?]),
        (libc::SYS_sendmsg, vec![any_of(2, libc::MSG_FASTOPEN)?]),
        (libc::SYS_sendmmsg, vec![any_of(3, libc::MSG_FASTOPEN)?]),
        (libc::SYS_clone, namespaces()?),
        // Input for the terminal.
        (libc::SYS_ioctl, vec![rule(1, SeccompCmpOp::Eq, libc::TIOCSTI as u32)?]),
    ]);
    // Its flags lie in memory, out of sight. Whoever hears that it does not exist calls `clone`.
    let unknown = BTreeMap::from([(libc::SYS_clone3, vec![])]);
    Ok([program(rules, libc::EPERM)?, program(unknown, libc::ENOSYS)?])
}

/// Every socket but TCP over IPv4: MPTCP and SCTP are streams too, and Landlock does not know them.
fn sockets() -> seccompiler::Result<Vec<SeccompRule>> {
    let mut rules = kinds_but(&[libc::SOCK_STREAM])?;
    rules.push(rule(0, SeccompCmpOp::Ne, libc::AF_INET as u32)?);
    let other = |protocol: i32| condition(2, SeccompCmpOp::Ne, protocol as u32);
    rules.push(SeccompRule::new(vec![other(0)?, other(libc::IPPROTO_TCP)?])?);
    Ok(rules)
}

/// Sockets of other kinds. The lower four bits say which; flags are above.
fn kinds_but(kept: &[i32]) -> seccompiler::Result<Vec<SeccompRule>> {
    let others = (0..16).filter(|kind| !kept.contains(kind));
    others.map(|kind| rule(1, SeccompCmpOp::MaskedEq(0xf), kind as u32)).collect()
}

/// Processes in namespaces of their own, where they would be root.
fn namespaces() -> seccompiler::Result<Vec<SeccompRule>> {
    let new = [
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWNS,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWCGROUP,
    ];
    new.into_iter().map(|flag| any_of(0, flag)).collect()
}

fn any_of(argument: u8, flag: i32) -> seccompiler::Result<SeccompRule> {
    rule(argument, SeccompCmpOp::MaskedEq(flag as u64), flag as u32)
}

fn rule(argument: u8, compared: SeccompCmpOp, with: u32) -> seccompiler::Result<SeccompRule> {
    Ok(SeccompRule::new(vec![condition(argument, compared, with)?])?)
}

fn condition(argument: u8, compared: SeccompCmpOp, with: u32) -> seccompiler::Result<SeccompCondition> {
    Ok(SeccompCondition::new(argument, SeccompCmpArgLen::Dword, compared, with.into())?)
}

/// The filter that answers these calls with an error.
fn program(rules: BTreeMap<i64, Vec<SeccompRule>>, error: i32) -> seccompiler::Result<BpfProgram> {
    let refused = SeccompAction::Errno(error as u32);
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, refused, env::consts::ARCH.try_into()?)?;
    // x86-64 has the calls of x32 under numbers of their own, which no rule has (seccomp(2)).
    const X32: u32 = 0x4000_0000;
    let instruction = |code: u32, jf, k| sock_filter { code: code as u16, jt: 0, jf, k };
    let mut program = vec![
        instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0),
        instruction(libc::BPF_JMP | libc::BPF_JGE | libc::BPF_K, 1, X32),
        instruction(libc::BPF_RET | libc::BPF_K, 0, SeccompAction::Errno(libc::ENOSYS as u32).into()),
    ];
    program.extend(BpfProgram::try_from(filter)?);
    Ok(program)
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn a_program_brings_its_libraries_but_not_the_home() {
        let home = Some(Path::new("/home/me"));
        let all = |program: &str| {
            let folders = belonging(program.into(), home).into_iter();
            folders.map(|folder| folder.display().to_string()).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(all("/opt/new/bin/ffmpeg"), "/opt/new /opt/new/bin/ffmpeg");
        assert_eq!(all("/home/me/tools/new/bin/ffmpeg"), "/home/me/tools/new /home/me/tools/new/bin/ffmpeg");
        assert_eq!(
            all("/home/me/.local/bin/ffmpeg"),
            "/home/me/.local/lib /home/me/.local/lib64 /home/me/.local/bin/ffmpeg"
        );
        assert_eq!(all("/home/me/bin/ffmpeg"), "/home/me/lib /home/me/lib64 /home/me/bin/ffmpeg");
        assert_eq!(all("/home/bin/ffmpeg"), "/home/lib /home/lib64 /home/bin/ffmpeg");
        assert_eq!(all("/bin/ffmpeg"), "/lib /lib64 /bin/ffmpeg");
        assert_eq!(all("/home/me/ffmpeg"), "/home/me/ffmpeg");
    }

    #[test]
    fn without_landlock_the_rest_holds() {
        let confined = thread::spawn(|| {
            let calls = [libc::SYS_landlock_create_ruleset, libc::SYS_landlock_restrict_self];
            let calls = calls.map(|call| (call, vec![])).into_iter().collect();
            apply_filter(&program(calls, libc::EOPNOTSUPP).unwrap()).unwrap();
            let reach = Reach { work: Path::new("/nowhere"), port: None };
            assert_eq!(restrict(OsStr::new("ffmpeg"), reach).unwrap(), ABI::Unsupported);
            confine(OsStr::new("ffmpeg"), reach).unwrap();
            [UdpSocket::bind("127.0.0.1:0").err(), TcpListener::bind("127.0.0.1:0").err()]
        });
        for error in confined.join().unwrap() {
            assert_eq!(error.unwrap().raw_os_error(), Some(libc::EPERM));
        }
        assert!(lacking(ABI::Unsupported).is_some() && lacking(ABI::V3).is_some() && lacking(LANDLOCK).is_none());
    }
}
