//! What administrators do, and what happens to their servers.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use conference::ConferenceId;
use conference::schedule::Meeting;
use federation::decision::DecisionRecord;
use federation::discovery::SrvTarget;
use federation::external_access::ExternalAccess;
use federation::ledger::LedgerSummary;
use federation::partner::{Partner, Provider};
use federation::trust::PeerCertificate;
use signaling::{Core, CoreStatus, Forgotten, Input};

use sip::Aor;

use crate::identity::Identity;
use crate::lanes::{End, LaneKey};
use crate::message_store::MessageStore;
use crate::organisation::Site;
use crate::sound::Sound;
use crate::world::{Condition, Server, World};

impl World {
    /// Adds a server `host` of an organisation's domain, by SRV, with these addresses and a certificate of its name.
    pub fn server(&mut self, site: usize, priority: u16, host: &str, addresses: &[&str]) {
        let site = self.front(site);
        let domain = self.sites[site].domain().to_owned();
        self.zones.add_target(&domain, SrvTarget { priority, weight: 0, port: 5061, host: host.to_owned() });
        let addresses: Vec<IpAddr> = addresses.iter().map(|address| address.parse().expect("an address")).collect();
        for address in &addresses {
            let server = Server { site, identity: Identity::new(&[host]), condition: Condition::Well };
            self.servers.insert(*address, server);
        }
        self.zones.set_addresses(host, addresses);
    }

    /// Gives an organisation's server this address in place of its own.
    pub fn place_at(&mut self, site: usize, address: &str) {
        let address: IpAddr = address.parse().expect("an address");
        self.sites[site].address.set_ip(address);
        self.configure(site, |config| {
            config.listeners.iter_mut().for_each(|listener| listener.address.set_ip(address))
        });
    }

    pub fn set_condition(&mut self, address: &str, condition: Condition) {
        self.server_at(address).condition = condition;
    }

    pub fn set_certificate(&mut self, address: &str, shown: PeerCertificate) {
        self.server_at(address).identity = shown.into();
    }

    fn server_at(&mut self, address: &str) -> &mut Server {
        let address: IpAddr = address.parse().expect("an address");
        self.servers.get_mut(&address).expect("a server is at this address")
    }

    /// What an administrator does by `partner reset`, in every worker.
    pub fn reset_partner(&mut self, site: usize, domain: &str) -> Forgotten {
        let nodes = self.nodes(site);
        let of_nodes = self.sites.iter_mut().enumerate().filter(|(number, _)| nodes.contains(number));
        let cores = of_nodes.flat_map(|(_, site)| &mut site.cores);
        cores.map(|core| core.reset_partner(domain)).fold(Forgotten::default(), |sum, one| sum + one)
    }

    /// The administrator changes whom this organisation federates with.
    pub fn replace_partners(&mut self, site: usize, partners: Vec<Partner>) {
        self.on_nodes(site, |node| node.partners.clone_from(&partners));
        self.publish(site);
    }

    /// It serves this domain besides, without a record of its own where the domain has an organisation.
    pub fn serve(&mut self, site: usize, domain: &str) {
        self.on_nodes(site, |node| node.serve(domain));
    }

    /// It has a certificate with these names besides, which partners are shown for this domain of its own.
    pub fn certify(&mut self, site: usize, domain: &str, names: &[&str]) {
        self.sites[site].certify(domain, names);
    }

    /// The administrator lets partners see nothing of what is behind the edge.
    pub fn hide_topology(&mut self, site: usize) {
        self.on_nodes(site, |node| node.hides_topology = true);
        self.publish(site);
    }

    /// The administrator sends everything that has no edge of its own to one next hop.
    pub fn set_default_route(&mut self, site: usize, edge: &str) {
        self.on_nodes(site, |node| node.default_route = Some(edge.to_owned()));
        self.publish(site);
    }

    /// The administrator enters a hosting provider.
    pub fn add_provider(&mut self, site: usize, provider: Provider) {
        self.on_nodes(site, |node| node.providers.push(provider.clone()));
        self.publish(site);
    }

    /// The administrator changes the terms of a hosting provider.
    pub fn change_provider(&mut self, site: usize, name: &str, change: impl Fn(&mut Provider)) {
        self.on_nodes(site, |node| {
            node.providers.iter_mut().filter(|provider| provider.name == name).for_each(&change)
        });
        self.publish(site);
    }

    /// The administrator takes a hosting provider out.
    pub fn remove_provider(&mut self, site: usize, name: &str) {
        self.on_nodes(site, |node| node.providers.retain(|provider| provider.name != name));
        self.publish(site);
    }

    /// The administrator changes what is decided about the users.
    pub fn change_access(&mut self, site: usize, change: impl FnOnce(&mut ExternalAccess)) {
        change(&mut self.sites[site].access);
        let access = self.sites[site].access.clone();
        self.on_nodes(site, |node| node.access = access.clone());
        self.publish(site);
    }

