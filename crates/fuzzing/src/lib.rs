//! What is asked of everything that reads bytes from outside, for any bytes there may be.
//!
//! Each target takes bytes and asserts properties; `fuzz/` drives it with libFuzzer, and a test replays its corpus. Nothing of
//! this is shipped. A property is one that holds for all input: what it does not hold for is a defect of the crate that it is
//! about, and becomes a test there.

mod certificate;
mod choices;
mod configuration;
mod core;
mod discovery;
mod dns;
mod documents;
pub mod grammar;
mod handoff;
mod inside;
mod media;
mod proxy_protocol;
mod revocation_list;
mod session_description;
mod sip;
mod web_socket;

/// What a script of the target `core` makes go out: methods, statuses, and what else the workers want done.
pub use core::{Part, reach};

/// A property of all bytes, under the name of its entry point and its corpus.
pub struct Target {
    pub name: &'static str,
    /// Panics where the property does not hold.
    pub run: fn(&[u8]),
}

macro_rules! targets {
    ($($name:ident = $path:path,)*) => {
        pub const TARGETS: &[Target] = &[$(Target { name: stringify!($name), run: $name },)*];

        $(
            #[doc = concat!("See the module of this target, and the corpus of the same name.")]
            pub fn $name(bytes: &[u8]) {
                $path(bytes);
            }
        )*
    };
}

targets! {
    framing = sip::framing::check,
    message = sip::message::check,
    edits = sip::edits::check,
    via = sip::via::check,
    address = sip::address::check,
    uri = sip::uri::check,
    small_headers = sip::small_headers::check,
    digest = sip::digest::check,
    stun = sip::stun::check,
    certificate = certificate::check,
    revocation_list = revocation_list::check,
    discovery = discovery::check,
    dns = dns::check,
    inside = inside::check,
    session_description = session_description::check,
    rtp = media::rtp::check,
    srtp = media::srtp::check,
    media_node = media::node::check,
    media_link = media::link::check,
    web_socket = web_socket::check,
    proxy_protocol = proxy_protocol::check,
    configuration = configuration::check,
    pidf = documents::pidf,
    conference_info = documents::conference_info,
    is_composing = documents::is_composing,
    resource_lists = documents::resource_lists,
    cpim = documents::cpim,
    multipart = documents::multipart,
    handoff = handoff::check,
    core = core::check,
    edge = core::check_edge,
    home = core::check_home,
}
