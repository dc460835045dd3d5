//! Calls whose sound goes through us, joined to the Core: when they begin so, their ports, and the bridge between their legs.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;

use conference::{LegOf, LegPorts};
use federation::admission::Origin;
use media::{BridgeId, BridgeKind, LegId, MediaCommand, MediaEvent};
use sdp::Offer;
use sip::{Aor, Message, Uri};

use super::call::{Offers, Run};
use super::dialogs::Side;
use crate::agent::LegUser;
use crate::anchoring::{self, Attempt, Parties, Ways};
use crate::core::Core;
use crate::escalation;
use crate::owner::Target;
use crate::route::Destination;
use crate::{AdmittedRequest, Ingress, Output, When};

/// The bridge of a call, from the question for its ports until both are closed.
#[derive(Debug)]
pub(super) struct Bridge {
    serial: u64,
    /// What came of the question for each leg.
    opened: [Option<Result<LegPorts, String>>; 2],
}

impl Core {
    /// In which ways the one called is offered sound.
    pub(super) fn ways_of_sound(&self, now: Instant, request: &AdmittedRequest) -> Ways {
        if self.call_settings.anchor == When::Never {
            return Ways { attempts: VecDeque::from([Attempt::AsItCame]), callee_address: None };
        }
        let offer = Offer::parse(request.message.body()).ok();
        let outer_source = match request.admitted.origin() {
            Origin::User { .. } if request.admitted.remote().is_none() => None,
            Origin::Remote { .. } | Origin::Inside { .. } => None,
            Origin::User { .. } | Origin::Partner { .. } => request.ingress.flow().map(|facts| facts.remote.ip()),
        };
        let (callee_is_inside, callee_address) = match &request.destination {
            Destination::User(aor) => {
                let devices = self.devices(now, aor);
                (devices.iter().all(|device| device.edge.is_none()), address_of_one_family(&devices))
            }
            _ => (false, None),
        };
        let is_of_meeting = matches!(request.ingress, Ingress::Agent(_));
        let is_family_tried = matches!(request.destination, Destination::Partner { .. }) && !is_of_meeting;
        let parties =
            Parties { offer: offer.as_ref(), outer_source, callee_is_inside, callee_address, is_family_tried };
        Ways::of(self.call_settings.anchor, parties)
    }

