//! What one conference holds at most.

/// Bounds on a conference. What is answered beyond each stands with it.
#[derive(Debug, Clone)]
pub struct ConferenceLimits {
    /// People, those in the lobby and those being called included. Beyond it 486 `meeting-full`.
    pub participants_max: usize,
    /// Devices of one of them. Beyond it 486 `meeting-full`.
    pub endpoints_per_participant_max: usize,
    /// Requests of ours that wait for an answer. Beyond it messages to the slow are dropped.
    pub requests_max: usize,
    /// Messages to one of them that wait for the one before to be answered. Beyond it they are dropped.
    pub pages_waiting_max: usize,
    /// Messages of one of them in a second. Beyond it 480 `too-many-messages` with Retry-After.
    pub messages_per_sec_max: u32,
    /// Bytes of one message. Beyond it 413 `message-too-large`.
    pub message_bytes_max: usize,
    /// How long a conversation in which nobody has a session lasts after the last message; then all are let go.
    pub silent_secs_max: u64,
    /// How long nothing may be heard of a session before its device is asked whether it is still there.
    pub session_check_secs: u64,
}

impl Default for ConferenceLimits {
    fn default() -> ConferenceLimits {
        ConferenceLimits {
            participants_max: 250,
            endpoints_per_participant_max: 5,
            requests_max: 5_000,
            pages_waiting_max: 200,
            messages_per_sec_max: 20,
            message_bytes_max: 32 * 1024,
            silent_secs_max: 24 * 3600,
            session_check_secs: 900,
        }
    }
}
