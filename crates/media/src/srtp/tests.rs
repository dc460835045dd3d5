use super::*;

const SUITES: [Suite; 4] =
    [Suite::AeadAes128Gcm, Suite::AeadAes256Gcm, Suite::AesCm128HmacSha1_80, Suite::AesCm128HmacSha1_32];

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Key 00, 01, ...; salt a0, a1, ...
fn key(suite: Suite) -> Key {
    let (key, salt) = match suite {
        Suite::AeadAes128Gcm => (16, 12),
        Suite::AeadAes256Gcm => (32, 12),
        _ => (16, 14),
    };
    Key((0..key).chain(0xa0..0xa0 + salt).collect())
}

fn pair(suite: Suite) -> (Protector, Unprotector) {
    (Protector::new(suite, &key(suite)).unwrap(), Unprotector::new(suite, &key(suite)).unwrap())
}

fn rtp(sequence: u16) -> Vec<u8> {
    let header = Header { marker: false, payload_type: 15, sequence, timestamp: 0xdeca_fbad, ssrc: 0xcafe_babe };
    [&header.print()[..], &[0xab; 16]].concat()
}

fn rtcp() -> Vec<u8> {
    [&[0x81, 0xc8, 0, 0x0b, 0xca, 0xfe, 0xba, 0xbe][..], &[0xab; 16]].concat()
}

fn protected(protector: &mut Protector, sequence: u16) -> Vec<u8> {
    let mut packet = rtp(sequence);
    protector.protect_rtp(&mut packet).unwrap();
    packet
}

fn opened(unprotector: &mut Unprotector, packet: &[u8]) -> Result<Vec<u8>, Unusable> {
    let mut out = Vec::new();
    unprotector.unprotect_rtp(packet, &mut out).map(|()| out)
}

/// The packet behind the wrap shows that rollovers are counted in. Made with another implementation (webrtc-rs 0.21).
#[test]
fn others_protect_likewise() {
    let expected = [
        "bf6c6dfe17cc151e899f772b46409248441b38fe472d11f34b9c6eab595d256f",
        "10f9e78a837684ad520e09088115d94a488c1442dd4d4941f6c4b31e1e2da704",
        "63a96624b38901afe77d661b73f78ee9c532cfc589fe36243fc0",
        "63a96624b38901afe77d661b73f78ee9c532cfc5",
    ];
    for (suite, expected) in SUITES.into_iter().zip(expected) {
        let mut protector = Protector::new(suite, &key(suite)).unwrap();
        protected(&mut protector, 65_535);
        let packet = protected(&mut protector, 0);
        assert_eq!(hex(&packet), format!("800f0000decafbadcafebabe{expected}"), "{suite:?}");
    }
}

/// The second packet, made likewise.
#[test]
fn others_protect_rtcp_likewise() {
    let expected = [
        "c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001",
        "8abfafa780070a90e80f9161cf4aac081ed93aaa53c15b0f3ed1a3b984167b0380000001",
        "5674bf01813dc062ac1df6f75f77c688800000013db7a19837ff64e5cbd2",
        "5674bf01813dc062ac1df6f75f77c688800000013db7a19837ff64e5cbd2",
    ];
    for (suite, expected) in SUITES.into_iter().zip(expected) {
        let mut protector = Protector::new(suite, &key(suite)).unwrap();
        protector.protect_rtcp(&mut rtcp()).unwrap();
        let mut packet = rtcp();
        protector.protect_rtcp(&mut packet).unwrap();
        assert_eq!(hex(&packet), format!("81c8000bcafebabe{expected}"), "{suite:?}");
    }
}

/// A vector that libsrtp checks itself with.
#[test]
fn the_vector_of_libsrtp_holds() {
    let master = "e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6";
    let master = (0..30).map(|at| u8::from_str_radix(&master[2 * at..2 * at + 2], 16).unwrap()).collect();
    let mut protector = Protector::new(Suite::AesCm128HmacSha1_80, &Key(master)).unwrap();
    let packet = protected(&mut protector, 0x1234);
    assert_eq!(hex(&packet), "800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb");
}

