//! Where people of three organisations write to each other, and how: by single messages, or within sessions.

use signaling::Limits;
use sim::{Line, World, first_line};
use sip::Message;

use crate::phone;

/// Three organisations that allow each other; at contoso Alice and Dave, at fabrikam Bob, at adatum Carol.
pub struct Room {
    pub world: World,
    pub contoso: usize,
    pub alice: Line,
    pub dave: Line,
    pub bob: Line,
    pub carol: Line,
    pub requests: u32,
}

pub const ALICE: &str = "alice@contoso.example";
pub const DAVE: &str = "dave@contoso.example";
pub const BOB: &str = "bob@fabrikam.example";
pub const CAROL: &str = "carol@adatum.example";
pub const FACTORY: &str = "meet@contoso.example";
pub const HEAD: &str = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n";
pub const MESSAGES: &str = "m=message 5060 sip null\na=accept-types:text/plain\n";
pub const AUDIO: &str = "m=audio 40000 RTP/AVP 0\n";
pub const TYPING: &str = "<?xml version=\"1.0\"?><isComposing xmlns=\"urn:ietf:params:xml:ns:im-iscomposing\"><state>active</state>\
    </isComposing>";

pub fn everywhere(play: impl Fn(Room)) {
    phone::everywhere(6, |workers, seed| play(Room::new(workers, seed)));
}

impl Room {
    pub fn new(workers: u16, seed: u64) -> Room {
        Room::within(workers, seed, |_| {})
    }

    /// Contoso's limits are narrowed.
    pub fn within(workers: u16, seed: u64, narrow: impl Fn(&mut Limits)) -> Room {
        let mut world = World::new(seed);
        let sites = world.allies(["contoso.example", "fabrikam.example", "adatum.example"], workers);
        world.configure(sites[0], |config| narrow(&mut config.limits));
        let mut phone = |site: usize, aor: &str, n: u64| {
            world.user(site, aor);
            phone::register(&mut world, site, u16::try_from((seed + n) % u64::from(workers)).unwrap(), aor)
        };
        let (alice, dave) = (phone(sites[0], ALICE, 0), phone(sites[0], DAVE, 1));
        let (bob, carol) = (phone(sites[1], BOB, 2), phone(sites[2], CAROL, 3));
        Room { world, contoso: sites[0], alice, dave, bob, carol, requests: 0 }
    }

    /// Writes outside of any dialog; returns the response.
    pub fn page_as(&mut self, line: Line, from: &str, to: &str, content_type: &str, body: &str) -> Message {
        self.requests += 1;
        let request = phone::request("MESSAGE", from, to, &format!("page{}", self.requests));
        let name = from.split_once('@').unwrap().0.to_uppercase();
        let request = request.replace("From: <", &format!("From: \"{name}\" <"));
        self.world.send(line, &phone::with_body(&request, "", content_type, body));
        self.world.take_response(line)
    }

    pub fn page(&mut self, line: Line, from: &str, to: &str, body: &str) {
        let response = self.page_as(line, from, to, "text/plain", body);
        assert_eq!(response.status(), Some(200), "{}", first_line(&response));
    }

    /// All that came on a line, answered.
    pub fn hear(&mut self, line: Line) -> Vec<Message> {
        self.hear_with(line, "200 OK")
    }

    /// The next to somebody may wait for the answer to the last.
    pub fn hear_with(&mut self, line: Line, status: &str) -> Vec<Message> {
        let mut heard = Vec::new();
        loop {
            let messages = self.world.take(line);
            if messages.is_empty() {
                return heard;
            }
            for message in messages {
                assert!(first_line(&message).starts_with("MESSAGE"), "{}", first_line(&message));
                self.world.send(line, &phone::answer(&message, status, "listener"));
                heard.push(message);
            }
        }
    }

    pub fn texts(&mut self, line: Line) -> Vec<String> {
        self.hear(line).iter().map(text).collect()
    }

    /// A session with these streams.
    pub fn join(&mut self, line: Line, from: &str, to: &str, media: &str) -> Message {
        self.requests += 1;
        let invite = phone::request("INVITE", from, to, &format!("join{}", self.requests));
        let name = from.split_once('@').unwrap().0.to_uppercase();
        let invite = invite.replace("From: <", &format!("Allow: INVITE, MESSAGE\nFrom: \"{name}\" <"));
        self.world.send(line, &phone::with_body(&invite, "", "application/sdp", &format!("{HEAD}{media}")));
        let ok = self.world.take_response(line);
        assert_eq!(ok.status(), Some(200), "{}", first_line(&ok));
        self.world.send(line, &phone::by_caller("ACK", &ok, 1));
        ok
    }

    /// Offers other streams in a session.
    pub fn change(&mut self, line: Line, ok: &Message, cseq: u32, media: &str) -> Message {
        let invite = phone::by_caller("INVITE", ok, cseq);
        let invite = invite.replace("Max-Forwards", "Contact: <sip:phone@phone.invalid;transport=tls>\nMax-Forwards");
        self.world.send(line, &phone::with_body(&invite, "", "application/sdp", &format!("{HEAD}{media}")));
        let changed = self.world.take_response(line);
        self.world.send(line, &phone::by_caller("ACK", ok, cseq));
        changed
    }

    pub fn say_as(&mut self, line: Line, ok: &Message, cseq: u32, content_type: &str, body: &str) -> Message {
        let message = phone::by_caller("MESSAGE", ok, cseq);
        self.world.send(line, &phone::with_body(&message, "", content_type, body));
        self.world.take_response(line)
    }

    pub fn say(&mut self, line: Line, ok: &Message, cseq: u32, body: &str) {
        let response = self.say_as(line, ok, cseq, "text/plain", body);
        assert_eq!(response.status(), Some(200), "{}", first_line(&response));
    }

    pub fn legs(&self) -> usize {
        self.world.sound(self.contoso).legs().count()
    }

    /// Alice begins by a message, and adds Bob and Carol; returns the address of the conversation.
    pub fn three_in_writing(&mut self) -> String {
        self.page(self.alice, ALICE, FACTORY, "hello");
        let greeting = self.hear(self.alice);
        assert_eq!(greeting.len(), 1);
        assert!(text(&greeting[0]).contains("/add"), "{}", text(&greeting[0]));
        let address = sender(&greeting[0]);
        for whom in [BOB, CAROL] {
            self.page(self.alice, ALICE, &address, &format!("/add {whom}"));
            assert_eq!(self.texts(self.alice), [format!("{whom} is invited.")]);
        }
        for line in [self.bob, self.carol] {
            let invited = self.hear(line);
            assert_eq!(invited.iter().map(text).collect::<Vec<_>>(), [INVITATION]);
            assert_eq!(sender(&invited[0]), address);
        }
        address
    }
}

pub const INVITATION: &str = "ALICE invites you to write: answer to take part, /leave ends it for you.";

pub fn text(message: &Message) -> String {
    String::from_utf8_lossy(message.body()).into_owned()
}

pub fn sender(message: &Message) -> String {
    message.from().unwrap().uri().as_str().strip_prefix("sip:").unwrap().to_owned()
}

pub fn conference(ok: &Message) -> String {
    let contact = ok.contacts().next().unwrap().unwrap();
    contact.address().unwrap().uri().as_str().strip_prefix("sip:").unwrap().to_owned()
}

pub fn media_lines(message: &Message) -> Vec<String> {
    text(message).lines().filter(|line| line.starts_with("m=")).map(str::to_owned).collect()
}
