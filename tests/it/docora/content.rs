//! Files with a meaning: ignore rules, cards and their images, decks, the README.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{SOURCE, delete, only, put, repository, send_file};
use crate::harness::Gateway;

/// A PNG of this size and colour.
pub(crate) fn png(width: u32, height: u32, colour: u8) -> Vec<u8> {
    let image = image::RgbImage::from_pixel(width, height, image::Rgb([colour, 1, 2]));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(image).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

pub(crate) async fn put_bytes(gateway: &Gateway, path: &str, content: &[u8], at: u32) {
    let file = json!({
        "path": path, "sha": hex::encode(Sha256::digest(content)), "size": content.len(),
        "content": STANDARD.encode(content), "content_encoding": "base64",
    });
    send_file(gateway, "create", &file, at).await;
}

/// The titles of the cards that are available.
async fn titles(gateway: &Gateway) -> Vec<String> {
    let rows = gateway.query("SELECT title FROM docora_cards WHERE source_available").await;
    let mut titles: Vec<String> =
        rows.iter().map(|row| row["title"].as_str().unwrap().to_owned()).collect();
    titles.sort();
    let count = only(gateway, "docora_repositories").await["cards_count"].as_u64().unwrap();
    assert_eq!(count, titles.len() as u64, "`cards_count` is the number of cards");
    titles
}

#[tokio::test(flavor = "multi_thread")]
async fn ignore_rules_hide_files_and_restore_them_when_removed() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", "a.md", "A", 0).await;
    put(&gateway, "create", "drafts/b.md", "B", 0).await;
    put(&gateway, "create", "drafts/deck.yaml", "display_name: D", 0).await;
    put_bytes(&gateway, "drafts/i.png", &png(1, 1, 0), 0).await;
    put(&gateway, "create", ".lumioignore", "drafts/\n", 1).await;
    put(&gateway, "create", "drafts/c.md", "C", 2).await;
    gateway.run_until_idle().await;
    assert_eq!(titles(&gateway).await, ["a"]);
    for (table, column) in [("docora_decks", "available"), ("docora_images", "available")] {
        assert_eq!(only(&gateway, table).await[column], false, "{table}");
    }
    let ignored = gateway.count("SELECT count(*) FROM docora_files WHERE ignored").await;
    assert_eq!(ignored, 4);

    // Other rules, and an edit of an ignored file.
    put(&gateway, "update", ".lumioignore", "/a.md\ndrafts/c.md\n", 3).await;
    put(&gateway, "update", "drafts/c.md", "C, edited", 4).await;
    gateway.run_until_idle().await;
    assert_eq!(titles(&gateway).await, ["b"]);
    for (table, column) in [("docora_decks", "available"), ("docora_images", "available")] {
        assert_eq!(only(&gateway, table).await[column], true, "{table}");
    }

    delete(&gateway, ".lumioignore", 5).await;
    gateway.run_until_idle().await;
    assert_eq!(titles(&gateway).await, ["a", "b", "c"]);
    let raw = gateway.query("SELECT raw FROM docora_cards WHERE title = 'c'").await;
    assert_eq!(raw, [json!({ "raw": "C, edited" })]);
    assert_eq!(gateway.rows("docora_ignore_rules").await, [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn file_deleted_while_ignored_stays_deleted() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", "a.md", "A", 0).await;
    put(&gateway, "create", ".lumioignore", "*.md", 1).await;
    gateway.run_until_idle().await;
    delete(&gateway, "a.md", 2).await;
    gateway.run_until_idle().await;
    delete(&gateway, ".lumioignore", 3).await;
    gateway.run_until_idle().await;
    assert_eq!(titles(&gateway).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn always_ignored_files_cannot_be_included_by_rules() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", ".lumioignore", "!*\n!LICENSE.md\n", 0).await;
    put(&gateway, "create", "LICENSE.md", "MIT", 1).await;
    put(&gateway, "create", "node_modules/x/a.md", "A", 1).await;
    gateway.run_until_idle().await;
    put(&gateway, "update", ".lumioignore", "nothing\n!LICENSE.md\n", 2).await;
    gateway.run_until_idle().await;
    assert_eq!(titles(&gateway).await, [""; 0]);
    let ignored = gateway.count("SELECT count(*) FROM docora_files WHERE ignored").await;
    assert_eq!(ignored, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn folder_rules_apply_there_and_errors_are_reported() {
    let gateway = Gateway::start().await;
    put(&gateway, "create", ".lumioignore", "*.md", 0).await;
    put(&gateway, "create", "cards/.lumioignore", "!*.md\na[z-a]\n", 0).await;
    put(&gateway, "create", "a.md", "A", 1).await;
    put(&gateway, "create", "cards/b.md", "B", 1).await;
    gateway.run_until_idle().await;
    assert_eq!(titles(&gateway).await, ["b"]);
    let rules = gateway.query("SELECT * FROM docora_ignore_rules WHERE folder = 'cards'").await;
    assert_eq!(rules[0]["rules"], "!*.md\n");
    assert!(rules[0]["skipped"][0].as_str().unwrap().starts_with("line 2: "), "{rules:?}");
    let problems =
        gateway.count("SELECT count(*) FROM docora_files WHERE problem IS NOT NULL").await;
    assert_eq!(problems, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn card_is_linked_to_its_images_in_any_order() {
    let gateway = Gateway::start().await;
    let query = "SELECT c.title, i.path, i.width FROM docora_cards c
                   JOIN docora_card_images r ON r.source = c.source
                    AND r.repository_id = c.repository_id AND r.card_path = c.path
                   JOIN docora_images i ON i.source = r.source
                    AND i.repository_id = r.repository_id AND i.path = r.image_path
                  ORDER BY r.position";
    let card = "---\ntitle: T\ndifficulty: 9\nlanguage: it\n---\n![a](../img/a.png 'A') $![x](y.png)$\n\
                <img src='/img/b%20b.png'> ![c](https://example.org/c.png)";
    put_bytes(&gateway, "img/a.png", &png(3, 1, 0), 0).await;
    put(&gateway, "create", "cards/c.md", card, 1).await;
    put_bytes(&gateway, "img/b b.png", &png(4, 1, 0), 2).await;
    gateway.run_until_idle().await;
    let shown = [
        json!({ "title": "T", "path": "img/a.png", "width": 3 }),
        json!({ "title": "T", "path": "img/b b.png", "width": 4 }),
    ];
    assert_eq!(gateway.query(query).await, shown);
    let row = only(&gateway, "docora_cards").await;
    assert_eq!((&row["difficulty"], &row["language"]), (&json!(5), &json!("it")));
    assert!(row["body"].as_str().unwrap().contains("$![x](y.png)$"));

    put(&gateway, "update", "cards/c.md", "![b](<../img/b b.png>)", 3).await;
    delete(&gateway, "img/a.png", 3).await;
    gateway.run_until_idle().await;
    assert_eq!(
        gateway.query(query).await,
        [json!({ "title": "c", "path": "img/b b.png", "width": 4 })]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn decks_and_readme_are_recorded() {
    let gateway = Gateway::start().await;
    let deck = "display_name: Legs\ndescription: Below the hip\ntags: [Lower Body]\nextra: 1\n";
    put(&gateway, "create", "a/legs/deck.yml", deck, 0).await;
    put(&gateway, "create", "a/deck.yaml", "- no mapping", 0).await;
    put(&gateway, "create", "README.md", "# About\n", 0).await;
    put(&gateway, "create", "docs/README.md", "# Docs\n", 0).await;
    gateway.run_until_idle().await;
    let decks = gateway.query("SELECT * FROM docora_decks ORDER BY path").await;
    assert_eq!((&decks[0]["folder"], &decks[0]["display_name"]), (&json!("a"), &Value::Null));
    assert_eq!(decks[1]["folder"], "a/legs");
    assert_eq!(decks[1]["display_name"], "Legs");
    assert_eq!(decks[1]["description"], "Below the hip");
    assert_eq!(decks[1]["tags"], json!(["lower-body"]));
    assert!(decks[1]["whole"].as_str().unwrap().contains("extra"));
    let problems = gateway.query("SELECT path FROM docora_files WHERE problem IS NOT NULL").await;
    assert_eq!(problems, [json!({ "path": "a/deck.yaml" })]);
    assert_eq!(only(&gateway, "docora_repositories").await["description"], "# About\n");
    assert_eq!(gateway.rows("docora_cards").await, [Value::Null; 0]);

    for path in ["a/legs/deck.yml", "a/deck.yaml", "README.md"] {
        delete(&gateway, path, 1).await;
    }
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("docora_decks").await, [Value::Null; 0]);
    assert_eq!(only(&gateway, "docora_repositories").await["description"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_image_is_a_file_with_a_problem_not_a_dead_letter() {
    let gateway = Gateway::start().await;
    put_bytes(&gateway, "bomb.png", &bomb(), 0).await;
    put(&gateway, "create", "page.png", "<html>", 0).await;
    put(&gateway, "create", "entities.svg", "<!DOCTYPE svg [<!ENTITY a 'b'>]><svg/>", 0).await;
    let large = [png(1, 1, 0), vec![0; 10 << 20]].concat();
    let file = json!({
        "path": "large.png", "sha": hex::encode(Sha256::digest(&large)), "size": large.len(),
        "content": STANDARD.encode(&large), "content_encoding": "base64",
    });
    let body = json!({
        "repository": repository(), "file": file,
        "commit_sha": "0123456789abcdef0123456789abcdef01234567", "timestamp": super::minute(0),
    });
    let answer = gateway.send(SOURCE, Some("create"), body.to_string().as_bytes()).await;
    assert_eq!(answer.status, 202, "{}", answer.text);
    gateway.run_until_idle().await;
    assert_eq!(gateway.dead_letters().await, []);
    let files = gateway.query("SELECT * FROM docora_files ORDER BY path").await;
    let found: Vec<_> = files.iter().map(|file| file["problem"].as_str().unwrap()).collect();
    let expected =
        ["60000 × 60000 pixels", "the SVG declares", "image too large: 10485", "the content is no"];
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(found.starts_with(expected), "{found} {expected}");
    }
    assert!(files.iter().all(|file| file["kind"] == "other"));
    assert_eq!(gateway.rows("docora_images").await, [Value::Null; 0]);
    assert_eq!(super::objects::stored(gateway.objects()).await.len(), 0);
}

/// A few bytes that claim to be 3.6 billion pixels.
fn bomb() -> Vec<u8> {
    let mut png = png(1, 1, 0);
    png[16..20].copy_from_slice(&60_000_u32.to_be_bytes());
    png[20..24].copy_from_slice(&60_000_u32.to_be_bytes());
    let sum = !png[12..29].iter().fold(!0_u32, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    });
    png[29..33].copy_from_slice(&sum.to_be_bytes());
    png
}
