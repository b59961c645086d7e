//! Creating, stopping and restarting a server.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use nix::sys::signal::Signal;
use sealpost::postgres::{Cluster, ClusterError};

use super::support::{
    Folder, OtherGateway, ask, is_alive, read_row, send, server_pid, settings, wait_until,
    write_row,
};

#[test]
fn server_uses_a_private_socket_and_durable_commits() {
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
fn long_path_uses_a_private_socket_folder_in_tmp() {
    let folder = Folder::new();
    let settings = settings(&folder.dir.path().join("long".repeat(25)).join("postgres"));
    let cluster = Cluster::start(&settings).unwrap();
    let socket_dir = cluster.endpoint().socket_dir.clone();
    assert!(socket_dir.starts_with("/tmp"), "{}", socket_dir.display());
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    cluster.stop();
    assert!(!socket_dir.exists(), "the socket folder is removed");

    // Another account may have created a link in its place.
    symlink(folder.dir.path(), &socket_dir).unwrap();
    let error = Cluster::start(&settings).unwrap_err();
    fs::remove_file(&socket_dir).unwrap();
    assert!(matches!(error, ClusterError::Io { what: "create", .. }), "{error}");
}

#[test]
fn killed_initdb_is_restarted() {
    let folder = Folder::new();
    let gateway = OtherGateway::begin(&folder.settings);
    let unfinished = folder.sibling("unfinished");
    wait_until("initdb is running", || unfinished.join("PG_VERSION").exists());
    gateway.kill();
    assert!(!folder.data().exists());

    let cluster = folder.start();
    assert_eq!(ask(cluster.endpoint(), "select 'answers'"), "answers");
    assert!(!unfinished.exists());
}

#[test]
fn folder_with_other_files_is_rejected_unchanged() {
    let folder = Folder::new();
    fs::create_dir_all(folder.data()).unwrap();
    fs::write(folder.data().join("thesis.txt"), "years of work").unwrap();
    let error = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(error, ClusterError::NotACluster { .. }), "{error}");
    assert_eq!(fs::read(folder.data().join("thesis.txt")).unwrap(), b"years of work");
}

#[test]
fn existing_data_directory_is_adopted() {
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
fn failed_start_reports_the_server_log() {
    let folder = Folder::new();
    folder.start().stop();
    fs::remove_file(folder.data().join("global/pg_control")).unwrap();
    let error = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(error, ClusterError::Died { .. }), "{error}");
    assert!(error.to_string().contains("pg_control"), "{error}");
}

#[test]
fn dropping_the_cluster_stops_the_server_with_clients_connected() {
    let folder = Folder::new();
    let cluster = folder.start();
    let server = server_pid(folder.data());
    let endpoint = cluster.endpoint().clone();
    let client = std::thread::spawn(move || {
        // Fails when the server stops.
        std::panic::catch_unwind(|| ask(&endpoint, "select pg_sleep(600)::text")).is_err()
    });
    wait_until("the client is connected", || {
        let sleeping = "select count(*)::text from pg_stat_activity where wait_event = 'PgSleep'";
        ask(cluster.endpoint(), sleeping) == "1"
    });
    drop(cluster);
    assert!(!is_alive(server));
    assert!(client.join().unwrap());
    assert!(!folder.data().join("postmaster.pid").exists(), "the server did not stop gracefully");
}

#[test]
fn dead_server_is_restarted_with_committed_data() {
    let folder = Folder::new();
    let cluster = folder.start();
    write_row(cluster.endpoint());
    let first = server_pid(folder.data());
    assert!(cluster.is_up());

    send(first, Signal::SIGKILL);
    wait_until("its end is noticed", || !cluster.is_up());
    wait_until("another one is up", || cluster.is_up());
    assert_ne!(server_pid(folder.data()), first);
    assert_eq!(read_row(cluster.endpoint()), "still here");
}
