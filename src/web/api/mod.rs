//! The admin API for operators and applications, below `/api/v1` on the admin listener, and the
//! health checks and metrics.
//!
//! - A file of this folder is a resource: its request and response types, and thin handlers over
//!   `admin`, which checks permissions.
//! - [`actions`] mounts the catalogue of actions.
//! - [`Routes`] registers them. Every route goes through [`middleware`]: request id, rate limit,
//!   timeout, log. A change goes through [`idempotency`] too.
//! - [`document`] is generated from the same handlers; a test compares it with the routes.
//! - [`provider_endpoints`] serves the endpoints of providers: it matches last.
//!
//! Every error is a [`Denial`](super::denial::Denial).

mod actions;
mod alerts;
mod answer;
mod api_keys;
mod audit;
mod body;
mod cursor;
mod dead_letters;
mod deliveries;
mod destinations;
mod document;
mod edits;
mod events;
mod explain;
mod groups;
mod health;
mod idempotency;
mod jobs;
mod me;
mod middleware;
mod overview;
mod pauses;
mod provider_endpoints;
mod providers;
mod query;
mod rejected_requests;
mod routes;
mod sources;
mod stream;
mod transfers;
mod users;

use actix_web::{HttpRequest, web};

pub use document::document;

use self::routes::Routes;
use super::denial::Denial;

/// The prefix of every path.
const BASE: &str = "/api/v1";

/// Registers the API, health and metrics routes.
pub(super) fn mount(config: &mut web::ServiceConfig) {
    let not_found = |_, _: &HttpRequest| Denial::NotFound(None).into();
    config.app_data(web::PathConfig::default().error_handler(not_found));
    routes().mount(config);
}

/// All routes, in matching order. The provider endpoints come last: they match any two segments.
fn routes() -> Routes {
    let mut routes = Routes::default();
    for mount in [
        health::mount,
        document::mount,
        stream::mount,
        actions::mount,
        alerts::mount,
        api_keys::mount,
        audit::mount,
        dead_letters::mount,
        deliveries::mount,
        destinations::mount,
        edits::mount,
        events::mount,
        explain::mount,
        groups::mount,
        me::mount,
        rejected_requests::mount,
        pauses::mount,
        jobs::mount,
        overview::mount,
        users::mount,
        providers::mount,
        sources::mount,
        transfers::mount,
        provider_endpoints::mount,
    ] {
        mount(&mut routes);
    }
    routes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_route_is_documented() {
        let routes = routes();
        let mounted: BTreeSet<String> = routes.list().into_iter().collect();
        let mut documented = BTreeSet::new();
        for part in routes.documents() {
            let part = serde_json::to_value(part).unwrap();
            for (path, item) in part["paths"].as_object().unwrap() {
                let methods = item.as_object().unwrap().keys();
                documented
                    .extend(methods.map(|method| format!("{} {path}", method.to_uppercase())));
            }
        }
        // Provider endpoints are documented by their providers.
        documented.insert("POST /api/v1/{provider}/{resource}".to_owned());
        assert_eq!(mounted, documented);
        assert!(mounted.len() > 10, "the routes are read");
    }
}
