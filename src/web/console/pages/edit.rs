//! Edit and replay: first the text, then what the edit changes, then the deed. What came in is kept
//! as it was.

use maud::{Markup, html};

use super::super::layout::{Head, PageContext, Section, note};
use super::super::parts::{BadgeTone, diff, field, panel, post, said};

/// A text that is edited.
pub(in crate::web::console) struct View {
    /// The delivery whose event is edited.
    pub(in crate::web::console) delivery: i64,
    /// The body as it is to be; at first, as it came in.
    pub(in crate::web::console) edited: String,
    /// What is wrong with it, such as that it is no JSON any more.
    pub(in crate::web::console) wrong: Option<String>,
}

/// What an edit comes to.
pub(in crate::web::console) struct Check {
    /// The delivery whose event is edited.
    pub(in crate::web::console) delivery: i64,
    /// The body as it is to be.
    pub(in crate::web::console) edited: String,
    /// The difference, as a unified diff.
    pub(in crate::web::console) diff: String,
    /// Whether something is left out of it, because it is long.
    pub(in crate::web::console) is_partial: bool,
    /// To which handlers the edited event would go.
    pub(in crate::web::console) handlers: Vec<String>,
}

/// The page with the text.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let above = above(view.delivery);
    cx.page(&head("Edit and replay", &above), &html! {
        @if let Some(wrong) = &view.wrong { (note("wrong", BadgeTone::Bad, &html! { (said(wrong)) })) }
        @if said(&view.edited) != view.edited {
            (note("hidden", BadgeTone::Warn, &html! {
                "Characters are in it that are not seen, or turn the text around them. "
                "The next page makes them visible."
            }))
        }
        (panel("The text", &html! { "The next page shows what the edit changes" }, &post(
            cx, &format!("/deliveries/{}/edit", view.delivery), "form", &html! {
                (field("body", "The body as it is to be",
                    "What came in is kept as it was; a new event is made of this, marked as edited and by whom.",
                    &html! {
                        textarea #body name="body" rows="24" spellcheck="false" required
                                 aria-describedby="body-hint" { "\n" (view.edited) }
                    }))
                div .actions {
                    button .first { "Show the difference" }
                    a .button href={ "/deliveries/" (view.delivery) } { "Leave it" }
                }
            },
        )))
    })
}

/// The page with what it changes.
pub(in crate::web::console) fn check(cx: &PageContext, view: &Check) -> Markup {
    let above = above(view.delivery);
    cx.page(&head("What the edit changes", &above), &html! {
        (note("dry run", BadgeTone::Calm, &html! {
            "Nothing is done yet. The edited event would go to " (said(&view.handlers.join(", "))) "."
        }))
        section .panel aria-labelledby="changes" {
            header { h2 #changes { "Difference" } p {
                "\u{2212} as it came in, + as it is to be"
                @if view.is_partial { "; it is long, and its end is left out" }
            } }
            @if view.diff.is_empty() {
                div .empty { p { "Nothing but spaces and the ends of lines." } }
            } @else { (diff(&view.diff)) }
        }
        (panel("Replay", &html! {}, &post(
            cx, &format!("/deliveries/{}/edit/replay", view.delivery), "form", &html! {
                input type="hidden" name="body" value=(view.edited);
                (field("reason", "Reason", "It is written to the audit log.", &html! {
                    input #reason name="reason" required maxlength="500" autocomplete="off"
                          aria-describedby="reason-hint";
                }))
                div .actions {
                    button .first { "Replay the edited event" }
                    button formaction={ "/deliveries/" (view.delivery) "/edit/again" } formnovalidate { "Edit again" }
                    a .button href={ "/deliveries/" (view.delivery) } { "Leave it" }
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
