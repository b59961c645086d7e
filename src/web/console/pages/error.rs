//! The pages for what cannot be shown or done.

use maud::{Markup, html};

use super::super::layout::{Head, PageContext};

/// Why it cannot be.
pub(in crate::web::console) struct View {
    /// In a few words.
    pub(in crate::web::console) title: &'static str,
    /// What exactly, and what to do.
    pub(in crate::web::console) text: String,
    /// The scope that is missing, where that is why.
    pub(in crate::web::console) scope: Option<&'static str>,
    /// Whether it may be different in a moment.
    pub(in crate::web::console) again: bool,
}

/// The page.
pub(in crate::web::console) fn page(cx: &PageContext, view: &View) -> Markup {
    let head = Head { title: view.title, ..Head::default() };
    cx.page(&head, &html! {
        section .panel aria-label="What is wrong" {
            div .empty {
                @if let Some(scope) = view.scope {
                    p { "You need the scope " code { (scope) } ": ask whoever manages people and keys." }
                } @else {
                    p { (super::super::parts::said(&view.text)) }
                }
                div .actions {
                    @if view.again { a .button href="" { "Try again" } }
                    a .button href="/" { "To the start" }
                }
            }
        }
    })
}
