//! Wire tracing: each message as it came or goes, for whoever asks with `COMITY_LOG=wire=trace`. It shows everything: who
//! writes to whom, what, from where, and the answers to challenges.

use std::net::SocketAddr;

use federation::flow::FlowFacts;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    In,
    Out,
}

/// `bytes` are one message, or what is taken for one.
pub(crate) fn message(way: Way, flow: &FlowFacts, bytes: &[u8]) {
    let FlowFacts { id, transport, remote, .. } = flow;
    tracing::trace!(target: "wire", ?way, %transport, %remote, flow = ?id, "\n{}", String::from_utf8_lossy(bytes));
}

pub(crate) fn datagram_out(remote: SocketAddr, bytes: &[u8]) {
    tracing::trace!(target: "wire", way = ?Way::Out, transport = "UDP", %remote, "\n{}", String::from_utf8_lossy(bytes));
}
