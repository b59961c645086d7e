//! Tests of chunks, and of the file that they make.

use super::*;

#[test]
fn chunks_differ_only_in_index_and_content() {
    let chunks = [0, 1].map(|index| match classify_json("update", &chunk(index)) {
        Classified::Chunk(chunk) => chunk,
        other => panic!("{other:?}"),
    });
    for (chunk, content) in chunks.iter().zip(SLICES) {
        assert_eq!(chunk.content, content.as_bytes());
        assert_eq!(chunk.manifest.event_type, "update");
        assert_eq!(chunk.manifest.subject, [REPOSITORY, "img/a.png"]);
        assert_eq!((chunk.manifest.total, chunk.manifest.size), (2, 10));
    }
    assert_eq!(chunks[0].manifest.digest(), chunks[1].manifest.digest());
    let mut expected = binary();
    expected["file"].as_object_mut().unwrap().remove("content");
    let envelope: Value = serde_json::from_slice(&chunks[0].manifest.envelope).unwrap();
    assert_eq!(envelope, expected);
}

#[test]
fn escapes_in_a_chunk_do_not_change_it() {
    let body = chunk(1).to_string().replace("lq/I4Q", r"lq\/I4Q");
    let Classified::Chunk(chunk) = classify("create", body.as_bytes()) else { panic!() };
    assert_eq!(chunk.content, SLICES[1].as_bytes());
}

#[test]
fn invalid_chunk_is_quarantined_with_a_reason() {
    for (pointer, value, expected) in [
        ("/file/chunk/id", json!("../x"), Quarantine::ChunkId),
        ("/file/chunk/id", json!(""), Quarantine::ChunkId),
        ("/file/chunk/id", json!(5), Quarantine::Schema),
        ("/file/chunk/index", json!(2), Quarantine::ChunkRange),
        ("/file/chunk/index", json!(-1), Quarantine::ChunkRange),
        ("/file/chunk/index", json!(0.5), Quarantine::ChunkRange),
        ("/file/chunk/index", json!("0"), Quarantine::Schema),
        ("/file/chunk/total", json!(0), Quarantine::ChunkRange),
        ("/file/chunk/total", json!(4_294_967_296_u64), Quarantine::ChunkRange),
        ("/file/chunk/total", json!(1e30), Quarantine::ChunkRange),
        ("/file/chunk/total", json!(1_000_000_000), Quarantine::ChunkLimit),
        ("/file/chunk/total", json!(null), Quarantine::Schema),
        ("/file/size", json!(26_u64 << 20), Quarantine::ChunkLimit),
        ("/file/content", json!(""), Quarantine::Schema),
        ("/file/content", json!("AB=="), Quarantine::Base64),
        ("/file/content_encoding", json!(null), Quarantine::Schema),
    ] {
        let body = with(chunk(0), pointer, value.clone());
        assert_eq!(reason("create", &body), Some(expected), "{pointer} {value}");
    }
}

fn event(envelope: Option<Bytes>, body: Bytes) -> StoredEvent {
    let at = time::OffsetDateTime::from_unix_timestamp(NOW).unwrap();
    StoredEvent {
        id: EventId(uuid::Uuid::nil()),
        tenant: "default".into(),
        source: "cards".into(),
        provider: ENTRY.name.into(),
        event_type: "create".into(),
        action: Some("create".into()),
        strength: Strength::Signed,
        late: false,
        secret: String::new(),
        skew_seconds: Some(0),
        received_at: at,
        occurred_at: Some(at),
        headers: Vec::new(),
        claims: None,
        envelope,
        body,
    }
}

#[test]
fn handler_reads_the_same_file_from_chunks_and_from_one_request() {
    let Classified::Chunk(chunk) = classify_json("create", &chunk(0)) else { panic!() };
    let decoded = Bytes::from_static(&[0, 25, 50, 75, 100, 125, 150, 175, 200, 225]);
    for event in [
        event(None, binary().to_string().into()),
        event(Some(chunk.manifest.envelope.clone()), decoded.clone()),
    ] {
        let payload = payload::read_event(Action::Create, &event).unwrap();
        assert_eq!(payload.repository.id, REPOSITORY);
        assert_eq!(payload.built_at, chunk.manifest.sent_at);
        let Report::Stored(file) = payload.report else { panic!() };
        assert_eq!((&*file.path, file.size), ("img/a.png", 10));
        assert_eq!(file.sha, chunk.manifest.sha256);
        assert_eq!(file.content.decode().unwrap().as_bytes(), decoded);
    }
}

#[test]
fn handler_rejects_a_single_chunk() {
    let event = event(None, chunk(0).to_string().into());
    let payload = payload::read_event(Action::Create, &event).unwrap();
    let Report::Stored(file) = payload.report else { panic!() };
    assert_eq!(file.content.decode().unwrap_err().0, Quarantine::Schema);
}
