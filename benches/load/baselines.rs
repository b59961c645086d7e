//! The handlers that the gateway is compared with: one that only reads the body, and one that also
//! verifies it. Each runs in a process of its own, which is this program in another role.

use std::net::TcpListener;

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use sealpost::providers;
use sealpost::verify::{KeyRing, RawRequest, RequestHead, Secret, Verifier, Window};

use crate::requests::{SECRET, now};
use crate::servers::WORKERS;

/// The first argument of a program in this role.
pub(crate) const ROLE: &str = "baseline";
pub(crate) const READ: &str = "read";
pub(crate) const VERIFY: &str = "verify";

/// Runs until the process is ended.
pub(crate) fn serve(kind: &str, port: u16) {
    let gate = match kind {
        READ => None,
        VERIFY => Some(gate()),
        other => panic!("no handler {other:?}"),
    };
    let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let gate = web::Data::new(gate);
    let server =
        HttpServer::new(move || App::new().app_data(gate.clone()).default_service(web::to(answer)))
            .workers(WORKERS)
            .listen(listener)
            .unwrap();
    actix_web::rt::System::new().block_on(server.run()).unwrap();
}

async fn answer(
    request: HttpRequest,
    mut payload: web::Payload,
    gate: web::Data<Option<Verifier>>,
) -> HttpResponse {
    let mut body = BytesMut::new();
    while let Some(piece) = payload.next().await {
        body.extend_from_slice(&piece.unwrap());
    }
    if let Some(gate) = gate.get_ref() {
        let mut head = RequestHead::default();
        let value = request.headers().get("stripe-signature").unwrap();
        head.headers.push("stripe-signature", Bytes::copy_from_slice(value.as_bytes()));
        RawRequest::new(head, body.freeze()).verify(gate, now()).expect("authentic");
    }
    HttpResponse::Accepted().body("{\"status\":\"accepted\"}")
}

fn gate() -> Verifier {
    let entry = providers::find("stripe").unwrap();
    let options = toml::from_str("livemode = false").unwrap();
    let spec = providers::SourceSpec {
        name: "billing".into(),
        tenant: "default".to_owned(),
        scheme: providers::SourceScheme::default(),
        options,
        token: None,
        transfer_limits: sealpost::verify::TransferLimits { chunks: 1, bytes: 1 },
        services: providers::Services::bare().unwrap(),
    };
    Verifier {
        provider: (entry.build)(&spec).unwrap().provider,
        keys: KeyRing::new(vec![Secret::new(SECRET).unwrap()]).unwrap(),
        published: None,
        window: Window { max_age: 3_600, max_future: 3_600 },
    }
}
