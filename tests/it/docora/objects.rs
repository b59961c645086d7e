//! Objects of images: objects in use are kept, and unused ones removed.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::TryStreamExt;
use sealpost::clock::Clock;
use sealpost::objects::{About, Key, Objects};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::content::{png, put_bytes};
use super::{REPOSITORY, delete, only, put};
use crate::harness::Gateway;

const PATH: &str = "img/a.png";
/// Longer than the grace periods for unused objects and for removals.
const A_WHILE: Duration = Duration::from_mins(11);

/// The keys of every object of the repository.
pub(crate) async fn stored(objects: &Objects) -> BTreeSet<String> {
    let listed = objects.list(&["default", REPOSITORY]).await.unwrap();
    let listed: Vec<_> = listed.try_collect().await.unwrap();
    listed.into_iter().map(|object| object.key.as_str().to_owned()).collect()
}

fn key(content: &[u8]) -> String {
    let sha = hex::encode(Sha256::digest(content));
    format!("default/{REPOSITORY}/{PATH}@{sha}")
}

/// Asserts that exactly these objects are stored.
async fn assert_stored(gateway: &Gateway, contents: &[&[u8]]) {
    let expected: BTreeSet<String> = contents.iter().map(|content| key(content)).collect();
    assert_eq!(stored(gateway.objects()).await, expected);
}

