//! Pauses of sources and handlers.

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::actions::offer_for;
use super::layout::{Head, PageContext, Section};
use super::parts::{BadgeTone, TEXT, WIDE, badge, empty, link_path, name, table, visible, when};
use crate::admin::actions::Noun;
use crate::admin::{PauseStatus, PauseTarget, Scope};
use crate::web::admin::AdminState;

pub(super) fn routes(app: &mut web::ServiceConfig) {
    app.route("/pauses", web::get().to(list));
}

async fn list(cx: PageContext, admin: web::Data<AdminState>) -> HttpResponse {
    let all = admin.pauses.everything(&cx.viewer.caller);
    cx.show(all, |cx, all| page(cx, all)).await
}

pub(super) fn page(cx: &PageContext, all: &[PauseStatus]) -> Markup {
    let head = Head {
        title: "Pauses",
        lead: "A paused source or handler still receives, verifies and stores events. Nothing is delivered until it is resumed.",
        section: Some(Section::Pauses),
        ..Head::default()
    };
    cx.page(
        &head,
        &html! {
            section .panel aria-label="Sources and handlers" #list data-live="15" {
                @if all.is_empty() {
                    (empty("Nothing to pause", "The configuration contains no enabled source."))
                } @else {
                    (rows(cx, all))
                }
            }
            @if cx.may(Scope::SourcesWrite) {
                section .panel aria-label="Actions" {
                    @for one in all {
                        div .switch id={ (one.target) "-" (link_path(&one.name)) } {
                            (switch(cx, one.target, &one.name, one.pause.is_some()))
                        }
                    }
                }
            }
        },
    )
}

fn rows(cx: &PageContext, all: &[PauseStatus]) -> Markup {
    let columns =
        [("Name", TEXT), ("Type", TEXT), ("State", TEXT), ("Reason", WIDE), ("Since", TEXT)];
    let rows: Vec<Vec<Markup>> = all
        .iter()
        .map(|one| {
            let state = if one.pause.is_some() { "paused" } else { "ok" };
            vec![
                name(&one.name),
                html! { (one.target) },
                badge(state, BadgeTone::of(state)),
                html! { @if let Some(pause) = &one.pause {
                    (visible(&pause.reason)) span .under { "by " (visible(&pause.paused_by)) }
                } },
                html! { @if let Some(pause) = &one.pause { (when(pause.paused_at, cx.now)) } },
            ]
        })
        .collect();
    table("Sources and handlers", &columns, &rows)
}

/// The form that pauses or resumes a source or handler. It redirects to the list.
pub(super) fn switch(cx: &PageContext, target: PauseTarget, name: &str, is_paused: bool) -> Markup {
    let noun = match target {
        PauseTarget::Source => Noun::Source,
        PauseTarget::Handler => Noun::Handler,
    };
    let verb = if is_paused { "resume" } else { "pause" };
    offer_for(cx, noun, verb, (name, &format!("{target} {name}")))
}
