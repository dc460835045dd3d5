//! The proxy core of RFC 3261 section 16: what a hop changes in a request (`forward`), and what becomes of the
//! responses of its branches (`response_context`). Where requests go is decided elsewhere; that they do not go round is seen to
//! here (`loop_detection`, `breadth`).

mod best_response;
pub mod breadth;
pub mod forward;
pub mod loop_detection;
pub mod response_context;

pub use response_context::{ContextOutput, ResponseContext};

#[cfg(test)]
mod tests;
