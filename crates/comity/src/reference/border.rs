//! What crosses the border.

use federation::bodies;
use federation::border::{RULES, Treatment};

use super::markdown::{code, head, table};

pub fn page() -> String {
    let rows = RULES.iter().map(|rule| {
        let [within, inward, outward] =
            [rule.within, rule.inward, rule.outward].map(|treatment| said(treatment).to_owned());
        vec![code(rule.header), inward, outward, within, rule.reason.to_owned()]
    });
    let headings = ["Header", "From a partner", "To a partner", "Between our users", "Why"];
    let bodies = bodies::RULES.iter().map(|rule| {
        let [inward, outward] = [rule.inward, rule.outward].map(|passes| if passes { "passes" } else { "refused" });
        vec![code(rule.media_type), inward.to_owned(), outward.to_owned(), rule.reason.to_owned()]
    });
    let bodies = table(&["Type", "From a partner", "To a partner", "Why"], bodies);
    head("What crosses the border") + INTRODUCTION + &table(&headings, rows) + BODIES + &bodies + AFTERWARDS
}

fn said(treatment: Treatment) -> &'static str {
    match treatment {
        Treatment::Passes => "passes",
        Treatment::Removed => "removed",
        Treatment::IfProven => "passes, where its domain is proven",
        Treatment::Concealed => "passes, or is concealed",
        Treatment::Withheld => "passes, or is removed where topology is hidden",
    }
}

const INTRODUCTION: &str = "\
What this server does to the headers of requests and responses between organisations. A header that is not named on this page passes
as it came; one that is removed is gone without a word, and the message goes on.

A domain is proven when the organisation that sends the message has proven it: the domain in From for what a partner sends, our own
domains for what we send. Of a header with several addresses, each is looked at by itself.

";

const BODIES: &str = "
## Bodies

Of requests in both directions; between our own users every body passes. What is not of this kind is refused before it reaches anybody,
with 415 [`media-type-unsupported`](refusals.md#media-type-unsupported), 413 [`message-too-large`](refusals.md#message-too-large) or 400.
A response that brings such a body passes without it.

- It is as it is: no `Content-Encoding`, and no part in base64 or quoted-printable. Policies read what a call offers, and could not.
- A MESSAGE has 32 KiB at most, a session description 32 KiB and 64 streams, and any message 64 KiB.
- A body of parts has 16 of them at most, three deep, each with a type that passes.
- Its type is one of `body_types` under `[federation]`, by default any, and none of these:

";

const AFTERWARDS: &str = "
## Where topology is hidden

With `hide_topology = true` under `[federation]`, or `--hide-topology always` of its entry or its provider, a partner sees this server's certified name alone, and of what is behind it neither a name
nor an address: not a phone's, not a home's, not that of a server behind an edge.

| Header, to a partner | What it sees | What it holds |
| --- | --- | --- |
| `Via` | ours | the others, sealed; the response goes back by them |
| `Record-Route` | two, both of this server | the second holds those of the inside; a request of the dialog gets them back as `Route` |
| `Contact` | an address at this server, unless it is in a domain of ours already | the device's own, sealed; a request to it gets it back |
| `Contact` of a redirection | the targets, but for those that are an address of the network or a name of the inner side | nothing else |
| `Warning` | this server as who warns, and its word where it is one of [ours](refusals.md), else nothing of what was said | nothing else |
| `Reason` | protocol and cause, without the text | nothing else |
| the words of a status line | those of the registry | nothing else |

What is sealed is encrypted and signed for this one Call-ID, by a key that all edges of a home share: no edge has to remember
anything, and what one has sealed another opens. Not concealed is what the two ends agree on: `Call-ID`, bodies (with the addresses for
sound), and an address in `Refer-To` or `Replaces`. A partner that refers somebody to a concealed address reaches nobody.

## What every message has anyway

| Header | Across the border |
| --- | --- |
| `From` | its domain must be the one that the sender's certificate proves; else the request is refused ([how a partner proves itself](../concepts/how-a-partner-proves-itself.md)) |
| Request-URI | of what a partner sends, one of our domains, or a dialog that was begun through us; else refused, [`relay-denied`](refusals.md#relay-denied) |
| `Via`, `Record-Route` | ours are put on, with this server's certified name; two Record-Routes lead back to either side, with a signature |
| `Route` | ours are taken off, and must be ours: signed, of this dialog, and used from the side that they were made for |
| `Contact` | is never dialled: everything to a device goes over the device's own connection |
| `ms-asserted-verification-level` | ours alone: to a partner that is told so (`mark_source_verifiable`, `--mark-source` of a provider) that the sender's password was checked, to our user whether the partner vouches for the sender; whatever came is removed |
| `Max-Breadth` | what is left of it for this branch; 60 where a request has none (RFC 5393) |
| `Max-Forwards` | counted down; at 0 the answer is 483 |
| `Authorization`, `Proxy-Authorization` | credentials for our realms stay here |
| any other | its value as it came; framing is ours: the registry's name, one colon, one space, no folded lines, one Content-Length |

## From and to whom is blocked

Of a partner that is blocked, or let in no more, this passes, and nothing else: within a dialog that was begun through us BYE, ACK and a
NOTIFY with `terminated`, in both directions; and CANCEL of what rings. What that means for what is under way:
[partners](../operate/partners.md#what-is-under-way-when-a-partner-is-blocked).
";
