//! Topology hiding (RFC 5853 section 3.1, as a proxy can do it): a partner sees the edge's name in Via, Record-Route and Contact,
//! and nothing of what is behind it. What it sees instead holds the rest, sealed, so that no edge has to remember anything. What
//! servers and phones say in words is `words`'.
//!
//! Not hidden is what endpoints agree on between themselves: Call-ID, bodies, and addresses in Refer-To.

mod words;

use bytes::Bytes;
use sip::proxy::forward::record_route_value;
use sip::{Edits, FlowId, HeaderName, Message, NameAddr, Transport, Uri};

use crate::core::Core;
use crate::token::Leg;

impl Core {
    /// Whether there is any partner that sees this server alone.
    pub(crate) fn hides_topology(&self) -> bool {
        self.partners.hides_topology() && !self.is_home_only()
    }

    /// Whether this domain does, at the other end of this connection.
    pub(crate) fn hides_topology_from(&self, domain: &str, flow: FlowId) -> bool {
        self.hides_topology() && self.partners.hides_topology_from(domain, self.certificate_outside(flow))
    }

    /// A CANCEL has nothing of the inside but what its sender says of the reason.
    pub(crate) fn conceal_reason(&self, cancel: Bytes, is_hidden: bool) -> Bytes {
        match Message::parse(cancel.clone()) {
            Ok(message) if is_hidden => {
                let mut edits = Edits::new();
                self.conceal_words(&message, &mut edits);
                edits.apply_at_border(&message)
            }
            _ => cancel,
        }
    }

    /// A request or a response as a partner sees it.
    pub(crate) fn conceal(&self, message: &Message) -> Bytes {
        let mut edits = Edits::new();
        self.conceal_ways(message, &mut edits);
        if message.is_request() {
            self.conceal_vias(message, &mut edits);
        }
        match message.status() {
            Some(300..=399) => self.conceal_targets(message, &mut edits),
            _ => self.conceal_contacts(message, &mut edits),
        }
        self.conceal_words(message, &mut edits);
        edits.apply_at_border(message)
    }

    /// Ours stays, and keeps the others.
    fn conceal_vias(&self, message: &Message, edits: &mut Edits) {
        let vias = texts(message, HeaderName::Via);
        if let [ours, others @ ..] = &vias[..]
            && !others.is_empty()
        {
            let sealed = self.mint.seal(&others.join("\n"), call_id(message));
            edits.set(HeaderName::Via, format!("{ours};{HELD_PARAM}={sealed}"));
        }
    }

    /// Of the Record-Routes that the partner's own are not, the outermost stays, and one more leads to all others.
    fn conceal_ways(&self, message: &Message, edits: &mut Edits) {
        let routes = texts(message, HeaderName::RecordRoute);
        let leads_to_partner = |route: &String| matches!(self.leg_named(route, message), Some(Leg::Partner { .. }));
        // Where it passed this side twice, on its way to a provider that shares our address space, the way to whoever asked.
        let asker = message.from().ok().filter(|_| !message.is_request());
        let asker = asker.map(|from| from.uri().host_lowercase().into_owned());
        let leads_to_asker = |route: &String| match self.leg_named(route, message) {
            Some(Leg::Partner { domain }) => Some(domain) == asker,
            _ => false,
        };
        let outermost = routes.iter().position(leads_to_asker).or_else(|| routes.iter().position(leads_to_partner));
        let Some(outermost) = outermost else {
            // What makes no dialog leads nowhere.
            if message.status() >= Some(300) {
                edits.remove(HeaderName::RecordRoute);
            }
            return;
        };
        let (hidden, shown): (Vec<_>, Vec<_>) = match message.is_request() {
            true => (routes[outermost + 1..].to_vec(), vec![routes[outermost].clone()]),
            // The one asked reads them from the end.
            false => (routes[..outermost].iter().rev().cloned().collect(), routes[outermost..].to_vec()),
        };
        if hidden.is_empty() {
            return;
        }
        let user = format!("{WAY_MARK}{}", self.mint.seal(&hidden.join("\n"), call_id(message)));
        let way =
            record_route_value(&user, &self.organisation.edge, self.listening_port(Transport::Tls), Transport::Tls);
        let ways = if message.is_request() { [shown, vec![way]].concat() } else { [vec![way], shown].concat() };
        edits.remove(HeaderName::RecordRoute);
        ways.iter().for_each(|way| edits.append(HeaderName::RecordRoute, way));
    }

    fn conceal_contacts(&self, message: &Message, edits: &mut Edits) {
        let contacts = texts(message, HeaderName::Contact);
        let concealed: Vec<String> = contacts
            .iter()
            .map(|contact| self.concealed(contact, call_id(message)).unwrap_or(contact.clone()))
            .collect();
        if concealed != contacts {
            edits.remove(HeaderName::Contact);
            concealed.iter().for_each(|contact| edits.append(HeaderName::Contact, contact));
        }
    }

