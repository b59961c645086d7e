//! The pages of users and API keys, and the form fields both have.
//!
//! A secret that is shown once is on the page that answers the form; resubmitting the form fails
//! because the name is taken.

use actix_web::web;
use maud::{Markup, html};

use super::layout::PageContext;
use super::parts::{BadgeTone, badge};
use crate::admin::{AdminError, Scope, Scopes};

pub(super) mod api_keys;
pub(super) mod users;

/// The fields of a form; some can occur more than once.
type Fields = web::Form<Vec<(String, String)>>;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/keys", web::get().to(api_keys::list))
        .route("/keys", web::post().to(api_keys::create))
        .route("/users", web::get().to(users::list))
        .route("/users", web::post().to(users::invite))
        .route("/users/{name}/reset", web::post().to(users::reset));
}

fn field<'a>(form: &'a Fields, name: &str) -> &'a str {
    form.iter().find(|(known, _)| known == name).map(|(_, value)| value.trim()).unwrap_or_default()
}

/// The selected scopes.
fn scopes(form: &Fields) -> Result<Scopes, AdminError> {
    let words = form.iter().filter(|(name, _)| name == "scope");
    let read: Result<Scopes, _> = words.map(|(_, word)| word.parse::<Scope>()).collect();
    read.map_err(|error| AdminError::Invalid(error.to_string()))
}

/// The given tenant, or the caller's own.
fn tenant(cx: &PageContext, form: &Fields) -> Option<String> {
    let named = Some(field(form, "tenant")).filter(|tenant| !tenant.is_empty());
    named.or(cx.viewer.caller.tenant()).map(str::to_owned)
}

/// Checkboxes for the scopes with a description each. `id` is unique on the page.
fn checkboxes(id: &str) -> Markup {
    html! {
        fieldset .field {
            legend .label { "Scopes" }
            @for scope in Scopes::all().iter() {
                div .check {
                    input type="checkbox" name="scope" value=(scope.as_str()) id={ (id) "-" (scope.as_str()) };
                    label for={ (id) "-" (scope.as_str()) } {
                        code { (scope.as_str()) } " " span .muted { (description(scope)) }
                    }
                }
            }
        }
    }
}

fn description(scope: Scope) -> &'static str {
    match scope {
        Scope::EventsRead => "read events and their outcome",
        Scope::PayloadRead => "read bodies, headers and error texts",
        Scope::EventsReplay => "replay, discard, unblock lanes",
        Scope::EventsErase => "erase the payload of events",
        Scope::EventsEdit => "edit a body and replay it; also requires payload:read",
        Scope::SourcesWrite => "pause and resume",
        Scope::SecretsWrite => "read and reprocess rejected requests",
        Scope::Admin => "everything, including users and keys",
    }
}

/// A badge per scope.
pub(super) fn badges(scopes: Scopes) -> Markup {
    html! { @for scope in scopes.iter() { (badge(scope.as_str(), BadgeTone::Plain)) " " } }
}
