//! The web console: server-rendered pages for operators that work without scripts.
//!
//! - [`pages`]: a view (a plain value) per page and the function that renders it, from [`parts`],
//!   inside the [`layout`].
//! - [`present`]: builds the views from [`admin`](crate::admin) and knows no markup. Data the
//!   caller must not see is left out of the view there.
//! - [`acts`]: posted forms. Each ends with a redirect, so that a reload does not repeat it.
//! - [`dealing`]: pages and forms for groups, jobs, edits and pauses.
//! - [`headers`]: the security headers of every page.
//!
//! Untrusted data goes only into text nodes and quoted attributes, which are escaped when they are
//! written; no page accepts markup from outside of this module.

mod access;
mod account;
mod acts;
mod answer;
mod assets;
mod audit;
mod dealing;
mod explain;
#[cfg(test)]
mod fixtures;
mod headers;
mod layout;
mod login;
mod look;
mod oidc;
mod page_context;
mod pages;
mod parts;
mod present;
mod rejected_requests;

use actix_web::web;

pub(super) use headers::protect;

use super::form;

/// The routes of the console.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    let (query, path) = (web::QueryConfig::default(), web::PathConfig::default());
    // `access` has already applied the size limit of the path.
    let form = web::FormConfig::default().limit(form::LARGEST);
    app.app_data(query.error_handler(|_, request| page_context::malformed(request)))
        .app_data(path.error_handler(|_, request| page_context::malformed(request)))
        .app_data(form.error_handler(|_, request| page_context::malformed(request)));
    dealing::routes(app);
    rejected_requests::routes(app);
    app.route(assets::PATH, web::get().to(assets::asset))
        .route("/", web::get().to(look::overview))
        .route("/events", web::get().to(look::events))
        .route("/events/{id}", web::get().to(look::event))
        .route("/events/{id}/body", web::get().to(look::body))
        .route("/events/{id}/fixture", web::get().to(look::fixture))
        .route("/transfers", web::get().to(look::transfers))
        .route("/transfers/{id}", web::get().to(look::transfer))
        .route("/sources", web::get().to(look::sources))
        .route("/sources/{name}", web::get().to(look::source))
        .route("/sources/{name}/set-up", web::get().to(look::set_up))
        .route("/settings", web::get().to(look::settings))
        .route("/rejected-requests", web::get().to(look::rejected_requests))
        .route("/rejected-requests/{id}", web::get().to(look::held_one))
        .route("/explain", web::get().to(explain::form))
        .route("/explain", web::post().to(explain::explain))
        .route("/dead-letters/all", web::get().to(answer::dead_letters))
        .route("/deliveries/{id}", web::get().to(answer::delivery))
        .route("/deliveries/{id}/{verb}", web::post().to(acts::on_delivery))
        .route("/destinations", web::get().to(answer::destinations))
        .route("/destinations/{name}", web::get().to(answer::destination))
        .route("/destinations/{name}/{verb}", web::post().to(acts::on_destination))
        .route("/alerts", web::get().to(answer::alerts))
        .route("/sign-in", web::get().to(login::form))
        .route("/sign-in", web::post().to(login::sign_in))
        .route("/sign-out", web::post().to(login::sign_out))
        .route("/oidc/start", web::get().to(oidc::start))
        .route("/oidc/callback", web::get().to(oidc::callback))
        .route("/setup", web::get().to(login::link))
        .route("/setup", web::post().to(login::set_up))
        .route("/account", web::get().to(account::show))
        .route("/account/sessions/end", web::post().to(account::elsewhere))
        .route("/account/sessions/{id}/end", web::post().to(account::end))
        .route("/account/password", web::post().to(account::password))
        .route("/account/codes", web::post().to(account::begin_codes))
        .route("/account/codes/confirm", web::post().to(account::confirm_codes))
        .route("/account/codes/off", web::post().to(account::codes_off))
        .route("/keys", web::get().to(access::keys))
        .route("/keys", web::post().to(access::make_key))
        .route("/keys/{id}/revoke", web::post().to(access::revoke_key))
        .route("/users", web::get().to(access::users))
        .route("/users", web::post().to(access::add_user))
        .route("/users/{name}/{verb}", web::post().to(access::on_person))
        .route("/audit", web::get().to(audit::list))
        .route("/audit/verify", web::post().to(audit::verify))
        .default_service(web::to(answer::nothing));
}
