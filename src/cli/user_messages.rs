//! Messages after a change to a user.

use super::{output, print_message};
use crate::admin::{Ended, Invitation};

/// Prints how long the link of an invitation is valid.
pub(super) fn report_link(invitation: &Invitation) {
    let until = output::time(invitation.expires_at);
    print_message(&format!("the link is shown only once; it is valid for one use until {until}"));
}

/// Prints what was ended.
pub(super) fn report_ended(ended: &Ended) {
    let keys: Vec<String> =
        ended.keys.iter().map(|key| format!("{} ({})", output::line(&key.name), key.id)).collect();
    let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
    print_message(&format!("sessions ended: {}; API keys revoked: {keys}", ended.sessions));
}
