//! Page-mode messages (RFC 3428): what a MESSAGE must be before it is delivered, and to which devices it goes.

use federation::Admitted;
use sip::refusal::Word;
use sip::{HeaderName, Message, Refusal};

/// The rules for messages of one organisation.
#[derive(Debug, Default)]
pub struct Pager {
    limits: PagerLimits,
}

/// Bounds on one message.
#[derive(Debug, Clone)]
pub struct PagerLimits {
    pub body_bytes_max: usize,
}

/// How a message that is in order is delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// A copy for each device of the user. The first that accepts it answers the sender; the others keep theirs.
    EveryDevice,
    /// Nobody is there: it is kept for later, if it can be (`store_and_forward`).
    NobodyThere,
}

impl Pager {
    pub fn new(limits: PagerLimits) -> Pager {
        Pager { limits }
    }

    /// Decides about an admitted MESSAGE for a user with this many devices.
    ///
    /// # Errors
    /// 400 for a body without a Content-Type (RFC 3261 section 20.15), 413 for a body over the limit.
    pub fn handle_message(&self, request: &Message, _: &Admitted, devices: usize) -> Result<Delivery, Refusal> {
        check_content_type(request)?;
        self.check_size(request)?;
        Ok(if devices == 0 { Delivery::NobodyThere } else { Delivery::EveryDevice })
    }

    fn check_size(&self, request: &Message) -> Result<(), Refusal> {
        let size = request.body().len();
        if size > self.limits.body_bytes_max {
            let reason = format!("{size} bytes of message; at most {}", self.limits.body_bytes_max);
            return Err(Refusal::new(413, Word::MessageTooLarge, reason));
        }
        Ok(())
    }
}

impl Default for PagerLimits {
    fn default() -> PagerLimits {
        PagerLimits { body_bytes_max: 32 * 1024 }
    }
}

fn check_content_type(request: &Message) -> Result<(), Refusal> {
    if !request.body().is_empty() && request.header(HeaderName::ContentType).is_none() {
        return Err(Refusal::new(400, Word::MalformedRequest, "a body without a Content-Type"));
    }
    Ok(())
}
