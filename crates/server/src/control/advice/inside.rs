//! What to do where edge and home are two servers, and one of them said no.

use sip::refusal::Word;

use super::{Words, words};
use crate::control::answers::Side;

pub(super) fn about_inside(word: Word) -> Option<Words> {
    Some(match word {
        Word::NoUsersHere => words(
            Side::Sender,
            "a phone, or somebody else in our domain's name, came to an edge that lets no users in",
            "give the phone the address of the home, or of the server behind the edge; or let users in from outside: \
             remote_users = true under [inside] of the edge",
        ),
        Word::NotTheEdge => words(
            Side::Sender,
            "a request of another organisation came to a home, on an address that is for its own phones",
            "see that the domain's SRV records name the edge, and that this address cannot be reached from outside",
        ),
        Word::NotInside => words(
            Side::Ours,
            "whoever spoke on the inner side is not one of those whom the configuration names",
            "if it should be, add the name that its certificate has, or its address, to peers under [inside]",
        ),
        Word::NotVouched => words(
            Side::Ours,
            "the other side of edge and home sent a request in a name that it may not use",
            "see who sent it: what is behind an edge sends in our own domains only, and an edge sends partners' requests only",
        ),
        Word::InsideUnreachable => words(
            Side::Ours,
            "between edge and home, or the server behind the edge, there is no connection",
            "see whether the other side runs, and what the reason above says of its address and certificate",
        ),
        _ => return None,
    })
}
