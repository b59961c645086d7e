//! Forms. Every change is a posted form that contains the CSRF token of the session.

use maud::{Markup, html};

use super::super::layout::PageContext;
use super::visible;

pub(in crate::web::console) struct Choice {
    pub(in crate::web::console) value: String,
    pub(in crate::web::console) label: String,
}

/// A field with its label. `input` itself must have this `id`.
pub(in crate::web::console) fn field(id: &str, label: &str, hint: &str, input: &Markup) -> Markup {
    html! {
        div .field {
            label for=(id) { (label) }
            (input)
            @if !hint.is_empty() { p .hint id={ (id) "-hint" } { (hint) } }
        }
    }
}

/// Converts the CRLF line endings that browsers send into LF.
pub(in crate::web::console) fn plain_lines(text: &str) -> String {
    text.replace("\r\n", "\n")
}

pub(in crate::web::console) fn select(
    id: &str,
    name: &str,
    label: &str,
    choices: &[Choice],
    chosen: &str,
) -> Markup {
    field(
        id,
        label,
        "",
        &html! {
            select id=(id) name=(name) {
                @for choice in choices {
                    option value=(choice.value) selected[choice.value == chosen] { (visible(&choice.label)) }
                }
            }
        },
    )
}

pub(in crate::web::console) fn post(
    cx: &PageContext,
    action: &str,
    class: &str,
    body: &Markup,
) -> Markup {
    html! {
        form method="post" action=(action) class=(class) {
            @if let Some(csrf) = &cx.viewer.csrf { input type="hidden" name="csrf" value=(csrf); }
            (body)
        }
    }
}

/// A button with its own form, for actions that need no reason.
pub(in crate::web::console) fn button(
    cx: &PageContext,
    action: &str,
    class: &str,
    label: &str,
) -> Markup {
    post(cx, action, "", &html! { button class=(class) { (label) } })
}

/// A form that describes the effect and asks for a reason. `id` is unique on the page; `more` are
/// additional fields.
pub(in crate::web::console) fn confirm(
    cx: &PageContext,
    id: &str,
    action: &str,
    says: &str,
    more: &Markup,
    (class, label): (&str, &str),
) -> Markup {
    let reason = format!("{id}-reason");
    post(
        cx,
        action,
        "form",
        &html! {
            p .muted { (says) }
            (field(&reason, "Reason", "Recorded in the audit log.", &html! {
                input id=(reason) name="reason" required maxlength="500" autocomplete="off"
                      aria-describedby={ (reason) "-hint" };
            }))
            (more)
            div .actions { button class=(class) { (label) } }
        },
    )
}

/// A search form; `more` are additional fields.
pub(in crate::web::console) fn search(
    action: &str,
    label: &str,
    hint: &str,
    value: &str,
    more: &Markup,
) -> Markup {
    html! {
        form .search method="get" action=(action) role="search" {
            div .inline {
                div .field {
                    label for="q" { (label) }
                    input #q type="search" name="q" value=(value) placeholder=(hint)
                          data-search autocomplete="off" spellcheck="false";
                }
                (more)
                button { "Search" }
            }
        }
    }
}
