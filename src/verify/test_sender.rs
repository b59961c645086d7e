//! A provider for tests, with the schemes of one sender.

use super::{
    Classified, Proof, ProofMethod, Provider, Refusal, RequestHead, Schemes, UnixSeconds,
    VerifiedRequest, VerifyContext, Window,
};

pub(super) struct TestSender(pub(super) Schemes);

impl Provider for TestSender {
    fn name(&self) -> &'static str {
        "sender"
    }

    fn headers(&self) -> &[&'static str] {
        self.0.headers()
    }

    fn precheck(
        &self,
        head: &RequestHead,
        window: Window,
        now: UnixSeconds,
    ) -> Result<(), Refusal> {
        self.0.precheck(head, window, now)
    }

    fn verify(&self, request: &VerifyContext<'_>) -> Result<Proof, Refusal> {
        self.0.verify(request)
    }

    fn claimed_proofs(&self, request: &VerifyContext<'_>) -> Vec<ProofMethod<'_>> {
        vec![ProofMethod::Signature(self.0.claimed(request))]
    }

    fn classify(&self, request: &VerifiedRequest) -> Classified {
        self.0.classify(request, false)
    }
}
