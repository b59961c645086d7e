//! `100 Continue`: actix writes it as soon as a client expects it, before the handler runs. It is
//! delayed until the handler reads the body, so that a client is not asked to continue and then
//! rejected.

/// The bytes actix writes.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

#[derive(Debug, Default)]
pub(super) struct Interim {
    /// The client expects it, and actix will write it next.
    expected: bool,
    /// The body is being read.
    body_is_read: bool,
    /// The request was answered without reading the body: it is never sent.
    is_obsolete: bool,
    /// The delayed part.
    withheld: &'static [u8],
}

impl Interim {
    /// The next request expects it.
    pub(super) fn expect(&mut self) {
        *self = Self { expected: true, ..Self::default() };
    }

    /// A request has started.
    pub(super) fn begin(&mut self) {
        self.body_is_read = false;
    }

    /// Its body is being read.
    pub(super) fn body_read(&mut self) {
        self.body_is_read = true;
    }

    /// It is answered. Actix may not have written the interim response yet: it writes it together
    /// with an immediate response.
    pub(super) fn answered(&mut self) {
        let is_obsolete = self.expected && (self.is_obsolete || !self.body_is_read);
        *self = Self { expected: is_obsolete, is_obsolete, ..Self::default() };
    }

    /// How many of the bytes about to be written are withheld.
    pub(super) fn withhold(&mut self, bytes: &[u8]) -> Option<usize> {
        let expected = std::mem::take(&mut self.expected);
        let is_obsolete = std::mem::take(&mut self.is_obsolete);
        let withholds =
            expected && (is_obsolete || !self.body_is_read) && bytes.starts_with(CONTINUE);
        if withholds && !is_obsolete {
            self.withheld = CONTINUE;
        }
        withholds.then_some(CONTINUE.len())
    }

    /// The withheld bytes that are now due.
    pub(super) fn due(&self) -> Option<&'static [u8]> {
        (self.body_is_read && !self.withheld.is_empty()).then_some(self.withheld)
    }

    /// Records the number of bytes sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.withheld = self.withheld.get(bytes..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn interim_response_is_sent_once_the_body_is_read() {
        let mut interim = Interim::default();
        assert_eq!(interim.withhold(CONTINUE), None, "not expected: these are other bytes");
        interim.expect();
        interim.begin();
        assert_eq!(interim.withhold(CONTINUE), Some(25));
        assert_eq!(interim.due(), None);
        interim.body_read();
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
        interim.body_read();
        assert_eq!(interim.withhold(CONTINUE), None);
        interim.answered();
        interim.expect();
        interim.begin();
        assert_eq!(interim.withhold(&[CONTINUE, b"HTTP/1.1 413".as_slice()].concat()), Some(25));
        interim.answered();
        interim.body_read();
        assert_eq!(interim.due(), None);
    }

    #[test]
    fn interim_response_is_dropped_if_the_final_one_comes_first() {
        let mut interim = Interim::default();
        interim.expect();
        interim.begin();
        interim.answered();
        let both = [CONTINUE, b"HTTP/1.1 413".as_slice()].concat();
        assert_eq!(interim.withhold(&both), Some(25));
        assert_eq!(interim.withhold(&both[25..]), None);
        interim.begin();
        interim.body_read();
        assert_eq!(interim.due(), None, "it belonged to another request");
    }
}
