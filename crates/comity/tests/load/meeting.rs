//! People in a meeting: they come in with sound, write within the session, and leave.

use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use sip::{HeaderName, Message, Method};

use super::{Door, Ledger};
use crate::phone::Phone;

pub const ORGANISER: &str = "organiser@contoso.example";
pub const GUESTS: [&str; 2] = ["guest0@contoso.example", "guest1@contoso.example"];

/// Somebody who is in a meeting.
pub struct Attendee {
    phone: Phone,
    /// `meet-ID@contoso.example`
    address: String,
    /// Where requests within the dialog go: its target, and the headers of its route.
    target: String,
    route: String,
    /// Messages of others that came.
    pub heard: u32,
}

/// A phone that is signed in.
pub fn signed_in(door: &Door, aor: &'static str) -> Phone {
    let mut phone = super::connect(door, aor);
    assert_eq!(phone.register().status(), Some(200), "{aor} cannot sign in");
    phone
}

impl Attendee {
    /// Comes in.
    ///
    /// # Errors
    /// From a server that ended meanwhile.
    pub fn join(mut phone: Phone, meeting: &str) -> io::Result<Attendee> {
        let address = format!("meet-{meeting}@contoso.example");
        let uri = format!("sip:{address}");
        phone.offer = OFFER;
        phone.to_tag = "";
        phone.call_id = format!("visit-{}", VISITS.fetch_add(1, Ordering::Relaxed));
        let contact =
            format!("Contact: <sip:{};transport=tcp>\r\n", phone.aor.replace("contoso.example", "phone.invalid"));
        phone.try_offer_proof(&Method::Invite, &uri, &address, &contact)?;
        let answer = phone.try_final_response()?;
        assert_eq!(answer.status(), Some(200), "{answer:?}");
        let text =
            |name| answer.header_all(name).map(|value| String::from_utf8_lossy(value).into_owned()).collect::<Vec<_>>();
        let route =
            text(HeaderName::RecordRoute).iter().rev().map(|value| format!("Route: {value}\r\n")).collect::<String>();
        let target = text(HeaderName::Contact)[0].split(['<', '>']).nth(1).unwrap().to_owned();
        phone.to_tag = text(HeaderName::To)[0].split(";tag=").nth(1).unwrap().to_owned().leak();
        phone.try_acknowledge(&target, &address, &route)?;
        Ok(Attendee { phone, address, target, route, heard: 0 })
    }

    /// Says something to all others; they say theirs to whoever has said something.
    ///
    /// # Errors
    /// As of [`Attendee::join`].
    pub fn write(&mut self) -> io::Result<()> {
        self.phone.text = "Hello";
        self.ask(&Method::Message)
    }

    /// Goes; the phone may join again.
    ///
    /// # Errors
    /// As of [`Attendee::join`].
    pub fn leave(mut self) -> io::Result<Phone> {
        self.ask(&Method::Bye).map(|()| self.phone)
    }

    /// Waits until somebody else has said something.
    ///
    /// # Errors
    /// As of [`Attendee::join`].
    pub fn hear(&mut self) -> io::Result<()> {
        let message = self.phone.try_receive()?;
        self.take(&message)
    }

    /// A message is to be proven each time, within a session, too.
    fn ask(&mut self, method: &Method) -> io::Result<()> {
        let Attendee { target, address, route, .. } = self;
        self.phone.try_send(method, target, address, route)?;
        let mut answer = self.answer()?;
        if answer.status() == Some(407) {
            let Attendee { target, address, route, .. } = self;
            self.phone.try_prove(&answer, method, (target, address), route)?;
            answer = self.answer()?;
        }
        assert_eq!(answer.status(), Some(200), "{method}: {answer:?}");
        Ok(())
    }

    /// What others say may come before it.
    fn answer(&mut self) -> io::Result<Message> {
        loop {
            let message = self.phone.try_final_response()?;
            if message.status().is_some() {
                return Ok(message);
            }
            self.take(&message)?;
        }
    }

    fn take(&mut self, request: &Message) -> io::Result<()> {
        assert_eq!(request.method(), Some(Method::Message), "{request:?}");
        self.heard += 1;
        self.phone.try_answer(request, 200)
    }
}

/// Says something, and hears what the others say until the server is gone.
pub fn stay(mut attendee: Attendee, ledger: &Mutex<Ledger>) {
    let mut is_there = attendee.write().is_ok();
    ledger.lock().unwrap().said += u32::from(is_there);
    while is_there {
        ledger.lock().unwrap().heard += std::mem::take(&mut attendee.heard);
        is_there = attendee.hear().is_ok();
    }
}

/// Comes and goes until the server is gone.
pub fn come_and_go(mut phone: Phone, meeting: &str, ledger: &Mutex<Ledger>) {
    while let Ok(next) = visit(phone, meeting, ledger) {
        phone = next;
    }
}

fn visit(phone: Phone, meeting: &str, ledger: &Mutex<Ledger>) -> io::Result<Phone> {
    let mut attendee = Attendee::join(phone, meeting)?;
    for _ in 0..3 {
        attendee.write()?;
        ledger.lock().unwrap().said += 1;
    }
    let heard = attendee.heard;
    let phone = attendee.leave()?;
    let mut ledger = ledger.lock().unwrap();
    (ledger.visits, ledger.heard) = (ledger.visits + 1, ledger.heard + heard);
    Ok(phone)
}

static VISITS: AtomicU64 = AtomicU64::new(1);
const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 40000 RTP/AVP 0\r\n";
