//! Helpers for the tests of the managed cluster.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Gid, Pid, Uid, User, geteuid, setgid, setgroups, setuid};
use sealpost::postgres::{Cluster, Endpoint, Settings, installed};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, Executor as _, Row as _};
use tempfile::TempDir;

const LAUNCHER: &str = env!("CARGO_BIN_EXE_sealpost");

/// A folder that every account may access, and settings for a cluster in it.
pub(super) struct Folder {
    pub(super) dir: TempDir,
    pub(super) settings: Settings,
}

impl Folder {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let settings = settings(&dir.path().join("data/postgres"));
        Self { dir, settings }
    }

    pub(super) fn start(&self) -> Cluster {
        Cluster::start(&self.settings).unwrap()
    }

    pub(super) fn data(&self) -> &Path {
        &self.settings.data_dir
    }

    /// The path of the data directory with this extension.
    pub(super) fn sibling(&self, extension: &str) -> PathBuf {
        self.data().with_extension(extension)
    }
}

pub(super) fn settings(data_dir: &Path) -> Settings {
    Settings {
        data_dir: data_dir.to_owned(),
        bin_dir: None,
        search: installed(variable("PATH").as_deref()),
        fetch: false,
        launcher: LAUNCHER.into(),
    }
}

pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// Runs a statement on a new connection, and returns its only value.
pub(super) fn ask(endpoint: &Endpoint, sql: &'static str) -> String {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&endpoint.socket_dir)
        .port(endpoint.port)
        .username(&endpoint.user)
        .database("postgres");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = options.connect().await.unwrap();
        let row = connection.fetch_optional(sql).await.unwrap();
        row.map(|row| row.get(0)).unwrap_or_default()
    })
}

/// Commits a row that must survive the rest of the test.
pub(super) fn write_row(endpoint: &Endpoint) {
    ask(endpoint, "create table kept as select 'still here' as word");
}

pub(super) fn read_row(endpoint: &Endpoint) -> String {
    ask(endpoint, "select word from kept")
}

/// The postmaster of a data directory.
pub(super) fn server_pid(data: &Path) -> Pid {
    let content = fs::read_to_string(data.join("postmaster.pid")).unwrap();
    Pid::from_raw(content.lines().next().unwrap().parse().unwrap())
}

pub(super) fn is_alive(pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    status.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

pub(super) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "timed out: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A child process that is killed on drop.
pub(super) struct ForeignProcess(pub(super) Child);

impl ForeignProcess {
    pub(super) fn start(command: &mut Command) -> Self {
        Self(command.stdin(Stdio::null()).spawn().unwrap())
    }

    pub(super) fn pid(&self) -> Pid {
        Pid::from_raw(self.0.id().try_into().unwrap())
    }
}

impl Drop for ForeignProcess {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

/// A server that no gateway started.
pub(super) fn start_foreign_server(
    data: &Path,
    socket_dir: &Path,
    options: &[&str],
) -> ForeignProcess {
    let owner = fs::metadata(data).unwrap();
    std::os::unix::fs::chown(socket_dir, Some(owner.uid()), Some(owner.gid())).unwrap();
    let mut folders = installed(variable("PATH").as_deref()).into_iter();
    let postgres = folders.find_map(|dir| fs::canonicalize(dir.join("postgres")).ok()).unwrap();
    let server = ForeignProcess::start(
        hidden_command(account_of(data))
            .arg(postgres)
            .args(["-c", "listen_addresses=", "-D"])
            .arg(data)
            .arg("-k")
            .arg(socket_dir)
            .args(options)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .current_dir("/"),
    );
    wait_until("the foreign server is ready", || {
        fs::read_to_string(data.join("postmaster.pid")).is_ok_and(|pid| pid.contains("ready"))
    });
    server
}

/// The account that runs the server of a data directory, for [`hidden_command`].
pub(super) fn account_of(data: &Path) -> Option<String> {
    let owner = fs::metadata(data).unwrap();
    is_root().then(|| format!("{}:{}", owner.uid(), owner.gid()))
}

/// The hidden command that starts the server, with this process as its parent.
pub(super) fn hidden_command(account: Option<String>) -> Command {
    let mut command = Command::new(LAUNCHER);
    command
        .arg(sealpost::postgres::exec::COMMAND)
        .arg(std::process::id().to_string())
        .arg(account.unwrap_or_else(|| "-".to_owned()));
    command
}

/// A gateway in another process, which can be killed.
pub(super) struct OtherGateway(pub(super) Child);

const DATA_DIR: &str = "SEALPOST_TEST_DATA_DIR";
const OTHER_LAUNCHER: &str = "SEALPOST_TEST_LAUNCHER";
const ACCOUNT: &str = "SEALPOST_TEST_ACCOUNT";
const READY: &str = "the other gateway is ready";

impl OtherGateway {
    /// This test program, which runs only [`run_other_gateway`].
    fn command(settings: &Settings) -> Command {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "managed_postgres::other_gateway_process"])
            .args(["--ignored", "--nocapture"])
            .env(DATA_DIR, &settings.data_dir)
            .env(OTHER_LAUNCHER, &settings.launcher)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped());
        command
    }

    /// Starts without waiting.
    pub(super) fn begin(settings: &Settings) -> Self {
        Self(Self::command(settings).spawn().unwrap())
    }

    pub(super) fn start(settings: &Settings) -> Self {
        Self::begin(settings).until_ready()
    }

    /// Starts under an unprivileged account.
    pub(super) fn start_as_nobody(settings: &Settings) -> Self {
        let mut command = Self::command(settings);
        if is_root() {
            command.env(ACCOUNT, "nobody");
        }
        Self(command.spawn().unwrap()).until_ready()
    }

    fn until_ready(mut self) -> Self {
        let mut output = BufReader::new(self.0.stdout.take().unwrap());
        let mut stdout = String::new();
        while !stdout.contains(READY) {
            assert_ne!(output.read_line(&mut stdout).unwrap(), 0, "the gateway ended: {stdout}");
        }
        // Stays open: a closed pipe would kill it at its next output.
        self.0.stdout = Some(output.into_inner());
        self
    }

    pub(super) fn pid(&self) -> u32 {
        self.0.id()
    }

    pub(super) fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Stops it gracefully.
    pub(super) fn finish(mut self) {
        drop(self.0.stdin.take());
        assert!(self.0.wait().unwrap().success());
    }
}

/// Runs in the process of [`OtherGateway`].
#[expect(clippy::print_stdout, reason = "the parent waits for this line")]
pub(super) fn run_other_gateway() {
    let Some(data_dir) = variable(DATA_DIR) else { return };
    if let Some(name) = variable(ACCOUNT) {
        let user = User::from_name(name.to_str().unwrap()).unwrap().unwrap();
        become_user(user.uid, user.gid);
    }
    let launcher = variable(OTHER_LAUNCHER).unwrap().into();
    let cluster = Cluster::start(&Settings { launcher, ..settings(Path::new(&data_dir)) }).unwrap();
    println!("\n{READY}");
    std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
    cluster.stop();
}

fn become_user(uid: Uid, gid: Gid) {
    setgroups(&[gid]).unwrap();
    setgid(gid).unwrap();
    setuid(uid).unwrap();
}

#[expect(clippy::disallowed_methods, reason = "the parent process passes variables")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name)
}

pub(super) fn send(pid: Pid, signal: Signal) {
    kill(pid, signal).unwrap();
}
