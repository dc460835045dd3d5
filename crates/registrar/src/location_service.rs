//! The bindings by address-of-record, and what a REGISTER does to them (RFC 3261 section 10.3).

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use federation::Admitted;
use sip::refusal::Word;
use sip::{
    Aor, ContactValue, FlowId, HeaderName, Message, Method, NameAddr, ParseError, Refusal, TransferSupport, Uri,
};

use crate::binding::{EdgeFlow, Way};
use crate::{Binding, BindingSummary, ClientFlow, gruu, outbound};

/// The location service of one worker.
#[derive(Debug, Default)]
pub struct LocationService {
    bindings_by_aor: BTreeMap<Aor, Vec<Binding>>,
    aors_by_way: BTreeMap<Way, BTreeSet<Aor>>,
    /// Each binding once, soonest to end first.
    endings: BTreeSet<(Instant, Aor)>,
    /// Users who have become reachable or unreachable, in order; to be polled after every input.
    changes: VecDeque<(Aor, bool)>,
    limits: RegistrarLimits,
}

/// Bounds on what a client can ask for.
#[derive(Debug, Clone)]
pub struct RegistrarLimits {
    pub bindings_per_aor_max: usize,
    pub expires_secs_min: u32,
    pub expires_secs_default: u32,
    pub expires_secs_max: u32,
}

/// A registration that was accepted: what its 200 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registered {
    /// One Contact value for each binding, with its remaining time (RFC 3261 section 10.3 step 8).
    pub contacts: Vec<String>,
    /// The Path values to repeat (RFC 3327 section 5.3).
    pub path: Vec<String>,
    /// Whether the flow the request came in on now carries a binding.
    pub bound: bool,
    /// Whether it was bound by RFC 5626: the client is to keep the flow alive, and told so.
    pub outbound: bool,
}

/// What the Contact headers of a REGISTER ask for.
enum Wish {
    Fetch,
    RemoveAll,
    Update(Vec<(Binding, u32)>),
}

impl LocationService {
    pub fn new(limits: RegistrarLimits) -> LocationService {
        LocationService { limits, ..LocationService::default() }
    }

    /// Applies an admitted REGISTER, all of it or nothing.
    ///
    /// # Errors
    /// 400 for a Contact that does not parse, 403 where the request proves another user, 423 for too short an
    /// interval, 439 where the first hop cannot keep the flow that the client wants kept, 500 for an old CSeq, 503 beyond
    /// `bindings_per_aor_max`.
    pub fn handle_register(
        &mut self,
        now: Instant,
        request: &Message,
        admitted: &Admitted,
        flow: ClientFlow,
    ) -> Result<Registered, Refusal> {
        let aor = admitted.aor().ok_or_else(|| Refusal::new(403, Word::IdentityMismatch, "only a user registers"))?;
        let wish = self.read_wish(now, request, flow)?;
        let outbound = match &wish {
            Wish::Update(updates) => outbound::is_asked_for(request, updates)?,
            Wish::Fetch | Wish::RemoveAll => false,
        };
        self.expire(now);
        let path = match &wish {
            Wish::Update(updates) => updates.first().map(|(binding, _)| binding.path.clone()).unwrap_or_default(),
            Wish::Fetch | Wish::RemoveAll => Vec::new(),
        };
        match wish {
            Wish::Fetch => {}
            Wish::RemoveAll => self.remove_all(aor, request)?,
            Wish::Update(updates) => self.update(aor, updates)?,
        }
        let bindings = self.lookup(now, aor);
        let gruu = |binding: &Binding| gruu::public(aor, binding).filter(|_| gruu::is_asked_for(request));
        Ok(Registered {
            contacts: bindings.iter().map(|binding| contact_value(binding, gruu(binding), now)).collect(),
            path,
            bound: bindings.iter().any(|binding| binding.flow.is_same(&flow)),
            outbound,
        })
    }

