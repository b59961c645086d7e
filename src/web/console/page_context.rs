//! The context of a page, taken from the request, and the responses made with it.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use maud::Markup;
use tracing::error;
use uuid::Uuid;

use super::actions::{UNCHANGED, flash};
use super::error;
use super::layout::{Flash, PageContext, Section, Viewer};
use crate::admin::{AdminError, Caller, Session};
use crate::store::StoreError;
use crate::web::admin::AdminState;
use crate::web::denial::Denial;
use crate::web::problem::Problem;

pub(super) const SECTIONS: &[&[Section]] = &[
    &[
        Section::Overview,
        Section::Events,
        Section::DeadLetters,
        Section::Jobs,
        Section::Transfers,
        Section::RejectedRequests,
        Section::Explain,
    ],
    &[
        Section::Sources,
        Section::Providers,
        Section::Pauses,
        Section::Destinations,
        Section::Alerts,
        Section::Settings,
    ],
    ACCESS,
];
/// The sections about access.
const ACCESS: &[Section] = &[Section::Audit, Section::Keys, Section::Users, Section::Account];

/// The flash message after starting a job.
pub(super) const STARTED: &str = "Job started.";

/// Flash messages by their key in the address, beside those of the actions. The address holds only
/// a key and a number, so that a link from another site cannot put text on a page.
const DONE: &[(&str, &str)] = &[
    ("edited", "Edited and replayed: a new event was created and this delivery is resolved."),
    ("password", "Password changed. All other sessions were signed out."),
    ("elsewhere", "All other sessions were signed out."),
    ("ended", "The session was signed out."),
    ("codes-on", "Two-factor authentication is on."),
    ("codes-off", "Two-factor authentication is off."),
    (UNCHANGED, "Nothing changed: already in this state."),
];

impl FromRequest for PageContext {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_request(request).ok_or(Denial::NO_KEY))
    }
}

fn of_request(request: &HttpRequest) -> Option<PageContext> {
    let caller = request.extensions().get::<Caller>().cloned()?;
    let csrf = request.extensions().get::<Session>().map(|session| session.csrf.clone());
    let clock = &request.app_data::<web::Data<AdminState>>()?.clock;
    let did = request.query_string().split('&').find_map(|part| part.strip_prefix("did="));
    let parts = || request.query_string().split('&');
    let made = parts().find_map(|part| part.strip_prefix("made="));
    let text = did.and_then(|did| {
        let done = DONE.iter().find(|(word, _)| *word == did).map(|(_, text)| *text);
        done.or_else(|| flash(did))
    });
    Some(PageContext {
        viewer: Viewer { caller, csrf },
        now: clock.now(),
        sections: SECTIONS,
        flash: text.map(|text| Flash { text: text.to_owned(), link: made.and_then(made_link) }),
    })
}

/// The link to what was just created: a delivery by its number, or an event by its id.
fn made_link(made: &str) -> Option<(String, String)> {
    if let Ok(id) = made.parse::<i64>() {
        return Some((format!("/deliveries/{id}"), format!("Delivery {id}")));
    }
    let event: Uuid = made.parse().ok()?;
    Some((format!("/events/{event}"), "New event".to_owned()))
}

impl PageContext {
    /// The page rendered from a view, or the error page.
    pub(super) async fn show<V>(
        &self,
        view: impl Future<Output = Result<V, AdminError>>,
        page: impl FnOnce(&Self, &V) -> Markup,
    ) -> HttpResponse {
        self.answer(view.await.map(|view| page(self, &view)))
    }

    /// A page, or the error page.
    pub(super) fn answer(&self, page: Result<Markup, AdminError>) -> HttpResponse {
        match page {
            Ok(page) => html(StatusCode::OK, page),
            Err(error) => self.error_page(&error),
        }
    }

    /// A form with errors.
    pub(super) fn invalid_form(page: Markup) -> HttpResponse {
        html(StatusCode::UNPROCESSABLE_ENTITY, page)
    }

    /// A redirect to a page, or the error page.
    pub(super) fn redirect(&self, to: Result<String, AdminError>) -> HttpResponse {
        match to {
            Ok(to) => HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish(),
            Err(error) => self.error_page(&error),
        }
    }

    pub(super) fn error_page(&self, error: &AdminError) -> HttpResponse {
        let ErrorText { status, title, text, again } = ErrorText::of(error);
        let scope = error.missing().map(crate::admin::Scope::as_str);
        let view = error::View { title, text, scope, again };
        let mut response = html(status, error::page(self, &view));
        if again {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(5));
        }
        response
    }
}

pub(super) struct ErrorText {
    pub(super) status: StatusCode,
    pub(super) title: &'static str,
    /// The detail, a sentence.
    pub(super) text: String,
    /// Whether a retry may succeed.
    pub(super) again: bool,
}

impl ErrorText {
    /// The texts of an error. Internal errors are logged.
    pub(super) fn of(error: &AdminError) -> Self {
        let (status, title) = match error {
            AdminError::Denied(_) => (StatusCode::FORBIDDEN, "Missing scope"),
            AdminError::AllTenants => (StatusCode::FORBIDDEN, "Requires access to all tenants"),
            AdminError::NotFound(_) => (StatusCode::NOT_FOUND, "Not found"),
            AdminError::Erased(_) => (StatusCode::GONE, "Erased"),
            AdminError::Invalid(_) => (StatusCode::BAD_REQUEST, "Invalid request"),
            AdminError::Store(error) if error.is_invalid_text() => {
                (StatusCode::BAD_REQUEST, "Invalid request")
            }
            AdminError::Conflict(_) | AdminError::NeedsOption { .. } => {
                (StatusCode::CONFLICT, "Conflict")
            }
            AdminError::Store(StoreError::Unavailable(_) | StoreError::CommitUnknown(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "Database unavailable")
            }
            AdminError::Vault(_) | AdminError::Store(_) => {
                error!(error = error as &dyn std::error::Error, "cannot render a page");
                (StatusCode::INTERNAL_SERVER_ERROR, "Internal error")
            }
        };
        let again = status == StatusCode::SERVICE_UNAVAILABLE;
        let text = match error {
            _ if again => "Nothing was changed. Try again in a moment.".to_owned(),
            AdminError::Store(error) if error.is_invalid_text() => {
                "A text contains a NUL character.".to_owned()
            }
            AdminError::Vault(_) | AdminError::Store(_) => "See the gateway's log.".to_owned(),
            other => sentence(&other.to_string()),
        };
        Self { status, title, text, again }
    }
}

/// The error page for an address or a form that cannot be parsed.
pub(super) fn malformed(request: &HttpRequest) -> actix_web::Error {
    let invalid = AdminError::Invalid("cannot parse the address or the form".to_owned());
    let answer = match of_request(request) {
        Some(cx) => cx.error_page(&invalid),
        None => Denial::NO_KEY.respond(),
    };
    InternalError::from_response(invalid, answer).into()
}

/// The 404 response: a page for browsers, a problem document for other clients.
pub(super) async fn not_found(request: HttpRequest, cx: PageContext) -> HttpResponse {
    let accepts = request.headers().get(header::ACCEPT);
    let reads_pages = accepts
        .is_some_and(|accepts| accepts.as_bytes().windows(9).any(|part| part == b"text/html"));
    if reads_pages && !request.path().starts_with("/api/") {
        cx.answer(Err(AdminError::NotFound("page at this address".to_owned())))
    } else {
        Problem::NotFound.respond("")
    }
}

/// A page as a response.
pub(super) fn html(status: StatusCode, page: Markup) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .body(page.into_string())
}

/// An error's text as a sentence.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