    /// Where an offer of ours is the first that is made.
    pub(super) fn why_anchored_at_once(&self) -> &'static str {
        match self.call_settings.anchor {
            When::Always => "[calls] anchor says always",
            When::WhenNeeded | When::Never => "one side has IPv4 and the other IPv6",
        }
    }

    /// The one called refused the sound of a call that was proxied: where ours may do, it is offered to him. Gives the request
    /// back where not.
    pub(crate) fn anchor_instead(
        &mut self,
        now: Instant,
        request: AdmittedRequest,
        refusal: &Message,
    ) -> Option<AdmittedRequest> {
        let is_ours = !self.organisation.is_edge_only();
        let is_of_phone = is_ours && matches!(request.ingress, Ingress::Flow(_)) && request.upstream.is_some();
        if !anchoring::is_refusal_of_sound(refusal) || !is_of_phone || !escalation::begins_call(&request.message) {
            return Some(request);
        }
        let mut ways = self.ways_of_sound(now, &request);
        if ways.attempts.pop_front() != Some(Attempt::AsItCame) || ways.attempts.is_empty() {
            return Some(request);
        }
        if self.find_room_between(&request).is_err() {
            return Some(request);
        }
        self.begin_call(now, request, Offers { ways, refusal: Some(refusal) });
        None
    }

    pub(super) fn open_legs(&mut self, now: Instant, serial: u64, refused: Option<u16>) {
        let Some(standing) = self.between.calls_by_serial.get(&serial) else { return };
        let invite = standing.call.received().clone();
        let reason = match refused {
            Some(status) => format!("the one called takes no sound as the caller offers it ({status})"),
            None => self.why_anchored_at_once().to_owned(),
        };
        self.record_anchored(now, &invite, reason);
        self.open_bridge(now, serial);
    }

    pub(super) fn open_bridge(&mut self, now: Instant, serial: u64) {
        let bridge = self.conferences.next_bridge();
        let Some(standing) = self.between.calls_by_serial.get_mut(&serial) else { return };
        standing.bridge = Some(Bridge { serial: bridge, opened: [None, None] });
        self.between.serials_by_bridge.insert(bridge, serial);
        for side in SIDES {
            self.open_leg(now, LegUser::Call(serial), self.leg(bridge, side));
        }
    }

    fn leg(&self, bridge: u64, side: Side) -> LegId {
        let bridge = BridgeId { worker: self.ownership.worker, serial: bridge };
        LegId { bridge, serial: side as u32 }
    }

    /// Both are known, or this is the first. Says whether the leg is wanted.
    pub(crate) fn call_leg_opened(
        &mut self,
        now: Instant,
        serial: u64,
        leg: LegId,
        ports: Result<LegPorts, String>,
    ) -> bool {
        let Some(standing) = self.between.calls_by_serial.get_mut(&serial) else { return false };
        let Some(bridge) = standing.bridge.as_mut().filter(|bridge| bridge.serial == leg.bridge.serial) else {
            return false;
        };
        let is_open = ports.is_ok();
        bridge.opened[leg.serial as usize % SIDES.len()] = Some(ports);
        let [Some(caller), Some(callee)] = &bridge.opened else { return is_open };
        let ports = match (caller.clone(), callee.clone()) {
            (Ok(caller), Ok(callee)) => Ok([caller, callee]),
            (Err(why), _) | (_, Err(why)) => Err(why),
        };
        let session_ids = self.with_random(|random| [random(), random()]);
        let is_wanted = match self.between.calls_by_serial.get_mut(&serial) {
            Some(standing) => standing.call.legs_opened(ports, session_ids),
            None => false,
        };
        if !is_wanted {
            self.close_legs(now, serial);
        }
        self.settle_call(now, serial);
        true
    }

    pub(super) fn run_leg(&mut self, serial: u64, run: Run) {
        let bridge = self.between.calls_by_serial.get(&serial).and_then(|standing| standing.bridge.as_ref());
        let Some(bridge) = bridge.map(|bridge| bridge.serial) else { return };
        let Run { side, session, trusted_source } = run;
        let leg = self.leg(bridge, side);
        self.put(Output::Media(MediaCommand::Run { leg, kind: BridgeKind::Anchor, session, trusted_source }));
    }

    /// The sound of the call goes through us no more.
    pub(super) fn close_legs(&mut self, now: Instant, serial: u64) {
        let Some(standing) = self.between.calls_by_serial.get_mut(&serial) else { return };
        let Some(bridge) = standing.bridge.take() else { return };
        let call_id = standing.call.call_id().to_owned();
        let parties = SIDES.map(|side| standing.call.party(side));
        self.between.serials_by_bridge.remove(&bridge.serial);
        for (side, who) in SIDES.into_iter().zip(parties) {
            // One that is not open yet is closed when it comes, since nobody wants it then.
            if matches!(bridge.opened[side as usize], Some(Ok(_))) {
                self.close_leg(now, self.leg(bridge.serial, side), who, &call_id);
            }
        }
    }

    fn close_leg(&mut self, now: Instant, leg: LegId, who: Option<Aor>, call_id: &str) {
        if let Some(who) = who {
            self.leg_closes(now, leg, LegOf { who, call_id: call_id.to_owned(), is_over: false });
        }
        self.put(Output::Media(MediaCommand::Close { leg }));
    }

    /// What a media thread says of a leg of a call.
    pub(crate) fn call_sounds(&mut self, now: Instant, event: &MediaEvent) {
        let serial = self.between.serials_by_bridge.get(&event.leg().bridge.serial).copied();
        match (serial, event) {
            (Some(serial), MediaEvent::SourceRefused { leg, source }) => {
                self.source_refused(now, serial, *leg, *source)
            }
            (Some(serial), MediaEvent::Lost { .. }) => self.call_sound_lost(now, serial),
            _ => {}
        }
    }

    /// Its bridge is gone with the media node that had it: both phones are offered another, or hear that it is over.
    fn call_sound_lost(&mut self, now: Instant, serial: u64) {
        self.close_legs(now, serial);
        let Some(standing) = self.between.calls_by_serial.get_mut(&serial) else { return };
        let invite = standing.call.received().clone();
        let reason = match standing.call.sound_lost(now) {
            true => "the server that had its sound is gone: both phones are offered another way",
            false => "the server that had its sound is gone, and the call with it",
        };
        self.record_anchored(now, &invite, reason.to_owned());
        self.settle_call(now, serial);
    }

    fn source_refused(&mut self, now: Instant, serial: u64, leg: LegId, source: IpAddr) {
        let Some(standing) = self.between.calls_by_serial.get(&serial) else { return };
        let side = SIDES[leg.serial as usize % SIDES.len()];
        let who = standing.call.party(side).map(|who| who.to_string()).unwrap_or_default();
        let invite = standing.call.received().clone();
        let reason = format!(
            "what comes from {source} as the sound of {who} is not taken: it is plain, and not from where he signals"
        );
        self.record_anchored(now, &invite, reason);
    }
}

/// One of the addresses that devices gave as their Contacts', where all gave one, and all of one family.
fn address_of_one_family(devices: &[Target]) -> Option<IpAddr> {
    let address = |device: &Target| Uri::parse(device.request_uri.as_deref()?).ok()?.host_address();
    let first = devices.first().and_then(address)?;
    let is_alike = |other: IpAddr| other.is_ipv4() == first.is_ipv4();
    devices.iter().all(|device| address(device).is_some_and(is_alike)).then_some(first)
}

const SIDES: [Side; 2] = [Side::Caller, Side::Callee];
