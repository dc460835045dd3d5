//! Refer-Sub (RFC 4488): whether a REFER begins a subscription to what becomes of it.

use crate::{HeaderName, Message};

/// What Refer-Sub says in a REFER or in the answer to one; without it there is a subscription (section 4).
pub fn wants_subscription(message: &Message) -> bool {
    let value = message.header_text(HeaderName::ReferSub).unwrap_or_default();
    !value.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("false")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_a_subscription_unless_the_value_itself_is_false() {
        let said = |line: &str| {
            let text = format!("REFER sip:a@b.example SIP/2.0\r\n{line}\r\n");
            wants_subscription(&Message::parse(text.into_bytes().into()).expect("a request"))
        };
        assert!(said("") && said("Refer-Sub: true\r\n") && said("Refer-Sub: true;of=false\r\n"));
        assert!(!said("Refer-Sub: false\r\n") && !said("Refer-Sub: False ;of=true\r\n"));
    }
}
