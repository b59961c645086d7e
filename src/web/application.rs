//! A demo application that receives deliveries of a destination and verifies their signatures.

use std::collections::HashSet;
use std::net::TcpListener;
use std::sync::{Arc, Mutex, PoisonError};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::Server;
use crate::verify::Secret;

/// The maximum body size: a file of 64 MiB in base64, plus overhead.
const MAX_BODY: usize = 96 * 1024 * 1024;

#[derive(Debug)]
pub struct Inbox {
    secret: Secret,
    count: Mutex<Count>,
}

#[derive(Debug, Default)]
struct Count {
    events: HashSet<String>,
    unproven: usize,
}

impl Inbox {
    pub fn new(secret: Secret) -> Self {
        Self { secret, count: Mutex::default() }
    }

    /// The number of events with a valid signature.
    pub fn events(&self) -> usize {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).events.len()
    }

    /// The number of requests without a valid signature.
    pub fn unproven(&self) -> usize {
        self.count.lock().unwrap_or_else(PoisonError::into_inner).unproven
    }

    /// Records a request; returns whether its signature is valid.
    fn take(&self, request: &HttpRequest, body: &[u8]) -> bool {
        let header = |name| request.headers().get(name)?.to_str().ok();
        let named = || {
            let id = header("webhook-id")?;
            let (time, signature) = (header("webhook-timestamp")?, header("webhook-signature")?);
            Some((id, time, signature.strip_prefix("v1,")?))
        };
        let proven = named().filter(|(id, time, signature)| {
            let parts: [&[u8]; 5] = [id.as_bytes(), b".", time.as_bytes(), b".", body];
            STANDARD.encode(self.secret.sign(&parts)) == **signature
        });
        let mut count = self.count.lock().unwrap_or_else(PoisonError::into_inner);
        match proven {
            Some((id, ..)) => {
                count.events.insert(id.to_owned());
            }
            None => count.unproven += 1,
        }
        proven.is_some()
    }
}

/// Serves the application. Await it on the runtime that calls this.
///
/// # Errors
/// When the address cannot be bound.
pub fn application(listener: TcpListener, inbox: Arc<Inbox>) -> std::io::Result<Server> {
    let inbox = web::Data::from(inbox);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(inbox.clone())
            .app_data(web::PayloadConfig::new(MAX_BODY))
            .default_service(web::to(receive))
    })
    .workers(1)
    .disable_signals()
    .listen(listener)?;
    Ok(server.run())
}

async fn receive(request: HttpRequest, body: web::Bytes, inbox: web::Data<Inbox>) -> HttpResponse {
    if inbox.take(&request, &body) {
        HttpResponse::NoContent().finish()
    } else {
        HttpResponse::Unauthorized().finish()
    }
}
