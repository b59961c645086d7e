//! One gateway at a time, and what a dead one left behind.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::process::Command;

use nix::sys::signal::Signal;
use nix::unistd::Pid;
use sealpost::postgres::{Cluster, ClusterError, running};

use super::support::{
    Folder, OtherGateway, Stranger, account_of, ask, hidden_command, is_alive, read_row, send,
    server_by_hand, server_pid, wait_until, write_row,
};

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
    // Of the server's account: it does not mind those that it may not signal.
    let account = account_of(folder.data());
    let stranger = Stranger::start(hidden_command(account.clone()).args(["sleep", "1000"]));
    let zombie = Stranger::start(hidden_command(account).arg("true"));
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