#[test]
fn what_is_protected_opens_once() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(suite);
        let packets: Vec<_> = [65_533, 65_534, 65_535, 0, 1].map(|sequence| protected(&mut protector, sequence)).into();
        for at in [0, 2, 4, 1, 3] {
            assert_eq!(
                opened(&mut unprotector, &packets[at]),
                Ok(rtp([65_533, 65_534, 65_535, 0, 1][at])),
                "{suite:?}"
            );
            assert_eq!(opened(&mut unprotector, &packets[at]), Err(Unusable::Replayed));
        }
    }
}

#[test]
fn every_byte_is_looked_at() {
    for suite in SUITES {
        let (mut protector, mut unprotector) = pair(suite);
        let packet = protected(&mut protector, 9);
        let mut sealed = rtcp();
        protector.protect_rtcp(&mut sealed).unwrap();
        for at in 0..packet.len() {
            let mut other = packet.clone();
            other[at] ^= 1;
            assert!(opened(&mut unprotector, &other).is_err(), "{suite:?} {at}");
            assert!(opened(&mut unprotector, &packet[..at]).is_err(), "{suite:?} {at}");
        }
        for at in 0..sealed.len() {
            let mut other = sealed.clone();
            other[at] ^= 1;
            assert!(unprotector.unprotect_rtcp(&other, &mut Vec::new()).is_err(), "{suite:?} {at}");
            assert!(unprotector.unprotect_rtcp(&sealed[..at], &mut Vec::new()).is_err(), "{suite:?} {at}");
        }
        assert_eq!(opened(&mut unprotector, &packet), Ok(rtp(9)));
        let mut out = Vec::new();
        assert_eq!(unprotector.unprotect_rtcp(&sealed, &mut out), Ok(()));
        assert_eq!(out, rtcp());
        assert_eq!(unprotector.unprotect_rtcp(&sealed, &mut out), Err(Unusable::Replayed));
    }
}

#[test]
fn no_number_is_protected_twice() {
    let (mut protector, _) = pair(Suite::AeadAes128Gcm);
    protected(&mut protector, 5);
    protected(&mut protector, 7);
    assert_eq!(protector.protect_rtp(&mut rtp(5)), Err(Unusable::Replayed));
    assert_eq!(protector.protect_rtp(&mut rtp(6)), Ok(()));
}

#[test]
fn a_stream_that_has_wrapped_already_is_joined() {
    let (mut protector, mut unprotector) = pair(Suite::AesCm128HmacSha1_80);
    for sequence in (0..=u16::MAX).chain(0..=u16::MAX).step_by(8192) {
        protected(&mut protector, sequence);
    }
    let packet = protected(&mut protector, 3);
    assert_eq!(opened(&mut unprotector, &packet), Ok(rtp(3)));
    let next = protected(&mut protector, 4);
    assert_eq!(opened(&mut unprotector, &next), Ok(rtp(4)));
}

#[test]
fn strangers_leave_no_trace_and_sources_are_few() {
    let (mut protector, mut unprotector) = pair(Suite::AeadAes128Gcm);
    for ssrc in 0_u32..100 {
        let mut forged = protected(&mut protector, u16::try_from(ssrc).unwrap());
        forged[8..12].copy_from_slice(&ssrc.to_be_bytes());
        assert_eq!(opened(&mut unprotector, &forged), Err(Unusable::Forged));
    }
    assert!(unprotector.rtp_windows_by_ssrc.is_empty());
    for ssrc in 0_u32..33 {
        let mut packet = rtp(1);
        packet[8..12].copy_from_slice(&ssrc.to_be_bytes());
        Protector::new(Suite::AeadAes128Gcm, &key(Suite::AeadAes128Gcm)).unwrap().protect_rtp(&mut packet).unwrap();
        let expected = if ssrc < 32 { None } else { Some(Unusable::TooManySources) };
        assert_eq!(opened(&mut unprotector, &packet).err(), expected, "{ssrc}");
    }
}