    fn publish(&mut self, site: usize) {
        for node in self.nodes(site) {
            let table = self.sites[node].table();
            for worker in 0..self.workers(node) {
                self.input(node, worker, Input::Partners(table.clone()));
            }
        }
        self.settle();
    }

    /// What is kept of a meeting.
    pub fn meeting(&self, site: usize, id: &ConferenceId) -> Option<&Meeting> {
        self.sites[site].meetings.get(id)
    }

    /// How many meetings are kept.
    pub fn meetings(&self, site: usize) -> usize {
        self.sites[site].meetings.len()
    }

    /// A user has scheduled or changed a meeting.
    pub fn schedule(&mut self, site: usize, meeting: Meeting) {
        self.sites[site].keep_meeting(meeting);
        let table = self.sites[site].meetings_table();
        for worker in 0..self.workers(site) {
            self.input(site, worker, Input::Meetings(table.clone()));
        }
        self.settle();
    }

    /// A user's account is no more.
    pub fn remove_user(&mut self, site: usize, aor: &Aor) {
        self.sites[site].users.remove(aor);
        for worker in 0..self.workers(site) {
            self.input(site, worker, Input::UserRemoved(aor.clone()));
        }
        self.settle();
    }

    /// Every connection between this organisation and others ends.
    pub fn cut(&mut self, site: usize) {
        for end in self.nodes(site).into_iter().flat_map(|node| self.partner_ends(node).into_keys()).collect::<Vec<_>>()
        {
            self.break_stream(end, Duration::ZERO);
        }
        self.settle();
    }

    /// Kills an organisation's server and starts it again: its streams end, what it knew in memory is gone.
    pub fn restart(&mut self, site: usize) {
        for node in self.nodes(site) {
            self.kill(node);
        }
        self.settle();
    }

    /// As a server dies in the middle of its work. It is back after a moment.
    pub(crate) fn crash(&mut self, site: usize) {
        self.note(format!("CRASH of {}", self.sites[site].domain()));
        self.has_crashed = true;
        self.kill(site);
        self.sites[site].down_until = Some(self.now + STARTING);
    }

    fn kill(&mut self, site: usize) {
        self.sites[site].sound.crash();
        for end in self.ends_of(site) {
            let End::Site { flow, .. } = end else { continue };
            self.sites[site].streams.remove(&flow);
            self.lanes.clear(LaneKey::Stream(end));
            if let Some(far) = self.far.get(&end).copied() {
                self.break_stream(far, Duration::ZERO);
            }
        }
        self.lanes.clear_mail(site);
        self.sites[site].start_again();
    }

    /// The clock of an organisation's machine is set, forward or back.
    pub fn set_clock(&mut self, site: usize, by_secs: i64) {
        self.on_nodes(site, |node| node.set_clock(by_secs));
        let unix_ms = u64::try_from(self.unix_secs_at(site)).unwrap_or_default() * 1000;
        for node in self.nodes(site) {
            for worker in 0..self.workers(node) {
                self.input(node, worker, Input::Clock { unix_ms });
            }
        }
        self.settle();
    }

    /// A worker does nothing for a while.
    pub fn stall(&mut self, site: usize, worker: u16, time: Duration) {
        let until = self.now + time;
        self.sites[site].stall(worker, until);
    }

    /// Tells every worker of an organisation that its server is about to end.
    pub fn drain_site(&mut self, site: usize) {
        self.nodes(site).into_iter().for_each(|node| self.drain_server(node));
    }

    /// One server of it alone.
    pub fn drain_server(&mut self, node: usize) {
        self.sites[node].is_draining = true;
        for worker in 0..self.workers(node) {
            self.input(node, worker, Input::Drain);
        }
    }

    /// Nothing can be read from an organisation's store or written to it, or everything can again.
    pub fn break_store(&mut self, site: usize, is_broken: bool) {
        let site = &mut self.sites[site];
        (site.is_unreadable, site.messages.is_broken) = (is_broken, is_broken);
        site.messages.is_forgetful &= is_broken;
    }

    /// What an organisation's store holds can be read, and nothing written to it: its disk is full, or read-only.
    pub fn write_protect_store(&mut self, site: usize) {
        self.sites[site].messages.is_broken = true;
    }

    /// The stored messages of an organisation.
    pub fn messages(&mut self, site: usize) -> &mut MessageStore {
        &mut self.sites[site].messages
    }

    /// How many messages an organisation keeps for users who are away.
    pub fn kept(&self, site: usize) -> usize {
        self.sites[site].messages.len()
    }