    /// Those of a redirection are where the partner is to go: which is nowhere inside.
    fn conceal_targets(&self, message: &Message, edits: &mut Edits) {
        let targets = texts(message, HeaderName::Contact);
        let shown = targets.iter().filter(|target| self.is_public(target));
        let shown: Vec<&String> = shown.collect();
        if shown.len() < targets.len() {
            edits.remove(HeaderName::Contact);
            shown.iter().for_each(|target| edits.append(HeaderName::Contact, target.as_str()));
        }
    }

    fn is_public(&self, target: &str) -> bool {
        let Ok(address) = NameAddr::parse_in(HeaderName::Contact, target.as_bytes()) else { return false };
        let uri = address.uri();
        let host = uri.host_lowercase();
        let is_inner = self.organisation.inside().is_some_and(|inside| inside.is_named(&host) || inside.has_hop(&host));
        !uri.is_sip() || !(uri.host_address().is_some() || is_inner)
    }

    /// `None` for an address that is public.
    fn concealed(&self, contact: &str, call_id: &str) -> Option<String> {
        let address = NameAddr::parse_in(HeaderName::Contact, contact.as_bytes()).ok()?;
        let uri = address.uri();
        if !uri.is_sip() || self.organisation.is_local(uri.host()) {
            return None;
        }
        let user = format!("{CONTACT_MARK}{}", self.mint.seal(uri.as_str(), call_id));
        let (edge, port) = (&self.organisation.edge, self.listening_port(Transport::Tls));
        let name = contact.split_once('<').map_or("", |(name, _)| name);
        let params = match contact.split_once('>') {
            Some((_, params)) => params,
            None => contact.strip_prefix(uri.as_str()).unwrap_or_default(),
        };
        Some(format!("{name}<{}:{user}@{edge}:{port};transport=tls>{params}", uri.scheme()))
    }

    /// A partner's request as it is without the edge: what it carries for us is opened again.
    pub(crate) fn reveal_request(&self, message: Message) -> Message {
        let mut edits = Edits::new();
        if let Some(contact) = message.request_uri().and_then(|uri| self.opened(uri, CONTACT_MARK, &message)) {
            edits.set_request_uri(contact);
        }
        self.reveal_ways(&message, HeaderName::Route, &mut edits);
        applied(message, &edits)
    }

    /// A partner's response, before anybody here reads it.
    pub(crate) fn reveal_response(&self, message: Message) -> Message {
        let mut edits = Edits::new();
        self.reveal_ways(&message, HeaderName::RecordRoute, &mut edits);
        applied(message, &edits)
    }

    fn reveal_ways(&self, message: &Message, name: HeaderName, edits: &mut Edits) {
        let ways = texts(message, name);
        let opened = |way: &String| {
            let address = NameAddr::parse_in(name, way.as_bytes()).ok()?;
            self.opened(address.uri().as_str(), WAY_MARK, message)
        };
        if !ways.iter().any(|way| way.contains(WAY_MARK) && opened(way).is_some()) {
            return;
        }
        edits.remove(name);
        for way in ways {
            match opened(&way) {
                Some(hidden) => hidden.lines().for_each(|way| edits.append(name, way)),
                None => edits.append(name, way),
            }
        }
    }

    /// What our topmost Via keeps, for whoever passes a response on without having sent the request.
    pub(crate) fn reveal_vias(&self, message: Message) -> Message {
        let held = message.top_via().ok().and_then(|via| via.param(HELD_PARAM).flatten().map(str::to_owned));
        let Some(others) = held.and_then(|held| self.mint.unseal(&held, call_id(&message))) else { return message };
        let mut edits = Edits::new();
        others.lines().for_each(|via| edits.append(HeaderName::Via, via));
        applied(message, &edits)
    }

    fn opened(&self, uri: &str, mark: &str, message: &Message) -> Option<String> {
        let uri = Uri::parse(uri).ok().filter(|uri| self.organisation.is_named(uri.host()))?;
        self.mint.unseal(uri.user()?.strip_prefix(mark)?, call_id(message))
    }

    fn leg_named(&self, route: &str, message: &Message) -> Option<Leg> {
        let address = NameAddr::parse_in(HeaderName::RecordRoute, route.as_bytes()).ok()?;
        self.mint.read_route(address.uri().user()?, call_id(message))
    }
}

/// The response as it goes back inside: by the Vias that the request had there.
pub(crate) fn with_vias_of(request: &Message, response: Bytes) -> Bytes {
    let Ok(message) = Message::parse(response.clone()) else { return response };
    let mut edits = Edits::new();
    edits.remove(HeaderName::Via);
    texts(request, HeaderName::Via).iter().for_each(|via| edits.append(HeaderName::Via, via));
    edits.apply(&message)
}

fn texts(message: &Message, name: HeaderName) -> Vec<String> {
    message.elements(name).map(|element| String::from_utf8_lossy(element).trim().to_owned()).collect()
}

fn applied(message: Message, edits: &Edits) -> Message {
    match edits.is_empty() {
        true => message,
        false => Message::parse(edits.apply(&message)).unwrap_or(message),
    }
}

fn call_id(message: &Message) -> &str {
    message.call_id().unwrap_or_default()
}

const WAY_MARK: &str = "h.";
const CONTACT_MARK: &str = "c.";
/// The Via parameter with the Vias of the inside.
const HELD_PARAM: &str = "held";
