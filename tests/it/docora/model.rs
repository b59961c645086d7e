//! A repository of 200 files through four syncs: the requests of its sender, and the expected rows.
//! They are computed from the files alone; each version lists the paths that its rules hide.

use std::collections::BTreeMap;
use std::io::Cursor;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use sealpost::objects::{Key, Objects};
use sealpost::store::Target;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::REPOSITORY;
use crate::harness::sql;

/// Size of the large file in bytes: far more than one chunk.
const LARGE: usize = 12 * 1024 * 1024;
/// Larger binary files are sent in chunks.
const CHUNK_THRESHOLD: usize = 1024 * 1024;
/// Base64 characters in one chunk.
const SLICE: usize = 524_288;

/// The files of the repository at one time.
#[derive(Clone)]
pub(super) struct Version {
    files: BTreeMap<String, Vec<u8>>,
    /// Whether its rules hide a path.
    hides: fn(&str) -> bool,
}

/// One request of the sender.
pub(super) struct Request {
    pub(super) action: &'static str,
    pub(super) body: Value,
}

/// The four syncs: all files are new; some are edited and the rules change; some are deleted,
/// including the rules; the remaining files are sent again.
pub(super) fn syncs() -> Vec<(Vec<Request>, Version)> {
    let mut clock = Clock(0);
    let first = first();
    let second = second(&first);
    let third = third(&second);
    let empty = Version { files: BTreeMap::new(), hides: |_| false };
    let steps = [(&empty, &first), (&first, &second), (&second, &third), (&empty, &third)];
    let step =
        |(before, after): (&Version, &Version)| (sync(before, after, &mut clock), after.clone());
    steps.into_iter().map(step).collect()
}

fn first() -> Version {
    let mut files = BTreeMap::new();
    let mut add = |path: String, content: Vec<u8>| assert_eq!(files.insert(path, content), None);
    for n in 0..110 {
        add(format!("cards/{}/c{n}.md", n % 6), card(n, "first"));
    }
    for n in 0..6 {
        add(format!("drafts/d{n}.md"), card(n, "draft"));
        add(format!("cards/{n}/deck.yaml"), format!("display_name: Deck {n}\n").into());
    }
    add("cards/1/x.tmp.md".into(), card(200, "temporary"));
    add("cards/1/keep.tmp.md".into(), card(201, "temporary"));
    for n in 0..40 {
        add(format!("img/p{n}.png"), png(n));
    }
    for n in 0..4 {
        add(format!("img/secret-{n}.png"), png(100 + n));
    }
    for n in 0..16 {
        add(format!("img/s {n}.svg"), svg(n));
    }
    add("README.md".into(), "# The repository\n".into());
    add("LICENSE".into(), "MIT".into());
    add("img/fake.png".into(), "<html>".into());
    add("data/large.bin".into(), large());
    let rules = "# Not yet\ndrafts/\n*.tmp.md\n!keep.tmp.md\n/img/secret-*\n";
    add(".lumioignore".into(), rules.into());
    for n in 0..11 {
        add(format!("src/f{n}.txt"), format!("Text {n}\n").into());
    }
    assert_eq!(files.len(), 200);
    let hides = |path: &str| {
        path.starts_with("drafts/") || path.starts_with("img/secret-") || path == "cards/1/x.tmp.md"
    };
    Version { files, hides }
}

fn second(first: &Version) -> Version {
    let mut version = first.clone();
    for n in 0..30 {
        version.files.insert(format!("cards/{}/c{n}.md", n % 6), card(n, "second"));
    }
    for n in 0..10 {
        version.files.insert(format!("img/p{n}.png"), png(50 + n));
    }
    // One becomes an invalid image, and one a valid image.
    version.files.insert("img/p10.png".into(), "<html>".into());
    version.files.insert("img/fake.png".into(), png(70));
    version.files.insert("README.md".into(), "# The repository, edited\n".into());
    version.files.insert(".lumioignore".into(), "/cards/0/\n".into());
    version.files.insert("cards/2/deck.yaml".into(), "display_name: Renamed\n".into());
    version.hides = |path| path.starts_with("cards/0/");
    version
}

