//! The last step before a managed server: a copy of this program that replaces itself with the
//! server.
//!
//! Code in the child between `fork` and `exec` would be `unsafe`. A separate program does not need
//! it, and this program's own file is always available.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitCode};

use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Pid, Uid, getppid, setgid, setgroups, setuid};

/// The hidden command that calls [`run`].
pub const COMMAND: &str = "__pg-exec";

/// The account argument if the account stays the same.
const SAME_ACCOUNT: &str = "-";

/// Why the program was not started.
#[derive(Debug, thiserror::Error)]
enum ExecError {
    #[error("usage: {COMMAND} PARENT-PID UID:GID|{SAME_ACCOUNT} PROGRAM [ARGUMENT...]")]
    Usage,
    #[error("the gateway that started this is gone")]
    Orphaned,
    #[error("cannot {0}")]
    Call(&'static str, #[source] Errno),
    #[error("cannot run {0:?}")]
    Run(OsString, #[source] io::Error),
}

/// Replaces this process with a program under another account, which the kernel interrupts when the
/// thread that started it ends. Returns only on failure, after logging it to stderr, the server's
/// log.
///
/// `args` follow [`COMMAND`]: the process id of the gateway, `UID:GID` or `-`, the program and its
/// arguments.
pub fn run(args: impl Iterator<Item = OsString>) -> ExitCode {
    let error = match become_program(args) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}"));
    // If stderr is closed too, only the exit code is left.
    drop(writeln!(io::stderr(), "sealpost: {error}{}", cause.unwrap_or_default()));
    ExitCode::FAILURE
}

/// The arguments of [`run`], including the command.
pub(super) fn arguments(account: Option<(Uid, Gid)>, program: &OsStr) -> [OsString; 4] {
    let account =
        account.map_or_else(|| SAME_ACCOUNT.to_owned(), |(uid, gid)| format!("{uid}:{gid}"));
    [COMMAND.into(), std::process::id().to_string().into(), account.into(), program.to_owned()]
}

fn become_program(mut args: impl Iterator<Item = OsString>) -> Result<Infallible, ExecError> {
    let parent = args.next().as_deref().and_then(number::<i32>).ok_or(ExecError::Usage)?;
    let account = args.next().ok_or(ExecError::Usage)?;
    let program = args.next().ok_or(ExecError::Usage)?;

    if account != SAME_ACCOUNT {
        let (uid, gid) = account
            .to_str()
            .and_then(|account| account.split_once(':'))
            .and_then(|(uid, gid)| Some((uid.parse().ok()?, gid.parse().ok()?)))
            .ok_or(ExecError::Usage)?;
        let (uid, gid) = (Uid::from_raw(uid), Gid::from_raw(gid));
        // The groups while still permitted, the user last.
        setgroups(&[gid]).map_err(|errno| ExecError::Call("set the groups", errno))?;
        setgid(gid).map_err(|errno| ExecError::Call("set the group", errno))?;
        setuid(uid).map_err(|errno| ExecError::Call("set the user", errno))?;
    }
    // After the account: changing it clears this. SIGINT is the server's fast shutdown.
    prctl::set_pdeathsig(Signal::SIGINT)
        .map_err(|errno| ExecError::Call("ask for a signal at the gateway's end", errno))?;
    // After the request: a gateway that ended before it sends no signal.
    if getppid() != Pid::from_raw(parent) {
        return Err(ExecError::Orphaned);
    }

    let error = Command::new(&program).args(args).exec();
    Err(ExecError::Run(program, error))
}

fn number<T: std::str::FromStr>(text: &OsStr) -> Option<T> {
    text.to_str()?.parse().ok()
}
