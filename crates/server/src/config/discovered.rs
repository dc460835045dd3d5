//! `[federation.discovered]`: what partners without an entry may do.

use federation::ledger::DiscoveredTerms;
use federation::look_alike::LookAlikePolicy;

use super::Builder;
use super::key::{self, Key};
use super::raw::Located;

impl Builder<'_> {
    pub(super) fn discovered(&mut self) -> DiscoveredTerms {
        let default = DiscoveredTerms::default();
        DiscoveredTerms {
            rate: self.at_least_one(&key::DISCOVERED_RATE, default.rate),
            suspect_rate: self.at_least_one(&key::DISCOVERED_SUSPECT_RATE, default.suspect_rate),
            users_max: self.at_least_one(&key::DISCOVERED_USERS_MAX, default.users_max),
            unanswered_per_user: self.at_least_one(&key::DISCOVERED_UNANSWERED_PER_USER, default.unanswered_per_user),
            unanswered_users: self.at_least_one(&key::DISCOVERED_UNANSWERED_USERS, default.unanswered_users),
            unanswered_per_hour: self.at_least_one(&key::DISCOVERED_UNANSWERED_PER_HOUR, default.unanswered_per_hour),
            held_per_sender: self.at_least_one(&key::DISCOVERED_HELD_PER_SENDER, default.held_per_sender),
            held_per_user: self.at_least_one(&key::DISCOVERED_HELD_PER_USER, default.held_per_user),
            held_max: self.at_least_one(&key::DISCOVERED_HELD_MAX, default.held_max),
            held_days: self.at_least_one(&key::DISCOVERED_HELD_DAYS, default.held_days),
            look_alikes: self.look_alikes(),
            hide_users: self.raw.switch(&key::DISCOVERED_HIDE_USERS).unwrap_or(default.hide_users),
        }
    }

    fn look_alikes(&mut self) -> LookAlikePolicy {
        let key = &key::DISCOVERED_LOOK_ALIKES;
        let Some(Located { value, line }) = self.raw.text(key) else { return LookAlikePolicy::default() };
        LookAlikePolicy::parse(&value).unwrap_or_else(|| {
            let known = LookAlikePolicy::ALL.map(|policy| format!("{:?}", policy.as_str())).join(" or ");
            self.problems.at(line, format!("{}: expected {known}, found {value:?}", key.place()));
            LookAlikePolicy::default()
        })
    }

    /// A number of which 0 would mean something that has another key.
    fn at_least_one(&mut self, key: &Key, default: u32) -> u32 {
        let Some(Located { value, line }) = self.raw.count(key) else { return default };
        match u32::try_from(value) {
            Ok(number) if (1..=NUMBER_MAX).contains(&number) => number,
            _ => {
                let place = key.place();
                self.problems.at(line, format!("{place}: expected a number from 1 to {NUMBER_MAX}, found {value}"));
                default
            }
        }
    }
}

/// Of requests a second, and of users: nobody means more.
const NUMBER_MAX: u32 = 100_000;
