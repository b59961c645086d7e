//! The account that runs the server, and its files.

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
fn server_never_runs_as_root_and_owns_only_its_files() {
    let folder = Folder::new();
    let cluster = folder.start();
    let owner = |path: &Path| fs::metadata(path).unwrap().uid();
    let server = owner(Path::new(&format!("/proc/{}", server_pid(folder.data()))));
    assert_ne!(server, 0);
    assert_eq!(owner(folder.data()), server);
    assert_eq!(owner(&cluster.endpoint().socket_dir), server);
    let ourselves = nix::unistd::geteuid().as_raw();
    assert_eq!(owner(folder.data().parent().unwrap()), ourselves);
    assert_eq!(owner(&folder.sibling("log")), ourselves);
    assert_eq!(owner(&folder.sibling("lock")), ourselves);
}

#[test]
fn unprivileged_account_works_without_root() {
    let mut folder = Folder::new();
    if is_root() {
        let nobody = User::from_name("nobody").unwrap().expect("an account `nobody`");
        chown(folder.dir.path(), Some(nobody.uid.as_raw()), Some(nobody.gid.as_raw())).unwrap();
        // Other accounts may have no access to the build folder.
        let launcher = folder.dir.path().join("sealpost");
        fs::copy(&folder.settings.launcher, &launcher).unwrap();
        folder.settings.launcher = launcher;
    }
    let gateway = OtherGateway::start_as_nobody(&folder.settings);
    let endpoint = running(&folder.settings).unwrap().expect("a running cluster");
    write_row(&endpoint);
    gateway.finish();

    // Root takes over the cluster of an unprivileged account, as that account.
    let cluster = folder.start();
    assert_eq!(read_row(cluster.endpoint()), "still here");
    let owner = fs::metadata(folder.data()).unwrap().uid();
    assert_ne!(owner, 0);
    let server = format!("/proc/{}", server_pid(folder.data()));
    assert_eq!(fs::metadata(server).unwrap().uid(), owner);
}

#[test]
fn root_falls_back_to_another_folder_and_keeps_it() {
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
fn unreachable_cluster_is_not_replaced_by_an_empty_one() {
    if !is_root() {
        println!("skipped: only root changes the account that runs the server");
        return;
    }
    let folder = Folder::new();
    folder.start().stop();
    fs::set_permissions(folder.dir.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let error = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(error, ClusterError::Unreachable { .. }), "{error}");

    fs::set_permissions(folder.dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
    chown(folder.data(), Some(0), Some(0)).unwrap();
    let error = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(error, ClusterError::WrongOwner { owner: 0, .. }), "{error}");
}

#[test]
fn hidden_command_executes_only_for_its_parent() {
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
fn hidden_command_drops_all_groups() {
    if !is_root() {
        println!("skipped: only root can give up an account");
        return;
    }
    let script = "id -u; id -G; grep -E '^(Uid|Gid)' /proc/self/status";
    let output = hidden_command(Some("4711:4712".into())).args(["sh", "-c", script]).output();
    let stdout = String::from_utf8(output.unwrap().stdout).unwrap();
    let numbers: Vec<_> = stdout.split_whitespace().collect();
    assert_eq!(numbers[..2], ["4711", "4712"], "{stdout}");
    assert_eq!(numbers[2..7], ["Uid:", "4711", "4711", "4711", "4711"], "{stdout}");
    assert_eq!(numbers[7..], ["Gid:", "4712", "4712", "4712", "4712"], "{stdout}");
}

#[test]
fn server_outlives_its_thread_in_its_own_process_group() {
    let folder = Folder::new();
    let cluster = std::thread::scope(|scope| scope.spawn(|| folder.start()).join().unwrap());
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    let log = fs::read_to_string(folder.sibling("log")).unwrap();
    assert!(!log.contains("shutdown request"), "{log}");

    let server = server_pid(folder.data());
    assert_eq!(getpgid(Some(server)).unwrap(), server);
    assert_ne!(getpgrp(), server);
}
