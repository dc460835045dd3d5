//! Organisations in two: a home, and edges before it that partners see in its stead. All else addresses them by their home.

use std::net::{IpAddr, SocketAddr};

use federation::discovery::HostFailure;
use federation::inside::{Hop, Inside, Split};
use signaling::Listener;
use sip::Transport;

use crate::identity::Identity;
use crate::lanes::End;
use crate::network::Place;
use crate::operations::STARTING;
use crate::organisation::{InnerSide, Site};
use crate::world::World;

impl World {
    /// At least so many edges take the place of this organisation's server before its partners, and its server is their home
    /// from now on; before anything happens. They share one name and one key, and each has an address of its own.
    pub fn put_edges_before(&mut self, site: usize, count: usize) {
        let domain = self.sites[site].domain().to_owned();
        let workers = self.workers(site);
        let partners = self.partners(site).to_vec();
        let discovery = self.sites[site].discovery;
        let mut edges = std::mem::take(&mut self.sites[site].edges);
        while edges.len() < count {
            edges.push(self.organisation(&domain, workers, &partners, discovery));
        }
        let hops = |nodes: &[usize], what: fn(&str, usize) -> String| -> Vec<Hop> {
            (1..).zip(nodes).map(|(number, _)| Hop { host: what(&domain, number), port: Some(INNER_PORT) }).collect()
        };
        let (to_home, to_edges) = (hops(&[site], home_name), hops(&edges, edge_name));
        for (number, node) in (1..).zip(&edges) {
            let inside = inside(edge_name(&domain, number), to_home.clone());
            self.sites[*node].home = Some(site);
            self.sites[*node].stand_inside(inside, site, Split::Edge);
        }
        let inside = inside(home_name(&domain, 1), to_edges);
        self.sites[site].edges = edges;
        self.sites[site].stand_inside(inside, site, Split::Home);
    }

    /// All its servers die at once, and start again.
    pub(crate) fn crash_all(&mut self, site: usize) {
        for node in self.nodes(site) {
            self.crash(node);
        }
    }

    /// Its home dies and is back after a moment; then it comes to its edges, which notice that it is another life.
    pub(crate) fn restart_home(&mut self, site: usize) {
        self.crash(site);
        self.pass(STARTING);
        for edge in self.sites[site].edges.clone() {
            for worker in 0..self.workers(edge) {
                self.sites[edge].cores[usize::from(worker)].home_restarted();
                self.drain(edge, worker);
            }
        }
    }

    /// One of its edges dies, and does not come back by itself.
    pub fn kill_edge(&mut self, site: usize, number: usize) {
        let edge = self.sites[site].edges[number - 1];
        self.crash(edge);
        self.sites[edge].is_switched_off = true;
        self.settle();
    }

    /// Whether users sign in by its edges, which start anew.
    pub fn open_edges(&mut self, site: usize, takes_remote_users: bool) {
        for edge in self.sites[site].edges.clone() {
            self.sites[edge].reorganise(|organisation| {
                if let Split::Edge(inside) = &mut organisation.split {
                    inside.takes_remote_users = takes_remote_users;
                }
            });
            self.crash(edge);
        }
    }

    /// One of them alone is about to end.
    pub fn drain_edge(&mut self, site: usize, number: usize) {
        self.drain_site(self.sites[site].edges[number - 1]);
    }

    /// A partner that keeps the first address that answered sees no other.
    pub fn show_edge(&mut self, site: usize, number: usize) {
        let edge = &self.sites[self.sites[site].edges[number - 1]];
        let (name, address) = (edge.organisation.edge.clone(), edge.address.ip());
        self.zones.set_addresses(&name, vec![address]);
    }

    pub fn edges(&self, site: usize) -> usize {
        self.sites[site].edges.len()
    }

    pub fn revive_edge(&mut self, site: usize, number: usize) {
        let edge = self.sites[site].edges[number - 1];
        self.sites[edge].is_switched_off = false;
    }

    /// The connections between edges and home end.
    pub fn cut_inside(&mut self, site: usize) {
        let is_inner = |(_, stream): &(&sip::FlowId, &crate::organisation::Stream)| stream.facts.is_inner;
        let flows: Vec<_> = self.sites[site].streams.iter().filter(is_inner).map(|(flow, _)| *flow).collect();
        for flow in flows {
            self.break_stream(End::Site { site, flow }, std::time::Duration::ZERO);
        }
        self.settle();
    }

