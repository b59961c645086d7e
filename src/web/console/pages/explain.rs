//! Why a request is refused: of one that somebody wrote down. Neither a signature nor a secret is
//! ever on the page but as it was typed in.

use maud::{Markup, html};
use time::OffsetDateTime;

use super::super::layout::{Head, PageContext, Section, note};
use super::super::page_context::sentence;
use super::super::parts::{BadgeTone, Choice, field, panel, post, said, select, stamp, terms};
use crate::admin::Explained;

/// The form, and what came of it.
pub(in crate::web::console) struct View {
    /// The sources that can be asked.
    pub(in crate::web::console) sources: Vec<String>,
    /// What is asked.
    pub(in crate::web::console) asked: Asked,
    /// What is answered, once something was asked.
    pub(in crate::web::console) answer: Option<Answer>,
}

/// The form as it was filled in.
#[derive(Debug, Default)]
pub(in crate::web::console) struct Asked {
    /// The source.
    pub(in crate::web::console) source: String,
    /// The recording, or the head alone.
    pub(in crate::web::console) request: String,
    /// The body, where it is apart.
    pub(in crate::web::console) body: String,
    /// How that is written: `text`, `base64` or `hex`.
    pub(in crate::web::console) written: String,
    /// When the request arrived.
    pub(in crate::web::console) at: String,
}

/// What is answered.
pub(in crate::web::console) enum Answer {
    /// The request cannot be read: why.
    Wrong(String),
    /// What the source makes of it.
    Said {
        /// In a few words.
        verdict: String,
        /// How it is meant.
        tone: BadgeTone,
        /// The word of what is found.
        finding: String,
        /// The same in a sentence.
        text: String,
        /// What to do about it.
        hint: Option<String>,
        /// The fingerprint of the secret that made the signature.
        secret: Option<String>,
        /// The time of arrival that it was judged by.
        at: OffsetDateTime,
    },
}

impl Answer {
    /// What is said of an explanation.
    pub(in crate::web::console) fn of(explained: &Explained) -> Self {
        let refused = |reason| format!("refused as {reason}");
        Self::Said {
            verdict: explained.reason.map_or_else(|| "let in".to_owned(), refused),
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
        lead: "Why a source refuses a request that somebody wrote down. Nothing is stored, nothing is let in.",
        section: Some(Section::Explain),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            @if let Some(answer) = &view.answer { (answered(cx, answer)) }
            (panel("The request", &html! {}, &form(cx, view)))
        },
    )
}

fn answered(cx: &PageContext, answer: &Answer) -> Markup {
    let (verdict, tone, finding, text, hint, secret, at) = match answer {
        Answer::Wrong(why) => {
            return note("not read", BadgeTone::Warn, &html! { (said(&sentence(why))) });
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
        (panel("What was found", &html! {}, &terms(&[
            ("Finding", html! { (said(finding)) }),
            ("Secret", html! { @if let Some(secret) = secret {
                code { (said(secret)) } " " span .muted { "fingerprint; it made the signature" }
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
            (field("request", "The request",
                "HTTP as it is on the wire, its headers alone, or a JSON document with path, headers and body.",
                &html! {
                    textarea #request name="request" rows="12" spellcheck="false" required
                             aria-describedby="request-hint" { "\n" (asked.request) }
                }))
            (field("body", "Its body, where it is not above",
                "A line of a text ends with one byte, \\n. Where it ends otherwise, give the bytes in base64 or hex.",
                &html! {
                    textarea #body name="body" rows="8" spellcheck="false"
                             aria-describedby="body-hint" { "\n" (asked.body) }
                }))
            div .scripted-only {
                (field("file", "Or a file with the body", "At most 3 MiB; larger ones with sealpost explain.", &html! {
                    input #file type="file" data-into="body" data-how="written" aria-describedby="file-hint";
                }))
            }
            (select("written", "written", "The body is written as", &written, &asked.written))
            (field("at", "Arrived", "Such as 2026-11-20T12:00:00Z; now, where nothing is said.", &html! {
                input #at name="at" value=(asked.at) maxlength="40" autocomplete="off" aria-describedby="at-hint";
            }))
            div .actions { button .first { "Explain it" } }
        },
    )
}
