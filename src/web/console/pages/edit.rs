//! Edit and replay in two steps: edit the text, then review the difference and confirm. The
//! original event stays unchanged.

use maud::{Markup, html};

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{BadgeTone, diff, field, panel, post, said};

/// A body being edited.
pub(in crate::web::console) struct View {
    /// The delivery whose event is edited.
    pub(in crate::web::console) delivery: i64,
    /// The edited body; initially the received one.
    pub(in crate::web::console) edited: String,
    /// Why the edit is rejected, such as invalid JSON.
    pub(in crate::web::console) wrong: Option<String>,
}

/// The preview of an edit.
pub(in crate::web::console) struct Check {
    /// The delivery whose event is edited.
    pub(in crate::web::console) delivery: i64,
    /// The edited body.
    pub(in crate::web::console) edited: String,
    /// The difference, as a unified diff.
    pub(in crate::web::console) diff: String,
    /// Whether the difference is truncated.
    pub(in crate::web::console) is_partial: bool,
    /// The handlers that would receive the edited event.
    pub(in crate::web::console) handlers: Vec<String>,
}

/// The page with the editor.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let above = above(view.delivery);
    cx.page(&head("Edit and replay", &above), &html! {
        @if let Some(wrong) = &view.wrong { (note("wrong", BadgeTone::Bad, &html! { (said(wrong)) })) }
        @if said(&view.edited) != view.edited {
            (note("hidden", BadgeTone::Warn, &html! {
                "The text contains invisible or bidirectional control characters. "
                "The next page shows them escaped."
            }))
        }
        (panel("Body", &html! { "The next page shows the difference" }, &post(
            cx, &format!("/deliveries/{}/edit", view.delivery), "form", &html! {
                (field("body", "Edited body",
                    "The original event stays unchanged. Replaying creates a new event, marked as edited with your name.",
                    &html! {
                        textarea #body name="body" rows="24" spellcheck="false" required
                                 aria-describedby="body-hint" { "\n" (view.edited) }
                    }))
                div .actions {
                    button .first { "Show difference" }
                    a .button href={ "/deliveries/" (view.delivery) } { "Cancel" }
                }
            },
        )))
    })
}

/// The page with the difference.
pub(in crate::web::console) fn check(cx: &PageContext, view: &Check) -> Markup {
    let above = above(view.delivery);
    cx.page(&head("Review the edit", &above), &html! {
        (note("dry run", BadgeTone::Calm, &html! {
            "Nothing has been changed yet. The edited event would go to " (said(&view.handlers.join(", "))) "."
        }))
        section .panel aria-labelledby="changes" {
            header { h2 #changes { "Difference" } p {
                "\u{2212} received, + edited"
                @if view.is_partial { "; truncated" }
            } }
            @if view.diff.is_empty() {
                div .empty { p { "Only whitespace and line endings differ." } }
            } @else { (diff(&view.diff)) }
        }
        (panel("Replay", &html! {}, &post(
            cx, &format!("/deliveries/{}/edit/replay", view.delivery), "form", &html! {
                input type="hidden" name="body" value=(view.edited);
                (field("reason", "Reason", "Recorded in the audit log.", &html! {
                    input #reason name="reason" required maxlength="500" autocomplete="off"
                          aria-describedby="reason-hint";
                }))
                div .actions {
                    button .first { "Replay edited event" }
                    button formaction={ "/deliveries/" (view.delivery) "/edit/again" } formnovalidate { "Edit again" }
                    a .button href={ "/deliveries/" (view.delivery) } { "Cancel" }
                }
            },
        )))
    })
}

fn above(delivery: i64) -> (String, String) {
    (format!("/deliveries/{delivery}"), format!("Delivery {delivery}"))
}

fn head<'a>(title: &'a str, above: &'a (String, String)) -> Head<'a> {
    Head { title, section: Some(Section::DeadLetters), within: Some(above), ..Head::default() }
}
