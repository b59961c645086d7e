//! Who looks at a page and when, taken from the request; and the answer that they get.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use maud::Markup;
use tracing::error;
use uuid::Uuid;

use super::layout::{Flash, PageContext, Section, Viewer};
use super::pages::error;
use crate::admin::{AdminError, Caller, Session};
use crate::store::StoreError;
use crate::web::admin::AdminState;
use crate::web::denial::Denial;

/// The sections that there are.
pub(super) const SECTIONS: &[&[Section]] = &[
    &[
        Section::Overview,
        Section::Events,
        Section::DeadLetters,
        Section::Jobs,
        Section::Transfers,
        Section::Held,
        Section::Explain,
    ],
    &[Section::Sources, Section::Pauses, Section::Destinations, Section::Alerts, Section::Settings],
    WHO,
];
/// The sections about who may do what.
const WHO: &[Section] = &[Section::Audit, Section::Keys, Section::Users, Section::Account];

/// What is said when a job has begun.
pub(super) const STARTED: &str = "It has begun.";

/// What the address of a page says was just done: a word of ours and a number, so that a link from
/// elsewhere cannot put other words on our pages.
const DONE: &[(&str, &str)] = &[
    ("replayed", "Replayed: a new delivery is made, and this one counts as dealt with."),
    ("discarded", "Discarded: it stays as it is and counts as dealt with."),
    ("edited", "Replayed as edited: a new event is made, and this delivery counts as dealt with."),
    ("unblocked", "The lane is free: what waited in it goes on, and this one stays open."),
    ("started", STARTED),
    ("cancelled", "Cancelled: what is done is done, and nothing more will be."),
    ("pause", "Paused: what arrives is kept, and nothing is handed on until it is resumed."),
    ("resume", "Resumed: it goes on."),
    ("enable", "Enabled: it is sent to again."),
    ("disable", "Disabled: nothing is sent until it is enabled."),
    ("tested", "The test event was sent: what came back stands first among the last answers."),
    ("tried", "What waits is tried now."),
    ("held-discarded", "Discarded: the request is removed, and was never let in."),
    ("verified", "Verified: the request is an event now."),
    ("password", "Your password is changed, and your other sessions have ended."),
    ("elsewhere", "You are signed out everywhere else."),
    ("ended", "That session has ended."),
    ("codes-on", "A code is asked for from now on."),
    ("codes-off", "No code is asked for any more."),
    ("revoked", "The key is revoked: it is refused from now on."),
    (
        "disabled",
        "They cannot sign in any more: their sessions have ended, and the API keys that they made \
         are revoked.",
    ),
    ("enabled", "They can sign in again."),
    ("unchanged", "It was so already: nothing changed."),
];

impl FromRequest for PageContext {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_request(request).ok_or(Denial::NoKey))
    }
}

fn of_request(request: &HttpRequest) -> Option<PageContext> {
    let caller = request.extensions().get::<Caller>().cloned()?;
    let csrf = request.extensions().get::<Session>().map(|session| session.csrf.clone());
    let clock = &request.app_data::<web::Data<AdminState>>()?.clock;
    let did = request.query_string().split('&').find_map(|part| part.strip_prefix("did="));
    let parts = || request.query_string().split('&');
    let made = parts().find_map(|part| part.strip_prefix("made="));
    let flash = DONE.iter().find(|(word, _)| Some(*word) == did);
    Some(PageContext {
        viewer: Viewer { caller, csrf },
        now: clock.now(),
        sections: SECTIONS,
        flash: flash
            .map(|(_, says)| Flash { text: (*says).to_owned(), link: made.and_then(made_link) }),
    })
}

/// Where that is which was just made: a delivery by its number, or an event by its id.
fn made_link(made: &str) -> Option<(String, String)> {
    if let Ok(id) = made.parse::<i64>() {
        return Some((format!("/deliveries/{id}"), format!("Delivery {id}")));
    }
    let event: Uuid = made.parse().ok()?;
    Some((format!("/events/{event}"), "The new event".to_owned()))
}

