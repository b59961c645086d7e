//! Source details: setup state, use of secrets, settings.

use std::time::Duration;

use sealpost::admin::{
    AdminError, Caller, ReasonCount, Scope, Scopes, Source, SourceSecret, SourceSetup,
};
use sealpost::clock::Clock as _;

use super::{event, gateway, secret, send};
use crate::harness::{Gateway, SECRETS};

async fn source(gateway: &Gateway, name: &str) -> Source {
    gateway.flush_stats().await;
    gateway.monitoring().source(&Caller::local("ada"), name).await.expect("a source")
}

fn of<'a>(view: &'a Source, secret: &sealpost::verify::Secret) -> &'a SourceSecret {
    let fingerprint = secret.fingerprint().to_string();
    view.secrets.iter().find(|view| view.fingerprint == fingerprint).expect("a secret")
}

#[tokio::test]
async fn new_source_shows_its_setup_state() {
    let gateway = gateway().await;
    let view = source(&gateway, "billing").await;
    assert_eq!((view.setup, view.last_event_at), (SourceSetup::Waiting, None));
    assert_eq!(view.paths, ["/hooks/billing", "/api/stripe/webhook"]);
    assert_eq!(view.handlers.len(), 1);
    let cards = source(&gateway, "cards").await;
    let paths = ["/hooks/cards/{action}", "/functions/v1/docora-webhook/{action}"];
    assert_eq!(cards.paths, paths);
    assert!(cards.actions.contains(&"create".to_owned()));
    assert_eq!(source(&gateway, "closed").await.setup, SourceSetup::Disabled);

    let now = gateway.clock().now().unix_timestamp();
    let body = event("evt_1");
    let stale = gateway.sign_at("billing", &body, &[], now - 3_600);
    assert_eq!(gateway.send_raw("billing", None, &stale, &body).await.status, 401);
    let view = source(&gateway, "billing").await;
    assert_eq!(view.setup, SourceSetup::Refusing);
    assert_eq!(view.hour.reasons, [ReasonCount { reason: "ts_stale".into(), count: 1 }]);

    send(&gateway, "evt_1").await;
    gateway.run_until_idle().await;
    let view = source(&gateway, "billing").await;
    let now = Some(gateway.clock().now());
    assert_eq!((view.setup, view.last_event_at), (SourceSetup::Receiving, now));
}

#[tokio::test]
async fn secret_unused_for_a_week_is_removable() {
    let gateway = gateway().await;
    let (new, old) = (secret("BILLING_SECRET"), secret("BILLING_SECRET_OLD"));
    let body = event("evt_1");
    let now = gateway.clock().now().unix_timestamp();
    let headers = gateway.sign_with("billing", &body, &[], now, &old);
    assert_eq!(gateway.send_raw("billing", None, &headers, &body).await.body_status(), "accepted");
    let view = source(&gateway, "billing").await;
    assert_eq!((of(&view, &old).requests, of(&view, &old).place), (1, Some(2)));
    assert_eq!((of(&view, &new).requests, of(&view, &new).last_at), (0, None));

    gateway.clock().advance(Duration::from_hours(8 * 24));
    let view = source(&gateway, "billing").await;
    assert!(!view.secrets.iter().any(|secret| secret.removable), "no other secret was used since");
    send(&gateway, "evt_2").await;
    gateway.run_until_idle().await;
    let view = source(&gateway, "billing").await;
    assert!(of(&view, &old).removable && !of(&view, &new).removable);
}

#[tokio::test]
async fn settings_require_admin_and_contain_no_secret() {
    let gateway = gateway().await;
    let admin = Caller::local("ada");
    let settings = gateway.monitoring().settings(&admin).unwrap();
    let value = |key: &str| {
        let found = settings.iter().find(|setting| setting.key == key);
        found.unwrap_or_else(|| panic!("no setting {key}")).value.clone()
    };
    assert_eq!(value("dispatch.lease"), "1m");
    assert_eq!(value("source.billing.provider"), "stripe");
    let fingerprint = secret("BILLING_SECRET").fingerprint();
    assert_eq!(
        value("source.billing.secrets.1"),
        format!("variable BILLING_SECRET ({fingerprint})")
    );
    let text = format!("{settings:?}");
    for (_, secret) in SECRETS {
        assert!(!text.contains(secret), "the settings contain a secret");
    }
    let scopes = Scopes::all().iter().filter(|scope| *scope != Scope::Admin);
    let caller = Caller::new("bo", None, scopes.collect::<Scopes>());
    let denied = gateway.monitoring().settings(&caller).unwrap_err();
    assert_eq!(denied.missing(), Some(Scope::Admin));
    let tenant_caller = Caller::new("cy", Some("default".into()), Scopes::all());
    let refused = gateway.monitoring().settings(&tenant_caller);
    assert!(
        matches!(refused, Err(AdminError::AllTenants)),
        "the settings contain sources of other tenants"
    );
}
