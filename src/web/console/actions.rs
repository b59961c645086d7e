//! The catalogue of actions: their forms, and the handler of what is posted.

use std::collections::HashMap;

use actix_web::{HttpResponse, web};
use maud::{Markup, html};

use super::layout::PageContext;
use super::parts::{button, confirm, field, link_path, visible};
use crate::admin::actions::{ACTIONS, Action, ActionResult, Noun, Options, find_action};
use crate::admin::{AdminError, Reason, Repeat};
use crate::web::admin::AdminState;

/// The flash message after an action that changed nothing.
pub(super) const UNCHANGED: &str = "unchanged";

/// The fields of a posted form.
type Form = HashMap<String, String>;

/// The routes: `POST /{page}/{id}/{verb}`. An action with a secret in its result has a page of its
/// own.
pub(super) fn routes(app: &mut web::ServiceConfig) {
    for action in ACTIONS.iter().filter(|action| action.repeat != Repeat::Secret) {
        let path = format!("{}/{{id}}/{}", place(action), action.verb);
        app.route(
            &path,
            web::post().to(
                move |cx: PageContext,
                      admin: web::Data<AdminState>,
                      id: web::Path<String>,
                      form: web::Form<Form>| act(action, cx, admin, id, form),
            ),
        );
    }
}

/// Applies an action, and goes on to a page that shows the result.
async fn act(
    action: &'static Action,
    cx: PageContext,
    admin: web::Data<AdminState>,
    id: web::Path<String>,
    form: web::Form<Form>,
) -> HttpResponse {
    let done = async {
        let field = |name: &str| form.get(name).map_or("", String::as_str);
        let reason =
            if action.traits.asks_reason { Some(Reason::new(field("reason"))?) } else { None };
        let value = action.traits.value.map(|value| field(value.name).trim());
        let options = Options { option: false, value: value.filter(|value| !value.is_empty()) };
        let caller = &cx.viewer.caller;
        let result = action.run(&admin, caller, &id, reason.as_ref(), options).await?;
        match &result.explanation {
            Some(explanation) => Err(AdminError::Conflict(explanation.text.clone())),
            None => Ok(page_after(action, &result)),
        }
    };
    cx.redirect(done.await)
}

/// The first part of the paths of an item's actions.
fn place(action: &Action) -> &'static str {
    match action.noun {
        Noun::Event => "/events",
        Noun::DeadLetter | Noun::Delivery => "/deliveries",
        Noun::Source if is_pause(action) => "/pauses/source",
        Noun::Source => "/sources",
        Noun::Handler => "/pauses/handler",
        Noun::Destination => "/destinations",
        Noun::RejectedRequest => "/rejected-requests",
        Noun::Job => "/jobs",
        Noun::ApiKey => "/keys",
        Noun::User => "/users",
    }
}

/// Whether it is on the page of the pauses.
fn is_pause(action: &Action) -> bool {
    matches!(action.verb, "pause" | "resume")
}

/// The path that an action's form is posted to.
pub(super) fn path(action: &Action, id: &str) -> String {
    format!("{}/{}/{}", place(action), link_path(id), action.verb)
}

/// The page after an action, with its flash message.
fn page_after(action: &Action, result: &ActionResult) -> String {
    let did = if result.changed { action.key() } else { UNCHANGED.to_owned() };
    let (noun, id) = (action.noun, link_path(&result.id));
    match noun {
        Noun::DeadLetter | Noun::Delivery => {
            let made = result.created.first().map(|made| format!("&made={made}"));
            format!("/deliveries/{id}?did={did}{}", made.unwrap_or_default())
        }
        Noun::Event | Noun::Destination | Noun::Job => format!("{}/{id}?did={did}", place(action)),
        Noun::Source if !is_pause(action) => format!("{}/{id}?did={did}", place(action)),
        Noun::Source | Noun::Handler => format!("/pauses?did={did}#{noun}-{id}"),
        Noun::ApiKey | Noun::User => format!("{}?did={did}", place(action)),
        Noun::RejectedRequest => match result.event {
            Some(event) => format!("/events/{event}?did={}", action.key()),
            None => format!("/rejected-requests?did={did}"),
        },
    }
}

/// The flash message for this key in the address.
pub(super) fn flash(did: &str) -> Option<&'static str> {
    ACTIONS.iter().find(|action| action.key() == did).map(|action| action.done)
}

/// Offers an action on the page of its item. Nothing for a word that is not in the catalogue.
pub(super) fn offer(cx: &PageContext, noun: Noun, verb: &str, id: &str) -> Markup {
    let Some(action) = find_action(noun, verb) else { return html! {} };
    let is_first = !action.traits.asks_reason || (action.traits.bulk && !action.traits.danger);
    html! {
        details .act open[is_first] {
            summary { (action.label) }
            (form(cx, action, id, verb))
        }
    }
}

/// Offers an action and its option in a list of items. `item` names the item.
pub(super) fn offer_for(
    cx: &PageContext,
    noun: Noun,
    verb: &str,
    (id, item): (&str, &str),
) -> Markup {
    let Some(action) = find_action(noun, verb) else { return html! {} };
    let form_id = format!("{verb}-{noun}-{}", link_path(id));
    let option = html! {
        @if let Some(option) = action.traits.option {
            div .check {
                input type="checkbox" name=(option.name) value="yes" id={ (form_id) "-" (option.name) };
                label for={ (form_id) "-" (option.name) } { (option.effect) }
            }
        }
    };
    html! {
        details .act {
            summary { (action.label) ": " (visible(item)) }
            (form_with(cx, action, id, &form_id, &option))
        }
    }
}

/// The form of an action: its effect, and the reason if it asks for one. `form_id` is unique on the
/// page.
pub(super) fn form(cx: &PageContext, action: &Action, id: &str, form_id: &str) -> Markup {
    form_with(cx, action, id, form_id, &html! {})
}

fn form_with(
    cx: &PageContext,
    action: &Action,
    id: &str,
    form_id: &str,
    option: &Markup,
) -> Markup {
    let class = if action.traits.danger { "risky" } else { "first" };
    let (path, effect) = (path(action, id), action.effect.replace('`', ""));
    if action.traits.asks_reason {
        let more = html! { (option) (value_field(action, form_id)) };
        return confirm(cx, form_id, &path, &effect, &more, (class, action.label));
    }
    html! {
        div .pad { div .tight {
            p .muted { (effect) }
            (button(cx, &path, class, action.label))
        } }
    }
}

/// The field of the action's value, if it has one.
fn value_field(action: &Action, form_id: &str) -> Markup {
    let Some(value) = action.traits.value else { return html! {} };
    let id = format!("{form_id}-{}", value.name);
    let mut label = value.name.to_owned();
    label.get_mut(..1).into_iter().for_each(str::make_ascii_uppercase);
    field(
        &id,
        &label,
        value.meaning,
        &html! {
            input id=(id) name=(value.name) required maxlength="100" autocomplete="off"
                  value=[value.default] aria-describedby={ (id) "-hint" };
        },
    )
}
