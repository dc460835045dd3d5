//! Whether a request of a discovered partner passes, by its ledger and by what those whom it addresses have had of strangers.

use super::names::New;
use super::unanswered::Recipients;
use super::{DIALOG_SHARE, DiscoveredTerms, Entry, Ledger, OverLimit, bucket};

/// A request as it is judged, with what is not of its ledger alone.
pub(super) struct Judged<'a> {
    pub entry: &'a Entry<'a>,
    pub terms: &'a DiscoveredTerms,
    /// Whom it would reach, who has not answered its domain.
    pub stranger_to: Option<u64>,
    /// What may reach him here in an hour.
    pub per_hour: u32,
    pub recipients_max: usize,
    pub recipients: &'a mut Recipients,
}

impl Ledger {
    pub(super) fn take(&mut self, now_unix_ms: u64, judged: &mut Judged<'_>) -> Result<(), OverLimit> {
        let taken = self.check(now_unix_ms, judged);
        for volume in [&mut self.window.volume, &mut self.total] {
            match taken {
                Ok(is_new) => {
                    volume.passed += 1;
                    volume.users += u64::from(is_new);
                }
                Err(OverLimit::Rate { .. }) => volume.too_fast += 1,
                Err(OverLimit::Users { .. } | OverLimit::Suspect) => volume.users_refused += 1,
                Err(_) => volume.unanswered += 1,
            }
        }
        taken.map(|_| ())
    }

    /// Says whether the request is the first of this hour for its user.
    fn check(&mut self, now_unix_ms: u64, judged: &mut Judged<'_>) -> Result<bool, OverLimit> {
        let Judged { entry, terms, .. } = *judged;
        let is_suspect = self.suspicion.is_some();
        let per_sec = if is_suspect { terms.suspect_rate } else { terms.rate };
        // What belongs to a conversation that both sides have begun comes first, and is not without a bound either.
        let (bucket, per_sec) = match entry.in_dialog {
            true => (&mut self.within_dialogs, per_sec.saturating_mul(DIALOG_SHARE)),
            false => (&mut self.requests, per_sec),
        };
        if !entry.is_paced && !bucket.take(now_unix_ms, per_sec) {
            let retry_after_secs = bucket::retry_after_secs(per_sec);
            return Err(OverLimit::Rate { per_sec, retry_after_secs });
        }
        // A session of messages may have been taken by a program: what is said in it reaches its user all the same.
        let Some(user) = entry.user.or(judged.stranger_to) else { return Ok(false) };
        let found = self.names.touch(now_unix_ms, self.window.began_unix_ms, user);
        match found {
            New::Ever if is_suspect => return Err(OverLimit::Suspect),
            New::Ever if !self.names.has_room(now_unix_ms, terms.users_max as usize) => {
                return Err(OverLimit::Users { max: terms.users_max });
            }
            _ => self.check_unanswered(now_unix_ms, judged)?,
        }
        match (found, judged.stranger_to) {
            (New::No, None) => return Ok(false),
            (New::InWindow, None) => return Ok(true),
            (_, stranger_to) => self.names.address(now_unix_ms, user, stranger_to.is_some()),
        }
        if entry.reaches.is_some() && judged.stranger_to.is_none() {
            self.names.answered(user);
        }
        Ok(!matches!(found, New::No))
    }

    /// Whoever has not answered gets little, of one partner and of all.
    fn check_unanswered(&mut self, now_unix_ms: u64, judged: &mut Judged<'_>) -> Result<(), OverLimit> {
        let Some(user) = judged.stranger_to else { return Ok(()) };
        let terms = judged.terms;
        match self.names.knocks(now_unix_ms, user) {
            0 => {
                let (answered, unanswered) = self.names.by_answer(now_unix_ms);
                let max = (terms.unanswered_users as usize).saturating_mul(answered + 1);
                if unanswered >= max {
                    return Err(OverLimit::UnansweredByUsers { max });
                }
            }
            knocks if knocks >= terms.unanswered_per_user => {
                return Err(OverLimit::UnansweredByUser { max: terms.unanswered_per_user });
            }
            _ => {}
        }
        match judged.recipients.take(now_unix_ms, user, judged.per_hour, judged.recipients_max) {
            true => Ok(()),
            false => Err(OverLimit::UnansweredInHour { max: terms.unanswered_per_hour }),
        }
    }
}