    /// The live bindings of a user, most wanted first.
    pub fn lookup(&self, now: Instant, aor: &Aor) -> Vec<&Binding> {
        let mut live: Vec<_> =
            self.bindings_by_aor.get(aor).into_iter().flatten().filter(|binding| binding.expires_at > now).collect();
        live.sort_by_key(|binding| Reverse(binding.q));
        live
    }

    /// The same by device, each with its flows: one that names itself may have several (RFC 5626 section 7), of which the
    /// one that was registered last comes first. Of what one client bound by several names without saying what device it is,
    /// the last counts.
    pub fn devices(&self, now: Instant, aor: &Aor) -> Vec<Vec<&Binding>> {
        let mut devices: Vec<Vec<&Binding>> = Vec::new();
        for binding in latest_of_each_client(&self.lookup(now, aor)) {
            let shares = |device: &&mut Vec<&Binding>| device.iter().any(|flow| flow.is_same_instance(binding));
            match devices.iter_mut().find(shares) {
                Some(device) => device.push(binding),
                None => devices.push(vec![binding]),
            }
        }
        for device in &mut devices {
            device.sort_by_key(|binding| Reverse((binding.q, binding.registered_at)));
        }
        devices
    }

    /// Those of a user that lead to the device which a URI of his with `gr` names (RFC 5627 section 6.1), the last registered
    /// first.
    pub fn named_device(&self, now: Instant, aor: &Aor, uri: &Uri<'_>) -> Vec<&Binding> {
        let mut flows: Vec<_> = self.lookup(now, aor).into_iter().filter(|binding| gruu::names(uri, binding)).collect();
        flows.sort_by_key(|binding| Reverse(binding.registered_at));
        flows
    }

    /// Whether a binding is reached over this flow.
    pub fn carries(&self, flow: FlowId) -> bool {
        self.aors_by_way.contains_key(&Way::Own(flow))
    }

    /// Removes the bindings that were reached over this flow: nothing else leads to them.
    pub fn flow_closed(&mut self, flow: FlowId) {
        self.way_ended(Way::Own(flow));
    }

    /// The edge says that the phone's connection is gone (RFC 5626 section 5.3.1), or is gone itself.
    pub fn edge_flow_failed(&mut self, flow: EdgeFlow) {
        self.way_ended(Way::Edge(flow));
    }

    /// Whether any phone is reached by this edge.
    pub fn has_edge(&self, edge: u16) -> bool {
        let (first, last) = (EdgeFlow { edge, number: 0 }, EdgeFlow { edge, number: u64::MAX });
        self.aors_by_way.range(Way::Edge(first)..=Way::Edge(last)).next().is_some()
    }

    /// The edge itself is gone, and with it the connections of all its phones.
    pub fn edge_failed(&mut self, edge: u16) {
        let (first, last) = (EdgeFlow { edge, number: 0 }, EdgeFlow { edge, number: u64::MAX });
        let ways: Vec<Way> = self.aors_by_way.range(Way::Edge(first)..=Way::Edge(last)).map(|(way, _)| *way).collect();
        ways.into_iter().for_each(|way| self.way_ended(way));
    }

    /// Removes the bindings by edges of the users of whom this is so; names their connections.
    pub fn leave_outside(&mut self, is_meant: impl Fn(&Aor) -> bool) -> Vec<EdgeFlow> {
        let (first, last) = (EdgeFlow { edge: 0, number: 0 }, EdgeFlow { edge: u16::MAX, number: u64::MAX });
        let outside = self.aors_by_way.range(Way::Edge(first)..=Way::Edge(last));
        let aors: BTreeSet<Aor> = outside.flat_map(|(_, aors)| aors).filter(|aor| is_meant(aor)).cloned().collect();
        let mut left = Vec::new();
        for aor in aors {
            left.extend(self.bindings_by_aor.get(&aor).into_iter().flatten().filter_map(|binding| binding.flow.edge));
            self.retain(&aor, |binding| binding.flow.edge.is_none());
        }
        left
    }

    fn way_ended(&mut self, way: Way) {
        for aor in self.aors_by_way.remove(&way).unwrap_or_default() {
            self.retain(&aor, |binding| binding.flow.way() != way);
        }
    }

