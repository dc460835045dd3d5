//! Every public word of a refusal.

use server::control::advice::{self, Refuser};
use server::control::answers::Advice;
use sip::refusal::{Told, Word};

use super::markdown::{code, head, table};

pub fn page() -> String {
    let rows = Word::ALL.iter().map(|word| {
        let link = format!("[{word}](#{word})");
        vec![link, statuses(*word), ids(*word), word.room().to_owned(), told(*word).to_owned()]
    });
    let overview = table(&["Word", "Status", "Id", "Comes from", "Told to"], rows);
    let sections: String = Word::ALL.iter().map(|word| section(*word)).collect();
    head("Refusals") + INTRODUCTION + &overview + "\n" + &sections + &without_a_word() + &by_id()
}

fn section(word: Word) -> String {
    let mut items: Vec<(&str, Advice)> = Vec::new();
    for (refuser, advice) in advice::cases(word, PARTNER) {
        match items.last_mut() {
            Some((who, before)) if *before == advice => *who = "We refused the request",
            _ => items.push((who(refuser), advice)),
        }
    }
    let list: String = items.into_iter().map(|(who, advice)| item(who, &advice)).collect();
    format!("## {word}\n\nStatus {}, from {}.\n\n{list}\n", statuses(word), word.room())
}

fn without_a_word() -> String {
    let list = advice::wordless(PARTNER).into_iter().map(|(statuses, advice)| item(&code(statuses), &advice));
    format!("## Answers without a word\n\n{WITHOUT_A_WORD}{}", list.collect::<String>())
}

fn by_id() -> String {
    let told = advice::diagnostics::told_by_partner(PARTNER);
    let list = told.iter().map(|(id, reason, advice)| item(&format!("{} {reason}", code(&id.to_string())), advice));
    format!("\n## Answers with an id\n\n{WITH_AN_ID}{}", list.collect::<String>())
}

/// As our users are told, and as partners are, where that is another.
fn ids(word: Word) -> String {
    let (ours, public) = (word.diagnostics_id(), word.public_diagnostics_id());
    match ours == public {
        true => ours.to_string(),
        false => format!("{ours}; to partners {public}"),
    }
}

fn item(first: &str, Advice { verdict, next, side, sure }: &Advice) -> String {
    format!(
        "- **{first}**: {verdict}.\n  - Whose side: {}. How sure: {}.\n  - Next: {next}.\n",
        side.as_str(),
        sure.as_str()
    )
}

fn statuses(word: Word) -> String {
    word.statuses().iter().map(|status| code(&status.to_string())).collect::<Vec<_>>().join(", ")
}

fn told(word: Word) -> &'static str {
    match word.told() {
        Told::Partners => "partners",
        Told::Users => "our users",
        Told::Both => "partners and our users",
    }
}

fn who(refuser: Refuser) -> &'static str {
    match refuser {
        Refuser::UsToPartner => "We refused the partner's request",
        Refuser::UsToUser => "We refused our user's request",
        Refuser::Partner => "The partner refused our request",
    }
}

const PARTNER: &str = "fabrikam.example";
const INTRODUCTION: &str = "\
When Comity refuses a request, the answer carries a SIP status and one public word, in a header such as
`Warning: 399 sip.contoso.example \"domain-not-allowed\"`. The word tells the other side enough to ask the right question, and
nothing about our rules. The reason, with names and numbers, stays here: `comity why` and `comity partner show` tell it.

Software of Lync's kind reads an id instead (`ms-diagnostics`, MS-OCER), so our own users get both:
`ms-diagnostics: 1008;source=\"sip.contoso.example\";reason=\"Unable to resolve DNS SRV record\"`. Partners get the id as
`ms-diagnostics-public`, without the server's name, where `[federation] diagnostics_to_partners` is on; a challenge (401, 407) has
none. The id 2 says: see the response code.

Another Comity says the same words, so the advice also depends on who refused whom. Below, the partner is fabrikam.example.

";
const WITH_AN_ID: &str = "\
A partner with a server of Lync's kind says an id in `ms-diagnostics` or `ms-diagnostics-public`. Our user's client gets it as it
came, and `comity why` shows it with what it means:

";
const WITHOUT_A_WORD: &str = "\
A partner's server that is no Comity says no such word. Then its status is all there is to go by:

";
