//! What the shell would answer: the right thing, a failure, or a thing of another kind.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use federation::discovery::{HostAnswer, HostFailure, SrvAnswer, SrvFailure, SrvTarget};
use federation::flow::{ConnectFailure, ConnectStep, Direction, FlowFacts};
use federation::trust::{Anchor, Names, PeerCertificate, Purposes, Why};
use media::{LegId, OpenedLeg};
use messaging::{ConsentAnswered, ConsentReply, Known, MessageId, NotStored, StoredMessage, judge};
use sdp::Keys;
use signaling::{Answer, Question};
use sip::auth::UserHa1;
use sip::{Aor, FlowId, Transport};

use super::speech::{PASSWORD, domain, user};
use crate::choices::Choices;

/// As the world would have it.
pub fn right(question: &Question, flow: FlowId) -> Answer {
    match question {
        Question::Credentials(aor) => Answer::Credentials(Ok(account(aor))),
        Question::User(aor) => Answer::User(Ok(account(aor).is_some())),
        Question::Store(new) if account(&new.aor).is_none() => Answer::Stored(Err(NotStored::UserUnknown)),
        Question::Store(_) => Answer::Stored(Ok(MessageId(7))),
        Question::NextStored { after, .. } if *after > MessageId(0) => Answer::NextStored(Ok(None)),
        Question::NextStored { aor, .. } => Answer::NextStored(Ok(Some(stored(aor)))),
        Question::Settle { .. } => Answer::Settled(Ok(())),
        Question::Approach(approach) => {
            let is_user = account(&approach.aor).is_some();
            Answer::Approached(Ok(judge(&Known { is_user, ..Known::default() }, approach)))
        }
        Question::ConsentAnswer(answer) => {
            let verdict = answer.reply.map(ConsentReply::verdict);
            let sender = "eve@mallory.example".to_owned();
            Answer::ConsentAnswered(Ok(Some(ConsentAnswered { sender, verdict, released: 1 })))
        }
        Question::Agree { .. } => Answer::Agreed(Ok(1)),
        Question::Srv { domain } => Answer::Srv(Ok(srv(domain))),
        Question::Addresses { .. } => Answer::Addresses(Ok(host(&[IpAddr::from([192, 0, 2, 40])]))),
        Question::OpenLeg { leg } => Answer::LegOpened(Ok(opened(*leg))),
        Question::ConnectInside { remote, server_name, .. } => {
            Answer::Connected(Ok(connection_inside(flow, *remote, server_name)))
        }
        Question::Connect { remote, server_name, .. } => Answer::Connected(Ok(connection(flow, *remote, server_name))),
    }
}

fn host(addresses: &[IpAddr]) -> HostAnswer {
    HostAnswer { addresses: addresses.to_vec(), ttl: Duration::from_secs(60) }
}

pub fn failed(question: &Question, choices: &mut Choices<'_>) -> Answer {
    let why = "it failed".to_owned();
    match question {
        Question::Credentials(_) => Answer::Credentials(Err(why)),
        Question::User(_) => Answer::User(Err(why)),
        Question::Store(_) if choices.flag() => Answer::Stored(Err(NotStored::Full)),
        Question::Store(_) => Answer::Stored(Err(NotStored::Failed(why))),
        Question::NextStored { .. } => Answer::NextStored(Err(why)),
        Question::Settle { .. } => Answer::Settled(Err(why)),
        Question::Approach(_) => Answer::Approached(Err(why)),
        Question::ConsentAnswer(_) => Answer::ConsentAnswered(Err(why)),
        Question::Agree { .. } => Answer::Agreed(Err(why)),
        Question::Srv { .. } => Answer::Srv(Err(match choices.below(4) {
            0 => SrvFailure::NoRecord,
            1 => SrvFailure::Refused,
            2 => SrvFailure::Timeout,
            _ => SrvFailure::ServFail(why),
        })),
        Question::Addresses { .. } => Answer::Addresses(match choices.below(3) {
            0 => Err(HostFailure::NoAddress(why)),
            1 => Err(HostFailure::Unanswered(why)),
            _ => Ok(host(&[])),
        }),
        Question::OpenLeg { .. } => Answer::LegOpened(Err(why)),
        Question::Connect { .. } | Question::ConnectInside { .. } => {
            let steps = [ConnectStep::Tcp, ConnectStep::Refused, ConnectStep::Tls, ConnectStep::Alert];
            Answer::Connected(Err(ConnectFailure { at: steps[choices.below(4)], what: why }))
        }
    }
}

