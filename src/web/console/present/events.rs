//! Views of the events list and of one event.

use serde::Deserialize;
use time::OffsetDateTime;
use time::macros::format_description;

use super::super::page_context::sentence;
use super::super::pages::events::{Asked, Row, View};
use super::super::pages::parts_of_event::{Event, Payload, Proof};
use super::super::pages::{event, transfers};
use super::super::parts::{Bytes, Facet, FacetValue, Pager, Tab, count, link_path, utc};
use super::ROWS;
use super::transfers::map;
use crate::admin::{AdminError, Caller, EventPage, PREVIEW, Scope, Search};
use crate::store::{EventId, EventRow};
use crate::web::admin::AdminState;

/// The result of an invalid search.
const NONE: EventPage =
    EventPage { events: Vec::new(), next: None, looked_back_to: None, complete: true };
/// The states of deliveries.
const STATES: [&str; 4] = ["ready", "leased", "done", "dead"];

/// The query of the list.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(default)]
pub(in crate::web::console) struct Query {
    q: String,
    within: String,
    since: String,
    until: String,
    source: String,
    kind: String,
    state: String,
    before: String,
}

/// The list.
pub(in crate::web::console) async fn events(
    admin: &AdminState,
    caller: &Caller,
    query: &Query,
) -> Result<View, AdminError> {
    let monitoring = &admin.monitoring;
    let before = given(&query.before).map(|text| id(&text)).transpose()?;
    let found = async { monitoring.events(caller, &query.search()?, before, ROWS).await };
    let (page, wrong) = match found.await {
        // An invalid search is reported beside the search field.
        Err(AdminError::Invalid(wrong)) => (NONE, Some(wrong)),
        found => (found?, None),
    };
    let facets = monitoring.facets(caller).await?;
    let shown = match (page.complete, page.looked_back_to) {
        (false, Some(to)) => format!(
            "{} on this page; searched back to {}, older events may match",
            count(page.events.len() as u64, "event", "events"),
            utc(to)
        ),
        _ => format!("{}, newest first", count(page.events.len() as u64, "event", "events")),
    };
    let values = |known: Vec<(String, u64)>, chosen: &str, with: fn(&Query, String) -> Query| {
        let all = [(String::from("any"), None, String::new())].into_iter();
        let named = known.into_iter().map(|(name, count)| (name.clone(), Some(count), name));
        let value = |(label, count, value): (String, Option<u64>, String)| FacetValue {
            label,
            count,
            chosen: value == chosen,
            href: with(query, value).address(None),
        };
        all.chain(named).map(value).collect()
    };
    let states = STATES.map(|state| (state.to_owned(), 0)).to_vec();
    let mut states: Vec<FacetValue> =
        values(states, &query.state, |query, state| Query { state, ..query.clone() });
    for value in &mut states {
        value.count = None;
    }
    Ok(View {
        facets: vec![
            Facet {
                label: "Source, last 24 hours",
                values: values(facets.sources, &query.source, |query, source| Query {
                    source,
                    ..query.clone()
                }),
            },
            Facet {
                label: "Type, newest events",
                values: values(facets.kinds, &query.kind, |query, kind| Query {
                    kind,
                    ..query.clone()
                }),
            },
            Facet { label: "Deliveries", values: states },
        ],
        rows: page.events.into_iter().map(row).collect(),
        pager: Pager {
            shown,
            first: before.map(|_| query.address(None)),
            next: page.next.map(|next| query.address(Some(&next.to_string()))),
        },
        bodies: caller.may(Scope::PayloadRead),
        wrong: wrong.as_deref().map(sentence),
        asked: query.asked(),
    })
}