impl PageContext {
    /// The page that is made of a view, once that is there, or the page on why there is none.
    pub(super) async fn show<V>(
        &self,
        view: impl Future<Output = Result<V, AdminError>>,
        page: impl FnOnce(&Self, &V) -> Markup,
    ) -> HttpResponse {
        self.answer(view.await.map(|view| page(self, &view)))
    }

    /// A page, or the page on why there is none.
    pub(super) fn answer(&self, page: Result<Markup, AdminError>) -> HttpResponse {
        match page {
            Ok(page) => html(StatusCode::OK, page),
            Err(error) => self.error_page(&error),
        }
    }

    /// A form that has to be filled in again.
    pub(super) fn once_more(page: Markup) -> HttpResponse {
        html(StatusCode::UNPROCESSABLE_ENTITY, page)
    }

    /// Sends the browser on to a page, or gives the page on why nothing was done.
    pub(super) fn go_on(&self, to: Result<String, AdminError>) -> HttpResponse {
        match to {
            Ok(to) => HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish(),
            Err(error) => self.error_page(&error),
        }
    }

    /// The page that says why nothing else is shown.
    pub(super) fn error_page(&self, error: &AdminError) -> HttpResponse {
        let Words { status, title, text, again } = Words::of(error);
        let scope = error.missing().map(crate::admin::Scope::as_str);
        let view = error::View { title, text, scope, again };
        let mut response = html(status, error::page(self, &view));
        if again {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(5));
        }
        response
    }
}

/// What is said of an error.
pub(super) struct Words {
    /// The status.
    pub(super) status: StatusCode,
    /// In a few words.
    pub(super) title: &'static str,
    /// In a sentence.
    pub(super) text: String,
    /// Whether it may be different in a moment.
    pub(super) again: bool,
}

impl Words {
    /// Says it; what is wrong inside goes to the log.
    pub(super) fn of(error: &AdminError) -> Self {
        let (status, title) = match error {
            AdminError::Denied(_) => (StatusCode::FORBIDDEN, "You may not do this"),
            AdminError::AllTenants => (StatusCode::FORBIDDEN, "You see one tenant only"),
            AdminError::NotFound(_) => (StatusCode::NOT_FOUND, "Nothing is here"),
            AdminError::Invalid(_) => (StatusCode::BAD_REQUEST, "That cannot be asked for"),
            AdminError::Store(error) if error.is_about_a_text() => {
                (StatusCode::BAD_REQUEST, "That cannot be asked for")
            }
            AdminError::Conflict(_) => (StatusCode::CONFLICT, "Something is in the way"),
            AdminError::Store(StoreError::Unavailable(_) | StoreError::CommitUnknown(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "The database does not answer")
            }
            AdminError::Vault(_) | AdminError::Store(_) => {
                error!(error = error as &dyn std::error::Error, "a page cannot be made");
                (StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong on our side")
            }
        };
        let again = status == StatusCode::SERVICE_UNAVAILABLE;
        let text = match error {
            _ if again => "Nothing was changed. It may be there again in a moment.".to_owned(),
            AdminError::Store(error) if error.is_about_a_text() => "A text holds a NUL.".to_owned(),
            AdminError::Vault(_) | AdminError::Store(_) => {
                "The gateway's log says what.".to_owned()
            }
            other => sentence(&other.to_string()),
        };
        Self { status, title, text, again }
    }
}

/// The page on an address or a form that cannot be read.
pub(super) fn malformed(request: &HttpRequest) -> actix_web::Error {
    let invalid = AdminError::Invalid("the address or the form cannot be read".to_owned());
    let answer = match of_request(request) {
        Some(cx) => cx.error_page(&invalid),
        None => Denial::NoKey.respond(),
    };
    InternalError::from_response(invalid, answer).into()
}

/// A page as an answer.
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
