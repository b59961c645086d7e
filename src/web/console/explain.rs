//! Explains why a recorded request is rejected. The page shows no signature and no secret except in
//! the input itself.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use maud::{Markup, html};
use serde::Deserialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::layout::{Head, PageContext, Section, note};
use super::page_context::{self, sentence};
use super::parts::{
    BadgeTone, Choice, field, panel, plain_lines, post, select, stamp, terms, visible,
};
use crate::admin::{self, AdminError, Explanation, RecordedRequest, Verifiers};
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/explain", web::get().to(form)).route("/explain", web::post().to(explain));
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct FormQuery {
    source: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Input {
    pub(super) source: String,
    /// The recorded request, or its headers only.
    pub(super) request: String,
    /// The body, if given separately.
    pub(super) body: String,
    /// The encoding of that body: `text`, `base64` or `hex`.
    pub(super) written: String,
    /// When the request arrived.
    pub(super) at: String,
}

async fn form(
    cx: PageContext,
    admin: web::Data<AdminState>,
    query: web::Query<FormQuery>,
) -> HttpResponse {
    let input = Input { source: query.into_inner().source, ..Input::default() };
    let sources = admin.verifiers.names(&cx.viewer.caller);
    cx.answer(sources.map(|sources| page(&cx, &sources, &input, None)))
}

/// The result, above the submitted form.
async fn explain(
    cx: PageContext,
    admin: web::Data<AdminState>,
    form: web::Form<Input>,
) -> HttpResponse {
    let input = form.into_inner();
    let sources = match admin.verifiers.names(&cx.viewer.caller) {
        Ok(sources) => sources,
        Err(error) => return cx.error_page(&error),
    };
    let result = match input.recorded() {
        Ok(recorded) => answer(&cx, &admin.verifiers, &input.source, recorded).await,
        Err(error) => Err(error),
    };
    let (status, result) = match &result {
        Ok(explanation) => (StatusCode::OK, Ok(explanation)),
        Err(AdminError::Invalid(why)) => (StatusCode::UNPROCESSABLE_ENTITY, Err(&**why)),
        Err(error) => return cx.error_page(error),
    };
    page_context::html(status, page(&cx, &sources, &input, Some(result)))
}

async fn answer(
    cx: &PageContext,
    verifiers: &Verifiers,
    source: &str,
    recorded: RecordedRequest,
) -> Result<Explanation, AdminError> {
    let (caller, verifiers, now) = (cx.viewer.caller.clone(), verifiers.clone(), cx.now);
    let source = source.to_owned();
    // A large body is hashed once per secret.
    let explanation =
        web::block(move || admin::explain(&caller, &verifiers, &source, &recorded, now, &[]));
    let stopping = |_| AdminError::Conflict("the gateway is stopping".to_owned());
    explanation.await.map_err(stopping)?
}

impl Input {
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
}

/// The page: the form, and the result once it is submitted. Input that cannot be parsed gives the
/// problem instead.
pub(super) fn page(
    cx: &PageContext,
    sources: &[String],
    input: &Input,
    result: Option<Result<&Explanation, &str>>,
) -> Markup {
    let head = Head {
        title: "Explain a request",
        lead: "Check a recorded request against a source and show why it is rejected. Nothing is stored or delivered.",
        section: Some(Section::Explain),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            @match result {
                Some(Ok(explanation)) => (verdict(cx, explanation)),
                Some(Err(why)) => (note("invalid input", BadgeTone::Warn, &html! { (visible(&sentence(why))) })),
                None => {}
            }
            (panel("Request", &html! {}, &fields(cx, sources, input)))
        },
    )
}

fn verdict(cx: &PageContext, explanation: &Explanation) -> Markup {
    let rejected = |reason| format!("rejected as {reason}");
    let verdict = explanation.reason.map_or_else(|| "accepted".to_owned(), rejected);
    let tone = if explanation.verifies { BadgeTone::Good } else { BadgeTone::Bad };
    html! {
        (note(&verdict, tone, &html! {
            strong { (visible(&sentence(&explanation.text))) }
            @if let Some(hint) = &explanation.hint { " " (visible(&sentence(hint))) }
        }))
        (panel("Result", &html! {}, &terms(&[
            ("Finding", html! { (explanation.finding.as_str().replace('_', " ")) }),
            ("Secret", html! { @if let Some(secret) = &explanation.secret {
                code { (visible(secret)) } " " span .muted { "fingerprint of the signing secret" }
            } }),
            ("Arrived", stamp(explanation.received_at, cx.now)),
        ])))
    }
}

fn fields(cx: &PageContext, sources: &[String], input: &Input) -> Markup {
    let same = |word: &str| Choice { value: word.to_owned(), label: word.to_owned() };
    let sources: Vec<Choice> = sources.iter().map(|name| same(name)).collect();
    let written = ["text", "base64", "hex"].map(same);
    post(
        cx,
        "/explain",
        "form",
        &html! {
            (select("source", "source", "Source", &sources, &input.source))
            (field("request", "Request",
                "Raw HTTP, headers only, or a JSON document with path, headers and body.",
                &html! {
                    textarea #request name="request" rows="12" spellcheck="false" required
                             aria-describedby="request-hint" { "\n" (input.request) }
                }))
            (field("body", "Body (if not included above)",
                "Text lines end with \\n. For other line endings give the bytes in base64 or hex.",
                &html! {
                    textarea #body name="body" rows="8" spellcheck="false"
                             aria-describedby="body-hint" { "\n" (input.body) }
                }))
            div .scripted-only {
                (field("file", "Or a file with the body", "At most 3 MiB; for larger files use sealpost explain.", &html! {
                    input #file type="file" data-into="body" data-how="written" aria-describedby="file-hint";
                }))
            }
            (select("written", "written", "Body encoding", &written, &input.written))
            (field("at", "Arrived", "For example 2026-11-20T12:00:00Z; defaults to now.", &html! {
                input #at name="at" value=(input.at) maxlength="40" autocomplete="off" aria-describedby="at-hint";
            }))
            div .actions { button .first { "Explain" } }
        },
    )
}