    /// Removes a user altogether and names the flows that carried him.
    pub fn remove_user(&mut self, aor: &Aor) -> Vec<FlowId> {
        let bindings = self.bindings_by_aor.get(aor).into_iter().flatten();
        // Over an edge's many are reached.
        let own = bindings.filter(|binding| binding.flow.edge.is_none());
        let flows: Vec<_> = own.map(|binding| binding.flow.id).collect();
        self.retain(aor, |_| false);
        flows
    }

    /// Forgets what has run out.
    pub fn expire(&mut self, now: Instant) {
        let due: Vec<Aor> = self.endings.iter().take_while(|(at, _)| *at <= now).map(|(_, aor)| aor.clone()).collect();
        for aor in due {
            self.retain(&aor, |binding| binding.expires_at > now);
        }
    }

    /// When the next binding runs out.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.endings.first().map(|(at, _)| *at)
    }

    /// The next user whose first device came, or whose last one went: whether there is one now.
    pub fn poll_change(&mut self) -> Option<(Aor, bool)> {
        self.changes.pop_front()
    }

    /// Bindings held, over all users.
    pub fn len(&self) -> usize {
        self.bindings_by_aor.values().map(Vec::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.bindings_by_aor.is_empty()
    }

    /// What an operator sees, sorted by address.
    pub fn summaries(&self, now: Instant) -> Vec<BindingSummary> {
        let mut all: Vec<_> = self
            .bindings_by_aor
            .iter()
            .flat_map(|(aor, bindings)| bindings.iter().map(move |binding| summary(aor, binding, now)))
            .collect();
        all.sort_by(|a, b| (&a.aor, &a.contact).cmp(&(&b.aor, &b.contact)));
        all
    }

    /// RFC 3261 section 10.3 steps 6 and 7, read without changing anything.
    fn read_wish(&self, now: Instant, request: &Message, flow: ClientFlow) -> Result<Wish, Refusal> {
        let default = request.expires().map_err(malformed)?.unwrap_or(self.limits.expires_secs_default);
        // One more than may be is enough to know that there are too many.
        let contacts = request
            .contacts()
            .take(self.limits.bindings_per_aor_max + 1)
            .collect::<Result<Vec<_>, _>>()
            .map_err(malformed)?;
        if contacts.is_empty() {
            return Ok(Wish::Fetch);
        }
        if contacts.contains(&ContactValue::Star) {
            let only = contacts.len() == 1 && request.expires().map_err(malformed)? == Some(0);
            return only.then_some(Wish::RemoveAll).ok_or_else(|| {
                Refusal::new(400, Word::MalformedRequest, "Contact * needs Expires: 0 and no other Contact")
            });
        }
        let mut updates = Vec::new();
        for contact in contacts.iter().filter_map(ContactValue::address) {
            let asked = match contact.param("expires").flatten() {
                Some(text) => text.parse().unwrap_or(default),
                None => default,
            };
            let granted = self.grant(asked)?;
            updates.push((read_binding(now, request, contact, flow, granted)?, granted));
            if updates.len() > self.limits.bindings_per_aor_max {
                return Err(self.too_many());
            }
        }
        Ok(Wish::Update(updates))
    }

    /// RFC 3261 section 10.3 step 7: an interval may be shortened, and one that is too brief is refused.
    fn grant(&self, asked_secs: u32) -> Result<u32, Refusal> {
        if asked_secs != 0 && asked_secs < self.limits.expires_secs_min {
            let reason = format!("asked for {asked_secs} s");
            return Err(Refusal::new(423, Word::IntervalTooBrief, reason)
                .with_header(HeaderName::MinExpires, self.limits.expires_secs_min.to_string()));
        }
        Ok(asked_secs.min(self.limits.expires_secs_max))
    }

    fn update(&mut self, aor: &Aor, updates: Vec<(Binding, u32)>) -> Result<(), Refusal> {
        self.check_updates(aor, &updates)?;
        let mut bindings = self.bindings_by_aor.get_mut(aor).map(std::mem::take).unwrap_or_default();
        for (update, expires_secs) in updates {
            while let Some(index) = bindings.iter().position(|old| old.is_same_device(&update)) {
                let old = bindings.remove(index);
                self.unlink(aor, &old, &bindings);
            }
            if expires_secs > 0 {
                self.link(aor, &update);
                bindings.push(update);
            }
        }
        self.keep(aor, bindings);
        Ok(())
    }

    /// Whether all of them can be done.
    fn check_updates(&self, aor: &Aor, updates: &[(Binding, u32)]) -> Result<(), Refusal> {
        let mut after: Vec<&Binding> = self.bindings_by_aor.get(aor).into_iter().flatten().collect();
        for (update, expires_secs) in updates {
            if let Some(old) = after.iter().find(|old| old.is_same_device(update)) {
                check_order(old, &update.call_id, update.cseq)?;
            }
            after.retain(|old| !old.is_same_device(update));
            if *expires_secs > 0 {
                after.push(update);
            }
        }
        if after.len() > self.limits.bindings_per_aor_max { Err(self.too_many()) } else { Ok(()) }
    }

    fn remove_all(&mut self, aor: &Aor, request: &Message) -> Result<(), Refusal> {
        let call_id = request.call_id().map_err(malformed)?;
        let cseq = request.cseq().map_err(malformed)?.number;
        for old in self.bindings_by_aor.get(aor).into_iter().flatten() {
            check_order(old, call_id, cseq)?;
        }
        self.retain(aor, |_| false);
        Ok(())
    }

    fn retain(&mut self, aor: &Aor, keep: impl Fn(&Binding) -> bool) {
        let Some(bindings) = self.bindings_by_aor.get_mut(aor).map(std::mem::take) else { return };
        let (kept, gone): (Vec<_>, Vec<_>) = bindings.into_iter().partition(keep);
        for old in &gone {
            self.unlink(aor, old, &kept);
        }
        self.keep(aor, kept);
    }

    fn keep(&mut self, aor: &Aor, bindings: Vec<Binding>) {
        let is_there = !bindings.is_empty();
        let was_there = match is_there {
            false => self.bindings_by_aor.remove(aor).is_some(),
            true => self.bindings_by_aor.insert(aor.clone(), bindings).is_some(),
        };
        if is_there != was_there {
            self.changes.push_back((aor.clone(), is_there));
        }
    }

    fn link(&mut self, aor: &Aor, binding: &Binding) {
        self.aors_by_way.entry(binding.flow.way()).or_default().insert(aor.clone());
        self.endings.insert((binding.expires_at, aor.clone()));
    }

    /// `others`: those of the user that stay. Some of them may end at the same time, or come over the same flow.
    fn unlink(&mut self, aor: &Aor, old: &Binding, others: &[Binding]) {
        if others.iter().all(|other| other.expires_at != old.expires_at) {
            self.endings.remove(&(old.expires_at, aor.clone()));
        }
        if others.iter().all(|other| other.flow.way() != old.flow.way())
            && let Some(aors) = self.aors_by_way.get_mut(&old.flow.way())
        {
            aors.remove(aor);
            if aors.is_empty() {
                self.aors_by_way.remove(&old.flow.way());
            }
        }
    }

    /// Whether a REGISTER has more Contacts than could ever be needed, before anybody has asked who sends it: as many new ones
    /// as a user may have, each in the place of an old one that is removed.
    ///
    /// # Errors
    /// 503 `too-many-bindings`.
    pub fn check_contacts(&self, request: &Message) -> Result<(), Refusal> {
        let is_register = request.method() == Some(Method::Register);
        let contacts_max = 2 * self.limits.bindings_per_aor_max;
        if is_register && request.elements(HeaderName::Contact).nth(contacts_max).is_some() {
            return Err(self.too_many());
        }
        Ok(())
    }

    fn too_many(&self) -> Refusal {
        let reason = format!("more than {} bindings of one user", self.limits.bindings_per_aor_max);
        Refusal::new(503, Word::TooManyBindings, reason)
    }
}

