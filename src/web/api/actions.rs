//! The catalogue of actions: `POST /api/v1/{noun}/{id}/{verb}` for every row.

use std::fmt;

use actix_web::web;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{
    AdditionalProperties, KnownFormat, ObjectBuilder, SchemaFormat, Type,
};
use utoipa::openapi::{
    self, Content, PathItem, Ref, RefOr, Required, ResponseBuilder, Schema, SecurityRequirement,
};
use utoipa::{OpenApi, ToSchema as _};

use super::answer::Done;
use super::body::{Body, ReasonBody};
use super::routes::{Endpoint, Routes};
use crate::admin::Reason;
use crate::admin::actions::{
    ACTIONS, Action, ActionOption, ActionResult, ActionValue, IdKind, Options,
};
use crate::web::admin::AdminState;
use crate::web::caller::AuthenticatedCaller;
use crate::web::denial::Denial;

#[derive(OpenApi)]
#[openapi(components(schemas(ActionResult, ReasonBody)))]
struct Schemas;

pub(super) fn mount(routes: &mut Routes) {
    routes.described(document);
    for action in ACTIONS {
        let endpoint = Endpoint::new(path(action));
        routes.add(if action.traits.asks_reason {
            endpoint.post(
                action.repeat,
                move |caller: AuthenticatedCaller,
                      id: web::Path<String>,
                      Body(body): Body<ActionBody>,
                      admin: web::Data<AdminState>| {
                    act(action, caller, id, Some(body), admin)
                },
            )
        } else {
            endpoint.post(
                action.repeat,
                move |caller: AuthenticatedCaller,
                      id: web::Path<String>,
                      admin: web::Data<AdminState>| {
                    act(action, caller, id, None, admin)
                },
            )
        });
    }
}

async fn act(
    action: &'static Action,
    AuthenticatedCaller(caller): AuthenticatedCaller,
    id: web::Path<String>,
    body: Option<ActionBody>,
    admin: web::Data<AdminState>,
) -> Result<Done<ActionResult>, Denial> {
    let (mut reason, mut options) = (None, Options::default());
    if let Some(body) = &body {
        options = body.options(action)?;
        reason = Some(&body.reason);
    }
    Ok(Done(action.run(&admin, &caller, &id, reason, options).await?))
}

/// The body of an action: the reason, and the action's option or value.
struct ActionBody {
    reason: Reason,
    more: Option<(String, Parameter)>,
}

/// An option or a value.
#[derive(Deserialize)]
#[serde(untagged)]
enum Parameter {
    Switch(bool),
    Text(String),
}

impl ActionBody {
    /// The options of this action; any other field is an error.
    fn options(&self, action: &Action) -> Result<Options<'_>, Denial> {
        let Some((name, parameter)) = &self.more else { return Ok(Options::default()) };
        let option = action.traits.option.map(|option| option.name);
        let value = action.traits.value.map(|value| value.name);
        let invalid = |why: String| Err(Denial::Invalid(why));
        match parameter {
            _ if ![option, value].contains(&Some(name)) => {
                let known: Vec<String> = ["reason"]
                    .into_iter()
                    .chain(option)
                    .chain(value)
                    .map(|name| format!("`{name}`"))
                    .collect();
                invalid(format!("unknown field `{name}`; expected {}", known.join(" or ")))
            }
            Parameter::Switch(on) if option == Some(name) => {
                Ok(Options { option: *on, ..Options::default() })
            }
            Parameter::Text(text) if value == Some(name) => {
                Ok(Options { value: Some(text), ..Options::default() })
            }
            Parameter::Switch(_) => invalid(format!("{name}: expected text")),
            Parameter::Text(_) => invalid(format!("{name}: expected true or false")),
        }
    }
}

impl<'de> Deserialize<'de> for ActionBody {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields)
    }
}

/// Reads an [`ActionBody`].
struct Fields;

impl<'de> Visitor<'de> for Fields {
    type Value = ActionBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with a reason")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<ActionBody, M::Error> {
        let (mut reason, mut more) = (None, None);
        while let Some(name) = map.next_key::<String>()? {
            if name == "reason" && reason.is_none() {
                reason = Some(map.next_value()?);
            } else if name != "reason" && more.is_none() {
                more = Some((name, map.next_value()?));
            } else {
                return Err(M::Error::custom(format_args!("unexpected field `{name}`")));
            }
        }
        let reason = reason.ok_or_else(|| M::Error::missing_field("reason"))?;
        Ok(ActionBody { reason, more })
    }
}