/// To a question that was never asked, as far as its asker knows.
pub fn other(choices: &mut Choices<'_>) -> Question {
    let aor: Aor = user(choices.below(6)).parse().expect("an address");
    match choices.below(6) {
        0 => Question::Credentials(aor),
        1 => Question::User(aor),
        2 => Question::NextStored { aor, after: MessageId(0), now_unix_ms: 0 },
        3 => Question::Settle { id: MessageId(7), is_delivered: true },
        4 => Question::Srv { domain: "fabrikam.example".into() },
        _ => Question::Addresses { host: "sip.fabrikam.example".into() },
    }
}

/// Of a partner's edge, by an authority that we know or not.
pub fn certificate(domain: &str, is_trusted: bool) -> PeerCertificate {
    let names = Names { sip_uris: vec![], dns: vec![format!("sip.{domain}"), domain.to_owned()] };
    PeerCertificate { names, subject: format!("CN=sip.{domain}"), ..certificate_of(domain, is_trusted) }
}

/// Of a server with this name.
pub fn certificate_of(name: &str, is_trusted: bool) -> PeerCertificate {
    let anchor = Anchor::Public { name: "An Authority".into() };
    PeerCertificate {
        chain: if is_trusted { Ok(anchor) } else { Err(Why::UnknownIssuer) },
        validity: Ok(()),
        dane: None,
        purposes: Purposes { client_auth: true, server_auth: true, sip_domain: false, any: false, stated: true },
        names: Names { sip_uris: vec![], dns: vec![name.to_owned()] },
        fingerprint: [1; 32],
        issuer: "CN=An Authority".into(),
        serial: "01".into(),
        subject: format!("CN={name}"),
        not_after_unix: 4_000_000_000,
    }
}

fn account(aor: &Aor) -> Option<UserHa1> {
    let is_known = (0..3).any(|number| user(number) == aor.to_string());
    is_known.then(|| UserHa1::new(aor, PASSWORD))
}

fn stored(aor: &Aor) -> StoredMessage {
    let request = format!(
        "MESSAGE sip:{aor} SIP/2.0\r\nFrom: <sip:dave@fabrikam.example>;tag=1\r\nTo: <sip:{aor}>\r\nCall-ID: kept\r\n\
         CSeq: 1 MESSAGE\r\nMax-Forwards: 69\r\nContent-Length: 2\r\n\r\nhi"
    );
    StoredMessage { id: MessageId(1), request: request.into_bytes().into(), is_repeat: false }
}

fn srv(domain: &str) -> SrvAnswer {
    let target = |priority, host| SrvTarget { priority, weight: 1, port: 5061, host };
    SrvAnswer {
        name: format!("_sipfederationtls._tcp.{domain}"),
        targets: vec![target(1, format!("sip.{domain}")), target(2, format!("spare.{domain}"))],
        ttl: Duration::from_secs(60),
        secure: false,
        tlsa: vec![],
    }
}

fn opened(leg: LegId) -> OpenedLeg {
    let port = 20_000 + 2 * u16::try_from(leg.bridge.serial % 1000).expect("small");
    let at = |port| SocketAddr::from(([192, 0, 2, 1], port));
    OpenedLeg {
        rtp: at(port),
        rtcp: at(port + 1),
        other_address: Some(std::net::Ipv6Addr::LOCALHOST.into()),
        keys: Keys::cut(&[9; Keys::BYTES]),
    }
}

fn connection_inside(id: FlowId, remote: SocketAddr, server_name: &str) -> FlowFacts {
    let certificate = Some(Arc::new(certificate_of(server_name, true)));
    FlowFacts { certificate, is_inner: true, ..connection(id, remote, server_name) }
}

fn connection(id: FlowId, remote: SocketAddr, server_name: &str) -> FlowFacts {
    let named = server_name.split_once('.').map_or(domain(server_name), |(_, parent)| parent);
    FlowFacts {
        id,
        transport: Transport::Tls,
        local: SocketAddr::from(([192, 0, 2, 1], 40_000)),
        remote,
        direction: Direction::Outbound,
        certificate: Some(Arc::new(certificate(named, true))),
        is_inner: false,
    }
}
