//! Conversations with a presence agent: inputs, then the exact list of what is sent.

// A test may unwrap, and the clock is read once, for a moment to count from.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

mod house;
mod publish;
mod subscribe;