    /// All servers of an organisation, the home first.
    pub(crate) fn nodes(&self, site: usize) -> Vec<usize> {
        std::iter::once(site).chain(self.sites[site].edges.iter().copied()).collect()
    }

    /// Those that partners see.
    pub fn fronts(&self, site: usize) -> Vec<usize> {
        let edges = &self.sites[site].edges;
        if edges.is_empty() { vec![site] } else { edges.clone() }
    }

    /// The first of them.
    pub(crate) fn front(&self, site: usize) -> usize {
        self.fronts(site)[0]
    }

    pub(crate) fn on_nodes(&mut self, site: usize, mut act: impl FnMut(&mut Site)) {
        for node in self.nodes(site) {
            act(&mut self.sites[node]);
        }
    }

    /// Where a server is for those outside: its whole organisation is in one place.
    pub(crate) fn place_outside(&self, site: usize) -> Place {
        Place::Site(self.sites[site].home.unwrap_or(site))
    }

    /// By what name the DNS has the edge of a domain without records of its own.
    pub(crate) fn edge_of(&self, domain: &str) -> Option<String> {
        let first = self.sites.iter().position(|site| site.domain() == domain);
        let served = || self.sites.iter().position(|site| site.organisation.is_local(domain));
        let site = self.front(first.or_else(served)?);
        Some(self.sites[site].organisation.edge.clone())
    }

    /// Of a server, or of all that share the name.
    pub(crate) fn addresses_named(&self, host: &str) -> Result<Vec<IpAddr>, HostFailure> {
        let of = |site: &Site| {
            let is_inner = site.organisation.inside().is_some_and(|inside| inside.is_named(host));
            let is_outer = site.organisation.edge == host;
            (is_inner || is_outer).then(|| site.address_on(is_inner).ip())
        };
        let found: Vec<IpAddr> = self.sites.iter().filter_map(of).collect();
        if found.is_empty() { Err(HostFailure::NoAddress(host.to_owned())) } else { Ok(found) }
    }
}

impl Site {
    /// It has an inner side, and is one of two from now on.
    fn stand_inside(&mut self, inside: Inside, home: usize, split: fn(Inside) -> Split) {
        let IpAddr::V4(outer) = self.address.ip() else { unreachable!("this world has no other") };
        let [.., last] = outer.octets();
        let address = SocketAddr::from(([10, 0, 0, last], INNER_PORT));
        let is_edge = self.home.is_some();
        let is_new = self.inner.is_none();
        self.inner = Some(InnerSide { address, identity: Identity::new(&[&inside.name]) });
        for config in &mut self.configs {
            if is_new {
                config.listeners.push(Listener { transport: Transport::Tls, address, is_inner: true });
            }
            if is_edge {
                // A pool has one secret besides each edge's own.
                config.pool_secret = Some([u8::try_from(100 + home).expect("a world of few organisations"); 32]);
            }
        }
        self.reorganise(|organisation| {
            if !is_edge {
                organisation.edge.clone_from(&inside.name);
            }
            organisation.split = split(inside);
        });
    }

    pub(crate) fn identity_on(&self, is_inner: bool) -> &Identity {
        self.inner.as_ref().filter(|_| is_inner).map_or(&self.identity, |inner| &inner.identity)
    }

    pub(crate) fn address_on(&self, is_inner: bool) -> SocketAddr {
        self.inner.as_ref().filter(|_| is_inner).map_or(self.address, |inner| inner.address)
    }
}

fn inside(name: String, hops: Vec<Hop>) -> Inside {
    Inside {
        name,
        peer_names: hops.iter().map(|hop| hop.host.clone()).collect(),
        hops,
        transport: Transport::Tls,
        is_comity: true,
        peer_addresses: Vec::new(),
        assert: false,
        takes_remote_users: true,
    }
}

/// In no domain that has troubles with its DNS.
fn edge_name(domain: &str, number: usize) -> String {
    format!("edge{number}.{domain}.inside")
}

fn home_name(domain: &str, _: usize) -> String {
    format!("home.{domain}.inside")
}

const INNER_PORT: u16 = 5071;
