//! Providers: what is known about each kind of sender.

use actix_web::web;
use serde::Deserialize;
use utoipa::OpenApi;

use super::answer::{ListPage, Page, WithEtag};
use super::query::{Query, Text};
use super::routes::{Endpoint, Routes};
use crate::admin::{Provider, ProviderFilter, ProviderLevel, ProviderSummary};
use crate::web::admin::AdminState;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(paths(list, show))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new("/api/v1/providers").get_with_query(list));
    routes.add(Endpoint::new("/api/v1/providers/{provider}").get(show));
}

/// The query of the list; all given filters must match.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct ProviderQuery {
    /// Filter by how well the facts are proven.
    #[param(inline)]
    level: Option<ProviderLevel>,
    /// Search this text in the name, the sender and the algorithm.
    #[param(value_type = Option<String>, pattern = r"^[^\x00-\x1f\x7f-\x9f]{1,256}$")]
    search: Option<Text>,
}

/// List providers
///
/// By name, with how well each is proven. The list is the same for every key.
#[utoipa::path(
    get, path = "/api/v1/providers", operation_id = "listProviders", tag = "providers",
    params(ProviderQuery), security(("bearer" = [])),
    responses((status = 200, description = "All providers", body = Page<ProviderSummary>)),
)]
async fn list(
    Query(query): Query<ProviderQuery>,
    admin: web::Data<AdminState>,
) -> Result<ListPage<ProviderSummary>, Denial> {
    let ProviderQuery { level, search } = query;
    let filter = ProviderFilter { level, search: search.map(|Text(text)| text) };
    Ok(ListPage(Page::whole(admin.providers.list(&filter))))
}

/// Show a provider
///
/// How it signs, what its events are, how that is proven, and a source for the configuration file.
#[utoipa::path(
    get, path = "/api/v1/providers/{provider}", operation_id = "showProvider", tag = "providers",
    params(("provider" = String, Path, description = "Name of the provider",
            pattern = "^[a-z0-9-]{1,64}$")),
    security(("bearer" = [])),
    responses((status = 200, description = "The provider", body = Provider)),
)]
async fn show(
    name: web::Path<String>,
    admin: web::Data<AdminState>,
) -> Result<WithEtag<Provider>, Denial> {
    Ok(WithEtag(admin.providers.show(&name)?.clone()))
}
