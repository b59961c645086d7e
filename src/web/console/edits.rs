//! Edit and replay in two steps: edit the body, then review the difference and confirm. The
//! original event stays unchanged.

use actix_web::{HttpResponse, web};
use bytes::Bytes;
use maud::{Markup, html};
use serde::Deserialize;

use super::layout::{Head, PageContext, Section, note};
use super::parts::{BadgeTone, diff, field, panel, plain_lines, post, visible};
use crate::admin::{AdminError, EditPreview};
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/deliveries/{id}/edit", web::get().to(show))
        .route("/deliveries/{id}/edit", web::post().to(preview))
        .route("/deliveries/{id}/edit/again", web::post().to(edit_again))
        .route("/deliveries/{id}/edit/replay", web::post().to(replay));
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct EditForm {
    body: String,
    reason: String,
}

async fn show(cx: PageContext, admin: web::Data<AdminState>, id: web::Path<i64>) -> HttpResponse {
    let text = admin.dead_letters.to_edit(&cx.viewer.caller, *id).await;
    cx.answer(text.map(|text| editor(&cx, *id, &text, None)))
}

/// Shows the editor again with the edited body.
async fn edit_again(
    cx: PageContext,
    id: web::Path<i64>,
    form: web::Form<EditForm>,
) -> HttpResponse {
    cx.answer(Ok(editor(&cx, *id, &plain_lines(&form.body), None)))
}

/// Shows the difference, or the editor with the error.
async fn preview(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
    form: web::Form<EditForm>,
) -> HttpResponse {
    let body = plain_lines(&form.body);
    let bytes = Bytes::from(body.clone());
    match admin.dead_letters.preview_edit(&cx.viewer.caller, *id, &bytes).await {
        Ok(preview) => cx.answer(Ok(review(&cx, &preview, &body))),
        Err(AdminError::Invalid(wrong)) => {
            PageContext::invalid_form(editor(&cx, *id, &body, Some(&wrong)))
        }
        Err(error) => cx.answer(Err(error)),
    }
}

async fn replay(
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<i64>,
    form: web::Form<EditForm>,
) -> HttpResponse {
    let body = Bytes::from(plain_lines(&form.body));
    let edited = admin.dead_letters.edit(&cx.viewer.caller, *id, &body, &form.reason).await;
    cx.redirect(edited.map(|edited| format!("/deliveries/{id}?did=edited&made={}", edited.event)))
}

/// The page with the editor; `wrong` is why the edit is rejected, such as invalid JSON.
pub(super) fn editor(cx: &PageContext, delivery: i64, edited: &str, wrong: Option<&str>) -> Markup {
    let above = above(delivery);
    cx.page(&head("Edit and replay", &above), &html! {
        @if let Some(wrong) = wrong { (note("wrong", BadgeTone::Bad, &html! { (visible(wrong)) })) }
        @if visible(edited) != edited {
            (note("hidden", BadgeTone::Warn, &html! {
                "The text contains invisible or bidirectional control characters. "
                "The next page shows them escaped."
            }))
        }
        (panel("Body", &html! { "The next page shows the difference" }, &post(
            cx, &format!("/deliveries/{delivery}/edit"), "form", &html! {
                (field("body", "Edited body",
                    "The original event stays unchanged. Replaying creates a new event, marked as edited with your name.",
                    &html! {
                        textarea #body name="body" rows="24" spellcheck="false" required
                                 aria-describedby="body-hint" { "\n" (edited) }
                    }))
                div .actions {
                    button .first { "Show difference" }
                    a .button href={ "/deliveries/" (delivery) } { "Cancel" }
                }
            },
        )))
    })
}

pub(super) fn review(cx: &PageContext, preview: &EditPreview, edited: &str) -> Markup {
    let delivery = preview.delivery;
    let above = above(delivery);
    cx.page(&head("Review the edit", &above), &html! {
        (note("dry run", BadgeTone::Calm, &html! {
            "Nothing has been changed yet. The edited event would go to " (visible(&preview.handlers.join(", "))) "."
        }))
        section .panel aria-labelledby="changes" {
            header { h2 #changes { "Difference" } p {
                "\u{2212} received, + edited"
                @if preview.is_partial { "; truncated" }
            } }
            @if preview.diff.is_empty() {
                div .empty { p { "Only whitespace and line endings differ." } }
            } @else { (diff(&preview.diff)) }
        }
        (panel("Replay", &html! {}, &post(
            cx, &format!("/deliveries/{delivery}/edit/replay"), "form", &html! {
                input type="hidden" name="body" value=(edited);
                (field("reason", "Reason", "Recorded in the audit log.", &html! {
                    input #reason name="reason" required maxlength="500" autocomplete="off"
                          aria-describedby="reason-hint";
                }))
                div .actions {
                    button .first { "Replay edited event" }
                    button formaction={ "/deliveries/" (delivery) "/edit/again" } formnovalidate { "Edit again" }
                    a .button href={ "/deliveries/" (delivery) } { "Cancel" }
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