fn third(second: &Version) -> Version {
    let mut version = second.clone();
    for n in 20..60 {
        version.files.remove(&format!("cards/{}/c{n}.md", n % 6));
    }
    for n in 5..15 {
        version.files.remove(&format!("img/p{n}.png"));
    }
    for path in ["README.md", ".lumioignore", "cards/3/deck.yaml", "src/f0.txt", "img/s 0.svg"] {
        version.files.remove(path);
    }
    // A file takes the place of a folder, and a folder that of a file.
    version.files.insert("drafts".into(), "Text".into());
    version.files.insert("img/p5.png/p.png".into(), png(80));
    version.files.retain(|path, _| !path.starts_with("drafts/"));
    version.hides = |_| false;
    version
}

fn card(n: usize, text: &str) -> Vec<u8> {
    let image = n % 40;
    format!(
        "---\ntitle: Card {n}\ntags: [a, b]\ndifficulty: 2\n---\n{text} $x^{n}$\n\n\
         ![Image](../../img/p{image}.png \"Title\") <img src='/img/s%20{}.svg'>\n",
        n % 16
    )
    .into()
}

fn png(n: u8) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let image = RgbImage::from_pixel(2, 3, Rgb([n, n / 2, 7]));
    DynamicImage::from(image).write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

fn svg(n: usize) -> Vec<u8> {
    format!("<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"1\"/>", n + 1).into()
}

fn large() -> Vec<u8> {
    (0..LARGE as u32 / 4).flat_map(|n| n.wrapping_mul(2_654_435_761).to_be_bytes()).collect()
}

/// A millisecond for every file.
struct Clock(u32);

impl Clock {
    fn next(&mut self) -> String {
        self.0 += 1;
        format!("2025-01-11T12:00:{:02}.{:03}Z", self.0 / 1000, self.0 % 1000)
    }
}

/// Requests of the sender: deletes, then creates, then updates, each with its own time.
fn sync(before: &Version, after: &Version, clock: &mut Clock) -> Vec<Request> {
    let mut requests = Vec::new();
    for (path, content) in &before.files {
        if !after.files.contains_key(path) {
            let file = json!({ "path": path, "sha": sha(content) });
            requests.push(request("delete", &file, &clock.next()));
        }
    }
    for action in ["create", "update"] {
        for (path, content) in &after.files {
            let known = before.files.get(path);
            if known != Some(content) && known.is_some() == (action == "update") {
                let at = clock.next();
                requests.extend(
                    bodies(path, content, &at).iter().map(|file| request(action, file, &at)),
                );
            }
        }
    }
    requests
}

/// The file in the format of the sender: text, base64, or chunks of base64.
fn bodies(path: &str, content: &[u8], at: &str) -> Vec<Value> {
    let mut file = json!({ "path": path, "sha": sha(content), "size": content.len() });
    if let Ok(text) = std::str::from_utf8(content) {
        file["content"] = json!(text);
        return vec![file];
    }
    file["content_encoding"] = json!("base64");
    let text = STANDARD.encode(content);
    if content.len() <= CHUNK_THRESHOLD {
        file["content"] = json!(text);
        return vec![file];
    }
    // Another transfer each time.
    let id = uuid::Uuid::from_bytes(Sha256::digest(at)[..16].try_into().unwrap()).to_string();
    let total = text.len().div_ceil(SLICE);
    (0..total)
        .map(|index| {
            let mut file = file.clone();
            let end = text.len().min((index + 1) * SLICE);
            file["content"] = json!(text[index * SLICE..end]);
            file["chunk"] = json!({ "id": id, "index": index, "total": total });
            file
        })
        .collect()
}

fn request(action: &'static str, file: &Value, at: &str) -> Request {
    let body = json!({
        "repository": super::repository(), "file": file,
        "commit_sha": "0123456789abcdef0123456789abcdef01234567", "timestamp": at,
    });
    Request { action, body }
}

