//! What a user is asked about a first contact, and told of his answer, in words.
//!
//! Nothing of what the sender wrote is in it, nor the name that he gives himself: the question would else carry to the user the
//! very thing that he is asked whether he wants. The address is what was proven, as far as anything was.

use federation::look_alike::LookAlike;
use messaging::ConsentReply;

/// As phones show whom a question is from.
pub(super) const DISPLAY_NAME: &str = "First contact";

/// Whom a user is asked about.
pub(super) struct Stranger<'a> {
    pub sender: &'a str,
    pub domain: &'a str,
    /// By whose edge he came, where that is a provider's.
    pub provider: Option<&'a str>,
    pub look_alike: Option<&'a LookAlike>,
    pub is_call: bool,
    pub is_held: bool,
    /// After which no answer is as a no.
    pub days: u32,
}

impl Stranger<'_> {
    pub(super) fn question(&self) -> String {
        let Stranger { domain, days, .. } = self;
        let sender = shown(self.sender);
        let came = match (self.is_call, self.is_held) {
            (true, _) => "has tried to call you. The call was refused.",
            (false, true) => "has written to you. The message is held.",
            (false, false) => "has tried to write to you. The message was refused.",
        };
        let (yes, no) = match self.is_held {
            true => ("yes to receive it, and to hear", "no to discard it"),
            false => ("yes to hear", "no to refuse"),
        };
        let proof = match self.provider {
            Some(provider) => format!("It came from {domain}, as the certificate of its provider {provider} proves."),
            None => format!("It came from {domain}, as that domain's certificate proves."),
        };
        let warning =
            self.look_alike.map_or(String::new(), |found| format!("\nCareful: {found}, and is not the same."));
        let days = if *days == 1 { "a day".to_owned() } else { format!("{days} days") };
        let end = if self.is_held { "it is discarded" } else { "the question is forgotten" };
        format!(
            "{sender}, with whom you have not been in touch, {came}\n{proof} Who of {domain} it is, only {domain} \
             says.{warning}\nAnswer {yes} from {sender} from now on; {no}; block to refuse everybody at {domain}. \
             Nobody is told what you answer. Without an answer {end} after {days}."
        )
    }
}

/// What the user is told of his answer.
pub(super) fn confirmation(reply: Option<ConsentReply>) -> &'static str {
    match reply {
        Some(ConsentReply::Yes) => {
            "Yes: what is held follows, and the sender can reach you from now on. To take it back, answer no."
        }
        Some(ConsentReply::No) => {
            "No: what was held is discarded, and the sender is refused. To take it back, answer yes."
        }
        Some(ConsentReply::Block) => {
            "Block: what was held is discarded, and everybody at the sender's domain is refused. To let the sender alone reach \
             you, answer yes."
        }
        None => "Please answer with one word: yes, no or block.",
    }
}

/// An address has whatever its owner writes before the @: only what is plainly letters is shown, and no more than fits.
fn shown(sender: &str) -> String {
    let (user, domain) = sender.rsplit_once('@').unwrap_or(("", sender));
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || "._-+".contains(letter) { letter } else { '?' };
    let mut short: String = user.chars().take(USER_CHARS_MAX).map(plain).collect();
    if user.chars().nth(USER_CHARS_MAX).is_some() {
        short.push_str("...");
    }
    if user.is_empty() { domain.to_owned() } else { format!("{short}@{domain}") }
}

const USER_CHARS_MAX: usize = 40;

#[cfg(test)]
mod tests {
    use federation::look_alike::Likeness;

    use super::*;

    const EVE: Stranger<'static> = Stranger {
        sender: "eve@mallory.example",
        domain: "mallory.example",
        provider: None,
        look_alike: None,
        is_call: false,
        is_held: true,
        days: 7,
    };

    #[test]
    fn a_question_names_the_sender_what_proves_him_and_how_to_answer() {
        let text = EVE.question();
        for part in
            ["eve@mallory.example, with", "certificate proves", "Answer yes", "no to discard", "block", "7 days"]
        {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("Careful"));
        let found =
            LookAlike { domain: "mallory.example".into(), of: "mallery.example".into(), likeness: Likeness::Typo };
        let warned =
            Stranger { look_alike: Some(&found), provider: Some("cloud"), is_call: true, is_held: false, ..EVE };
        let text = warned.question();
        for part in ["Careful: mallory.example is one letter away from mallery.example", "provider cloud", "call you"] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("receive it"), "{text}");
    }

    #[test]
    fn an_address_says_nothing_of_its_own() {
        let long = format!("{}@mallory.example", "a".repeat(60));
        assert_eq!(shown(&long), format!("{}...@mallory.example", "a".repeat(40)));
        assert_eq!(shown("win%20money:now!@mallory.example"), "win?20money?now?@mallory.example");
        assert_eq!(shown("mallory.example"), "mallory.example");
    }
}
