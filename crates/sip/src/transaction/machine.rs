//! The kinds of transaction behind one face for each side.

use std::time::Instant;

use bytes::Bytes;

use super::client_invite::ClientInvite;
use super::client_non_invite::ClientNonInvite;
use super::server_invite::{AckOutcome, ServerInvite};
use super::server_non_invite::ServerNonInvite;
use super::timers::Turn;
use super::{Failure, ResponseOutcome};
use crate::message::Message;

pub(super) enum ServerMachine {
    Invite(ServerInvite),
    NonInvite(ServerNonInvite),
    /// We answer it ourselves; the user of the layer does not know its id.
    Cancel(ServerNonInvite),
}

impl ServerMachine {
    pub(super) fn respond(&mut self, status: u16, response: Bytes, turn: &mut Turn<'_>) {
        match self {
            ServerMachine::Invite(invite) => invite.respond(status, response, turn),
            ServerMachine::NonInvite(other) | ServerMachine::Cancel(other) => other.respond(status, response, turn),
        }
    }

    pub(super) fn expects_final_to_invite(&self) -> bool {
        matches!(self, ServerMachine::Invite(invite) if invite.expects_final())
    }

    pub(super) fn awaits_ack(&self) -> bool {
        matches!(self, ServerMachine::Invite(invite) if invite.awaits_ack())
    }

    pub(super) fn expects_final(&self) -> bool {
        match self {
            ServerMachine::Invite(invite) => invite.expects_final(),
            ServerMachine::NonInvite(other) | ServerMachine::Cancel(other) => other.expects_final(),
        }
    }

    /// Whether it went well and has nothing to do any more but to let retransmissions pass, or to absorb them.
    pub(super) fn lingers(&self) -> bool {
        match self {
            ServerMachine::Invite(invite) => matches!(invite, ServerInvite::Accepted { .. }),
            ServerMachine::NonInvite(other) | ServerMachine::Cancel(other) => other.lingers(),
        }
    }

    pub(super) fn handle_ack(&mut self, turn: &Turn<'_>) -> AckOutcome {
        match self {
            ServerMachine::Invite(invite) => invite.handle_ack(turn),
            // Matching looked for an INVITE.
            ServerMachine::NonInvite(_) | ServerMachine::Cancel(_) => AckOutcome::Absorbed,
        }
    }

    pub(super) fn repeat_unacknowledged(&mut self, turn: &mut Turn<'_>) {
        if let ServerMachine::Invite(invite) = self {
            invite.repeat_unacknowledged(turn);
        }
    }

    pub(super) fn handle_retransmission(&mut self, turn: &mut Turn<'_>) {
        match self {
            ServerMachine::Invite(invite) => invite.handle_retransmission(turn),
            ServerMachine::NonInvite(other) | ServerMachine::Cancel(other) => other.handle_retransmission(turn),
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        match self {
            ServerMachine::Invite(invite) => invite.handle_timeout(turn),
            ServerMachine::NonInvite(other) | ServerMachine::Cancel(other) => other.handle_timeout(turn),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            ServerMachine::Invite(invite) => invite.next_timeout(),
            ServerMachine::NonInvite(other) | ServerMachine::Cancel(other) => other.next_timeout(),
        }
    }

    pub(super) fn ended(&self) -> Option<bool> {
        match self {
            ServerMachine::Invite(invite) => invite.ended(),
            ServerMachine::NonInvite(other) | ServerMachine::Cancel(other) => other.ended(),
        }
    }
}

pub(super) enum ClientMachine {
    Invite(ClientInvite),
    NonInvite(ClientNonInvite),
}

impl ClientMachine {
    pub(super) fn handle_response(&mut self, response: &Message, turn: &mut Turn<'_>) -> ResponseOutcome {
        match self {
            ClientMachine::Invite(invite) => invite.handle_response(response, turn),
            ClientMachine::NonInvite(other) => other.handle_response(response.status().unwrap_or_default(), turn),
        }
    }

    pub(super) fn handle_cancel(&mut self, turn: &Turn<'_>) {
        if let ClientMachine::Invite(invite) = self {
            invite.handle_cancel(turn);
        }
    }

    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) -> Option<Failure> {
        match self {
            ClientMachine::Invite(invite) => invite.handle_timeout(turn),
            ClientMachine::NonInvite(other) => other.handle_timeout(turn),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        match self {
            ClientMachine::Invite(invite) => invite.next_timeout(),
            ClientMachine::NonInvite(other) => other.next_timeout(),
        }
    }

    pub(super) fn expects_final(&self) -> bool {
        match self {
            ClientMachine::Invite(invite) => invite.expects_final(),
            ClientMachine::NonInvite(other) => other.expects_final(),
        }
    }

    /// As on the other side.
    pub(super) fn lingers(&self) -> bool {
        match self {
            ClientMachine::Invite(invite) => matches!(invite, ClientInvite::Accepted { .. }),
            ClientMachine::NonInvite(other) => other.lingers(),
        }
    }

    pub(super) fn is_terminated(&self) -> bool {
        match self {
            ClientMachine::Invite(invite) => invite.is_terminated(),
            ClientMachine::NonInvite(other) => other.is_terminated(),
        }
    }
}
