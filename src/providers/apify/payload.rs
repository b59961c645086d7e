//! Apify's webhooks, in the default payload template. A custom template may omit anything: without
//! an event type nothing can be done about it, and it has the type [`UNKNOWN`].

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::value::RawValue;
use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

use crate::verify::{EventMeta, Quarantine, parse};

/// The type of an event whose template names none. Apify's types are in upper case.
pub(super) const UNKNOWN: &str = "unknown";

/// The relevant fields of a webhook.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// The event type, such as `ACTOR.RUN.SUCCEEDED`.
    pub(super) kind: String,
    /// The id of its run or build.
    pub(super) subject: Option<String>,
    pub(super) actor_id: Option<String>,
    /// The time of the event.
    pub(super) created_at: Option<OffsetDateTime>,
    /// The end of the run, if it has ended.
    pub(super) finished_at: Option<OffsetDateTime>,
    /// The dataset of its results.
    pub(super) dataset: Option<String>,
}

/// Whether a body names an event type; a template writes an unset variable as `null`.
#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "eventType")]
    event_type: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Payload {
    event_type: String,
    created_at: Option<String>,
    user_id: Option<String>,
    event_data: Option<EventData>,
    resource: Option<Resource>,
    /// The results themselves, which a relay may add: see [`items`].
    #[serde(rename = "items")]
    _items: Option<Vec<IgnoredAny>>,
    /// Read during verification; declared here so that a repetition is rejected.
    #[serde(rename = "signedPayload")]
    _token: Option<IgnoredAny>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "the sender's names")]
struct EventData {
    actor_id: Option<String>,
    actor_task_id: Option<String>,
    actor_run_id: Option<String>,
    actor_build_id: Option<String>,
}

/// A run or build. Its ids are later inserted into API paths.
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase")]
struct Resource {
    id: Option<String>,
    act_id: Option<String>,
    actor_task_id: Option<String>,
    build_id: Option<String>,
    default_dataset_id: Option<String>,
    default_key_value_store_id: Option<String>,
    default_request_queue_id: Option<String>,
    finished_at: Option<String>,
}

pub(super) fn read(body: &[u8]) -> Result<Event, (Quarantine, String)> {
    if parse::<Typed>(body)?.event_type.is_none() {
        return Ok(Event { kind: UNKNOWN.to_owned(), ..Event::default() });
    }
    let payload: Payload = parse(body)?;
    let kind = payload.event_type;
    if kind.len() > EventMeta::MAX_EVENT_TYPE {
        return Err((Quarantine::FieldLength, "eventType is too long".into()));
    }
    if kind.is_empty() || !kind.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(schema("eventType is not a valid name"));
    }
    let data = payload.event_data.unwrap_or_default();
    let resource = payload.resource.unwrap_or_default();
    for (field, id) in [
        ("userId", &payload.user_id),
        ("eventData.actorId", &data.actor_id),
        ("eventData.actorTaskId", &data.actor_task_id),
        ("eventData.actorRunId", &data.actor_run_id),
        ("eventData.actorBuildId", &data.actor_build_id),
        ("resource.id", &resource.id),
        ("resource.actId", &resource.act_id),
        ("resource.actorTaskId", &resource.actor_task_id),
        ("resource.buildId", &resource.build_id),
        ("resource.defaultDatasetId", &resource.default_dataset_id),
        ("resource.defaultKeyValueStoreId", &resource.default_key_value_store_id),
        ("resource.defaultRequestQueueId", &resource.default_request_queue_id),
    ] {
        if !id.as_deref().is_none_or(is_id) {
            return Err(schema(format!("{field} is not a valid id")));
        }
    }
    let named = data.actor_run_id.or(data.actor_build_id);
    if let (Some(named), Some(id)) = (&named, &resource.id)
        && named != id
    {
        return Err(schema("eventData and resource name different runs"));
    }
    Ok(Event {
        kind,
        subject: named.or(resource.id),
        actor_id: data.actor_id.or(resource.act_id),
        created_at: read_time("createdAt", payload.created_at.as_deref())?,
        finished_at: read_time("resource.finishedAt", resource.finished_at.as_deref())?,
        dataset: resource.default_dataset_id,
    })
}

/// The results in a body, each as raw text, so that an unreadable one does not affect the others;
/// `None` if there are none.
pub(super) fn items(body: &[u8]) -> Option<Vec<&RawValue>> {
    #[derive(Deserialize)]
    struct Carried<'b> {
        #[serde(borrow)]
        items: Option<Vec<&'b RawValue>>,
    }
    serde_json::from_slice::<Carried<'_>>(body).ok()?.items
}

