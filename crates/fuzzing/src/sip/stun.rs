//! STUN: an answer belongs to its request, is little longer, has the asker's address, and asks for no answer itself.

use std::net::SocketAddr;

use sip::stun::{GROWTH_BYTES_MAX, binding_response};

use crate::choices::Choices;

/// The first byte and up to eighteen more are the asker's address.
pub fn check(bytes: &[u8]) {
    let mut choices = Choices::new(bytes);
    let source = source(&mut choices);
    let datagram = choices.rest();
    let Some(response) = binding_response(datagram, source) else { return };
    assert!(response.len() <= datagram.len() + GROWTH_BYTES_MAX, "{} bytes for {}", response.len(), datagram.len());
    assert_eq!(response[4..20], datagram[4..20], "another's transaction");
    let length = usize::from(u16::from_be_bytes([response[2], response[3]]));
    assert_eq!((response.len() % 4, length), (0, response.len() - 20));
    assert_eq!(binding_response(&response, source), None, "two servers would answer each other for ever");
    match response[..2] {
        [1, 1] => assert_eq!(mapped(&response), source),
        [1, 0x11] => assert_eq!(response[20..28], [0, 9, 0, 4, 0, 0, 4, 20]),
        _ => panic!("no answer to a request: {response:?}"),
    }
}

fn source(choices: &mut Choices<'_>) -> SocketAddr {
    let is_v4 = choices.flag();
    let mut address = [0; 18];
    let given = choices.bytes(if is_v4 { 6 } else { 18 });
    address[..given.len()].copy_from_slice(given);
    let port = u16::from_be_bytes([address[0], address[1]]);
    match is_v4 {
        true => SocketAddr::from(([address[2], address[3], address[4], address[5]], port)),
        false => SocketAddr::from((<[u8; 16]>::try_from(&address[2..]).expect("sixteen"), port)),
    }
}

/// XOR-MAPPED-ADDRESS, which comes first.
fn mapped(response: &[u8]) -> SocketAddr {
    assert_eq!(response[20..22], [0, 0x20]);
    let unmasked = |from: usize, mask: usize| response[from] ^ response[mask];
    let port = u16::from_be_bytes([unmasked(26, 4), unmasked(27, 5)]);
    let byte = |place: usize| unmasked(28 + place, 4 + place);
    match response[25] {
        1 => SocketAddr::from((std::array::from_fn::<u8, 4, _>(byte), port)),
        2 => SocketAddr::from((std::array::from_fn::<u8, 16, _>(byte), port)),
        family => panic!("a family {family}"),
    }
}
