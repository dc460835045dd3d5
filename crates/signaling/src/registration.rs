//! REGISTER at the owner of the address-of-record (RFC 3261 section 10.3), and what waited for it.

use std::time::Instant;

use registrar::ClientFlow;
use sip::{Aor, HeaderName, Message, build};

use crate::core::Core;
use crate::extensions::{REGISTRAR_KNOWS, REGISTRAR_TELLS, check_require};
use crate::{AdmittedRequest, Handoff, Upstream};

impl Core {
    /// Binds the devices that the request names to the flow it came in on, and answers.
    pub(crate) fn register(&mut self, now: Instant, request: &AdmittedRequest) {
        let (Some(upstream), Some(facts)) = (request.upstream, request.ingress.flow()) else { return };
        let flow = match self.client_flow(request, facts) {
            Ok(flow) => flow,
            Err(refusal) => return self.refuse_owned(now, upstream, &request.message, &refusal),
        };
        let was_bound = self.is_bound(now, request.admitted.aor(), flow);
        let checked = check_require(&request.message, REGISTRAR_KNOWS);
        let registered =
            checked.and_then(|()| self.location.handle_register(now, &request.message, &request.admitted, flow));
        match registered {
            Err(refusal) => self.refuse_owned(now, upstream, &request.message, &refusal),
            Ok(registered) => {
                self.phone_registered(now, request, flow);
                let tag = self.mint.tag(upstream.requester.serial());
                let mut response = build::response(&request.message, 200, None, Some(&tag));
                for contact in &registered.contacts {
                    response = response.header(HeaderName::Contact, contact);
                }
                for path in registered.path.iter().filter(|_| knows_path(&request.message)) {
                    response = response.header(HeaderName::Path, path);
                }
                if registered.bound {
                    response = response.header(HeaderName::ServiceRoute, self.service_route(request, flow));
                }
                response = response.header(HeaderName::Supported, REGISTRAR_TELLS.join(", "));
                if registered.outbound {
                    response = response.header(HeaderName::Require, "outbound");
                }
                if registered.outbound && flow.transport.is_reliable() {
                    response = response.header(HeaderName::FlowTimer, FLOW_TIMER_SECS);
                }
                self.respond(now, upstream, 200, response.build());
                if let Some(aor) = request.admitted.aor().filter(|_| registered.bound) {
                    self.forward_stored_after(now, upstream, aor, !was_bound);
                }
            }
        }
    }

    /// What waits for the user goes out after the response to his registration, also where another worker sends that:
    /// to a phone that is not signed in yet nothing may come.
    fn forward_stored_after(&mut self, now: Instant, answered: Upstream, aor: &Aor, is_new_flow: bool) {
        if self.ownership.is_ours(answered.worker) {
            return self.forward_stored(now, aor, is_new_flow);
        }
        self.queues.response_begins(aor);
        self.hand(answered.worker, Handoff::Registered { aor: aor.clone(), is_new_flow });
    }

    /// The response went out before this: with whoever sent it, or back with the owner.
    pub(crate) fn registration_answered(&mut self, now: Instant, aor: Aor, is_new_flow: bool) {
        let owner = self.ownership.of_aor(&aor);
        if !self.ownership.is_ours(owner) {
            return self.hand(owner, Handoff::Registered { aor, is_new_flow });
        }
        self.queues.response_is_out(&aor);
        self.forward_stored(now, &aor, is_new_flow);
    }

    /// The way that a phone without an outbound proxy takes to others (RFC 3608): through us, not to their domains.
    fn service_route(&self, request: &AdmittedRequest, flow: ClientFlow) -> String {
        let transport = flow.transport.param();
        let name = request.admitted.remote().map_or(&self.organisation.edge, |remote| &remote.edge);
        format!("<sip:{name}:{};transport={transport};lr>", flow.local_port)
    }

    fn is_bound(&self, now: Instant, aor: Option<&Aor>, flow: ClientFlow) -> bool {
        aor.is_some_and(|aor| self.location.lookup(now, aor).iter().any(|binding| binding.flow.is_same(&flow)))
    }
}

/// RFC 3327 section 5.1. Most phones outside do not say so: for those who do not the Path, with its names of the inside, is for
/// us alone.
fn knows_path(request: &Message) -> bool {
    [HeaderName::Supported, HeaderName::Require].iter().any(|header| request.has_option_tag(*header, "path"))
}

/// How often a client has to be heard on its stream (RFC 5626 section 6), as proxies and NATs on the way forget it after
/// some minutes. We ourselves wait for longer.
const FLOW_TIMER_SECS: u32 = 120;