async fn run_maintenance_later(gateway: &Gateway) {
    gateway.clock().advance(A_WHILE);
    gateway.run_maintenance().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_of_replaced_or_deleted_images_are_removed() {
    let gateway = Gateway::start().await;
    let (first, second) = (png(2, 1, 1), png(3, 1, 2));
    put_bytes(&gateway, PATH, &first, 0).await;
    gateway.run_until_idle().await;
    assert_stored(&gateway, &[&first]).await;
    let image = only(&gateway, "docora_images").await;
    assert_eq!(image["object_key"], key(&first));
    assert_eq!((&image["width"], &image["height"]), (&json!(2), &json!(1)));
    let object = gateway.objects().get(&Key::read(&key(&first))).await.unwrap();
    assert_eq!(object.unwrap(), first);

    put_bytes(&gateway, PATH, &second, 1).await;
    gateway.run_until_idle().await;
    assert_stored(&gateway, &[&first, &second]).await;
    run_maintenance_later(&gateway).await;
    assert_stored(&gateway, &[&second]).await;

    delete(&gateway, PATH, 2).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("docora_images").await, [Value::Null; 0]);
    run_maintenance_later(&gateway).await;
    assert_stored(&gateway, &[]).await;
    run_maintenance_later(&gateway).await;
    assert_eq!(gateway.rows("docora_objects").await, [Value::Null; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn outdated_image_changes_no_objects() {
    let gateway = Gateway::start().await;
    let (newer, older) = (png(2, 1, 1), png(3, 1, 2));
    put_bytes(&gateway, PATH, &newer, 10).await;
    put_bytes(&gateway, PATH, &older, 5).await;
    gateway.run_until_idle().await;
    assert_eq!(only(&gateway, "docora_images").await["object_key"], key(&newer));
    run_maintenance_later(&gateway).await;
    assert_stored(&gateway, &[&newer]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn object_of_a_file_that_is_no_longer_an_image_is_removed() {
    let gateway = Gateway::start().await;
    put_bytes(&gateway, PATH, &png(2, 1, 1), 0).await;
    put(&gateway, "update", PATH, "<html>", 1).await;
    gateway.run_until_idle().await;
    assert_eq!(gateway.rows("docora_images").await, [Value::Null; 0]);
    run_maintenance_later(&gateway).await;
    assert_stored(&gateway, &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn object_used_again_before_its_removal_is_kept() {
    let gateway = Gateway::start().await;
    let (first, second) = (png(2, 1, 1), png(3, 1, 2));
    for (at, image) in [(0, &first), (1, &second), (2, &first)] {
        put_bytes(&gateway, PATH, image, at).await;
        gateway.run_until_idle().await;
    }
    run_maintenance_later(&gateway).await;
    assert_stored(&gateway, &[&first]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn image_waits_for_the_removal_of_its_old_object() {
    let gateway = Gateway::start().await;
    let (first, second) = (png(2, 1, 1), png(3, 1, 2));
    put_bytes(&gateway, PATH, &first, 0).await;
    put_bytes(&gateway, PATH, &second, 1).await;
    gateway.run_until_idle().await;
    run_maintenance_later(&gateway).await;
    put_bytes(&gateway, PATH, &first, 2).await;
    gateway.run_until_idle().await;
    assert_eq!(only(&gateway, "docora_images").await["object_key"], key(&second));
    let waiting = "SELECT count(*) FROM deliveries WHERE state = 'ready'
                      AND last_error = 'an object of the image is being removed'";
    assert_eq!(gateway.count(waiting).await, 1);

    gateway.clock().advance(Duration::from_mins(20));
    gateway.run_maintenance().await;
    gateway.run_until_idle().await;
    assert_eq!(only(&gateway, "docora_images").await["object_key"], key(&first));
    run_maintenance_later(&gateway).await;
    assert_stored(&gateway, &[&first]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn object_in_use_is_kept_even_if_marked_unused() {
    let gateway = Gateway::start().await;
    let image = png(2, 1, 1);
    put_bytes(&gateway, PATH, &image, 0).await;
    gateway.run_until_idle().await;
    gateway.execute("UPDATE docora_objects SET unused_since = '2026-01-01T00:00:00Z'").await;
    gateway.run_maintenance().await;
    assert_stored(&gateway, &[&image]).await;
    assert_eq!(only(&gateway, "docora_objects").await["unused_since"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn orphaned_object_is_found_and_removed() {
    let gateway = Gateway::start().await;
    let image = png(2, 1, 1);
    put_bytes(&gateway, PATH, &image, 0).await;
    gateway.run_until_idle().await;
    let lost = Key::new(&["default", REPOSITORY], "img/lost.png", "0");
    let about = About { media_type: "image/png", download: false };
    gateway.objects().put(&lost, Bytes::from_static(b"lost"), about).await.unwrap();
    gateway.run_maintenance().await;
    assert_eq!(
        gateway.objects().size(&lost).await.unwrap(),
        Some(4),
        "it may belong to a delivery in flight"
    );

    // Objects have the time of the real clock.
    let real = time::OffsetDateTime::from(SystemTime::now()) - gateway.clock().now();
    gateway.clock().advance(Duration::try_from(real).unwrap_or_default());
    gateway.clock().advance(Duration::from_hours(25));
    gateway.run_maintenance().await;
    run_maintenance_later(&gateway).await;
    assert_stored(&gateway, &[&image]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn wide_image_gets_a_rendition_and_a_broken_one_does_not() {
    let app = "options = { app_id = \"app_0123456789abcdef01234567\"";
    let config = format!("{app}, rendition_width = 16");
    let gateway = Gateway::builder().config(app, &config).start().await;
    let noise = image::RgbImage::from_fn(64, 32, |x, y| {
        image::Rgb([(x * 7) as u8, (y * 13) as u8, (x * y) as u8])
    });
    let mut wide = std::io::Cursor::new(Vec::new());
    image::DynamicImage::from(noise).write_to(&mut wide, image::ImageFormat::Png).unwrap();
    let wide = wide.into_inner();
    put_bytes(&gateway, PATH, &wide, 0).await;
    put_bytes(&gateway, "img/narrow.png", &png(16, 1, 0), 0).await;
    put_bytes(&gateway, "img/broken.png", &wide[..wide.len() / 2], 0).await;
    gateway.run_until_idle().await;
    let images = gateway.query("SELECT * FROM docora_images ORDER BY path").await;
    let rendition = format!("{}-16w", key(&wide));
    assert_eq!(images[0]["rendition_key"], rendition);
    assert_eq!(
        (&images[0]["rendition_width"], &images[0]["rendition_height"]),
        (&json!(16), &json!(8))
    );
    assert!(gateway.objects().size(&Key::read(&rendition)).await.unwrap().is_some());
    assert!(images[1]["rendition_problem"].is_string(), "{}", images[1]);
    assert_eq!(
        (&images[2]["rendition_key"], &images[2]["rendition_problem"]),
        (&Value::Null, &Value::Null)
    );
    delete(&gateway, PATH, 1).await;
    gateway.run_until_idle().await;
    run_maintenance_later(&gateway).await;
    assert_eq!(gateway.objects().size(&Key::read(&rendition)).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn image_is_retried_while_object_storage_fails() {
    let folder = tempfile::NamedTempFile::new().unwrap();
    let place = sealpost::objects::Place::Folder(folder.path().join("below a file"));
    let gateway = Gateway::builder().objects(place).allow_unfinished().start().await;
    put_bytes(&gateway, PATH, &png(2, 1, 1), 0).await;
    gateway.run_until_idle().await;
    let waiting = gateway.query("SELECT state, last_error FROM deliveries").await;
    assert_eq!(waiting[0]["state"], "ready");
    assert!(waiting[0]["last_error"].as_str().unwrap().contains("object folder"), "{waiting:?}");
    assert_eq!(gateway.rows("docora_images").await, [Value::Null; 0]);
}
