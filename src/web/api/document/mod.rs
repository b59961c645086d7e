//! The `OpenAPI` 3.1 document, generated from the handlers.
//!
//! [`common`] adds what all operations share, [`shape`] descriptions, and [`examples`] an example
//! for every body.

mod common;
mod examples;
mod shape;

use std::collections::BTreeMap;

use actix_web::http::header;
use actix_web::{HttpResponse, web};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::{self, InfoBuilder, Paths};

use super::provider_endpoints;
use super::routes::{Endpoint, Routes};
use crate::provider_endpoint::Described;
use crate::web::admin::AdminState;

const PATH: &str = "/api/v1/openapi.json";
const TYPE: &str = "application/vnd.oai.openapi+json";

#[derive(OpenApi)]
#[openapi(paths(serve))]
struct Document;

pub(super) fn mount(routes: &mut Routes) {
    routes.document::<Document>();
    routes.add(Endpoint::new(PATH).get(serve));
}

/// Get the API description
///
/// Identical to `docs/openapi.json` in the repository.
#[utoipa::path(
    get, path = "/api/v1/openapi.json", operation_id = "showDocument", tag = "gateway",
    security(("bearer" = [])),
    responses((status = 200, description = "The document", body = Object,
               content_type = "application/vnd.oai.openapi+json")),
)]
async fn serve(admin: web::Data<AdminState>) -> HttpResponse {
    HttpResponse::Ok().insert_header((header::CONTENT_TYPE, TYPE)).body(admin.document.clone())
}

/// The document, with a trailing newline. `answers` are the provider endpoints, each with its
/// provider.
pub fn document(answers: &[(&'static str, Described)]) -> String {
    let info = InfoBuilder::new().title("Sealpost").version(env!("CARGO_PKG_VERSION"));
    let mut document = openapi::OpenApi::new(info.build(), Paths::new());
    for part in super::routes().documents() {
        document.merge(part);
    }
    for (provider, described) in answers {
        document.merge(provider_endpoints::document(provider, described));
    }
    let mut document = serde_json::to_value(document).unwrap_or_default();
    common::complete(&mut document);
    format!("{}\n", serde_json::to_string_pretty(&sorted(document)).unwrap_or_default())
}

/// Sorts the keys, so that the output does not depend on the features of `serde_json`.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let fields: BTreeMap<String, Value> =
                fields.into_iter().map(|(key, value)| (key, sorted(value))).collect();
            fields.into_iter().collect()
        }
        Value::Array(items) => items.into_iter().map(sorted).collect(),
        other => other,
    }
}
