//! Devices with several flows (RFC 5626 section 7): a request goes over one of them, and over another only if that fails.

use std::time::Instant;

use registrar::Binding;
use sip::refusal::Word;
use sip::transaction::ClientTransactionId;
use sip::{Aor, FlowId, Message, Refusal, Transport, Uri};

use crate::AdmittedRequest;
use crate::core::Core;
use crate::flow_table::Whereabouts;
use crate::owner::Target;

impl Target {
    /// A request that datagrams would lose goes over a stream (RFC 3261 section 18.1.1), if the device has opened one:
    /// nobody dials its Contact. If it has not, IP has to cut the datagram into pieces.
    pub(crate) fn for_size(mut self, bytes: usize) -> Target {
        if self.flow.is_reliable() || bytes <= REQUEST_BYTES_BY_DATAGRAM {
            return self;
        }
        let Some(place) = self.others.iter().position(|other| other.flow.is_reliable()) else { return self };
        let mut stream = self.others.remove(place);
        stream.others = std::mem::take(&mut self.others);
        stream.others.push(self);
        stream
    }
}

impl Core {
    /// The flows that lead to a user's devices, one to each device, most wanted first.
    pub(crate) fn devices(&self, now: Instant, aor: &Aor) -> Vec<Target> {
        self.devices_by(now, aor, false).take(self.limits.branches_max).collect()
    }

    /// Of them those that this request goes to: one for a `sips` URI only to devices that have registered one, over TLS
    /// (RFC 5630 section 5.3), one for a GRUU to the device that it names (RFC 5627 section 6.1).
    pub(crate) fn devices_for(&mut self, now: Instant, aor: &Aor, request: &Message) -> Vec<Target> {
        match gruu(request) {
            Some(uri) => {
                let flows = self.location.named_device(now, aor, &uri);
                self.device(aor, &flows, is_sips(request)).into_iter().collect()
            }
            None => self.called_devices(now, aor, is_sips(request)),
        }
    }

    /// The Contact behind a request for a GRUU that goes out by this flow.
    pub(crate) fn contact_of_gruu(&self, now: Instant, request: &Message, flow: FlowId) -> Option<String> {
        let uri = gruu(request).filter(|uri| self.organisation.is_local(uri.host()))?;
        let flows = self.location.named_device(now, &Aor::from_uri(&uri).ok()?, &uri);
        let binding = flows.into_iter().find(|binding| binding.flow.edge.is_none() && binding.flow.id == flow)?;
        Some(binding.request_uri().to_owned())
    }

    /// Those that a request goes to.
    pub(crate) fn called_devices(&mut self, now: Instant, aor: &Aor, is_sips: bool) -> Vec<Target> {
        let max = self.limits.branches_max;
        let mut devices: Vec<Target> = self.devices_by(now, aor, is_sips).take(max.saturating_add(1)).collect();
        if devices.len() > max {
            self.counts.hit("branches_max");
            devices.truncate(max);
        }
        devices
    }

    fn devices_by(&self, now: Instant, aor: &Aor, is_sips: bool) -> impl Iterator<Item = Target> {
        let devices = self.location.devices(now, aor).into_iter();
        devices.filter_map(move |flows| self.device(aor, &flows, is_sips))
    }

    /// `None`: none of its flows is there any more.
    pub(crate) fn device(&self, aor: &Aor, flows: &[&Binding], is_sips: bool) -> Option<Target> {
        let us = self.ownership.worker;
        let is_there = |flow: &&&Binding| {
            flow.flow.edge.is_some() || self.flows.whereabouts(flow.flow.id, us) != Whereabouts::Gone
        };
        let is_safe = |flow: &&&Binding| !is_sips || (flow.flow.transport.is_secure() && scheme_rest(flow).is_some());
        let mut targets = flows.iter().filter(is_there).filter(is_safe).map(|binding| Target {
            flow: binding.flow.id,
            transport: if binding.flow.edge.is_some() { Transport::Tls } else { binding.flow.transport },
            local_port: match binding.flow.edge {
                Some(_) => self.inner_port(Transport::Tls),
                None => binding.flow.local_port,
            },
            request_uri: Some(match scheme_rest(binding) {
                Some(rest) if !is_sips => format!("sip:{rest}"),
                _ => binding.request_uri().to_owned(),
            }),
            path: binding.path.clone(),
            leg: Some(match binding.flow.edge {
                Some(edge) => self.edge_leg(edge, aor),
                None => self.mint.flow_leg(us, binding.flow.id, aor),
            }),
            q: binding.q,
            others: Vec::new(),
            breadth: None,
            edge: binding.flow.edge,
        });
        let first = targets.next()?;
        Some(Target { others: targets.collect(), ..first })
    }

    /// The request as it goes out, and the flow of the device that it is for: by its size, that may be another one.
    ///
    /// # Errors
    /// 513 as for [`Core::outgoing`], and where only a datagram is left and cannot hold it.
    pub(crate) fn outgoing_by_size(
        &self,
        request: &AdmittedRequest,
        target: Target,
        id: ClientTransactionId,
    ) -> Result<(Target, Message), Refusal> {
        let (flow, sent) = (target.flow, self.outgoing(request, &target, id)?);
        let bytes = sent.as_bytes().len();
        let target = target.for_size(bytes);
        match target.flow == flow {
            true if !flow.is_reliable() && bytes > DATAGRAM_BYTES_MAX => {
                Err(Refusal::new(513, Word::MessageTooLarge, format!("{bytes} bytes, more than a datagram holds")))
            }
            true => Ok((target, sent)),
            false => self.outgoing(request, &target, id).map(|sent| (target, sent)),
        }
    }

    /// The flow of this branch fails: the device is asked over its next one, if it has one, and somebody still waits. To
    /// be called before the branch is told.
    pub(crate) fn try_other_flow(&mut self, now: Instant, id: ClientTransactionId) {
        let Some((context, others)) = self.owner.take_others(id) else { return };
        let us = self.ownership.worker;
        let is_there =
            |target: &Target| target.edge.is_some() || self.flows.whereabouts(target.flow, us) != Whereabouts::Gone;
        let mut others = others.into_iter().filter(is_there);
        if let Some(next) = others.next() {
            let next = Target { others: others.collect(), ..next };
            self.send_branch(now, context, next);
        }
    }
}

/// The Request-URI, if it names one device of a user (RFC 5627 section 3).
pub(crate) fn gruu(request: &Message) -> Option<Uri<'_>> {
    request.request_uri().and_then(|uri| Uri::parse(uri).ok()).filter(|uri| uri.user().is_some() && uri.has_param("gr"))
}

/// Whether the request is to travel by TLS on every hop (RFC 3261 section 26.2.2).
pub(crate) fn is_sips(request: &Message) -> bool {
    request.request_uri().is_some_and(|uri| Uri::parse(uri).is_ok_and(|uri| uri.is_sips()))
}

/// What follows `sips:` in a device's Contact, if it has registered such a URI.
fn scheme_rest(binding: &Binding) -> Option<&str> {
    let (scheme, rest) = binding.request_uri().split_once(':')?;
    scheme.eq_ignore_ascii_case("sips").then_some(rest)
}

/// What is larger goes by stream where the MTU of the way is not known (RFC 3261 section 18.1.1).
const REQUEST_BYTES_BY_DATAGRAM: usize = 1300;
/// The payload of the largest IPv4 packet.
const DATAGRAM_BYTES_MAX: usize = 65_507;
