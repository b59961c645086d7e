//! Objects in a bucket of a real S3 server, installed by npm. It checks the access key, but not the
//! signature.

use std::process::Stdio;

use bytes::Bytes;
use sealpost::objects::{About, Key, Objects, Place, S3};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use super::REPOSITORY;
use super::content::{png, put_bytes};
use super::{only, put};
use crate::harness::Gateway;
use crate::harness::programs::{missing, node_package, skip};

const S3RVER: &str = "3.7.1";

/// The server; it stops when dropped.
struct Server {
    _child: Child,
    endpoint: String,
}

async fn server() -> Option<Server> {
    let installed = match missing(&["node", "npm"]) {
        Some(missing) => Err(missing),
        None => tokio::task::spawn_blocking(|| node_package("s3rver", S3RVER)).await.unwrap(),
    };
    let folder = match installed {
        Ok(folder) => folder,
        Err(why) => {
            skip("the S3 server", &why);
            return None;
        }
    };
    let mut child = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/docora/s3.cjs"))
        .env("NODE_PATH", folder.join("node_modules"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = lines.next_line().await.unwrap().expect("the server prints its port");
    Some(Server { _child: child, endpoint: format!("http://127.0.0.1:{port}") })
}

fn place(endpoint: &str, access_key: &str) -> Place {
    Place::S3(S3 {
        bucket: "images".to_owned(),
        endpoint: Some(endpoint.to_owned()),
        region: "us-east-1".to_owned(),
        access_key: access_key.to_owned().into(),
        secret_key: "S3RVER".to_owned().into(),
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn objects_are_written_read_listed_and_removed_in_a_bucket() {
    let Some(server) = server().await else { return };
    let objects = Objects::at(&place(&server.endpoint, "S3RVER")).unwrap();
    let about = About { media_type: "image/png", download: false };
    for path in ["a.png", "img/Back squat è.png", "100% sure?&#.png", "カ/ド.png"] {
        let key = Key::new(&["default", REPOSITORY], path, "v1");
        assert_eq!(objects.size(&key).await.unwrap(), None, "{path}");
        assert_eq!(objects.get(&key).await.unwrap(), None, "{path}");
        objects.put(&key, Bytes::from_static(b"12345"), about).await.unwrap();
        assert_eq!(objects.size(&key).await.unwrap(), Some(5), "{path}");
        assert_eq!(objects.get(&key).await.unwrap().unwrap(), "12345", "{path}");
        assert_eq!(super::objects::stored(&objects).await, [key.as_str().to_owned()].into());
        objects.remove(&key).await.unwrap();
        objects.remove(&key).await.unwrap();
        assert_eq!(objects.size(&key).await.unwrap(), None, "{path}");
    }
    let wrong = Objects::at(&place(&server.endpoint, "another")).unwrap();
    let key = Key::new(&["default"], "a", "v1");
    assert!(wrong.put(&key, Bytes::new(), about).await.is_err(), "the access key is checked");
}

#[tokio::test(flavor = "multi_thread")]
async fn images_have_their_type_in_a_bucket_and_svg_is_an_attachment() {
    let Some(server) = server().await else { return };
    let gateway = Gateway::builder().objects(place(&server.endpoint, "S3RVER")).start().await;
    let image = png(2, 1, 1);
    put_bytes(&gateway, "img/a b.png", &image, 0).await;
    gateway.run_until_idle().await;
    let row = only(&gateway, "docora_images").await;
    let key = Key::read(row["object_key"].as_str().unwrap());
    assert_eq!(gateway.objects().get(&key).await.unwrap().unwrap(), image);
    put(&gateway, "create", "img/b.svg", "<svg/>", 0).await;
    gateway.run_until_idle().await;

    let url = |key: &str| format!("{}/images/{}", server.endpoint, key.replace('%', "%25"));
    let query = "SELECT object_key, media_type FROM docora_images ORDER BY path";
    let mut seen = Vec::new();
    for row in gateway.query(query).await {
        let signed = gateway.client().get(url(row["object_key"].as_str().unwrap()));
        let answer = signed.send().await.unwrap();
        let header = |name: &str| {
            let value = answer.headers().get(name).and_then(|value| value.to_str().ok());
            value.unwrap_or_default().to_owned()
        };
        assert_eq!(header("content-type"), row["media_type"].as_str().unwrap());
        seen.push(header("content-disposition"));
    }
    assert_eq!(seen, ["", "attachment"]);
}