impl Default for RegistrarLimits {
    fn default() -> RegistrarLimits {
        RegistrarLimits {
            bindings_per_aor_max: 16,
            expires_secs_min: 60,
            expires_secs_default: 3600,
            expires_secs_max: 7200,
        }
    }
}

/// Of those that were registered at once, the most wanted, or the first.
fn latest_of_each_client<'a>(bindings: &[&'a Binding]) -> Vec<&'a Binding> {
    let weight = |place: usize| (bindings[place].registered_at, bindings[place].q, Reverse(place));
    let places = 0..bindings.len();
    let is_latest = |place: &usize| {
        let mut others = places.clone().filter(|other| weight(*other) > weight(*place));
        !others.any(|other| bindings[other].is_same_client(bindings[*place]))
    };
    places.clone().filter(is_latest).map(|place| bindings[place]).collect()
}

fn read_binding(
    now: Instant,
    request: &Message,
    contact: &NameAddr<'_>,
    flow: ClientFlow,
    expires_secs: u32,
) -> Result<Binding, Refusal> {
    // As written, quotes and all: it is repeated in the 200, and compared, but never read.
    let raw =
        |name: &str| contact.params().find(|param| param.name.eq_ignore_ascii_case(name)).and_then(|param| param.value);
    let told_again = |name: &str| raw(name).map(|value| format!(";{name}={value}")).unwrap_or_default();
    let instance = raw("+sip.instance").map(str::to_owned);
    let uri = contact.uri();
    if !uri.is_sip() {
        return Err(Refusal::new(
            400,
            Word::MalformedRequest,
            format!("a Contact that is no SIP URI: {}", uri.scheme()),
        ));
    }
    let path = request.paths().map(|path| path.map(|path| path.as_str().to_owned())).collect::<Result<_, _>>();
    Ok(Binding {
        contact: uri.as_str().to_owned(),
        parameters: ["q", "+sip.instance", "reg-id"].map(told_again).concat(),
        flow,
        reg_id: contact.param("reg-id").flatten().and_then(|text| text.parse().ok()),
        instance,
        is_direct: outbound::is_first_hop(request, flow),
        path: path.map_err(malformed)?,
        transfer: TransferSupport::shown_in(request),
        q: contact.param("q").flatten().map_or(1000, thousandths),
        call_id: request.call_id().map_err(malformed)?.to_owned(),
        cseq: request.cseq().map_err(malformed)?.number,
        registered_at: now,
        expires_at: now + Duration::from_secs(u64::from(expires_secs)),
    })
}

