//! Sources and settings.

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

/// Adds the routes.
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
    /// The provider.
    provider: String,
    tenant: String,
    /// Whether it is enabled.
    enabled: bool,
    setup: Setup,
    /// The pause; null if it is not paused.
    paused: Option<Pause>,
    /// How long rejected requests are kept, in seconds; null if they are not kept.
    keep_rejected_seconds: Option<f64>,
    /// The webhook URLs, the source's own first.
    urls: Vec<String>,
    /// Whether `urls` are public URLs. Without a public URL in the configuration they contain the
    /// listener's own address, which may be behind a proxy.
    urls_are_public: bool,
    /// The paths of the source, its own first. `{action}` stands for one of `actions`.
    paths: Vec<String>,
    /// The actions that may follow the path; empty if the path ends with the source.
    actions: Vec<String>,
    /// The headers that carry the signature and its inputs.
    headers: Vec<String>,
    /// Maximum body size in bytes.
    max_body_bytes: u64,
    /// Maximum age of a signature, in seconds.
    max_age_seconds: i64,
    /// How far in the future the timestamp may be, in seconds.
    max_future_seconds: i64,
    /// Rate limit for authentic requests, per second.
    per_second: u32,
    /// Burst of that rate limit.
    burst: u32,
    /// Whether a dead letter blocks the deliveries behind it in its lane.
    lane_blocks: bool,
    /// The names of its handlers, including destinations.
    handlers: Vec<String>,
    /// Its secrets in configured order, then secrets used in the past.
    secrets: Vec<Secret>,
    /// When the last authentic request was received.
    #[serde(with = "time::serde::rfc3339::option")]
    last_event_at: Option<OffsetDateTime>,
    /// The counts of the last hour.
    hour: Counts,
    /// The counts of the last 24 hours.
    day: Counts,
}

/// The set-up state of a source: disabled, no request yet, no authentic request yet, or working.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = SourceSetup)]
enum Setup {
    Disabled,
    Waiting,
    Refusing,
    Receiving,
}

/// A secret of a source, without its value.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SourceSecret)]
struct Secret {
    /// Its fingerprint: the beginning of its digest.
    fingerprint: String,
    /// Its position among the configured secrets, from 1; null if no longer configured.
    place: Option<usize>,
    /// Number of requests it has verified.
    requests: u64,
    /// When it first verified a request.
    #[serde(with = "time::serde::rfc3339::option")]
    first_at: Option<OffsetDateTime>,
    /// When it last verified a request.
    #[serde(with = "time::serde::rfc3339::option")]
    last_at: Option<OffsetDateTime>,
    /// Whether it can be removed: it was used in the past, and only other secrets were used for a
    /// week.
    removable: bool,
}

/// A key of the effective configuration.
#[derive(Debug, Serialize, ToSchema)]
struct Setting {
    /// Its path, such as `dispatch.lease`.
    key: String,
    /// Its value. For a secret, its location and never the secret itself.
    value: String,
}

/// List sources
///
/// In configured order, with their set-up state.
#[utoipa::path(
    get, path = "/api/v1/sources", operation_id = "listSources", tag = "sources",
    security(("bearer" = ["events:read"])),
    responses((status = 200, description = "All sources", body = Page<Source>)),
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
/// With its configuration, the use of its secrets, and recent counts.
#[utoipa::path(
    get, path = "/api/v1/sources/{source}", operation_id = "showSource", tag = "sources",
    params(("source" = String, Path, description = "Name of the source", pattern = "^[a-z0-9_-]{1,64}$")),
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

/// List settings
///
/// The effective configuration, key by key, without secrets. Requires an API key for all tenants.
#[utoipa::path(
    get, path = "/api/v1/settings", operation_id = "listSettings", tag = "gateway",
    security(("bearer" = ["admin"])),
    responses((status = 200, description = "All settings", body = Page<Setting>)),
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
