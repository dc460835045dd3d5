//! What a load balancer says before a handshake: read in whatever pieces, no byte beyond the header is asked for, and
//! what was decided stays so with whatever follows.

use net::proxy_protocol::{Source, Verdict, judge};

pub fn check(bytes: &[u8]) {
    let mut read = 0;
    let verdict = loop {
        match judge(&bytes[..read]) {
            Verdict::Incomplete { bytes_missing } => {
                assert!(bytes_missing > 0 && read + bytes_missing <= HEADER_BYTES_MAX, "{read} and {bytes_missing}");
                if read + bytes_missing > bytes.len() {
                    return;
                }
                read += bytes_missing;
            }
            verdict => break verdict,
        }
    };
    assert_eq!(judge(bytes), verdict, "what follows changes nothing");
    if let Verdict::Complete { header_bytes, source } = verdict {
        assert_eq!(header_bytes, read, "nothing was read that is the handshake's");
        assert!(bytes.starts_with(b"\r\n\r\n\0\r\nQUIT\n"));
        assert!(!matches!(source, Source::Peer(peer) if peer.ip() != peer.ip().to_canonical()), "{source:?}");
    }
}

const HEADER_BYTES_MAX: usize = 1024;
