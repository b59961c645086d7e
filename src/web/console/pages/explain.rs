//! Explain why a recorded request is rejected. The page shows no signature and no secret except in
//! the input itself.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::page_context::sentence;
use super::super::parts::{BadgeTone, Choice, field, panel, post, said, select, stamp, terms};
use crate::admin::Explained;

/// The form and its result.
pub(in crate::web::console) struct View {
    /// The available sources.
    pub(in crate::web::console) sources: Vec<String>,
    /// The input.
    pub(in crate::web::console) asked: Asked,
    /// The result, once submitted.
    pub(in crate::web::console) answer: Option<Answer>,
}

/// The submitted form.
#[derive(Debug, Default)]
pub(in crate::web::console) struct Asked {
    /// The source.
    pub(in crate::web::console) source: String,
    /// The recorded request, or its headers only.
    pub(in crate::web::console) request: String,
    /// The body, if given separately.
    pub(in crate::web::console) body: String,
    /// The encoding of that body: `text`, `base64` or `hex`.
    pub(in crate::web::console) written: String,
    /// When the request arrived.
    pub(in crate::web::console) at: String,
}

/// The result.
pub(in crate::web::console) enum Answer {
    /// The input cannot be parsed, with the reason.
    Wrong(String),
    /// The verification result.
    Said {
        /// The verdict.
        verdict: String,
        /// Its tone.
        tone: BadgeTone,
        /// The finding.
        finding: String,
        /// The finding in a sentence.
        text: String,
        /// The suggested fix.
        hint: Option<String>,
        /// The fingerprint of the secret that produced the signature.
        secret: Option<String>,
        /// The time of arrival used for the check.
        at: OffsetDateTime,
    },
}

impl Answer {
    /// Builds the result from an explanation.
    pub(in crate::web::console) fn of(explained: &Explained) -> Self {
        let refused = |reason| format!("rejected as {reason}");
        Self::Said {
            verdict: explained.reason.map_or_else(|| "accepted".to_owned(), refused),
            tone: if explained.verifies { BadgeTone::Good } else { BadgeTone::Bad },
            finding: explained.finding.replace('_', " "),
            text: sentence(&explained.text),
            hint: explained.hint.as_deref().map(sentence),
            secret: explained.secret.clone(),
            at: explained.received_at,
        }
    }
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head {
        title: "Explain a request",
        lead: "Check a recorded request against a source and show why it is rejected. Nothing is stored or delivered.",
        section: Some(Section::Explain),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            @if let Some(answer) = &view.answer { (answered(cx, answer)) }
            (panel("Request", &html! {}, &form(cx, view)))
        },
    )
}

fn answered(cx: &PageContext, answer: &Answer) -> Markup {
    let (verdict, tone, finding, text, hint, secret, at) = match answer {
        Answer::Wrong(why) => {
            return note("invalid input", BadgeTone::Warn, &html! { (said(&sentence(why))) });
        }
        Answer::Said { verdict, tone, finding, text, hint, secret, at } => {
            (verdict, *tone, finding, text, hint, secret, *at)
        }
    };
    html! {
        (note(verdict, tone, &html! {
            strong { (said(text)) }
            @if let Some(hint) = hint { " " (said(hint)) }
        }))
        (panel("Result", &html! {}, &terms(&[
            ("Finding", html! { (said(finding)) }),
            ("Secret", html! { @if let Some(secret) = secret {
                code { (said(secret)) } " " span .muted { "fingerprint of the signing secret" }
            } }),
            ("Arrived", stamp(at, cx.now)),
        ])))
    }
}

fn form(cx: &PageContext, view: &View) -> Markup {
    let asked = &view.asked;
    let same = |word: &str| Choice { value: word.to_owned(), label: word.to_owned() };
    let sources: Vec<Choice> = view.sources.iter().map(|name| same(name)).collect();
    let written = ["text", "base64", "hex"].map(same);
    post(
        cx,
        "/explain",
        "form",
        &html! {
            (select("source", "source", "Source", &sources, &asked.source))
            (field("request", "Request",
                "Raw HTTP, headers only, or a JSON document with path, headers and body.",
                &html! {
                    textarea #request name="request" rows="12" spellcheck="false" required
                             aria-describedby="request-hint" { "\n" (asked.request) }
                }))
            (field("body", "Body (if not included above)",
                "Text lines end with \\n. For other line endings give the bytes in base64 or hex.",
                &html! {
                    textarea #body name="body" rows="8" spellcheck="false"
                             aria-describedby="body-hint" { "\n" (asked.body) }
                }))
            div .scripted-only {
                (field("file", "Or a file with the body", "At most 3 MiB; for larger files use sealpost explain.", &html! {
                    input #file type="file" data-into="body" data-how="written" aria-describedby="file-hint";
                }))
            }
            (select("written", "written", "Body encoding", &written, &asked.written))
            (field("at", "Arrived", "For example 2026-11-20T12:00:00Z; defaults to now.", &html! {
                input #at name="at" value=(asked.at) maxlength="40" autocomplete="off" aria-describedby="at-hint";
            }))
            div .actions { button .first { "Explain" } }
        },
    )
}