/// One event.
pub(in crate::web::console) async fn event(
    admin: &AdminState,
    caller: &Caller,
    text: &str,
    tab: Tab,
) -> Result<event::View, AdminError> {
    let id = id(text).map_err(|_| AdminError::NotFound(format!("event {text}")))?;
    let detail = admin.monitoring.event(caller, id).await?;
    let most = PREVIEW.unsigned_abs();
    let shown = match detail.payload {
        Some(_) => Some(admin.monitoring.body(caller, id, 0, most).await?),
        None => None,
    };
    let here = format!("/events/{id}");
    let payload = detail.payload.zip(shown).map(|(payload, body)| Payload {
        headers: payload.headers,
        claims: payload.claims.map(|text| String::from_utf8_lossy(&text).into_owned()),
        envelope: payload.envelope.map(|text| String::from_utf8_lossy(&text).into_owned()),
        body: Bytes {
            shown: body.bytes.to_vec(),
            size: body.size,
            tab,
            href: here.clone(),
            download: Some(format!("{here}/body")),
        },
    });
    let mut more = Vec::new();
    if payload.is_some() && caller.may(Scope::EventsReplay) {
        more.push((format!("{here}/fixture"), "Save as fixture"));
    }
    let neighbours = [(detail.older, "Older"), (detail.newer, "Newer")];
    more.extend(
        neighbours.into_iter().filter_map(|(id, label)| Some((format!("/events/{}", id?), label))),
    );
    let edits = detail.edits.into_iter();
    let EventRow { tenant, source, provider, kind, strength, received_at, .. } = detail.event;
    Ok(event::View {
        edited: detail.edited.map(|edit| (edit.from.to_string(), edit.by)),
        edits: edits.map(|made| (made.event.to_string(), made.by, made.at)).collect(),
        transfer: detail.transfer.as_ref().map(|one| one.transfer.id),
        event: Event {
            id: id.to_string(),
            tenant,
            source,
            provider,
            kind,
            action: detail.action,
            received_at,
            occurred_at: detail.occurred_at,
            seen: detail.seen,
            proof: Proof {
                scheme: Some(format!("headers {}", detail.proof.headers.join(", "))),
                strength: strength.as_str().to_owned(),
                secret: detail.proof.secret,
                skew_seconds: detail.proof.skew_seconds,
                late: detail.proof.late,
            },
            payload,
        },
        chunks: detail.transfer.map(|one| transfers::Map { have: map(&one) }).filter(|map| {
            // The received chunks of an expired transfer are not recorded.
            map.have.contains(&true)
        }),
        steps: detail.timeline,
        deliveries: detail
            .deliveries
            .into_iter()
            .map(|one| event::Delivery {
                id: one.id,
                handler: one.handler,
                state: one.state,
                resolution: one.resolution,
                attempts: u64::from(one.attempts.unsigned_abs()),
                created_at: one.created_at,
            })
            .collect(),
        lane: detail.related.lanes.first().cloned(),
        related: detail.related.events.into_iter().map(row).collect(),
        more,
        commands: vec![
            ("Show", format!("sealpost events show {id}")),
            ("Body", format!("sealpost events body {id}")),
            (
                "HTTP",
                format!(
                    "curl {}/api/v1/events/{id} -H \"Authorization: Bearer $SEALPOST_API_KEY\"",
                    admin.base
                ),
            ),
        ],
    })
}

/// Parses the id of an event.
pub(in crate::web::console) fn id(text: &str) -> Result<EventId, AdminError> {
    let read = text.parse().map(EventId);
    read.map_err(|_| AdminError::Invalid(format!("invalid event id `{text}`")))
}

fn row(event: EventRow) -> Row {
    let is = event.deliveries;
    let states = [
        ("ready", is.ready),
        ("leased", is.leased),
        ("done", is.done),
        ("dead", is.dead),
        ("resolved", is.resolved),
    ];
    let states = states.into_iter().filter(|(_, number)| *number > 0);
    Row {
        id: event.id.to_string(),
        kind: event.kind,
        source: event.source,
        states: states.map(|(state, number)| (state.to_owned(), number)).collect(),
        size: event.size,
        strength: event.strength.as_str().to_owned(),
        received_at: event.received_at,
    }
}

fn given(text: &str) -> Option<String> {
    Some(text.trim().to_owned()).filter(|text| !text.is_empty())
}

/// Parses the value of a `datetime-local` field, as UTC.
fn moment(text: &str) -> Result<Option<OffsetDateTime>, AdminError> {
    let Some(text) = given(text) else { return Ok(None) };
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute][optional [:[second]]]");
    let read = time::PrimitiveDateTime::parse(&text, format);
    let read = read.map_err(|_| AdminError::Invalid(format!("invalid time `{text}`")))?;
    Ok(Some(read.assume_utc()))
}

impl Query {
    fn search(&self) -> Result<Search, AdminError> {
        let words = |within: &str| given(&self.q).filter(|_| self.within == within);
        Ok(Search {
            source: given(&self.source),
            kind: words("type").or_else(|| given(&self.kind)),
            state: given(&self.state),
            from: moment(&self.since)?,
            to: moment(&self.until)?,
            id: words(""),
            key: words("key"),
            text: words("body"),
            ..Search::default()
        })
    }

    fn asked(&self) -> Asked {
        let kept = [("source", &self.source), ("kind", &self.kind), ("state", &self.state)];
        let kept = kept.into_iter().filter(|(_, value)| !value.is_empty());
        Asked {
            q: self.q.clone(),
            within: self.within.clone(),
            since: self.since.clone(),
            until: self.until.clone(),
            kept: kept.map(|(name, value)| (name.to_owned(), value.clone())).collect(),
        }
    }

    fn address(&self, before: Option<&str>) -> String {
        let parts = [
            ("q", self.q.as_str()),
            ("within", &self.within),
            ("since", &self.since),
            ("until", &self.until),
            ("source", &self.source),
            ("kind", &self.kind),
            ("state", &self.state),
            ("before", before.unwrap_or_default()),
        ];
        let parts = parts.into_iter().filter(|(_, value)| !value.is_empty());
        let parts: Vec<String> =
            parts.map(|(name, value)| format!("{name}={}", link_path(value))).collect();
        format!("/events?{}", parts.join("&"))
    }
}
