//! The web console: server-rendered pages for operators that work without scripts.
//!
//! - A file or folder per noun, such as [`jobs`]: its routes, its handlers, and its pages, which
//!   render the models of [`admin`](crate::admin) from [`parts`], inside the [`layout`].
//! - [`actions`]: the forms of the catalogue of actions, and what is posted from them. Each ends
//!   with a redirect, so that a reload does not repeat it.
//! - [`headers`]: the security headers of every page.
//!
//! Untrusted data goes only into text nodes and quoted attributes, which are escaped when they are
//! written; no page accepts markup from outside of this module.

mod access;
mod account;
mod actions;
mod alerts;
mod assets;
mod audit;
mod dead_letters;
mod deliveries;
mod destinations;
mod edits;
mod error;
mod events;
mod explain;
#[cfg(test)]
mod fixtures;
mod groups;
mod headers;
mod jobs;
mod layout;
mod login;
mod oidc;
mod overview;
mod page_context;
mod parts;
mod pauses;
mod providers;
mod rejected_requests;
mod settings;
mod sources;
mod transfers;

use actix_web::web;

pub(super) use headers::protect;

use super::form;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    let (query, path) = (web::QueryConfig::default(), web::PathConfig::default());
    // `access` has already applied the size limit of the path.
    let form = web::FormConfig::default().limit(form::LARGEST);
    app.app_data(query.error_handler(|_, request| page_context::malformed(request)))
        .app_data(path.error_handler(|_, request| page_context::malformed(request)))
        .app_data(form.error_handler(|_, request| page_context::malformed(request)));
    events::routes(app);
    transfers::routes(app);
    dead_letters::routes(app);
    groups::routes(app);
    deliveries::routes(app);
    edits::routes(app);
    jobs::routes(app);
    rejected_requests::routes(app);
    explain::routes(app);
    alerts::routes(app);
    access::routes(app);
    account::routes(app);
    audit::routes(app);
    login::routes(app);
    oidc::routes(app);
    overview::routes(app);
    sources::routes(app);
    providers::routes(app);
    settings::routes(app);
    pauses::routes(app);
    destinations::routes(app);
    actions::routes(app);
    app.route(assets::PATH, web::get().to(assets::asset))
        .default_service(web::to(page_context::not_found));
}
