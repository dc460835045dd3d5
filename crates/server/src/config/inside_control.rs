//! `[inside] control` and `control_port`: where a home tells its edges what it decided.

use std::net::{IpAddr, SocketAddr};

use federation::inside::Hop;
use sip::Transport;

use super::inside::host_and_port;
use super::key;
use super::raw::Located;
use super::{Builder, Listen};

impl Builder<'_> {
    /// Of an edge; without any, it has partners of its own.
    pub(super) fn inner_control(
        &mut self,
        is_comity: bool,
        outer: &Listen,
        inner: &[(Transport, SocketAddr)],
    ) -> Vec<SocketAddr> {
        let addresses = self.addresses(&key::INSIDE_CONTROL, CONTROL_PORT_DEFAULT);
        if let (false, Some(first)) = (is_comity, addresses.first()) {
            let text = "[inside] control: only a home of Comity tells its edge anything, and the next hop is another kind \
                of server; leave it out";
            self.problems.at(first.line, text);
        }
        for Located { value, line } in &addresses {
            if inner.contains(&(Transport::Tls, *value)) || outer.has(Transport::Tls, *value) {
                self.problems.at(*line, format!("[inside] control: {value} is listened on for SIP already"));
            }
        }
        addresses.into_iter().map(|found| found.value).collect()
    }

    /// Of a home: its edges by names of their own, where SIP goes to one name for several.
    pub(super) fn control_hops(&mut self) -> Vec<Hop> {
        let typed = self.raw.texts(&key::INSIDE_CONTROL).map(|typed| typed.value).unwrap_or_default();
        let mut hops: Vec<Hop> = Vec::new();
        for Located { value, line } in typed {
            match host_and_port(&value) {
                Ok(hop) if hop.host.parse::<IpAddr>().is_ok() => {
                    let text = format!(
                        "[inside] control: {value:?} is an address, which no certificate names; at a home, write the name that \
                         the edge's certificate has"
                    );
                    self.problems.at(line, text);
                }
                Ok(hop) if hops.iter().any(|known| known.host == hop.host) => {
                    self.problems.at(line, format!("[inside] control: {} is listed twice", hop.host));
                }
                Ok(hop) => hops.push(hop),
                Err(why) => self.problems.at(line, format!("[inside] control: {why}")),
            }
        }
        hops
    }

    /// Of a home: the same at each edge.
    pub(super) fn control_port(&mut self) -> u16 {
        let Some(Located { value, line }) = self.raw.count(&key::INSIDE_CONTROL_PORT) else {
            return CONTROL_PORT_DEFAULT;
        };
        match u16::try_from(value) {
            Ok(port) if port != 0 => port,
            _ => {
                let text = format!("[inside] control_port: expected a number from 1 to 65535, found {value}");
                self.problems.at(line, text);
                CONTROL_PORT_DEFAULT
            }
        }
    }
}

pub(super) const CONTROL_PORT_DEFAULT: u16 = 5062;
