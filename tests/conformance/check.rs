//! What is checked of one module.

use std::time::Duration;

use sealpost::clock::Clock as _;
use sealpost::verify::Strength;
use time::OffsetDateTime;

use crate::Programs;
use crate::changes::{BODY, SIGNATURE, changes};
use crate::claims::Shown;
use crate::harness::Gateway;
use crate::packages::{Program, Request, Signer, Unsigned, Verdict};
use crate::subject::Subject;

/// How long after its end a request is sent.
const TOO_LATE: Duration = Duration::from_mins(1);

/// Changes that a package does not see, although the sender signs the place.
const UNSEEN: &[(&str, &str)] = &[
    // The package verifies the token, and leaves the digest of the body in it to its caller.
    ("vonage", BODY),
];

/// Changes that a package sees or not, depending on which letter is another one: it reads the list
/// of signed headers, and accepts it in another spelling. The gateway refuses all of them.
const SOMETIMES_UNSEEN: &[(&str, &str)] = &[("contentful", "header x-contentful-signed-headers")];

/// The result for one module.
pub(crate) struct Outcome {
    /// What was shown, in short.
    pub(crate) summary: String,
    pub(crate) wrong: Vec<String>,
    /// Only if nothing is wrong.
    pub(crate) shown: Option<Shown>,
}

/// Checks one module.
pub(crate) async fn check(
    gateway: &Gateway,
    programs: &mut Programs,
    subject: &Subject,
) -> Outcome {
    follow_the_time(gateway);
    let mut check = Check {
        gateway,
        subject,
        program: &mut programs.one,
        other: &mut programs.other,
        now: gateway.clock_seconds(),
        wrong: Vec::new(),
        facts: Vec::new(),
    };
    if let Err(error) = check.run().await {
        check.wrong.push(error);
    }
    let Check { wrong, facts, .. } = check;
    let module = &subject.module;
    let shown = Shown {
        provider: subject.name.clone(),
        package: format!("{}:{}", subject.registry, module.package),
        version: module.version.clone(),
        signs: module.can_sign && module.signs == Some(Signer::Vendor),
        verifies: module.can_verify,
    };
    let summary =
        if wrong.is_empty() { facts.join("; ") } else { format!("WRONG: {}", wrong.join("; ")) };
    Outcome { summary, shown: wrong.is_empty().then_some(shown), wrong }
}

/// Moves the clock of the gateway to the present time, which the packages take from the system.
fn follow_the_time(gateway: &Gateway) {
    let behind = OffsetDateTime::now_utc() - gateway.clock().now();
    if let Ok(behind) = Duration::try_from(behind) {
        gateway.clock().advance(behind);
    }
}

struct Check<'a> {
    gateway: &'a Gateway,
    subject: &'a Subject,
    program: &'a mut Program,
    /// Has other key pairs.
    other: &'a mut Program,
    /// The time of signing.
    now: i64,
    wrong: Vec<String>,
    facts: Vec<String>,
}