    /// How many messages wait at an organisation for their users' consent.
    pub fn awaiting_consent(&self, site: usize) -> usize {
        self.sites[site].messages.awaiting_consent()
    }

    /// An administrator says whether this address may reach a user.
    pub fn decide_consent(&mut self, site: usize, aor: &Aor, sender: &str, verdict: messaging::Verdict) {
        let now_unix_ms = u64::try_from(self.unix_secs_at(site)).unwrap_or_default() * 1000;
        self.sites[site].messages.decide_consent(aor, sender, verdict, now_unix_ms);
        for worker in 0..self.workers(site) {
            self.input(site, worker, Input::StoredFor(aor.clone()));
        }
        self.settle();
    }

    /// The Call-IDs of what waits for a user's consent, or was not to reach anybody.
    pub(crate) fn all_not_agreed_to(&self) -> Vec<String> {
        self.sites.iter().flat_map(|site| site.messages.not_agreed_to()).collect()
    }

    /// The Call-IDs of kept messages whose time is over, by the clocks of those who keep them.
    pub(crate) fn all_expired(&self) -> Vec<String> {
        let of = |site: usize| {
            let now = u64::try_from(self.unix_secs_at(site)).unwrap_or_default() * 1000;
            self.sites[site].messages.expired(now).collect::<Vec<_>>()
        };
        (0..self.sites.len()).flat_map(of).collect()
    }

    /// What all organisations keep: whose, and its Call-ID.
    pub fn all_kept(&self) -> Vec<(String, String)> {
        self.sites.iter().flat_map(|site| site.messages.kept()).collect()
    }

    /// Does this on each of its workers, as a command from outside, and lets the world settle.
    pub fn on_cores<T>(&mut self, site: usize, mut act: impl FnMut(&mut Core, Instant) -> T) -> Vec<T> {
        let now = self.now;
        let workers = self.workers(site);
        let mut done = Vec::new();
        for worker in 0..workers {
            done.push(act(&mut self.sites[site].cores[usize::from(worker)], now));
            self.drain(site, worker);
        }
        self.settle();
        done
    }

    /// Where it is on the network.
    pub fn address_of(&self, site: usize) -> SocketAddr {
        self.sites[site].address
    }

    /// What it recorded of calls, in the order in which it did.
    pub fn records(&self, site: usize) -> &[signaling::Record] {
        &self.sites[site].records
    }

    /// Its media threads.
    pub fn sound(&self, site: usize) -> &Sound {
        &self.sites[site].sound
    }

    pub fn partners(&self, site: usize) -> &[Partner] {
        &self.sites[site].partners
    }

    /// What becomes of its certificate, on whichever of its servers partners see it.
    pub fn change_identity(&mut self, site: usize, change: impl Fn(&mut Identity)) {
        for node in self.fronts(site) {
            change(&mut self.sites[node].identity);
        }
    }

    /// Of each worker.
    pub fn statuses(&self, site: usize) -> Vec<CoreStatus> {
        self.nodes(site).into_iter().flat_map(|node| self.sites[node].cores.iter().map(Core::status)).collect()
    }

    /// What is counted of partners without an entry, at home and at every edge.
    pub fn ledgers(&mut self, site: usize) -> Vec<LedgerSummary> {
        let now = self.now;
        let mut found = Vec::new();
        self.on_nodes(site, |node| found.extend(node.cores.iter_mut().flat_map(|core| core.ledgers(now))));
        found
    }

    /// Of all workers everywhere, each with its domain.
    pub fn all_statuses(&self) -> Vec<(&str, CoreStatus)> {
        let of = |site: &'_ Site| site.cores.iter().map(Core::status).collect::<Vec<_>>();
        self.sites.iter().flat_map(|site| of(site).into_iter().map(|status| (site.domain(), status))).collect()
    }

    /// What an organisation's workers have on record.
    pub fn decisions(&self, site: usize) -> impl Iterator<Item = &DecisionRecord> {
        let cores = self.nodes(site).into_iter().flat_map(|node| &self.sites[node].cores);
        cores.flat_map(|core| core.decisions().iter()).map(|recorded| &*recorded.record)
    }

    /// Everything that was wrong with the world is well again, but for servers and identities.
    pub fn calm(&mut self) {
        self.network.mend();
        self.zones.calm();
        for site in 0..self.sites.len() {
            self.break_store(site, false);
            if std::mem::take(&mut self.sites[site].is_draining) {
                self.crash(site);
            }
        }
    }

    /// Lets the answers come that the store kept back.
    pub fn release(&mut self, site: usize) {
        for (worker, id, answer) in self.sites[site].messages.held.take().unwrap_or_default() {
            self.input(site, worker, Input::Answer { id, answer });
        }
        self.settle();
    }
}

/// From the death of a server until it listens again.
pub(crate) const STARTING: Duration = Duration::from_millis(300);
