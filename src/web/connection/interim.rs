//! `100 Continue`: the HTTP library writes it as soon as a client expects it, before anybody has
//! looked at the request. It is kept back until somebody reads the body, so that a client never
//! hears that it should go on and then that it should not have.

/// What the library writes.
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

/// How far it is with the present request.
#[derive(Debug, Default)]
pub(super) struct Interim {
    /// The client expects it, and the library will write it next.
    expected: bool,
    /// Somebody reads the body.
    wanted: bool,
    /// The request was answered, and nobody had read the body: what is expected is never sent.
    in_vain: bool,
    /// What is kept back of it.
    kept: &'static [u8],
}

impl Interim {
    /// The request that comes next expects it.
    pub(super) fn expect(&mut self) {
        *self = Self { expected: true, ..Self::default() };
    }

    /// A request has begun.
    pub(super) fn begin(&mut self) {
        self.wanted = false;
    }

    /// Somebody reads its body.
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// It is answered. The library may not have written what is expected yet: it writes that
    /// together with an answer that is given at once.
    pub(super) fn forget(&mut self) {
        let in_vain = self.expected && (self.in_vain || !self.wanted);
        *self = Self { expected: in_vain, in_vain, ..Self::default() };
    }

    /// How many of the bytes that are about to be written are kept back.
    pub(super) fn keep_back(&mut self, bytes: &[u8]) -> Option<usize> {
        let expected = std::mem::take(&mut self.expected);
        let in_vain = std::mem::take(&mut self.in_vain);
        let keeps = expected && (in_vain || !self.wanted) && bytes.starts_with(CONTINUE);
        if keeps && !in_vain {
            self.kept = CONTINUE;
        }
        keeps.then_some(CONTINUE.len())
    }

    /// What is to be sent by now of what was kept back.
    pub(super) fn due(&self) -> Option<&'static [u8]> {
        (self.wanted && !self.kept.is_empty()).then_some(self.kept)
    }

    /// So many bytes of it were sent.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.kept = self.kept.get(bytes..).unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_sent_only_once_somebody_reads_the_body() {
        let mut interim = Interim::default();
        assert_eq!(interim.keep_back(CONTINUE), None, "nobody expects it: these are other bytes");
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
    fn it_is_not_kept_back_from_who_reads_at_once_and_not_sent_after_the_answer() {
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
    fn it_is_dropped_where_the_answer_is_given_before_the_library_has_written_it() {
        let mut interim = Interim::default();
        interim.expect();
        interim.begin();
        interim.forget();
        let both = [CONTINUE, b"HTTP/1.1 413".as_slice()].concat();
        assert_eq!(interim.keep_back(&both), Some(25));
        assert_eq!(interim.keep_back(&both[25..]), None);
        interim.begin();
        interim.want();
        assert_eq!(interim.due(), None, "it was another request's");
    }
}
