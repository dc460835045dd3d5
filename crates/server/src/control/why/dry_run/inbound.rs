//! A message, or what else it is, from a partner: what its server would have to prove, whether its sender is vouched for, and who hears of it.

use federation::admission::Tier;
use federation::discovery::SrvResult;
use federation::external_access::{Crossing, Part};
use federation::flow::Direction;
use federation::modality::{Modalities, Modality};
use federation::partner::{Partners, VerificationLevel};
use federation::verification::expected;
use sip::Aor;
use sip::refusal::Word;

use super::super::super::advice::{self, Refuser};
use super::super::super::answers::{Advice, Side, Sure};
use super::super::super::error::ControlError;
use super::super::super::partners::wildcard_that_blocks;
use super::super::super::users::registrations;
use super::DryRun;
use crate::config::Roles;

impl DryRun<'_> {
    pub(super) async fn inbound(&mut self, from: &Aor, to: &Aor) -> Result<Advice, ControlError> {
        let domain = from.domain();
        let partners = self.partners().await?;
        let tier = match partners.standing(domain).check(domain) {
            Ok(tier) => tier,
            Err(refusal) => {
                self.say(format!("refused by us: 403 {}", refusal.word), vec![refusal.reason]);
                if let Some(entry) = wildcard_that_blocks(partners.standing(domain), domain) {
                    return Ok(advice::for_block_by(entry, domain));
                }
                return Ok(advice::for_refusal(refusal.word.as_str(), 403, Refuser::UsToPartner, domain));
            }
        };
        let srv = self.look_up(domain).await?;
        let provider = partners.provider_of(domain, &srv);
        // Whoever is behind a provider that was entered is as welcome as one that was entered himself.
        let tier = if provider.is_some() { Tier::Allowed } else { tier };
        if let Some(advice) = self.mimicry(&partners, tier, domain) {
            return Ok(advice);
        }
        self.proofs(&partners, domain, &srv);
        if let Some(provider) = provider {
            self.terms_of(provider, domain);
        }
        let standing = partners.standing(domain);
        let level = provider.map(|one| one.verification).or(standing.entry().map(|entry| entry.verification));
        let is_unverified = self.vouching(level.unwrap_or_default(), domain);
        let sender = from.to_string().to_ascii_lowercase();
        let unverified_sender = is_unverified.then_some(&*sender);
        let answers_for = self.answers_for(to).await?;
        let crossing = Crossing {
            direction: Direction::Inbound,
            user: answers_for.as_ref(),
            domain,
            provider: provider.map(|provider| provider.name.as_str()),
            modalities: Modalities::NONE,
            part: Part::Begins,
            unverified_sender,
        };
        if let Some(advice) = self.policy(&partners, &crossing) {
            return Ok(advice);
        }
        if self.meeting.is_none()
            && let Some(advice) = self.consent(&partners, from, to).await?
        {
            return Ok(advice);
        }
        if tier == Tier::Discovered && self.what == Modality::Presence {
            let details = vec![format!("{domain} has no entry: only who has one watches our users")];
            self.say(format!("refused by us: 403 {}", Word::PresenceDenied), details);
            return Ok(advice::for_refusal(Word::PresenceDenied.as_str(), 403, Refuser::UsToPartner, domain));
        }
        match tier {
            Tier::Discovered => self.recipient_of_stranger(from, to).await,
            Tier::Allowed => self.recipient((from, to), Refuser::UsToPartner).await,
        }
    }

    /// A domain without an entry that looks like one that is trusted.
    fn mimicry(&mut self, partners: &Partners, tier: Tier, domain: &str) -> Option<Advice> {
        let config = &self.control.0.config;
        if tier != Tier::Discovered {
            return None;
        }
        let found = partners.trusted_names(&config.domains).look_alike(domain)?;
        if !config.discovered.look_alikes.refuses(found.likeness) {
            self.say(format!("{found}: the administrator is told at its first contact"), Vec::new());
            return None;
        }
        self.say(format!("refused by us: 403 {}", Word::LookAlike), vec![found.to_string()]);
        Some(advice::for_refusal(Word::LookAlike.as_str(), 403, Refuser::UsToPartner, domain))
    }

    /// What a server that speaks for the domain would have to show.
    fn proofs(&mut self, partners: &Partners, domain: &str, srv: &SrvResult) {
        let by = partners.usual_way(domain).by.to_string();
        let proofs = expected(&partners.claim(domain), &by, srv);
        let shown = match self.control.0.config.roles {
            Roles::Home => "the server that sends it proves this to our edge: one of these holds of its certificate",
            Roles::Edge | Roles::EdgeAndHome => {
                "the server that sends it must show a certificate that is in force and trusted, of which one of these holds"
            }
        };
        self.say(shown, proofs);
    }

    /// Whether nobody vouches for its senders.
    fn vouching(&mut self, level: VerificationLevel, domain: &str) -> bool {
        let said = match level {
            VerificationLevel::AlwaysVerifiable => None,
            VerificationLevel::AlwaysUnverifiable => Some(
                "nobody vouches for its senders (always-unverifiable), so that it reaches only who has let them in",
            ),
            VerificationLevel::UseSourceVerification => {
                self.is_open = true;
                Some(
                    "its server has to say with each request whether it vouches for the sender (use-source-verification); \
                     it is taken here that it does",
                )
            }
        };
        if let Some(said) = said {
            self.say(format!("{domain}: {said}"), Vec::new());
        }
        level == VerificationLevel::AlwaysUnverifiable
    }

    /// To a domain without an entry it is not told who is a user, where that is hidden.
    async fn recipient_of_stranger(&mut self, from: &Aor, to: &Aor) -> Result<Advice, ControlError> {
        let terms = &self.control.0.config.discovered;
        let bounds = format!(
            "{} has no entry: {} messages and calls a day reach somebody who does not answer, and {} an hour of all such domains \
             together",
            from.domain(),
            terms.unanswered_per_user,
            terms.unanswered_per_hour
        );
        if !terms.hide_users || self.is_edge_alone() || self.meeting.is_some() {
            let advice = self.recipient((from, to), Refuser::UsToPartner).await?;
            if self.meeting.is_none() {
                self.say(bounds, Vec::new());
            }
            return Ok(advice);
        }
        let exists = self.exists(to).await?;
        let devices = registrations(self.control).await;
        if exists && devices.is_none_or(|all| all.contains_key(&to.to_string())) {
            let advice = self.recipient((from, to), Refuser::UsToPartner).await?;
            self.say(bounds, Vec::new());
            return Ok(advice);
        }
        let (why, next, side) = match exists {
            true => (
                format!("{to} is a user here, and no device of theirs is signed in"),
                format!("to have its messages kept for users who are away: comity partner add {}", from.domain()),
                Side::Nobody,
            ),
            false => (
                format!("{to} is no user here"),
                format!("the sender has to look at the address; to make this user: comity user add {to}"),
                Side::Sender,
            ),
        };
        let details = vec![
            "a domain without an entry is told the same of both (hide_users), and nothing is kept for later".to_owned(),
        ];
        self.say(format!("{why}: refused with 480 {}", Word::UserUnavailable), details);
        Ok(Advice { verdict: why, next, side, sure: Sure::Seen })
    }
}
