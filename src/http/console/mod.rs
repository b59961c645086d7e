//! The console: pages for operators, made on the server, that work without scripts.
//!
//! - A *page* ([`pages`]) is a view, a plain value, and the markup that is made of it. It is made
//!   of *parts* ([`parts`]) and stands in the *frame* ([`frame`]).
//! - The *desk* ([`desk`]) is where views come from: it asks [`operator`](crate::operator), and
//!   knows nothing of markup. What may be seen is decided there, and left out of the view.
//! - An *act* ([`acts`]) is a form that was posted. It ends by sending the browser to a page, so
//!   that loading that again does nothing again.
//! - [`dealing`] has both for what is done about dead letters.
//! - [`protect`] puts on every page what keeps it from loading or sending anything elsewhere.
//!
//! What came from strangers goes into text nodes and quoted attributes, which are escaped where
//! they are written; no page takes markup from outside of this module.

mod acts;
mod answer;
mod assets;
mod dealing;
mod desk;
mod frame;
mod headers;
mod pages;
mod parts;
#[cfg(test)]
mod samples;
mod stage;

use actix_web::web;

pub(super) use headers::protect;

use crate::clock::SharedClock;
use crate::operator::{Alerts, DeadLetters, Destinations, Groups, Holds, Jobs};

/// The largest form, in bytes: an event's body that was edited, and what goes around it.
const MAX_FORM: usize = 4 * 1024 * 1024;

/// What the console needs.
#[derive(Clone)]
pub struct Console {
    /// The clock.
    pub clock: SharedClock,
    /// The dead letters.
    pub dead_letters: DeadLetters,
    /// Their groups.
    pub groups: Groups,
    /// What is done about many of them.
    pub jobs: Jobs,
    /// What is paused.
    pub holds: Holds,
    /// The destinations.
    pub destinations: Destinations,
    /// The alerts.
    pub alerts: Alerts,
}

/// Every path of the console.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    let (query, path) = (web::QueryConfig::default(), web::PathConfig::default());
    let form = web::FormConfig::default().limit(MAX_FORM);
    app.app_data(query.error_handler(|_, request| stage::malformed(request)))
        .app_data(path.error_handler(|_, request| stage::malformed(request)))
        .app_data(form.error_handler(|_, request| stage::malformed(request)));
    dealing::routes(app);
    app.route(assets::PATH, web::get().to(assets::asset))
        .route("/", web::get().to(answer::start))
        .route("/dead-letters/all", web::get().to(answer::dead_letters))
        .route("/deliveries/{id}", web::get().to(answer::delivery))
        .route("/deliveries/{id}/{verb}", web::post().to(acts::on_delivery))
        .route("/destinations", web::get().to(answer::destinations))
        .route("/destinations/{name}/{verb}", web::post().to(acts::on_destination))
        .route("/alerts", web::get().to(answer::alerts))
        .default_service(web::to(answer::nothing));
}
