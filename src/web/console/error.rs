//! The error page.

use maud::{Markup, html};

use super::layout::{Head, PageContext};
use super::parts::visible;

pub(super) struct View {
    pub(super) title: &'static str,
    /// What went wrong and what to do.
    pub(super) text: String,
    /// The missing scope, if that is the cause.
    pub(super) scope: Option<&'static str>,
    /// Whether a retry may succeed.
    pub(super) again: bool,
}

pub(super) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head { title: view.title, ..Head::default() };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Error" {
                div .empty {
                    @if let Some(scope) = view.scope {
                        p { "This requires the scope " code { (scope) } ". Ask an administrator." }
                    } @else {
                        p { (visible(&view.text)) }
                    }
                    div .actions {
                        @if view.again { a .button href="" { "Try again" } }
                        a .button href="/" { "Go to overview" }
                    }
                }
            }
        },
    )
}
