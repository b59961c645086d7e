//! Views of the rejected requests.

use uuid::Uuid;

use super::super::pages::rejected_requests::{One, Row, View};
use super::super::parts::{BadgeTone, Bytes, Facet, FacetValue, Pager, Tab, count, link_path};
use super::ROWS;
use crate::admin::{AdminError, Caller, PREVIEW};
use crate::store::RejectedRequest;
use crate::web::admin::AdminState;

/// The list.
pub(in crate::web::console) async fn held(
    admin: &AdminState,
    caller: &Caller,
    (source, before): (&str, &str),
) -> Result<View, AdminError> {
    let source = Some(source).filter(|name| !name.is_empty());
    let before = Some(before).filter(|text| !text.is_empty()).map(id).transpose()?;
    let mut listed = admin.rejected_requests.list(caller, source, before, ROWS + 1).await?;
    let more = listed.len() > ROWS as usize;
    listed.truncate(ROWS as usize);
    let next = listed.last().filter(|_| more).map(|last| last.id);
    let here = |name: &str| format!("/rejected-requests?source={}", link_path(name));
    let of_source = |name: String| FacetValue {
        href: here(if source == Some(&*name) { "" } else { &name }),
        chosen: source == Some(&*name),
        label: name,
        count: None,
    };
    let sources = admin.gates.names(caller)?.into_iter().map(of_source).collect();
    let here = here(source.unwrap_or_default());
    Ok(View {
        facets: vec![Facet { label: "Source", values: sources }],
        source: source.map(str::to_owned),
        pager: Pager {
            shown: count(listed.len() as u64, "request on this page", "requests on this page"),
            first: before.map(|_| here.clone()),
            next: next.map(|id| format!("{here}&before={id}")),
        },
        rows: listed.iter().map(|one| row(one, String::new())).collect(),
    })
}

/// One of them.
pub(in crate::web::console) async fn one(
    admin: &AdminState,
    caller: &Caller,
    text: &str,
    tab: Tab,
) -> Result<One, AdminError> {
    let dossier = admin.rejected_requests.show(caller, id(text)?).await?;
    let (verdict, advice, findings) = match dossier.explained {
        Some(explained) => {
            let secret = explained.secret.map(|secret| {
                ("secret".to_owned(), BadgeTone::Plain, format!("signed with {secret}"))
            });
            let finding =
                (explained.finding.replace('_', " "), BadgeTone::Bad, explained.text.clone());
            (
                explained.text,
                explained.hint,
                [Some(finding), secret].into_iter().flatten().collect(),
            )
        }
        None => ("It is now an event".to_owned(), None, Vec::new()),
    };
    let (headers, body) = match dossier.payload {
        Some(payload) => {
            let shown = payload
                .body
                .get(..PREVIEW.unsigned_abs() as usize)
                .unwrap_or(&payload.body)
                .to_vec();
            let href = format!("/rejected-requests/{}", dossier.request.id);
            let size = payload.body.len() as u64;
            let text = |value: Vec<u8>| String::from_utf8_lossy(&value).into_owned();
            let headers = payload.headers.into_iter().map(|(name, value)| (name, text(value)));
            (headers.collect(), Some(Bytes { shown, size, tab, href, download: None }))
        }
        None => (Vec::new(), None),
    };
    Ok(One { row: row(&dossier.request, verdict), findings, advice, headers, body })
}

/// Parses the id of a rejected request.
pub(in crate::web::console) fn id(text: &str) -> Result<Uuid, AdminError> {
    text.parse().map_err(|_| AdminError::NotFound(format!("rejected request {text}")))
}

pub(super) fn row(held: &RejectedRequest, verdict: String) -> Row {
    Row {
        id: held.id.to_string(),
        source: held.source.clone(),
        reason: held.reason.clone(),
        verdict,
        size: held.size_bytes.unsigned_abs(),
        received_at: held.received_at,
        until: held.expires_at,
        event: held
            .event_id
            .map(|event| (event.to_string(), held.verified_by.clone().unwrap_or_default())),
    }
}
