//! The error page.

use maud::{Markup, html};

use super::super::layout::{Head, PageContext};

/// An error.
pub(in crate::web::console) struct View {
    /// The title.
    pub(in crate::web::console) title: &'static str,
    /// What went wrong and what to do.
    pub(in crate::web::console) text: String,
    /// The missing scope, if that is the cause.
    pub(in crate::web::console) scope: Option<&'static str>,
    /// Whether a retry may succeed.
    pub(in crate::web::console) again: bool,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head { title: view.title, ..Head::default() };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Error" {
                div .empty {
                    @if let Some(scope) = view.scope {
                        p { "This requires the scope " code { (scope) } ". Ask an administrator." }
                    } @else {
                        p { (super::super::parts::said(&view.text)) }
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