/// RFC 3261 section 10.3 step 7: within one Call-ID a lower CSeq arrived late.
fn check_order(old: &Binding, call_id: &str, cseq: u32) -> Result<(), Refusal> {
    if old.call_id == call_id && cseq <= old.cseq {
        let reason = format!("CSeq {cseq} after {}", old.cseq);
        return Err(Refusal::new(500, Word::OutOfOrder, reason));
    }
    Ok(())
}

fn contact_value(binding: &Binding, gruu: Option<String>, now: Instant) -> String {
    let gruu = gruu.map(|gruu| format!(";pub-gruu=\"{gruu}\"")).unwrap_or_default();
    format!("<{}>{}{gruu};expires={}", binding.contact, binding.parameters, binding.remaining_secs(now))
}

fn summary(aor: &Aor, binding: &Binding, now: Instant) -> BindingSummary {
    BindingSummary {
        aor: aor.to_string(),
        contact: binding.contact.clone(),
        flow: binding.flow.id,
        expires_secs: binding.remaining_secs(now),
    }
}

/// A qvalue (RFC 3261 section 25.1) in thousandths; what is none counts as 1.
fn thousandths(text: &str) -> u16 {
    let value: f32 = text.parse().unwrap_or(1.0);
    (value.clamp(0.0, 1.0) * 1000.0).round() as u16
}

fn malformed(error: ParseError) -> Refusal {
    Refusal::new(400, Word::MalformedRequest, error.to_string())
}
