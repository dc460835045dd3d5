//! The roster of a meeting as a phone has it: whole at first, then by what changed (RFC 4575).

use std::collections::BTreeMap;
use std::time::Instant;

use anyhow::{Context, bail, ensure};
use documents::conference_info::{self, ConferenceInfo, Endpoint, State, User};
use sip::{HeaderName, Method};

use super::{Phone, WAIT, check_status, draft};

/// A subscription to a roster, and what it told so far.
pub struct Watch {
    call_id: String,
    version: Option<u32>,
    is_locked: bool,
    endpoints_by_user: BTreeMap<String, BTreeMap<String, Endpoint>>,
}

impl Phone {
    /// Subscribes to the roster of a meeting.
    pub fn watch(&mut self, meeting: &str) -> anyhow::Result<Watch> {
        let draft = draft(Method::Subscribe, self.aor(), meeting)
            .header(HeaderName::Contact, self.contact())
            .header(HeaderName::Event, "conference")
            .header(HeaderName::Accept, conference_info::CONTENT_TYPE)
            .header(HeaderName::Expires, "600");
        let mut sent = self.send(draft)?;
        check_status(&self.expect_final(&mut sent)?, 200)?;
        let call_id = sent.call_id().to_owned();
        Ok(Watch { call_id, version: None, is_locked: false, endpoints_by_user: BTreeMap::new() })
    }

    /// Takes what is told until the roster shows exactly these users in these states, and the lock as it is to be.
    pub fn expect_roster(&mut self, watch: &mut Watch, users: &[(&str, &str)], is_locked: bool) -> anyhow::Result<()> {
        let wanted: BTreeMap<_, _> = users.iter().map(|(aor, state)| (format!("sip:{aor}"), (*state).into())).collect();
        let deadline = Instant::now() + WAIT;
        while watch.states() != wanted || watch.is_locked != is_locked {
            let left = deadline.saturating_duration_since(Instant::now());
            let Some(notify) = self.receive(&Method::Notify, &watch.call_id, left)? else {
                bail!("expected {wanted:?}, locked {is_locked}; told {:?}, locked {}", watch.states(), watch.is_locked);
            };
            self.respond(&notify, 200)?;
            watch.take(&ConferenceInfo::parse(notify.body())?)?;
        }
        Ok(())
    }

    /// The meeting is over, and says so to who watched it.
    pub fn expect_unwatched(&mut self, watch: &Watch) -> anyhow::Result<()> {
        let deadline = Instant::now() + WAIT;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let notify = self.receive(&Method::Notify, &watch.call_id, left)?.context("no last NOTIFY arrived")?;
            self.respond(&notify, 200)?;
            if notify.header_text(HeaderName::SubscriptionState).is_some_and(|state| state.starts_with("terminated")) {
                return Ok(());
            }
        }
    }
}

impl Watch {
    /// In one word of RFC 4575 each; of who has no device in it, none.
    fn states(&self) -> BTreeMap<String, String> {
        let state = |endpoints: &BTreeMap<String, Endpoint>| {
            let words = endpoints.values().filter_map(|endpoint| endpoint.status.map(|status| status.as_str()));
            words.collect::<Vec<_>>().join(" ")
        };
        self.endpoints_by_user.iter().map(|(user, endpoints)| (user.clone(), state(endpoints))).collect()
    }

    fn take(&mut self, told: &ConferenceInfo) -> anyhow::Result<()> {
        let is_next = self.version.is_none_or(|version| told.version == Some(version + 1));
        let is_whole = told.state == State::Full;
        ensure!(is_whole || is_next, "version {:?} came after {:?}", told.version, self.version);
        self.version = told.version;
        if let Some(is_locked) = told.conference_state.as_ref().and_then(|state| state.locked) {
            self.is_locked = is_locked;
        }
        let Some(users) = &told.users else { return Ok(()) };
        if is_whole || users.state == State::Full {
            self.endpoints_by_user.clear();
        }
        users.users.iter().for_each(|user| self.take_user(user));
        Ok(())
    }

    fn take_user(&mut self, user: &User) {
        if user.state == State::Deleted {
            self.endpoints_by_user.remove(&user.entity);
            return;
        }
        let endpoints = self.endpoints_by_user.entry(user.entity.clone()).or_default();
        if user.state == State::Full {
            endpoints.clear();
        }
        for endpoint in &user.endpoints {
            match endpoint.state {
                State::Deleted => drop(endpoints.remove(&endpoint.entity)),
                _ => drop(endpoints.insert(endpoint.entity.clone(), endpoint.clone())),
            }
        }
    }
}
