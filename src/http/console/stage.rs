//! Who looks at a page and when, taken from the request; and the answer that they get.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::error::InternalError;
use actix_web::http::{StatusCode, header};
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};
use maud::Markup;
use tracing::error;

use super::frame::{Section, Stage, Viewer};
use super::pages::trouble;
use crate::http::denial::Denial;
use crate::http::health::Operator;
use crate::operator::{Caller, OperatorError};
use crate::store::StoreError;

/// The sections that there are.
pub(super) const SECTIONS: &[&[Section]] = &[
    &[Section::Overview, Section::Events, Section::DeadLetters, Section::Transfers, Section::Held],
    &[Section::Sources, Section::Destinations, Section::Alerts, Section::Settings],
];

/// What the address of a page says was just done: a word of ours and a number, so that a link from
/// elsewhere cannot put other words on our pages.
const DONE: &[(&str, &str)] = &[
    ("replayed", "Replayed: a new delivery is made, and this one counts as dealt with."),
    ("discarded", "Discarded: it stays as it is and counts as dealt with."),
    ("pause", "Paused: nothing is sent until it is resumed."),
    ("resume", "Resumed: it is sent to again."),
    ("enable", "Enabled: it is sent to again."),
    ("disable", "Disabled: nothing is sent until it is enabled."),
    ("verified", "Verified: the request is an event now."),
    ("unchanged", "It was so already: nothing changed."),
];

impl FromRequest for Stage {
    type Error = Denial;
    type Future = Ready<Result<Self, Denial>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(of_request(request).ok_or(Denial::NoKey))
    }
}

fn of_request(request: &HttpRequest) -> Option<Stage> {
    let caller = request.extensions().get::<Caller>().cloned()?;
    let clock = &request.app_data::<web::Data<Operator>>()?.console.clock;
    let did = request.query_string().split('&').find_map(|part| part.strip_prefix("did="));
    let flash = DONE.iter().find(|(word, _)| Some(*word) == did);
    Some(Stage {
        viewer: Viewer { caller, csrf: None },
        now: clock.now(),
        sections: SECTIONS,
        flash: flash.map(|(_, says)| (*says).to_owned()),
    })
}

impl Stage {
    /// A page, or the page on why there is none.
    pub(super) fn answer(&self, page: Result<Markup, OperatorError>) -> HttpResponse {
        match page {
            Ok(page) => html(StatusCode::OK, page),
            Err(error) => self.trouble(&error),
        }
    }

    /// Sends the browser on to a page, or gives the page on why nothing was done.
    pub(super) fn go_on(&self, to: Result<String, OperatorError>) -> HttpResponse {
        match to {
            Ok(to) => HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish(),
            Err(error) => self.trouble(&error),
        }
    }

    fn trouble(&self, error: &OperatorError) -> HttpResponse {
        let (status, title) = match error {
            OperatorError::Denied(_) => (StatusCode::FORBIDDEN, "You may not do this"),
            OperatorError::NotFound(_) => (StatusCode::NOT_FOUND, "Nothing is here"),
            OperatorError::Invalid(_) => (StatusCode::BAD_REQUEST, "That cannot be asked for"),
            OperatorError::Conflict(_) => (StatusCode::CONFLICT, "Something is in the way"),
            OperatorError::Store(StoreError::Unavailable(_)) => {
                (StatusCode::SERVICE_UNAVAILABLE, "The database does not answer")
            }
            OperatorError::Vault(_) | OperatorError::Store(_) => {
                error!(error = error as &dyn std::error::Error, "a page cannot be made");
                (StatusCode::INTERNAL_SERVER_ERROR, "Something is wrong on our side")
            }
        };
        let again = status == StatusCode::SERVICE_UNAVAILABLE;
        let text = match error {
            _ if again => "Nothing was changed. It may be there again in a moment.".to_owned(),
            OperatorError::Vault(_) | OperatorError::Store(_) => {
                "The gateway's log says what.".to_owned()
            }
            other => sentence(&other.to_string()),
        };
        let scope = error.missing().map(crate::operator::Scope::as_str);
        let view = trouble::View { title, text, scope, again };
        let mut response = html(status, trouble::page(self, &view));
        if again {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from(5));
        }
        response
    }
}

/// The page on an address or a form that cannot be read.
pub(super) fn malformed(request: &HttpRequest) -> actix_web::Error {
    let invalid = OperatorError::Invalid("the address or the form cannot be read".to_owned());
    let answer = match of_request(request) {
        Some(stage) => stage.trouble(&invalid),
        None => Denial::NoKey.respond(),
    };
    InternalError::from_response(invalid, answer).into()
}

/// A page as an answer.
fn html(status: StatusCode, page: Markup) -> HttpResponse {
    HttpResponse::build(status)
        .insert_header((header::CONTENT_TYPE, "text/html; charset=utf-8"))
        .body(page.into_string())
}

/// An error's text as a sentence.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", letters.as_str())
}
