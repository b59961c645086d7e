//! One gateway per cluster, and the leftovers of a dead one.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use sealpost::postgres::{Cluster, ClusterError, running};

use super::support::{
    Folder, ForeignProcess, OtherGateway, account_of, ask, hidden_command, is_alive, read_row,
    send, server_pid, start_foreign_server, wait_until, write_row,
};

#[test]
fn second_gateway_is_rejected_naming_the_first() {
    let folder = Folder::new();
    let first = OtherGateway::start(&folder.settings);
    let endpoint = running(&folder.settings).unwrap().expect("a running cluster");
    let server = server_pid(folder.data());

    let error = Cluster::start(&folder.settings).unwrap_err();
    assert!(
        matches!(error, ClusterError::Owned { pid: Some(pid), .. } if pid == first.pid()),
        "{error}"
    );
    assert_eq!(ask(&endpoint, "select 'unharmed'"), "unharmed");
    assert_eq!(server_pid(folder.data()), server);
    first.finish();
}

#[test]
fn running_reports_a_cluster_only_while_it_runs() {
    let folder = Folder::new();
    assert_eq!(running(&folder.settings).unwrap(), None);
    assert!(!folder.data().parent().unwrap().exists(), "the check creates nothing");
    let cluster = folder.start();
    assert_eq!(running(&folder.settings).unwrap().as_ref(), Some(cluster.endpoint()));
    cluster.stop();
    assert_eq!(running(&folder.settings).unwrap(), None);
}

#[test]
fn next_gateway_finds_committed_data_after_kill_9() {
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
fn kill_9_of_the_gateway_ends_the_server() {
    let folder = Folder::new();
    let gateway = OtherGateway::start(&folder.settings);
    let server = server_pid(folder.data());
    gateway.kill();
    wait_until("the server is gone", || !is_alive(server));
}

#[test]
fn orphaned_server_is_ended_but_other_processes_are_not() {
    let folder = Folder::new();
    folder.start().stop();
    let socket_dir = tempfile::tempdir().unwrap();
    let managed_options = ["-c", "cluster_name=sealpost-managed"];
    let mut orphan = start_foreign_server(folder.data(), socket_dir.path(), &managed_options);
    let shell = ForeignProcess::start(Command::new("sleep").arg("1000").current_dir(folder.data()));

    let cluster = folder.start();
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    assert!(orphan.0.try_wait().unwrap().is_some());
    assert!(is_alive(shell.pid()));
}

#[test]
fn foreign_server_is_left_alone() {
    let folder = Folder::new();
    folder.start().stop();
    let socket_dir = tempfile::tempdir().unwrap();
    let foreign = start_foreign_server(folder.data(), socket_dir.path(), &[]);

    let error = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(error, ClusterError::ForeignServer { .. }), "{error}");
    assert!(is_alive(foreign.pid()));
    send(foreign.pid(), Signal::SIGINT);
    wait_until("their server has stopped", || !is_alive(foreign.pid()));
}

#[test]
fn stale_pid_files_do_not_prevent_the_start() {
    let folder = Folder::new();
    folder.start().stop();
    // As the account of the server, since it ignores processes that it may not signal.
    let account = account_of(folder.data());
    let foreign_process =
        ForeignProcess::start(hidden_command(account.clone()).args(["sleep", "1000"]));
    let zombie = ForeignProcess::start(hidden_command(account).arg("true"));
    wait_until("the child is a zombie", || !is_alive(zombie.pid()));

    for pid in [foreign_process.pid(), zombie.pid()] {
        write_pid_files(&folder, pid);
        let cluster = folder.start();
        assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    }
    assert!(is_alive(foreign_process.pid()));
}

/// Writes the pid files of a server of this cluster with that pid.
fn write_pid_files(folder: &Folder, pid: Pid) {
    let owner = fs::metadata(folder.data()).unwrap();
    let run = folder.sibling("run");
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
