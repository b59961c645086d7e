//! `100 Continue`: actix writes it as soon as a client expects it, before the handler runs. It is
//! delayed until the handler reads the body, so that a client is not asked to continue and then
//! rejected.

/// The bytes actix writes.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// The state for the current request.
#[derive(Debug, Default)]
pub(super) struct Interim {
    /// The client expects it, and actix will write it next.
    expected: bool,
    /// The body is being read.
    wanted: bool,
    /// The request was answered without reading the body: it is never sent.
    in_vain: bool,
    /// The delayed part.
    kept: &'static [u8],
}

impl Interim {
    /// The next request expects it.
    pub(super) fn expect(&mut self) {
        *self = Self { expected: true, ..Self::default() };
    }

    /// A request has started.
    pub(super) fn begin(&mut self) {
        self.wanted = false;
    }

    /// Its body is being read.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// It is answered. Actix may not have written the interim response yet: it writes it together
    /// with an immediate response.
    pub(super) fn forget(&mut self) {
        let in_vain = self.expected && (self.in_vain || !self.wanted);
        *self = Self { expected: in_vain, in_vain, ..Self::default() };
    }

    /// How many of the bytes about to be written are withheld.
    pub(super) fn keep_back(&mut self, bytes: &[u8]) -> Option<usize> {
        let expected = std::mem::take(&mut self.expected);
        let in_vain = std::mem::take(&mut self.in_vain);
        let keeps = expected && (in_vain || !self.wanted) && bytes.starts_with(CONTINUE);
        if keeps && !in_vain {
            self.kept = CONTINUE;
        }
        keeps.then_some(CONTINUE.len())
    }

    /// The withheld bytes that are now due.
    pub(super) fn due(&self) -> Option<&'static [u8]> {
        (self.wanted && !self.kept.is_empty()).then_some(self.kept)
    }

    /// Records the number of bytes sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.kept = self.kept.get(bytes..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_response_is_sent_once_the_body_is_read() {
        let mut interim = Interim::default();
        assert_eq!(interim.keep_back(CONTINUE), None, "not expected: these are other bytes");
        interim.expect();
        interim.begin();
        assert_eq!(interim.keep_back(CONTINUE), Some(25));
        assert_eq!(interim.due(), None);
        interim.want();
        assert_eq!(interim.due(), Some(CONTINUE));
        interim.sent(20);
        assert_eq!(interim.due(), Some(&CONTINUE[20..]));
        interim.sent(5);
        assert_eq!(interim.due(), None);
    }

    #[test]
    fn interim_response_is_not_sent_after_the_final_one() {
        let mut interim = Interim::default();
        interim.expect();
        interim.begin();
        interim.want();
        assert_eq!(interim.keep_back(CONTINUE), None);
        interim.forget();
        interim.expect();
        interim.begin();
        assert_eq!(interim.keep_back(&[CONTINUE, b"HTTP/1.1 413".as_slice()].concat()), Some(25));
        interim.forget();
        interim.want();
        assert_eq!(interim.due(), None);
    }

    #[test]
    fn interim_response_is_dropped_if_the_final_one_comes_first() {
        let mut interim = Interim::default();
        interim.expect();
        interim.begin();
        interim.forget();
        let both = [CONTINUE, b"HTTP/1.1 413".as_slice()].concat();
        assert_eq!(interim.keep_back(&both), Some(25));
        assert_eq!(interim.keep_back(&both[25..]), None);
        interim.begin();
        interim.want();
        assert_eq!(interim.due(), None, "it belonged to another request");
    }
}
