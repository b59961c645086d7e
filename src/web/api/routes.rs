//! Route registration: a path with its methods. Other methods are answered with 405 and `Allow`;
//! `HEAD` and `OPTIONS` are added automatically.

use std::borrow::Cow;

use actix_web::body::BoxBody;
use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, header};
use actix_web::middleware::{Next, from_fn};
use actix_web::{FromRequest, Handler, HttpResponse, Responder, Route, web};
use utoipa::openapi::OpenApi;

use super::middleware;
use super::{BASE, idempotency};
use crate::admin::Repeat;
use crate::web::caller_limits::Rate;
use crate::web::denial::Denial;

#[derive(Default)]
pub(super) struct Routes {
    all: Vec<Endpoint>,
    documents: Vec<fn() -> OpenApi>,
}

/// One path with its methods.
pub(super) struct Endpoint {
    path: Cow<'static, str>,
    methods: Vec<Method>,
    routes: Vec<Route>,
}

impl Routes {
    pub(super) fn add(&mut self, at: Endpoint) {
        self.all.push(at);
    }

    /// Adds the `OpenAPI` document of a module.
    pub(super) fn document<D: utoipa::OpenApi>(&mut self) {
        self.described(D::openapi);
    }

    pub(super) fn described(&mut self, document: fn() -> OpenApi) {
        self.documents.push(document);
    }

    /// The merged `OpenAPI` document.
    pub(super) fn documents(&self) -> impl Iterator<Item = OpenApi> {
        self.documents.iter().map(|document| document())
    }

    /// Registers all routes with the listener.
    pub(super) fn mount(self, config: &mut web::ServiceConfig) {
        let mut scope = web::scope(BASE);
        for at in self.all {
            let path = at.path.clone();
            if let Some(path) = path.strip_prefix(BASE) {
                scope = scope.service(at.resource(path));
            } else {
                config.service(at.resource(&path));
            }
        }
        let nothing = web::to(|| async { Err::<HttpResponse, _>(Denial::NotFound(None)) });
        config.service(scope.default_service(middleware(nothing, Rate::Reads)));
    }

    #[cfg(test)]
    pub(super) fn list(&self) -> Vec<String> {
        let each = |at: &Endpoint| -> Vec<String> {
            at.methods.iter().map(|method| format!("{method} {}", at.path)).collect()
        };
        self.all.iter().flat_map(each).collect()
    }
}

impl Endpoint {
    /// A path, as written in the document.
    pub(super) fn new(path: impl Into<Cow<'static, str>>) -> Self {
        Self { path: path.into(), methods: Vec::new(), routes: Vec::new() }
    }

    /// Adds `GET` and `HEAD`. A query is rejected.
    pub(super) fn get<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let head = plain(web::head().to(handler.clone()));
        self.read(head, plain(web::get().to(handler)))
    }

    /// As [`Endpoint::get`], but the handler reads the query itself.
    pub(super) fn get_with_query<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.read(web::head().to(handler.clone()), web::get().to(handler))
    }

    /// Adds `POST`; `repeat` defines its idempotency with an `Idempotency-Key`.
    pub(super) fn post<F, Args>(self, repeat: Repeat, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let idempotent =
            from_fn(move |request, next| idempotency::idempotent(repeat, request, next));
        self.method(Method::POST, plain(web::post().to(handler).wrap(idempotent)), Rate::Changes)
    }

    /// Adds `POST` for a handler that implements idempotency itself.
    pub(super) fn call<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.method(Method::POST, plain(web::post().to(handler)), Rate::Reads)
    }

    fn read(self, head: Route, get: Route) -> Self {
        let mut at = self.method(Method::GET, get, Rate::Reads);
        at.routes.push(middleware(head, Rate::Reads));
        at
    }

    fn method(mut self, method: Method, route: Route, rate: Rate) -> Self {
        self.methods.push(method);
        self.routes.push(middleware(route, rate));
        self
    }

    /// The service of the path, with 405 for every other method.
    fn resource(self, path: &str) -> actix_web::Resource {
        let mut allow: Vec<&str> = self.methods.iter().map(Method::as_str).collect();
        if allow.contains(&"GET") {
            allow.push("HEAD");
        }
        allow.push("OPTIONS");
        let allow = allow.join(", ");
        let options = {
            let allow = allow.clone();
            web::route().method(Method::OPTIONS).to(move || {
                let answer = HttpResponse::NoContent()
                    .insert_header((header::ALLOW, allow.as_str()))
                    .finish();
                async { answer }
            })
        };
        let other = web::to(move || {
            let denial = Denial::MethodNotAllowed { allow: allow.clone() };
            async { Err::<HttpResponse, _>(denial) }
        });
        let mut resource = web::resource(path);
        for route in self.routes {
            resource = resource.route(route);
        }
        resource
            .route(middleware(options, Rate::Reads))
            .default_service(middleware(other, Rate::Reads))
    }
}

/// The route with a guard that rejects a query.
fn plain(route: Route) -> Route {
    route.wrap(from_fn(async |request: ServiceRequest, next: Next<BoxBody>| {
        if request.query_string().is_empty() {
            return next.call(request).await;
        }
        Err(Denial::Malformed("unexpected query string".into()).into())
    }))
}

/// The route wrapped in the middleware.
fn middleware(route: Route, rate: Rate) -> Route {
    route.wrap(from_fn(move |request, next| middleware::api_middleware(rate, request, next)))
}
