//! Sources and settings: what is configured, and how far it works.

use actix_web::web;
use serde::{Deserialize, Serialize};
use time::{Duration, OffsetDateTime};
use utoipa::{OpenApi, ToSchema};

use super::answer::{ListPage, Page, WithEtag};
use super::overview::Counts;
use super::pauses::Pause;
use super::routes::{Endpoint, Routes};
use super::words::word;
use crate::admin::{SecretView, SourceView};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show, settings))]
struct Document;

/// Mounts the noun.
pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/sources").get(list));
    routes.add(Endpoint::new("/api/v1/sources/{source}").get(show));
    routes.add(Endpoint::new("/api/v1/settings").get(settings));
}

/// A source.
#[derive(Debug, Serialize, ToSchema)]
struct Source {
    name: String,
    /// What kind of sender it is.
    provider: String,
    tenant: String,
    /// Whether it lets anything in.
    enabled: bool,
    setup: Setup,
    /// Why it is paused; null where it is not.
    paused: Option<Pause>,
    /// How long refused requests are held; null where they are not.
    keep_rejected_seconds: Option<f64>,
    /// What its sender calls, its own first.
    urls: Vec<String>,
    /// Whether that is so: without a public URL in the configuration it is the listener's own
    /// address, which senders reach by what stands in front of it.
    urls_are_public: bool,
    /// The paths that lead to it, its own first. `{action}` stands for a word of `actions`.
    paths: Vec<String>,
    /// The actions that may follow the path; none where the path ends with the source.
    actions: Vec<String>,
    /// The headers that carry the proof and what it covers.
    headers: Vec<String>,
    /// The largest body.
    max_body_bytes: u64,
    /// How old a signature may be.
    max_age_seconds: i64,
    /// How far in the future it may lie.
    max_future_seconds: i64,
    /// How many authentic requests it may send in a second.
    per_second: u32,
    /// How many at once.
    burst: u32,
    /// Whether a dead letter holds the deliveries behind it in its lane.
    lane_blocks: bool,
    /// The stored names of its handlers, destinations among them.
    handlers: Vec<String>,
    /// Its secrets in configured order, then those that were used once.
    secrets: Vec<Secret>,
    /// When something authentic last came.
    #[serde(with = "time::serde::rfc3339::option")]
    last_event_at: Option<OffsetDateTime>,
    /// What was counted in the last hour.
    hour: Counts,
    /// What was counted in the last day.
    day: Counts,
}

/// How far a source is set up: it lets nothing in, nothing has come, nothing that came was
/// authentic, or it works.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SourceSetup)]
enum Setup {
    Disabled,
    Backlog,
    Refusing,
    Receiving,
}

/// A secret of a source, never what it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceSecret)]
struct Secret {
    /// The beginning of its digest.
    fingerprint: String,
    /// Its place among the configured ones, from 1; null where it is not configured any more.
    place: Option<usize>,
    /// How many requests it has verified.
    requests: u64,
    /// When it first did.
    #[serde(with = "time::serde::rfc3339::option")]
    first_at: Option<OffsetDateTime>,
    /// When it last did.
    #[serde(with = "time::serde::rfc3339::option")]
    last_at: Option<OffsetDateTime>,
    /// Whether it can be removed: it was used once, and for a week only others were.
    removable: bool,
}

/// One key of the configuration in effect.
#[derive(Debug, Serialize, ToSchema)]
struct Setting {
    /// Its path, such as `dispatch.lease`.
    key: String,
    /// Its value. Of a secret only where it is, never what it is.
    value: String,
}

/// List sources
///
/// In configured order, with what keeps a new one from working.
#[utoipa::path(
    get, path = "/api/v1/sources", operation_id = "listSources", tag = "sources",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "Every source", body = Page<Source>)),
)]
async fn list(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Source>, Denial> {
    let views = admin.monitoring.sources(&caller).await?.into_iter();
    Ok(ListPage(Page::whole(views.map(Source::new).collect::<Result<_, _>>()?)))
}

/// Show a source
///
/// How it is configured, which of its secrets are used, and what came lately.
#[utoipa::path(
    get, path = "/api/v1/sources/{source}", operation_id = "showSource", tag = "sources",
    params(("source" = String, Path, description = "Its name", pattern = "^[a-z0-9_-]{1,64}$")),
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "The source", body = Source)),
)]
async fn show(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    source: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Source>, Denial> {
    Ok(WithEtag(Source::new(admin.monitoring.source(&caller, &source).await?)?))
}

/// List the settings
///
/// The configuration in effect, key by key, without a secret in it. It is of all tenants together:
/// a key of one tenant does not get it.
#[utoipa::path(
    get, path = "/api/v1/settings", operation_id = "listSettings", tag = "gateway",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "Every setting", body = Page<Setting>)),
)]
async fn settings(
    AuthenticatedCaller(caller): AuthenticatedCaller,
    admin: web::Data<AdminState>,
) -> Result<ListPage<Setting>, Denial> {
    let settings = admin.monitoring.settings(&caller)?;
    let items = settings
        .iter()
        .map(|setting| Setting { key: setting.key.clone(), value: setting.value.clone() });
    Ok(ListPage(Page::whole(items.collect())))
}

impl Source {
    fn new(view: SourceView) -> Result<Self, Denial> {
        let facts = view.facts;
        Ok(Self {
            name: facts.name,
            provider: facts.provider,
            tenant: facts.tenant,
            enabled: facts.enabled,
            setup: word(view.setup.as_str())?,
            paused: view.pause.map(Pause::new).transpose()?,
            keep_rejected_seconds: facts.keep_rejected.map(Duration::as_seconds_f64),
            urls: view.urls,
            urls_are_public: view.is_public,
            paths: facts.paths,
            actions: facts.actions,
            headers: facts.headers,
            max_body_bytes: facts.max_body,
            max_age_seconds: facts.max_age,
            max_future_seconds: facts.max_future,
            per_second: facts.per_second,
            burst: facts.burst,
            lane_blocks: facts.lane_blocks,
            handlers: facts.handlers,
            secrets: view.secrets.into_iter().map(Secret::new).collect(),
            last_event_at: view.last_event,
            hour: Counts::new(&view.hour),
            day: Counts::new(&view.day),
        })
    }
}

impl Secret {
    fn new(secret: SecretView) -> Self {
        Self {
            fingerprint: secret.fingerprint,
            place: secret.place,
            requests: secret.requests,
            first_at: secret.first_at,
            last_at: secret.last_at,
            removable: secret.removable,
        }
    }
}
