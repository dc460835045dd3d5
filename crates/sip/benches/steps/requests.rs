//! A call and a single message as edges of two organisations pass them on: three hops behind them, a device with an instance,
//! a display name in quotes, and our Route still on top.

use bytes::Bytes;

pub fn invite_bytes() -> Bytes {
    wire(INVITE)
}

pub fn message_bytes() -> Bytes {
    wire(MESSAGE)
}

/// Literals are written with LF.
fn wire(text: &str) -> Bytes {
    Bytes::from(text.replace('\n', "\r\n"))
}

const INVITE: &str = concat!(
    r#"INVITE sip:bob.brown@fabrikam.example SIP/2.0
Via: SIP/2.0/TLS edge.contoso.example:5061;branch=z9hG4bK1.6.1f0c4a5be2d83a97;rport
Via: SIP/2.0/TLS home.contoso.example:5067;branch=z9hG4bK2.6.c07714e09b3df582;rport=40122;received=198.51.100.7
Via: SIP/2.0/WSS phone7f3a.invalid;branch=z9hG4bK8c1d2e;rport=51544;received=203.0.113.61
Route: <sip:edge.fabrikam.example:5061;transport=tls;lr>
Record-Route: <sip:1.c.aZ3kQpTm7YwB@edge.contoso.example:5061;transport=tls;lr>
Record-Route: <sip:1.u.Hq81LsXv0NfD@home.contoso.example:5067;transport=tls;lr>
Max-Forwards: 68
From: "Alice \"Al\" Adams" <sip:alice.adams@contoso.example>;tag=k3v9c2m1xq
To: <sip:bob.brown@fabrikam.example>
Call-ID: 6f1c0b7a-22d4-4f6e-9a0d-8d7b5c4e3f21
CSeq: 27410 INVITE
Contact: <sip:alice.adams@phone7f3a.invalid;transport=ws>;+sip.instance="<urn:uuid:7c0f1d2e-5b6a-4c3d-8e9f-a1b2c3d4e5f6>";reg-id=1
Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, MESSAGE, INFO, UPDATE, REFER, NOTIFY
Supported: outbound, path, gruu, replaces, timer
Session-Expires: 1800;refresher=uac
P-Asserted-Identity: "Alice Adams" <sip:alice.adams@contoso.example>
User-Agent: Example Phone 4.2.1 (build 20260311; Linux x86_64)
Content-Type: application/sdp
Content-Length: 431

"#,
    r#"v=0
o=alice.a 3906711844 3906711844 IN IP4 203.0.113.61
s=-
c=IN IP4 203.0.113.61
t=0 0
m=audio 40010 RTP/SAVP 96 9 8 0 101
a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:d0RmdmcmVCspeEc3QGZiNWpVLFJhQX1cfHAwJSoj
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1;usedtx=1
a=rtpmap:9 G722/8000
a=rtpmap:8 PCMA/8000
a=rtpmap:0 PCMU/8000
a=rtpmap:101 telephone-event/8000
a=fmtp:101 0-15
a=ptime:20
a=rtcp:40011
a=sendrecv
"#
);

const MESSAGE: &str = r#"MESSAGE sip:bob.brown@fabrikam.example SIP/2.0
Via: SIP/2.0/TLS edge.contoso.example:5061;branch=z9hG4bK1.6.1f0c4a5be2d83a97;rport
Via: SIP/2.0/WSS phone7f3a.invalid;branch=z9hG4bK8c1d2e;rport=51544;received=203.0.113.61
Max-Forwards: 69
From: "Alice \"Al\" Adams" <sip:alice.adams@contoso.example>;tag=k3v9c2m1xq
To: <sip:bob.brown@fabrikam.example>
Call-ID: 6f1c0b7a-22d4-4f6e-9a0d-8d7b5c4e3f21
CSeq: 27410 MESSAGE
User-Agent: Example Phone 4.2.1
Content-Type: text/plain
Content-Length: 24

Have you seen the plans?"#;
