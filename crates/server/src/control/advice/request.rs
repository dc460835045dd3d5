//! Refusals of the request itself, whoever sent it.

use sip::refusal::Word;

use super::{Words, words};
use crate::control::answers::Side;

pub(super) fn about_request(word: Word) -> Option<Words> {
    Some(match word {
        Word::UserUnknown => words(
            Side::Sender,
            "there is no such user here",
            "check the address; to see the users: comity user list; to add one: comity user add NAME@DOMAIN",
        ),
        Word::UserOffline => words(
            Side::Nobody,
            "the user exists, but no phone or client of theirs is signed in",
            "ask the user to sign in; to see who is: comity user list",
        ),
        Word::NoSecureWay => words(
            Side::Nobody,
            "the sender wants TLS on every hop (a sips address), and no device of the user has registered that way",
            "write to the address with sip: in place of sips:, or let the user's phone register a sips Contact over TLS",
        ),
        Word::MailboxFull => words(
            Side::Nobody,
            "the user is away, and their mailbox is full: in all, for this sender, or for the sender's organisation",
            "ask the user to sign in: what waits is delivered then; to see how much it is: comity user list",
        ),
        Word::NotStored => words(
            Side::Ours,
            "the user is away, and the message could not be written to the store",
            "the reason above says what the store said; check the disk's space and health",
        ),
        Word::AuthenticationRequired => words(
            Side::Sender,
            "the sender did not prove who they are",
            "check the name and the password in the phone; to set a new one: comity user passwd NAME@DOMAIN",
        ),
        Word::AuthenticationFailed => words(
            Side::Sender,
            "the name or the password was wrong",
            "check both in the phone; to see the users: comity user list; to set a new password: comity user passwd \
             NAME@DOMAIN",
        ),
        Word::TooManyGuesses => words(
            Side::Sender,
            "so many wrong passwords for this user came from one place that no further one is tried there for some minutes",
            "correct the password in the phone, or find out who guesses there; it ends by itself, and signing in from elsewhere \
             is not concerned",
        ),
        Word::OutboundUnsupported => words(
            Side::Sender,
            "the phone wants its connection kept (RFC 5626), and a proxy between it and us cannot do that",
            "let the phone connect to this server itself, or turn \"outbound\" (reg-id) off in the phone",
        ),
        Word::OriginNotAllowed => words(
            Side::Ours,
            "a web page wanted to connect whose origin is not in [web] origins",
            "if the page is yours, write its origin, as the log names it, into [web] origins of comity.toml and restart",
        ),
        Word::MixedTraffic => words(
            Side::Sender,
            "a request in our own domain's name came on a partner's connection",
            "see which phone or server sends it: a user of ours signs in here, over a connection of their own",
        ),
        Word::RelayDenied => words(
            Side::Sender,
            "the request asks for what its sender may not have carried on: a registration elsewhere, or somebody else's call",
            "see that the phone's server and domain are ours, and begin the call anew",
        ),
        Word::RouteMissing => words(
            Side::Sender,
            "the phone sent what belongs to a call straight to the other phone's address, without the Route headers that the call was \
             set up with (RFC 3261, section 12.2.1.1), so that nobody could send it on",
            "look for a newer version of the phone, or for a setting that lets it keep the route (Record-Route, loose routing)",
        ),
        Word::IdentityMismatch => words(
            Side::Sender,
            "the phone signed in as one user and wrote as another",
            "give the phone the same user as its account and as its sender's address",
        ),
        Word::AnonymityDisallowed => words(
            Side::Sender,
            "the caller's phone hides who calls, and nobody is let in here, or sent on, without a name that is proven",
            "let the phone show its user's address: the setting is called anonymous call, hide my number, or privacy",
        ),
        Word::Overloaded => words(
            Side::Ours,
            "the server was at one of its limits",
            "see how busy it is: comity status; if it lasts, look for the limit in the log",
        ),
        Word::NoAnswer => words(
            Side::Ours,
            "what had to be looked up first (the DNS, or an account) did not come in time",
            "see how busy the server is: comity status; and whether the name servers under [dns] answer",
        ),
        Word::Draining => words(
            Side::Ours,
            "the server was about to end, and took nothing new",
            "try again once it runs: comity status",
        ),
        Word::FlowFailed => words(
            Side::Nobody,
            "the connection that this call or conversation ran over has ended",
            "begin it anew; a phone signs in again by itself",
        ),
        Word::TooManyHops => words(
            Side::Sender,
            "the request passed through too many servers, most likely in a circle",
            "look for a forwarding that leads back to where it came from",
        ),
        Word::LoopDetected => words(
            Side::Ours,
            "the request has come back here for the same user, after this server had sent it on",
            "look for forwardings that lead to one another; and see that no provider sends users it does not know back to us: \
             comity provider list",
        ),
        Word::BreadthUsedUp => words(
            Side::Sender,
            "the request was split on its way so often that nothing is left of it to send on (Max-Breadth)",
            "look for a forwarding to many addresses that lead on to many others",
        ),
        Word::MessageTooLarge => words(
            Side::Sender,
            "the request is larger than a SIP message may be here",
            "send less at once, such as a link instead of a file",
        ),
        Word::TooManyBindings => words(
            Side::Sender,
            "the user has more devices signed in than are allowed",
            "sign out on devices that are not used any more",
        ),
        Word::PresenceDenied => words(
            Side::Nobody,
            "the sender may not see whether this user is there",
            "nothing is to be done, unless the user wants to be seen by the sender",
        ),
        Word::TooManyPublications => words(
            Side::Sender,
            "more devices of the user publish their presence than are allowed",
            "sign out on devices that are not used any more; what they published ends by itself",
        ),
        Word::TooManyWatchers => words(
            Side::Nobody,
            "as many as are allowed already watch whether this user is there",
            "try again later: subscriptions that are not refreshed end by themselves",
        ),
        Word::TooManySubscriptions => words(
            Side::Sender,
            "the sender, or the sender's organisation, watches as many users or meetings as are allowed",
            "watch fewer, or sign out on devices that are not used: what is not refreshed ends by itself",
        ),
        Word::PublicationUnknown | Word::SubscriptionUnknown => words(
            Side::Nobody,
            format!("what the sender wanted to renew has ended here, by its time or with a restart ({word})"),
            "nothing is to be done: the sender's software begins anew by itself",
        ),
        Word::MalformedRequest
        | Word::EventUnknown
        | Word::MediaTypeUnsupported
        | Word::SchemeUnsupported
        | Word::MethodNotAllowed
        | Word::IntervalTooBrief
        | Word::OutOfOrder => words(
            Side::Sender,
            format!("the sender's software sent something that is not allowed here ({word})"),
            "the reason above says what; it is for whoever makes or configures that software",
        ),
        _ => return None,
    })
}
