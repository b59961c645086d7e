//! Handlers of the page that explains why a recorded request is rejected.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::acts::plain_lines;
use super::layout::PageContext;
use super::page_context::html;
use super::pages::explain::{Answer, Asked, View, page};
use crate::admin::{self, AdminError, Explained, RecordedRequest, Verifiers};
use crate::web::admin::AdminState;

/// The query of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Towards {
    source: String,
}

/// The fields of the form.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Given {
    source: String,
    request: String,
    body: String,
    written: String,
    at: String,
}

/// The form.
pub(super) async fn form(
    cx: PageContext,
    admin: web::Data<AdminState>,
    towards: web::Query<Towards>,
) -> HttpResponse {
    let asked = Asked { source: towards.into_inner().source, ..Asked::default() };
    let view = admin.gates.names(&cx.viewer.caller);
    cx.answer(view.map(|sources| page(&cx, &View { sources, asked, answer: None })))
}

/// The verification result, above the submitted form.
pub(super) async fn explain(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Form<Given>,
) -> HttpResponse {
    let given = form.into_inner();
    let sources = admin.gates.names(&cx.viewer.caller);
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => return cx.error_page(&error),
    };
    let answered = match given.recorded() {
        Ok(recorded) => answer(&cx, &admin.gates, &given.source, recorded).await,
        Err(error) => Err(error),
    };
    let (status, answer) = match answered {
        Ok(explained) => (StatusCode::OK, Answer::of(&explained)),
        Err(AdminError::Invalid(wrong)) => (StatusCode::UNPROCESSABLE_ENTITY, Answer::Wrong(wrong)),
        Err(error) => return cx.error_page(&error),
    };
    let view = View { sources, asked: given.asked(), answer: Some(answer) };
    html(status, page(&cx, &view))
}

async fn answer(
    cx: &PageContext,
    gates: &Verifiers,
    source: &str,
    recorded: RecordedRequest,
) -> Result<Explained, AdminError> {
    let (caller, gates, now) = (cx.viewer.caller.clone(), gates.clone(), cx.now);
    let source = source.to_owned();
    // A large body is hashed once per secret.
    let explained =
        web::block(move || admin::explain(&caller, &gates, &source, &recorded, now, &[]));
    let gone = |_| AdminError::Conflict("the gateway is stopping".to_owned());
    explained.await.map_err(gone)?
}

impl Given {
    /// The request: a full recording, or a head plus the separate body. A head without a request
    /// line is taken as a request to the source's path.
    fn recorded(&self) -> Result<RecordedRequest, AdminError> {
        let written = plain_lines(self.request.trim_start());
        let (head, within) = written.split_once("\n\n").unwrap_or((written.trim_end(), ""));
        let body = self.bytes()?;
        let is_json = written.starts_with('{');
        if !body.is_empty() && (is_json || !within.trim().is_empty()) {
            let twice = "the body is given twice; leave one of them empty";
            return Err(AdminError::Invalid(twice.to_owned()));
        }
        let body = if body.is_empty() { within.as_bytes() } else { &body };
        let mut request = if is_json {
            RecordedRequest::read(written.as_bytes())?
        } else {
            let has_line = head.lines().next().is_some_and(|line| line.contains(" HTTP/"));
            let line =
                if has_line { "" } else { &format!("POST /hooks/{} HTTP/1.1\n", self.source) };
            RecordedRequest::read(&[line.as_bytes(), head.as_bytes(), b"\n\n", body].concat())?
        };
        let at = self.at.trim();
        if !at.is_empty() {
            let wrong = || format!("invalid time `{at}`; expected the form 2026-11-20T12:00:00Z");
            let read = OffsetDateTime::parse(at, &Rfc3339);
            request.received_at = Some(read.map_err(|_| AdminError::Invalid(wrong()))?);
        }
        Ok(request)
    }

    fn bytes(&self) -> Result<Vec<u8>, AdminError> {
        let packed = || self.body.split_whitespace().collect::<String>();
        let invalid = |what: &str, error: &dyn std::error::Error| {
            AdminError::Invalid(format!("the body is not valid {what}: {error}"))
        };
        match self.written.as_str() {
            "base64" => STANDARD.decode(packed()).map_err(|error| invalid("base64", &error)),
            "hex" => hex::decode(packed()).map_err(|error| invalid("hexadecimal", &error)),
            _ => Ok(plain_lines(&self.body).into_bytes()),
        }
    }

    fn asked(self) -> Asked {
        let Self { source, request, body, written, at } = self;
        Asked { source, request, body, written, at }
    }
}
