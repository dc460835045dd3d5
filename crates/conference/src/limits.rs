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
}

impl Default for ConferenceLimits {
    fn default() -> ConferenceLimits {
        ConferenceLimits { participants_max: 250, endpoints_per_participant_max: 5, requests_max: 5_000 }
    }
}
