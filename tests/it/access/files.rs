//! Permissions of files with secrets or data.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use bytes::Bytes;
use sealpost::objects::{About, Key, Objects, Place};

use crate::cli::Program;
use crate::harness::Gateway;
use crate::receive::event;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn files_below(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files_below(&path, found) } else { found.push(path) }
    }
}

#[tokio::test]
async fn objects_are_private_unless_their_folder_is_not() {
    let place = tempfile::tempdir().unwrap();
    let put = async |folder: &Path, name: &str| {
        let objects = Objects::at(&Place::Folder(folder.to_owned())).unwrap();
        let about = About { media_type: "image/png", download: false };
        let key = Key::new(&["default", "repo"], name, "v1");
        objects.put(&key, Bytes::from_static(b"pixels"), about).await.unwrap();
        assert!(objects.get(&key).await.unwrap().is_some());
    };
    let folder = place.path().join("data/objects");
    put(&folder, "a.png").await;
    let mut files = Vec::new();
    files_below(&folder, &mut files);
    assert_eq!((mode(&folder), files.len(), mode(&files[0])), (0o700, 1, 0o600));
    assert_eq!(mode(&place.path().join("data")), 0o700, "parent folders are private too");

    fs::set_permissions(&folder, Permissions::from_mode(0o755)).unwrap();
    put(&folder, "b.png").await;
    let mut files = Vec::new();
    files_below(&folder, &mut files);
    let served = files.iter().find(|path| **path != folder && mode(path) != 0o600).unwrap();
    assert_eq!(mode(served) & 0o444, 0o444, "a web server with access keeps it");
}

#[test]
fn check_warns_of_readable_secret_files() {
    let config = "[alerts]\ndiscord = { file = \"channel\" }\n[[source]]\nname = \"billing\"\n\
                  provider = \"stripe\"\nsecrets = [{ file = \"billing\" }]\n\
                  options = { livemode = false }\n";
    let program = Program::new(config);
    program.file("billing", "whsec_billing_0123456789abcdef");
    program.file("channel", "https://discord.com/api/webhooks/1234567890/a-secret-token");
    let modes = |mode: u32| {
        for name in ["billing", "channel"] {
            let path = program.path(name);
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
    };
    modes(0o644);
    let run = program.run(&["check"]);
    assert_eq!(run.code, 0, "{}", run.all());
    for name in ["billing", "channel"] {
        assert!(run.stdout.contains(&format!("chmod 600 {name}")), "{}", run.all());
    }
    modes(0o600);
    let run = program.run(&["check"]);
    assert!(run.code == 0 && !run.stdout.contains("chmod"), "{}", run.all());
}

#[tokio::test]
async fn captured_fixture_is_private() {
    let gateway = Gateway::start().await;
    let sent = gateway.send("billing", None, event().to_string().as_bytes()).await;
    gateway.run_until_idle().await;
    let program = Program::beside_with(&gateway, include_str!("../harness/config.toml")).await;
    let run = program.run(&["fixtures", "capture", sent.id()]);
    assert_eq!(run.code, 0, "{}", run.all());
    assert_eq!(mode(&program.path(run.stdout.trim())), 0o600);
    let read = gateway.query("SELECT actor, action FROM audit_log ORDER BY id").await;
    assert_eq!(read, [serde_json::json!({ "actor": "grace", "action": "capture payload" })]);
}