fn path(action: &Action) -> String {
    let noun = action.noun;
    format!("/api/v1/{}/{{{}}}/{}", noun.path(), noun.parameter(), action.verb)
}

/// The `OpenAPI` operations of the catalogue.
fn document() -> openapi::OpenApi {
    let mut document = Schemas::openapi();
    for action in ACTIONS {
        let item = PathItem::new(HttpMethod::Post, operation(action));
        document.paths.paths.insert(path(action), item);
    }
    document
}

fn operation(action: &Action) -> OperationBuilder {
    let content = |schema: RefOr<Schema>| Content::new(Some(schema));
    let result = RefOr::Ref(Ref::from_schema_name(ActionResult::name()));
    let answer = ResponseBuilder::new()
        .description(action.title)
        .content("application/json", content(result));
    let (kind, about) = action.noun.id();
    let parameter = ParameterBuilder::new()
        .name(action.noun.parameter())
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(about))
        .schema(Some(id(kind)));
    let body = action.traits.asks_reason.then(|| {
        RequestBodyBuilder::new()
            .content("application/json", content(body(action.traits.option, action.traits.value)))
            .required(Some(Required::True))
            .build()
    });
    OperationBuilder::new()
        .operation_id(Some(action.operation))
        .tag(action.noun.tag())
        .summary(Some(action.title))
        .description(Some(action.effect))
        .parameter(parameter)
        .request_body(body)
        .response("200", answer.build())
        .security(SecurityRequirement::new("bearer", [action.scope.as_str()]))
}

fn id(kind: IdKind) -> ObjectBuilder {
    let id = ObjectBuilder::new().schema_type(Type::String);
    match kind {
        IdKind::Number => ObjectBuilder::new()
            .schema_type(Type::Integer)
            .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
            .minimum(Some(1)),
        IdKind::Uuid => id.format(Some(SchemaFormat::KnownFormat(KnownFormat::Uuid))),
        IdKind::Name => id.pattern(Some("^[a-z0-9_-]{1,64}$")),
        IdKind::Key => id.pattern(Some("^[0-9a-f]{16}$")),
        IdKind::User => id,
    }
}

fn body(option: Option<ActionOption>, value: Option<ActionValue>) -> RefOr<Schema> {
    if option.is_none() && value.is_none() {
        return RefOr::Ref(Ref::from_schema_name(ReasonBody::name()));
    }
    let mut object = ObjectBuilder::new()
        .property("reason", RefOr::Ref(Ref::from_schema_name(Reason::name())))
        .required("reason")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    if let Some(option) = option {
        let switch = ObjectBuilder::new()
            .schema_type(Type::Boolean)
            .description(Some(option.effect))
            .default(Some(json!(false)));
        object = object.property(option.name, switch);
    }
    if let Some(value) = value {
        let text = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(value.meaning))
            .pattern(Some(value.pattern))
            .default(value.default.map(|default| json!(default)));
        object = object.property(value.name, text);
        if value.default.is_none() {
            object = object.required(value.name);
        }
    }
    RefOr::T(Schema::Object(object.build()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn body_has_the_reason_and_option_of_its_action() {
        let read = |text: &str| serde_json::from_str::<ActionBody>(text);
        let replay = ACTIONS.iter().find(|action| action.operation == "replayDeadLetter").unwrap();
        let discard = ACTIONS.iter().find(|one| one.operation == "discardDeadLetter").unwrap();
        let body = read(r#"{"reason":"a","force":true}"#).unwrap();
        assert!(body.options(replay).unwrap().option);
        assert!(body.options(discard).is_err());
        let open = ACTIONS.iter().find(|one| one.operation == "acceptHandshake").unwrap();
        let body = read(r#"{"reason":"a","for":"5m"}"#).unwrap();
        assert_eq!(body.options(open).unwrap().value, Some("5m"));
        assert!(body.options(replay).is_err());
        assert!(read(r#"{"reason":"a","for":true}"#).unwrap().options(open).is_err());
        assert!(read(r#"{"reason":"a","force":"yes"}"#).unwrap().options(replay).is_err());
        assert!(!read(r#"{"reason":"a"}"#).unwrap().options(replay).unwrap().option);
        for wrong in [
            "{}",
            r#"{"force":true}"#,
            r#"{"reason":""}"#,
            r#"{"reason":"a","reason":"b"}"#,
            r#"{"reason":"a","force":1}"#,
            r#"{"reason":"a","force":true,"force":true}"#,
        ] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
