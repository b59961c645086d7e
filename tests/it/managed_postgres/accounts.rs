//! Which account runs the server, and how it becomes that account's.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;
use std::process::Command;

use nix::unistd::{User, getpgid, getpgrp};
use sealpost::postgres::{Cluster, ClusterError, running};

use super::support::{
    Folder, OtherGateway, ask, hidden_command, is_root, read_row, server_pid, write_row,
};

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
