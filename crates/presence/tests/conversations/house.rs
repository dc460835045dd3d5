//! One worker's presence agent, its clock, and the requests that its tests send to it.

use std::time::{Duration, Instant};

use documents::pidf::{Activity, Basic, Pidf};
use federation::Admitted;
use presence::{Notify, PresenceAgent, PresenceLimits, Published, Subscribe, Subscribed, SubscriptionId};
use sip::{Aor, HeaderName, Message, Refusal};

pub struct House {
    pub now: Instant,
    pub agent: PresenceAgent<&'static str>,
    cseq: u32,
}

impl House {
    pub fn new() -> House {
        let limits = PresenceLimits {
            publications_per_user_max: 2,
            watchers_per_user_max: 2,
            subscriptions_max: 3,
            document_bytes_max: 1000,
            ..PresenceLimits::default()
        };
        House { now: Instant::now(), agent: PresenceAgent::new(limits, 7), cseq: 0 }
    }

    pub fn later(&mut self, secs: u64) {
        self.now += Duration::from_secs(secs);
        self.agent.handle_timeout(self.now);
    }

    /// A PUBLISH of alice about herself with these header lines and this body.
    pub fn publish(&mut self, lines: &str, body: &str) -> Result<Published, Refusal> {
        self.publish_as(&user("alice"), lines, body)
    }

    pub fn publish_as(&mut self, sender: &Admitted, lines: &str, body: &str) -> Result<Published, Refusal> {
        self.cseq += 1;
        let request = request("PUBLISH", "alice", "p1", self.cseq, lines, body);
        self.agent.handle_publish(self.now, &aor("alice"), &request, sender)
    }

    /// A SUBSCRIBE to alice outside a dialog; its Call-ID is also the way back.
    pub fn subscribe(&mut self, call_id: &'static str, lines: &str) -> Result<Subscribed, Refusal> {
        self.subscribe_to("alice", call_id, lines)
    }

    pub fn subscribe_to(&mut self, name: &str, call_id: &'static str, lines: &str) -> Result<Subscribed, Refusal> {
        self.send(name, call_id, lines, &user("bob"), true)
    }

    /// With a To tag in `name`, such as `alice>;tag=l`, in the dialog.
    pub fn send(
        &mut self,
        name: &str,
        call_id: &'static str,
        lines: &str,
        sender: &Admitted,
        is_allowed: bool,
    ) -> Result<Subscribed, Refusal> {
        self.cseq += 1;
        self.send_numbered(self.cseq, (name, call_id, lines), sender, is_allowed)
    }

    pub fn send_numbered(
        &mut self,
        cseq: u32,
        (name, call_id, lines): (&str, &'static str, &str),
        sender: &Admitted,
        is_allowed: bool,
    ) -> Result<Subscribed, Refusal> {
        let user = name.split('>').next().unwrap();
        let request = request("SUBSCRIBE", name, call_id, cseq, lines, "");
        let subscribe = Subscribe {
            aor: &aor(user),
            request: &request,
            admitted: sender,
            is_allowed,
            local_tag: "l",
            way: call_id,
        };
        self.agent.handle_subscribe(self.now, subscribe)
    }

    /// A SUBSCRIBE in the dialog that the one with this Call-ID made.
    pub fn resubscribe(&mut self, call_id: &'static str, lines: &str) -> Result<Subscribed, Refusal> {
        self.send("alice>;tag=l", call_id, lines, &user("bob"), true)
    }

    pub fn answer(&mut self, id: SubscriptionId, status: u16) {
        self.agent.handle_notified(self.now, id, Some(status), None);
    }

    /// All that is sent now, one line each, answered with 200.
    pub fn settle(&mut self) -> Vec<String> {
        let mut lines = Vec::new();
        while let Some(notify) = self.agent.poll_output(self.now) {
            lines.push(line(&notify));
            assert!(lines.len() < 100, "each answer is followed by another NOTIFY: {lines:?}");
            self.answer(notify.id, 200);
        }
        lines
    }

    /// All that is sent now, one line each, not yet answered.
    pub fn sent(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.agent.poll_output(self.now)).map(|notify| line(&notify)).collect()
    }
}

/// Nothing may be left over.
impl Drop for House {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.sent(), [""; 0], "left over");
        }
    }
}

pub fn aor(name: &str) -> Aor {
    format!("{name}@contoso.example").parse().unwrap()
}

/// Only admission makes the proof; here it comes as it does between workers, in serialised form.
pub fn user(name: &str) -> Admitted {
    serde_json::from_value(serde_json::json!({ "origin": { "User": { "aor": aor(name) } } })).unwrap()
}

/// A document of one tuple, open, and with one activity.
pub fn pidf(id: &str, activity: &str) -> String {
    format!(
        "<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:dm='urn:ietf:params:xml:ns:pidf:data-model' \
         xmlns:rpid='urn:ietf:params:xml:ns:pidf:rpid' entity='sip:alice@contoso.example'><tuple id='{id}'><status>\
         <basic>open</basic></status></tuple><dm:person id='p'><rpid:activities><rpid:{activity}/></rpid:activities>\
         </dm:person></presence>"
    )
}

fn request(method: &str, name: &str, call_id: &str, cseq: u32, lines: &str, body: &str) -> Message {
    let to = format!("<sip:{}", name.replacen('>', "@contoso.example>", 1));
    let to = if name.contains('>') { to } else { format!("{to}@contoso.example>") };
    let text = format!(
        "{method} sip:alice@contoso.example SIP/2.0\r\nVia: SIP/2.0/TLS p.invalid;branch=z9hG4bK1\r\n\
         From: <sip:bob@contoso.example>;tag=r\r\nTo: {to}\r\nCall-ID: {call_id}\r\nCSeq: {cseq} {method}\r\n\
         Contact: <sip:bob@{call_id}.invalid>\r\n{lines}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    Message::parse(text.into_bytes().into()).unwrap()
}

/// `WAY CSEQ STATE: TUPLES ACTIVITIES`, the first two words of it checked against the dialog.
fn line(notify: &Notify<&'static str>) -> String {
    let message = notify.request.clone().message().unwrap();
    assert_eq!(message.call_id(), Ok(notify.way));
    assert_eq!(message.request_uri(), Some(format!("sip:bob@{}.invalid", notify.way).as_str()));
    assert_eq!((message.from().unwrap().tag(), message.to().unwrap().tag()), (Some("l"), Some("r")));
    let event = message.event().unwrap().unwrap();
    let cseq = message.cseq().unwrap();
    let state = message.subscription_state().unwrap().unwrap();
    let body = match message.body() {
        [] => String::new(),
        body => {
            assert_eq!(message.header_text(HeaderName::ContentType), Some("application/pidf+xml"));
            format!(": {}", describe(&Pidf::parse(body).unwrap()))
        }
    };
    format!("{} {} {} {event} {state}{body}", notify.way, cseq.number, cseq.method)
}

fn describe(pidf: &Pidf) -> String {
    assert!(pidf.entity.ends_with("@contoso.example"));
    let mut words: Vec<_> = pidf
        .tuples
        .iter()
        .map(|tuple| format!("{} {}", tuple.id, tuple.basic.map_or("unknown", Basic::as_str)))
        .collect();
    words.extend(pidf.person.iter().flat_map(|person| &person.activities).map(|one| Activity::as_str(one).to_owned()));
    words.join(", ")
}