/// Whether `text` is a valid Apify id: only letters and digits, which are safe in a path or query.
pub(super) fn is_id(text: &str) -> bool {
    (1..=40).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

fn read_time(
    field: &str,
    text: Option<&str>,
) -> Result<Option<OffsetDateTime>, (Quarantine, String)> {
    let Some(text) = text else { return Ok(None) };
    let time = OffsetDateTime::parse(text, &Rfc3339)
        .map_err(|error| schema(format!("{field}: {error}")))?;
    // At the end of the last year a time may be out of range in UTC.
    let time = time.checked_to_offset(UtcOffset::UTC);
    time.map(Some).ok_or_else(|| schema(format!("{field}: after the year 9999")))
}

fn schema(detail: impl Into<String>) -> (Quarantine, String) {
    (Quarantine::Schema, detail.into())
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn reason(body: &str) -> Quarantine {
        read(body.as_bytes()).unwrap_err().0
    }

    #[test]
    fn default_template_is_read() {
        let body = r#"{"userId":"abf6vtB2nvQZ4nJzo","createdAt":"2019-01-09T15:59:56.408Z","eventType":"ACTOR.RUN.SUCCEEDED","eventData":{"actorId":"fW4MyDhgwtMLrB987","actorRunId":"uPBN9qaKd2iLs5naZ"},"resource":{"id":"uPBN9qaKd2iLs5naZ","status":"SUCCEEDED","finishedAt":"2019-01-09T15:59:56Z"}}"#;
        let event = read(body.as_bytes()).unwrap();
        assert_eq!(event.kind, "ACTOR.RUN.SUCCEEDED");
        assert_eq!(event.subject.as_deref(), Some("uPBN9qaKd2iLs5naZ"));
        assert_eq!(event.actor_id.as_deref(), Some("fW4MyDhgwtMLrB987"));
        assert_eq!(event.created_at, Some(datetime!(2019-01-09 15:59:56.408 UTC)));
        assert_eq!(event.finished_at, Some(datetime!(2019-01-09 15:59:56 UTC)));
    }

    #[test]
    fn items_are_read_one_by_one() {
        let body = br#"{"eventType":"E","items":[{"a":1,"a":2},5,{"b":1e999999}]}"#;
        assert!(read(body).is_ok());
        let items = items(body).unwrap();
        assert_eq!(
            items.iter().map(|item| item.get()).collect::<Vec<_>>(),
            [r#"{"a":1,"a":2}"#, "5", r#"{"b":1e999999}"#]
        );
        assert!(super::items(br#"{"eventType":"E","items":null}"#).is_none());
        assert_eq!(reason(r#"{"eventType":"E","items":{"a":1}}"#), Quarantine::Schema);
        assert_eq!(reason(r#"{"eventType":"E","items":[],"items":[]}"#), Quarantine::DuplicateKey);
    }

    #[test]
    fn template_may_omit_everything_but_the_event_type() {
        for body in [
            r#"{"eventType":"TEST"}"#,
            r#"{"eventType":"TEST","eventData":null,"resource":null,"createdAt":null}"#,
            r#"{"eventType":"ACTOR.BUILD.FAILED","eventData":{"actorBuildId":"b1"},"resource":{"id":"b1"}}"#,
        ] {
            assert!(read(body.as_bytes()).is_ok(), "{body}");
        }
    }

    #[test]
    fn template_without_event_type_is_unknown() {
        for body in [
            "{}",
            r#"{"runId":"r1","runStatus":"SUCCEEDED","myProp":"hello world"}"#,
            r#"{"resource":{"defaultDatasetId":"d1"}}"#,
            r#"{"eventType":null,"resource":{"id":"r1"}}"#,
            r#"{"resource":"r1","createdAt":1700000000,"eventData":[1]}"#,
            r#"{"resource":{"id":"../x"},"items":{}}"#,
        ] {
            let event = read(body.as_bytes()).unwrap();
            assert_eq!((event.kind.as_str(), event.subject), (UNKNOWN, None), "{body}");
        }
    }

    #[test]
    fn unsafe_id_is_rejected() {
        for id in ["../../v2/users/me", "x?token=", "", "a/b", "a b", "é", "a\\u0000", "a%2e"] {
            for body in [
                format!(r#"{{"eventType":"E","eventData":{{"actorRunId":"{id}"}}}}"#),
                format!(r#"{{"eventType":"E","eventData":{{"actorId":"{id}"}}}}"#),
                format!(r#"{{"eventType":"E","resource":{{"id":"{id}"}}}}"#),
                format!(r#"{{"eventType":"E","resource":{{"defaultDatasetId":"{id}"}}}}"#),
            ] {
                assert_eq!(reason(&body), Quarantine::Schema, "{body}");
            }
        }
        assert!(is_id(&"a".repeat(40)) && !is_id(&"a".repeat(41)));
    }

    #[test]
    fn each_other_error_has_its_reason() {
        let long = format!(r#"{{"eventType":"{}"}}"#, "E".repeat(201));
        for (body, word) in [
            ("not json", Quarantine::NotJson),
            (r#"["E",null,null,null,null,null]"#, Quarantine::Schema),
            (r#"{"eventType":""}"#, Quarantine::Schema),
            (r#"{"eventType":"A\u0000B"}"#, Quarantine::Schema),
            (r#"{"eventType":5}"#, Quarantine::Schema),
            (r#"{"eventType":"E","eventType":"F"}"#, Quarantine::DuplicateKey),
            (
                r#"{"eventType":"E","signedPayload":"a","signedPayload":"b"}"#,
                Quarantine::DuplicateKey,
            ),
            (r#"{"eventType":"E","createdAt":"yesterday"}"#, Quarantine::Schema),
            ("[]", Quarantine::Schema),
            (
                r#"{"eventType":"E","eventData":{"actorRunId":"a"},"resource":{"id":"b"}}"#,
                Quarantine::Schema,
            ),
            (&long, Quarantine::FieldLength),
        ] {
            assert_eq!(reason(body), word, "{body}");
        }
    }
}
