//! What is for a meeting, or for the address at which meetings begin.

use conference::id::MeetingAddress;
use conference::policy::admission::{self, Entry};
use conference::schedule::Meeting;
use conference::{Conduct, ConferenceId};
use federation::modality::Modality;
use sip::refusal::Word;
use sip::{Aor, Refusal};
use store::{StoreError, now_unix};

use super::super::super::advice::{self, Refuser};
use super::super::super::answers::{Advice, Side, Sure};
use super::super::super::error::ControlError;
use super::DryRun;

impl DryRun<'_> {
    /// By whose policy something comes to this address of ours: of a meeting, its organiser's.
    pub(super) async fn answers_for(&self, to: &Aor) -> Result<Option<Aor>, ControlError> {
        Ok(match &self.meeting {
            None => Some(to.clone()),
            Some(MeetingAddress::Factory) => None,
            Some(MeetingAddress::Conference(id)) => self.organiser(id).await?,
        })
    }

    pub(super) async fn meeting(
        &mut self,
        (from, to): (&Aor, &Aor),
        address: MeetingAddress,
        refuser: Refuser,
    ) -> Result<Advice, ControlError> {
        let id = match address {
            MeetingAddress::Conference(id) => id,
            MeetingAddress::Factory if refuser == Refuser::UsToUser => {
                if let Some(refusal) = self.unfit() {
                    return Ok(self.refused(&refusal, refuser, to));
                }
                self.say(format!("{to} is where meetings begin: {from} would have a new one"), self.left_out());
                return Ok(well("a meeting would begin"));
            }
            MeetingAddress::Factory => {
                let reason = "only our own users begin meetings here";
                let advice = self.refused(&Refusal::new(404, Word::MeetingUnknown, reason), refuser, to);
                let next = "the sender can begin one at home, and call our users into it".to_owned();
                return Ok(Advice { verdict: reason.to_owned(), next, ..advice });
            }
        };
        let (sentence, verdict) = match self.entry(&id, from).await? {
            Err(refusal) => return Ok(self.refused(&refusal, refuser, to)),
            Ok(_) if let Some(refusal) = self.unfit() => return Ok(self.refused(&refusal, refuser, to)),
            Ok(Entry::Inside) => ("comes in", "the meeting would let them in"),
            Ok(Entry::Lobby) if self.what == Modality::Messages => {
                let reason = "who would wait in the lobby writes to nobody, and has to call first";
                return Ok(self.refused(&Refusal::new(403, Word::NotInMeeting, reason), refuser, to));
            }
            Ok(Entry::Lobby) => {
                ("waits in the lobby until somebody who presents lets them in", "they would wait in the lobby")
            }
        };
        self.say(format!("{to} is a meeting: {from} {sentence}"), self.left_out());
        Ok(well(verdict))
    }

    /// Why a meeting does not take this, whoever it is from.
    fn unfit(&self) -> Option<Refusal> {
        match self.what {
            Modality::Presence => {
                let reason =
                    "a meeting has no presence; who is in it is told to who asks for it as a conference (RFC 4575)";
                Some(Refusal::new(489, Word::EventUnknown, reason))
            }
            Modality::Sharing | Modality::Files => {
                Some(Refusal::new(488, Word::MediaUnacceptable, "a meeting has sound and messages, and nothing else"))
            }
            Modality::Messages | Modality::Audio | Modality::Video | Modality::Meetings => None,
        }
    }

    /// What of it a meeting has not, though the rest may come in.
    fn left_out(&self) -> Vec<String> {
        let is_video = self.what == Modality::Video;
        is_video.then(|| "its sound alone: a meeting has no pictures".to_owned()).into_iter().collect()
    }

    fn refused(&mut self, refusal: &Refusal, refuser: Refuser, to: &Aor) -> Advice {
        let Refusal { status, word, reason, .. } = refusal;
        self.say(format!("refused by us: {status} {word}"), vec![reason.clone()]);
        advice::for_refusal(word.as_str(), *status, refuser, to.domain())
    }

    /// Whether the meeting would let somebody in now: as it is while people are in it, else as it was scheduled.
    async fn entry(&self, id: &ConferenceId, who: &Aor) -> Result<Result<Entry, Refusal>, ControlError> {
        let asked = (id.clone(), who.clone());
        let ask = move |core: &mut signaling::Core, now| core.entry_into_meeting(now, &asked.0, &asked.1);
        if let Some(found) = self.control.0.workers.ask(ask).await.into_iter().flatten().next() {
            return Ok(found);
        }
        Ok(match self.scheduled(id).await? {
            Some(meeting) => {
                let conduct = Conduct::scheduled(meeting.into(), self.control.0.config.domains.clone());
                admission::admit(&conduct, who, now_unix(), false)
            }
            None => Err(Refusal::new(404, Word::MeetingUnknown, "no meeting has that name")),
        })
    }

    async fn organiser(&self, id: &ConferenceId) -> Result<Option<Aor>, ControlError> {
        let asked = id.clone();
        let ask = move |core: &mut signaling::Core, _| core.organiser_of(&asked).cloned();
        match self.control.0.workers.ask(ask).await.into_iter().flatten().next() {
            Some(organiser) => Ok(Some(organiser)),
            None => Ok(self.scheduled(id).await?.map(|meeting| meeting.organiser)),
        }
    }

    async fn scheduled(&self, id: &ConferenceId) -> Result<Option<Meeting>, ControlError> {
        let id = id.clone();
        match self.control.0.store.read(move |store| store.meeting(&id)).await {
            Ok(stored) => Ok(Some(stored.meeting)),
            Err(StoreError::MeetingUnknown(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn well(verdict: &str) -> Advice {
    Advice {
        verdict: verdict.to_owned(),
        next: "nothing is to be done".to_owned(),
        side: Side::Nobody,
        sure: Sure::Seen,
    }
}