impl Check<'_> {
    async fn run(&mut self) -> Result<(), String> {
        let requests = self.signed()?;
        for (position, (signer, request)) in requests.iter().enumerate() {
            self.accepted(signer, request).await?;
            if position == 0 {
                self.recorded().await;
            }
            self.changed(signer, request).await?;
        }
        let Some((_, request)) = requests.first() else { return Ok(()) };
        self.under_another_key(request).await?;
        self.too_old(request).await;
        Ok(())
    }

    /// The module's payload, signed by everything that can: the package or the module, and the
    /// engine.
    fn signed(&mut self) -> Result<Vec<(&'static str, Request)>, String> {
        let subject = self.subject;
        let module = &subject.module;
        let mut requests = Vec::new();
        if module.can_sign {
            let unsigned = Unsigned { now: self.now, ..Unsigned::default() };
            let signed = self.program.sign(&subject.name, subject.url(), unsigned)?;
            requests.push(match module.signs {
                Some(Signer::Vendor) => ("the package", signed),
                _ => ("the module", signed),
            });
        }
        let secret = subject.secret().filter(|_| subject.other_secret().is_some());
        match secret.map(|secret| subject.sign(secret, self.now)) {
            Some(Ok(request)) => requests.push(("the engine", request)),
            Some(Err(error)) if module.can_sign => {
                self.facts.push(format!("the engine cannot sign: {error}"));
            }
            Some(Err(error)) => return Err(format!("the engine cannot sign: {error}")),
            None if module.can_sign => {}
            None => return Err("nobody can sign".to_owned()),
        }
        let signers: Vec<&str> = requests.iter().map(|(signer, _)| *signer).collect();
        let verifies = if module.can_verify { ", the package verifies" } else { "" };
        self.facts.push(format!("{} signs{verifies}", signers.join(" and ")));
        if !module.can_verify && module.signs != Some(Signer::Vendor) {
            return Err("the package neither signs nor verifies".to_owned());
        }
        Ok(requests)
    }

    /// Gateway and package accept a request.
    async fn accepted(&mut self, signer: &str, request: &Request) -> Result<(), String> {
        let status = self.post(request).await;
        if !(200..300).contains(&status) {
            self.wrong.push(format!("signed by {signer}, the gateway answers {status}"));
        }
        if let Some(Verdict::Refused(why)) = self.verdict(request, None)? {
            self.wrong.push(format!("signed by {signer}, the package refuses it: {why}"));
        }
        Ok(())
    }

    /// The first request is an event, of the right type and strength.
    async fn recorded(&mut self) {
        let source = &self.subject.source;
        let query = format!("SELECT event_type, strength FROM events WHERE source = '{source}'");
        let rows = self.gateway.query(&query).await;
        let [event] = &rows[..] else {
            self.wrong.push(format!("{} events were recorded, not one", rows.len()));
            return;
        };
        let text = |name: &str| event[name].as_str().unwrap_or_default().to_owned();
        let (event_type, strength) = (text("event_type"), text("strength"));
        let expected = self.subject.scheme.strength().as_str();
        if strength != expected {
            self.wrong.push(format!("the event is {strength}, not {expected}"));
        }
        if let Some(place) = &self.subject.definition.event.kind
            && event_type == "event"
        {
            self.wrong.push(format!("the event has no type at {place}"));
        }
        self.facts.push(format!("event `{event_type}`, {strength}"));
    }

    /// Gateway and package refuse every change.
    async fn changed(&mut self, signer: &str, request: &Request) -> Result<(), String> {
        let subject = self.subject;
        let is_unseen = |what: &str| UNSEEN.contains(&(subject.name.as_str(), what));
        let mut refused = Vec::new();
        for change in changes(subject, request)? {
            let what = &change.what;
            let status = self.post(&change.request).await;
            if status != 401 {
                self.wrong.push(format!(
                    "signed by {signer}, with another {what}: the gateway answers {status}"
                ));
            }
            let is_either = SOMETIMES_UNSEEN.contains(&(subject.name.as_str(), what.as_str()));
            match self.verdict(&change.request, None)? {
                Some(_) if is_either => {}
                Some(Verdict::Accepted) if !is_unseen(what) => self.wrong.push(format!(
                    "signed by {signer}, with another {what}: the package accepts it"
                )),
                Some(Verdict::Refused(_)) if is_unseen(what) => self.wrong.push(format!(
                    "the package refuses another {what} now: it is listed as unseen"
                )),
                _ => {}
            }
            refused.push(change.what);
        }
        if !refused.iter().any(|what| what == SIGNATURE) {
            self.wrong.push("no signature was changed".to_owned());
        }
        let is_body = |what: &String| {
            let kind = what.split(':').next().unwrap_or_default();
            [BODY, "claims", "form", "json"].contains(&kind)
        };
        let is_signed = subject.scheme.strength() == Strength::Signed;
        if is_signed && !refused.iter().any(is_body) {
            self.wrong.push("the body is signed, but was not changed".to_owned());
        }
        self.facts.push(format!("refused: {}", refused.join(", ")));
        Ok(())
    }

    /// Gateway and package refuse a signature with another key, and the package a request of
    /// another key.
    async fn under_another_key(&mut self, request: &Request) -> Result<(), String> {
        let subject = self.subject;
        let (name, url, now) = (&subject.name, subject.url(), self.now);
        let other = subject.other_secret();
        let secret = other.as_deref();
        let unsigned = Unsigned { secret, now, ..Unsigned::default() };
        let forged = match &other {
            None => self.other.sign(name, url, unsigned)?,
            Some(_) if subject.module.can_sign => self.program.sign(name, url, unsigned)?,
            Some(secret) => subject.sign(secret, now)?,
        };
        let status = self.post(&forged).await;
        if status != 401 {
            self.wrong.push(format!("with another key, the gateway answers {status}"));
        }
        if let Some(Verdict::Accepted) = self.verdict(&forged, None)? {
            self.wrong.push("with another key, the package accepts it".to_owned());
        }
        if subject.module.can_verify && other.is_some() {
            let verdict = self.verdict(request, secret)?;
            if let Some(Verdict::Accepted) = verdict {
                self.wrong.push("the package accepts a request for another key".to_owned());
            }
        }
        self.facts.push("another key is refused".to_owned());
        Ok(())
    }

    /// The gateway refuses a request that is too old.
    async fn too_old(&mut self, request: &Request) {
        let lifetime = match self.subject.lifetime(request, self.now) {
            Ok(lifetime) => lifetime,
            Err(why) => {
                self.facts.push(format!("an old one is not refused: {why}"));
                return;
            }
        };
        let clock = self.gateway.clock();
        clock.advance(lifetime + TOO_LATE);
        let status = self.post(request).await;
        clock.set_back(lifetime + TOO_LATE);
        if status != 401 {
            self.wrong.push(format!("{lifetime:?} later, the gateway answers {status}"));
        }
        self.facts.push("an old one is refused".to_owned());
    }

    async fn post(&self, request: &Request) -> u16 {
        let path = request.at(self.subject.path());
        self.gateway.post(&path, &request.headers, &request.body).await.status
    }

    /// What the package says; `None` if it does not verify.
    fn verdict(
        &mut self,
        request: &Request,
        secret: Option<&str>,
    ) -> Result<Option<Verdict>, String> {
        let subject = self.subject;
        if !subject.module.can_verify {
            return Ok(None);
        }
        self.program.verify(&subject.name, subject.url(), request, secret, self.now).map(Some)
    }
}
