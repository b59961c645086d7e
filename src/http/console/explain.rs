//! Why a request is refused that somebody wrote down, asked for with a form.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::acts::plain_lines;
use super::frame::Stage;
use super::pages::explain::{Answer, Asked, View, page};
use super::stage::html;
use crate::http::operator::Operator;
use crate::operator::{self, Explained, Gates, OperatorError, RecordedRequest};

/// What the address of the form can say.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Towards {
    source: String,
}

/// What the form holds.
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
    stage: Stage,
    operator: web::Data<Operator>,
    towards: web::Query<Towards>,
) -> HttpResponse {
    let asked = Asked { source: towards.into_inner().source, ..Asked::default() };
    let view = operator.gates.names(&stage.viewer.caller);
    stage.answer(view.map(|sources| page(&stage, &View { sources, asked, answer: None })))
}

/// What the source makes of the request, above the form as it was filled in.
pub(super) async fn explain(
    stage: Stage,
    operator: web::Data<Operator>,
    form: web::Form<Given>,
) -> HttpResponse {
    let given = form.into_inner();
    let sources = operator.gates.names(&stage.viewer.caller);
    let sources = match sources {
        Ok(sources) => sources,
        Err(error) => return stage.trouble(&error),
    };
    let answered = match given.recorded() {
        Ok(recorded) => answer(&stage, &operator.gates, &given.source, recorded).await,
        Err(error) => Err(error),
    };
    let (status, answer) = match answered {
        Ok(explained) => (StatusCode::OK, Answer::of(&explained)),
        Err(OperatorError::Invalid(wrong)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, Answer::Wrong(wrong))
        }
        Err(error) => return stage.trouble(&error),
    };
    let view = View { sources, asked: given.asked(), answer: Some(answer) };
    html(status, page(&stage, &view))
}

async fn answer(
    stage: &Stage,
    gates: &Gates,
    source: &str,
    recorded: RecordedRequest,
) -> Result<Explained, OperatorError> {
    let (caller, gates, now) = (stage.viewer.caller.clone(), gates.clone(), stage.now);
    let source = source.to_owned();
    // A large body is hashed once for every secret.
    let explained =
        web::block(move || operator::explain(&caller, &gates, &source, &recorded, now, &[]));
    let gone = |_| OperatorError::Conflict("the gateway is stopping".to_owned());
    explained.await.map_err(gone)?
}

impl Given {
    /// The request: a recording, or a head to which the body is added. A head without a request
    /// line is one of a request to the source itself.
    fn recorded(&self) -> Result<RecordedRequest, OperatorError> {
        let written = plain_lines(self.request.trim_start());
        let (head, within) = written.split_once("\n\n").unwrap_or((written.trim_end(), ""));
        let body = self.bytes()?;
        let is_json = written.starts_with('{');
        if !body.is_empty() && (is_json || !within.trim().is_empty()) {
            let twice = "the body stands in the request already: leave one of them out";
            return Err(OperatorError::Invalid(twice.to_owned()));
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
            let wrong = || format!("`{at}` is no time such as 2026-11-20T12:00:00Z");
            let read = OffsetDateTime::parse(at, &Rfc3339);
            request.received_at = Some(read.map_err(|_| OperatorError::Invalid(wrong()))?);
        }
        Ok(request)
    }

    fn bytes(&self) -> Result<Vec<u8>, OperatorError> {
        let packed = || self.body.split_whitespace().collect::<String>();
        let invalid = |what: &str, error: &dyn std::error::Error| {
            OperatorError::Invalid(format!("the body is no {what}: {error}"))
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
