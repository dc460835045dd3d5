//! `[inside] control` and `control_port`: where a home tells its edges what it decided.

use std::net::SocketAddr;

use sip::Transport;

use super::key;
use super::raw::Located;
use super::{Builder, Listen, Roles};

impl Builder<'_> {
    /// Of an edge; without any, it has partners of its own.
    pub(super) fn inner_control(
        &mut self,
        roles: Roles,
        is_comity: bool,
        outer: &Listen,
        inner: &[(Transport, SocketAddr)],
    ) -> Vec<SocketAddr> {
        let addresses = self.addresses(&key::INSIDE_CONTROL, CONTROL_PORT_DEFAULT);
        if let (Roles::Edge, false, Some(first)) = (roles, is_comity, addresses.first()) {
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
