//! A meeting of three phones, from the first INVITE to what each hears: workers, media threads and sockets together.

use sdp::Encoding;

use super::*;
use crate::media::tests::{Phone as SoundPhone, tones};

/// In a meeting.
struct Member {
    signalling: Phone,
    invite: Vec<u8>,
    sound: SoundPhone,
}

impl Member {
    /// Calls the address and is let in. The number is that of the tone that he will say.
    fn join(server: &TestServer, number: u8, uri: &str) -> (Member, Message) {
        let mut signalling = Phone::connect(server, &format!("member{number}"));
        signalling.register();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 9));
        let keys = sdp::Keys::cut(&[0; sdp::Keys::BYTES]);
        let opened = ::media::OpenedLeg { rtp: nowhere, rtcp: nowhere, other_address: None, keys };
        let mut sound = SoundPhone::new(number, &opened, Encoding::Opus, None);
        let offer = format!(
            "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {} RTP/AVP 100\r\n\
             a=rtpmap:100 opus/48000/2\r\n",
            sound.session.remote.port()
        );
        let contact = format!("<sip:{}@phone.invalid;transport=tls>", signalling.user);
        let invite = signalling.request(Method::Invite, uri, uri).header(HeaderName::Contact, contact);
        let invite = invite.body("application/sdp", offer).build();
        signalling.send(&invite);
        let answer = signalling.receive_final();
        assert_eq!(answer.status(), Some(200), "{answer:?}");
        sound.to = SocketAddr::from(([127, 0, 0, 1], audio_port(&answer)));
        let mut member = Member { signalling, invite: invite.to_vec(), sound };
        member.acknowledge(&answer);
        (member, answer)
    }

    fn acknowledge(&mut self, answer: &Message) {
        let remote = contact(answer);
        let to = text(answer, HeaderName::To);
        let sequence = self.signalling.cseq;
        let invite = Message::parse(Bytes::from(self.invite.clone())).expect("our own");
        let mut ack = RequestBuilder::new(&Method::Ack, &remote)
            .header(HeaderName::Via, format!("SIP/2.0/TLS phone.invalid;branch=z9hG4bKack{sequence};rport"))
            .header(HeaderName::MaxForwards, 70)
            .header(HeaderName::From, text(&invite, HeaderName::From))
            .header(HeaderName::To, to)
            .header(HeaderName::CallId, text(&invite, HeaderName::CallId))
            .header(HeaderName::CSeq, format!("{sequence} ACK"));
        let routes: Vec<_> = answer.header_all(HeaderName::RecordRoute).collect();
        for route in routes.into_iter().rev() {
            ack = ack.header(HeaderName::Route, std::str::from_utf8(route).expect("ASCII"));
        }
        self.signalling.send(&ack.build());
    }
}

fn text(message: &Message, name: HeaderName) -> String {
    let value = message.header_all(name).next().expect("it is there");
    std::str::from_utf8(value).expect("ASCII").to_owned()
}

fn contact(message: &Message) -> String {
    let value = text(message, HeaderName::Contact);
    let (_, after) = value.split_once('<').expect("a URI in brackets");
    after.split_once('>').expect("a URI in brackets").0.to_owned()
}

fn audio_port(answer: &Message) -> u16 {
    let body = std::str::from_utf8(answer.body()).expect("a description");
    let line = body.lines().find_map(|line| line.strip_prefix("m=audio ")).expect("sound");
    line.split(' ').next().and_then(|port| port.parse().ok()).expect("a port")
}

#[test]
fn three_phones_of_a_meeting_hear_each_other() {
    let (contoso, _fabrikam, _name_server) = two_organisations();
    let (first, answer) = Member::join(&contoso, 1, "sip:meet@contoso.example");
    let uri = contact(&answer);
    let meeting = uri.split_once(';').map_or(uri.as_str(), |(uri, _)| uri);
    let (second, _) = Member::join(&contoso, 2, meeting);
    let (third, _) = Member::join(&contoso, 3, meeting);
    let talking = [first, second, third].map(|member| {
        let Member { sound, signalling, .. } = member;
        (signalling, thread::spawn(move || sound.talk(150)))
    });
    // A dialog whose connection ends is over, so they stay open.
    let heard = talking.map(|(open, talk)| (open, tones(&talk.join().expect("no panic"), Encoding::Opus)));
    let heard = heard.map(|(_open, heard)| heard);
    assert_eq!(heard, [vec![2, 3], vec![1, 3], vec![1, 2]]);
}