fn sha(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

/// Rows by table and key.
pub(super) type State = BTreeMap<String, Value>;

/// Expected rows for a version of the repository.
pub(super) fn expected(version: &Version) -> State {
    let mut state = State::new();
    let mut cards = 0;
    for (path, content) in &version.files {
        let sha = sha(content);
        let hidden = (version.hides)(path);
        let name = path.rsplit('/').next().unwrap();
        let text = std::str::from_utf8(content);
        let extension = path.rsplit_once('.').map(|(_, extension)| extension);
        let is_png = extension == Some("png");
        let is_image = extension == Some("svg") || (is_png && text.is_err());
        let kind = match name {
            ".lumioignore" => "rules",
            "README.md" => "readme",
            "deck.yaml" => "deck",
            _ if is_image => "image",
            _ if extension == Some("md") => "card",
            _ => "other",
        };
        state.insert(
            format!("file {path}"),
            json!({
                "sha": sha, "content_sha": sha, "kind": kind, "size": content.len(),
                "ignored": hidden || name == "LICENSE",
                "useless": is_png && !is_image,
            }),
        );
        match kind {
            "card" if !hidden => {
                cards += 1;
                let text = text.unwrap();
                let title = text.lines().find_map(|line| line.strip_prefix("title: "));
                let value = json!({ "title": title, "raw": text, "difficulty": 2 });
                state.insert(format!("card {path}"), value);
                let number: usize = title.unwrap()["Card ".len()..].parse().unwrap();
                let svg_path = format!("img/s {}.svg", number % 16);
                let mut linked = vec![format!("img/p{}.png", number % 40), svg_path.clone()];
                if path.starts_with("drafts/") {
                    linked.remove(0);
                }
                linked.retain(|image| {
                    version.files.get(image).is_some_and(|content| {
                        image == &svg_path || std::str::from_utf8(content).is_err()
                    })
                });
                for image in linked {
                    state.insert(format!("shows {path} {image}"), json!(true));
                }
            }
            "image" => {
                let value = json!({ "sha256": sha, "available": !hidden, "object": sha });
                state.insert(format!("image {path}"), value);
            }
            "deck" => {
                let name = text.unwrap().trim().strip_prefix("display_name: ");
                let value = json!({ "display_name": name, "available": !hidden });
                state.insert(format!("deck {path}"), value);
            }
            _ => {}
        }
    }
    let description = version.files.get("README.md").map(|text| String::from_utf8_lossy(text));
    let repository =
        json!({ "status": "synced", "cards_count": cards, "description": description });
    state.insert(format!("repository {REPOSITORY}"), repository);
    state
}

/// Actual rows, with the digests of the objects.
pub(super) async fn found(target: &Target, objects: &Objects) -> State {
    let mut state = State::new();
    for (what, query) in [
        (
            "file",
            "SELECT path AS key, sha, content_sha, kind, size, ignored,
                    problem IS NOT NULL AS useless FROM docora_files WHERE NOT deleted",
        ),
        (
            "card",
            "SELECT path AS key, title, raw, difficulty FROM docora_cards WHERE source_available",
        ),
        ("image", "SELECT path AS key, sha256, available, object_key AS object FROM docora_images"),
        ("deck", "SELECT path AS key, display_name, available FROM docora_decks"),
        (
            "repository",
            "SELECT repository_id AS key, status, cards_count, description
               FROM docora_repositories",
        ),
        (
            "shows",
            "SELECT c.path || ' ' || i.path AS key FROM docora_cards c
               JOIN docora_card_images r ON r.source = c.source AND r.card_path = c.path
               JOIN docora_images i ON i.source = c.source AND i.path = r.image_path
              WHERE c.source_available",
        ),
    ] {
        for mut row in sql::rows(target, query).await {
            let key = row.as_object_mut().unwrap().remove("key").unwrap();
            if let Some(object) = row.get_mut("object") {
                let bytes = objects.get(&Key::read(object.as_str().unwrap())).await.unwrap();
                *object = json!(sha(&bytes.expect("the object is there")));
            }
            let row = if what == "shows" { json!(true) } else { row };
            state.insert(format!("{what} {}", key.as_str().unwrap()), row);
        }
    }
    state
}

/// Asserts that both are equal, and reports only the differences.
pub(super) fn assert_same(found: &State, expected: &State) {
    let keys = found.keys().chain(expected.keys());
    let mut different: Vec<String> = keys
        .filter(|key| found.get(*key) != expected.get(*key))
        .map(|key| {
            format!("{key}\n  found     {:?}\n  expected  {:?}", found.get(key), expected.get(key))
        })
        .collect();
    different.dedup();
    assert!(
        different.is_empty(),
        "{} differ: {}",
        different.len(),
        different[..different.len().min(10)].join("\n")
    );
}
