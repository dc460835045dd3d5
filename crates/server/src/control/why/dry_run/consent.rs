//! What would become of a first contact.

use federation::partner::{Partners, Standing};
use messaging::Verdict;
use sip::Aor;

use super::super::super::answers::{Advice, Side, Sure};
use super::super::super::error::ControlError;
use super::DryRun;

impl DryRun<'_> {
    /// Whether the user has agreed to hear from the sender, where he wants to be asked; advice where he has not.
    pub(super) async fn consent(
        &mut self,
        partners: &Partners,
        from: &Aor,
        to: &Aor,
    ) -> Result<Option<Advice>, ControlError> {
        let sender = from.to_string().to_ascii_lowercase();
        let is_discovered = matches!(partners.standing(from.domain()), Standing::Discovered);
        if !is_discovered || !partners.access().asks_first(Some(to)) || partners.access().lets_reach(to, &sender) {
            return Ok(None);
        }
        let (user, who) = (to.clone(), sender);
        let verdict = self.control.0.store.read(move |store| store.consent_of(&user, &who)).await?;
        let (said, becomes) = match verdict {
            Some(Verdict::Allowed) => {
                self.say(format!("{to} has agreed to hear from {from}"), Vec::new());
                return Ok(None);
            }
            Some(Verdict::Denied) => ("has refused to hear from", "a message would be discarded, and a call refused"),
            Some(Verdict::Asked) => {
                ("was asked about, and has not answered,", "a message would be held, and a call refused")
            }
            None => ("would be asked about", "a message would be held, and a call refused"),
        };
        let details =
            vec!["the sender is told the same whatever the user says, and for a name that nobody has".to_owned()];
        self.say(format!("{to} {said} {from}, whose domain has no entry: {becomes}"), details);
        Ok(Some(Advice {
            verdict: becomes.to_owned(),
            next: format!("nothing where the user wants it so; to decide for him: comity consent allow {to} {from}"),
            side: Side::Nobody,
            sure: Sure::Seen,
        }))
    }
}
