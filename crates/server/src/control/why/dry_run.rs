//! What would happen to a message, or to what else one asks about, from one address to another: the same entries, SRV records and
//! users, and nothing sent.

mod consent;
mod inbound;
mod meeting;

use std::time::Duration;

use conference::id::MeetingAddress;
use federation::discovery::{SrvFailure, SrvResult};
use federation::external_access::{self, Crossing, FirstContact, Part, PartnerScope, Policy, Scope};
use federation::flow::Direction;
use federation::modality::{Modalities, Modality};
use federation::route::{RoutePlan, plan};
use net::Resolver;
use signaling::escalation::{self, Ends, Way};
use sip::refusal::Word;
use sip::{Aor, Refusal, TransferSupport};

use super::super::advice::{self, Refuser};
use super::super::answers::{Advice, Side, Sure, WhyAnswer, WhyStep};
use super::super::error::ControlError;
use super::super::partners::wildcard_that_blocks;
use super::super::users::registrations;
use super::super::{Control, FederationTerms, partners_of};
use super::story;
use crate::config::Roles;
use federation::partner::{By, Partners, Provider};

pub(super) async fn decide(
    control: &Control,
    (from, to): (&str, &str),
    what: Modality,
) -> Result<WhyAnswer, ControlError> {
    let (from, to) = (address(from)?, address(to)?);
    let domains = &control.0.config.domains;
    let [from_is_ours, to_is_ours] = [&from, &to].map(|aor| domains.iter().any(|ours| ours == aor.domain()));
    let mut trial =
        DryRun { control, what, meeting: MeetingAddress::read(to.user()), steps: Vec::new(), is_open: false };
    let ours = |aor: Aor, is_ours: bool| is_ours.then_some(aor);
    let ends = (ours(from.clone(), from_is_ours), ours(to.clone(), to_is_ours));
    let advice = match (from_is_ours, to_is_ours) {
        (true, true) => trial.within(&from, &to).await?,
        (true, false) => trial.outbound(&from, &to).await?,
        (false, true) => trial.inbound(&from, &to).await?,
        (false, false) => Advice {
            verdict: format!("neither {} nor {} is a domain of this server", from.domain(), to.domain()),
            next: format!("the domains served here are: {}", domains.join(", ")),
            side: Side::Sender,
            sure: Sure::Seen,
        },
    };
    let advice = match trial.is_open && advice.side == Side::Nobody {
        true => Advice { sure: Sure::Likely, ..advice },
        false => advice,
    };
    if advice.side == Side::Nobody && what != Modality::Presence && !(trial.meeting.is_some() && to_is_ours) {
        trial.way(ends).await;
    }
    Ok(WhyAnswer { call_id: None, note: None, steps: trial.steps, others: Vec::new(), advice, edges: Vec::new() })
}

struct DryRun<'a> {
    control: &'a Control,
    what: Modality,
    /// What the address asked about is, if it is no user's.
    meeting: Option<MeetingAddress>,
    steps: Vec<WhyStep>,
    /// Something was taken for granted that each request says for itself, or another server knows.
    is_open: bool,
}

impl DryRun<'_> {
    fn say(&mut self, sentence: impl Into<String>, details: Vec<String>) {
        self.steps.push(WhyStep { at_unix_ms: None, sentence: sentence.into(), details });
    }

    async fn within(&mut self, from: &Aor, to: &Aor) -> Result<Advice, ControlError> {
        match self.sender(from).await? {
            Some(advice) => Ok(advice),
            None => self.recipient((from, to), Refuser::UsToUser).await,
        }
    }

    async fn outbound(&mut self, from: &Aor, to: &Aor) -> Result<Advice, ControlError> {
        if let Some(advice) = self.sender(from).await? {
            return Ok(advice);
        }
        let domain = to.domain();
        let partners = self.partners().await?;
        let crossing = Crossing {
            direction: Direction::Outbound,
            user: Some(from),
            domain,
            provider: None,
            modalities: Modalities::NONE,
            part: Part::Begins,
            unverified_sender: None,
        };
        if let Some(advice) = self.policy(&partners, &crossing) {
            return Ok(advice);
        }
        if self.control.0.config.roles == Roles::Home {
            return Ok(self.by_an_edge(from, to));
        }
        let mut srv = None;
        let way = partners.way(domain, Some(from));
        loop {
            match plan(domain, way, srv.as_ref(), &mut |_| 0) {
                RoutePlan::Needs => srv = Some(self.look_up(domain).await?),
                RoutePlan::Refused(refusal) => {
                    self.say(format!("refused by us: {} {}", refusal.status, refusal.word), vec![refusal.reason]);
                    if let Some(entry) = wildcard_that_blocks(way.standing, domain) {
                        return Ok(advice::for_block_by(entry, domain));
                    }
                    return Ok(advice::for_refusal(refusal.word.as_str(), refusal.status, Refuser::UsToUser, domain));
                }
                RoutePlan::Targets(targets) => {
                    let srv = srv.as_ref().unwrap_or(&Err(SrvFailure::NoRecord));
                    let provider = partners.provider_of(domain, srv).filter(|_| !matches!(way.by, By::Policy(_)));
                    if let Some(advice) = provider.and_then(|provider| self.by_provider(provider, domain)) {
                        return Ok(advice);
                    }
                    let mut details: Vec<String> = targets.iter().map(ToString::to_string).collect();
                    details.extend(way.edge.map(|_| format!("which is {}", way.by)));
                    self.say(format!("it would go to {domain}, to the first of these that works"), details);
                    return Ok(Advice {
                        verdict: format!("our side lets it out; {domain} decides about the rest"),
                        next: format!("see whether its servers answer and prove themselves: comity route {domain}"),
                        side: Side::Nobody,
                        sure: Sure::Seen,
                    });
                }
            }
        }
    }

    /// What the request would ask for: into a meeting, that as well.
    fn with(&self, modality: Modality) -> Modalities {
        self.meeting.as_ref().map(|_| Modality::Meetings).into_iter().chain([modality]).collect()
    }

    /// The thing asked about, for the beginning of a sentence.
    fn named(&self) -> &'static str {
        match self.what {
            Modality::Messages => "a message",
            Modality::Presence => "a request for presence",
            Modality::Audio => "a call with audio",
            Modality::Video => "a call with video",
            Modality::Sharing => "a call with something shared",
            Modality::Files => "a file",
            Modality::Meetings => "a request to or from a meeting",
        }
    }

    /// What the policies say of that between this user of ours and that domain; advice where they refuse it.
    fn policy(&mut self, partners: &Partners, crossing: &Crossing<'_>) -> Option<Advice> {
        let Crossing { direction, user, domain, .. } = *crossing;
        let (policy, scope) = partners.access().policy_of(user);
        let (policy, user) = (policy?, user?);
        let mut details = vec![format!("with: {}", policy.modalities)];
        if let PartnerScope::Only(list) = &policy.partners {
            details.push(format!("with these partners alone: {}", list.join(", ")));
        }
        if let Some(entry) = partners.standing(domain).entry() {
            details.push(format!("the partner entry of {} lets pass: {}", entry.domain, entry.modalities));
        }
        if policy.first_contact == FirstContact::Ask {
            details.push("first contacts of domains without an entry wait until the user agrees".to_owned());
        }
        if *policy != Policy::new(policy.name.as_str()) {
            self.say(format!("the policy {} ({scope}) holds for {user}", policy.name), details);
        }
        let decide = |modality: Modality| {
            external_access::decide(partners, &Crossing { modalities: self.with(modality), ..crossing.clone() })
        };
        let others = Modality::ALL.into_iter().filter(|modality| *modality != self.what);
        let refused: Vec<String> = others
            .filter_map(|modality| {
                Some(format!("{}: {} would be refused", modality.as_str(), decide(modality).err()?.word))
            })
            .collect();
        let named = self.named();
        let Err(refusal) = decide(self.what) else {
            if !refused.is_empty() {
                self.say(format!("{named} may pass, and not all else"), refused);
            }
            return None;
        };
        self.say(
            format!("{named} is refused by us: {} {}", refusal.status, refusal.word),
            vec![refusal.reason.clone()],
        );
        let refuser = match direction {
            // Whoever may not be reached is as one who is not there.
            Direction::Inbound if refusal.word == Word::UserUnknown => return Some(kept_apart(domain, &scope)),
            Direction::Inbound => Refuser::UsToPartner,
            Direction::Outbound => Refuser::UsToUser,
        };
        Some(advice::for_refusal(refusal.word.as_str(), refusal.status, refuser, domain))
    }

    /// What the hosting provider by whose edge it would leave lets pass; advice where it does not.
    fn by_provider(&mut self, provider: &Provider, domain: &str) -> Option<Advice> {
        self.terms_of(provider, domain);
        let refusal = external_access::check_provider(provider, self.with(self.what)).err()?;
        let Refusal { status, word, reason, .. } = refusal;
        self.say(format!("{} is refused by us: {status} {word}", self.named()), vec![reason]);
        Some(advice::for_refusal(word.as_str(), status, Refuser::UsToUser, domain))
    }

    fn terms_of(&mut self, Provider { name, modalities, .. }: &Provider, domain: &str) {
        if *modalities != Modalities::ALL {
            let sentence = format!("{domain} is behind the hosting provider {name}, whose terms hold besides");
            self.say(sentence, vec![format!("it lets pass: {modalities}")]);
        }
    }

    /// To ask the same elsewhere.
    fn option(&self) -> String {
        match self.what {
            Modality::Messages => String::new(),
            what => format!(" --what {}", what.as_str()),
        }
    }

    /// Of a home alone: which edge is tried first, and that it decides.
    fn by_an_edge(&mut self, from: &Aor, to: &Aor) -> Advice {
        self.is_open = true;
        self.say("it would go to one of our edges, which finds the partner's server", self.hops());
        let next = match self.control.edges().states().is_empty() {
            true => format!(
                "ask on an edge: comity why --from {from} --to {to} --dry-run{}, and comity route {}",
                self.option(),
                to.domain()
            ),
            false => format!(
                "see below what each edge says of it; of the partner's servers, on an edge: comity route {}",
                to.domain()
            ),
        };
        Advice {
            verdict: "our home lets it out; the edge decides about the rest".to_owned(),
            next,
            side: Side::Nobody,
            sure: Sure::Seen,
        }
    }

    /// Where what leaves for the other side of edge and home goes.
    fn hops(&self) -> Vec<String> {
        let inside = self.control.0.config.inside.as_ref();
        let hops = inside.into_iter().flat_map(|inside| &inside.rules.hops);
        hops.map(|hop| hop.port.map_or_else(|| hop.host.clone(), |port| format!("{}:{port}", hop.host))).collect()
    }

    /// Users are not known here.
    fn is_edge_alone(&self) -> bool {
        self.control.0.config.roles == Roles::Edge
    }

    async fn sender(&mut self, from: &Aor) -> Result<Option<Advice>, ControlError> {
        if self.is_edge_alone() {
            self.is_open = true;
            self.say(format!("whether {from} is a user is known inside; it is taken here that it is so"), Vec::new());
            return Ok(None);
        }
        if self.exists(from).await? {
            self.say(format!("{from} is a user here, and would be let through with the right password"), Vec::new());
            return Ok(None);
        }
        self.say(format!("{from} is no user here, so that nobody can sign in as this"), Vec::new());
        Ok(Some(advice::for_refusal(Word::UserUnknown.as_str(), 404, Refuser::UsToUser, from.domain())))
    }

    async fn recipient(&mut self, (from, to): (&Aor, &Aor), refuser: Refuser) -> Result<Advice, ControlError> {
        if self.is_edge_alone() {
            self.is_open = true;
            self.say("it would be handed to what is behind this edge, which knows the users", self.hops());
            return Ok(Advice {
                verdict: "this edge lets it pass; what is behind it decides about the rest".to_owned(),
                next: "ask there: where it is a Comity too, with the same command".to_owned(),
                side: Side::Nobody,
                sure: Sure::Seen,
            });
        }
        if let Some(address) = self.meeting.clone() {
            return self.meeting((from, to), address, refuser).await;
        }
        if !self.exists(to).await? {
            self.say(format!("{to} is no user here: refused with 404 user-unknown"), Vec::new());
            return Ok(advice::for_refusal(Word::UserUnknown.as_str(), 404, refuser, to.domain()));
        }
        let devices = registrations(self.control).await.map(|all| all.get(&to.to_string()).copied().unwrap_or(0));
        let (sentence, verdict) = match (devices, self.what) {
            (Some(_), Modality::Presence) => {
                ("the server itself answers it, and tells what their devices publish", "it would be let in")
            }
            (Some(0), Modality::Messages) => {
                let away = "no device of theirs is signed in: a message is kept until one is, a call is refused (480)";
                (away, "the user is away; messages wait for them")
            }
            (Some(0), _) => (
                "no device of theirs is signed in: refused with 480 user-offline",
                "the user is away; messages alone wait",
            ),
            (Some(_), _) => ("it would be handed to every device of theirs", "it would be delivered"),
            (None, _) => ("no server runs, so that nobody is signed in", "it would be delivered once the server runs"),
        };
        self.say(format!("{to} is a user here; {sentence}"), Vec::new());
        Ok(Advice {
            verdict: verdict.to_owned(),
            next: "nothing is to be done".to_owned(),
            side: Side::Nobody,
            sure: Sure::Seen,
        })
    }

    /// How a call would be carried, by what the devices of ours showed when they signed in.
    async fn way(&mut self, (from, to): (Option<Aor>, Option<Aor>)) {
        let (callers, callees) = (self.shown_by(from).await, self.shown_by(to).await);
        if callees.as_ref().is_some_and(Vec::is_empty) || (callers.is_none() && callees.is_none()) {
            return;
        }
        let callers = callers.map_or_else(|| vec![None], |all| all.into_iter().map(Some).collect());
        if callers.is_empty() {
            let sentence = "no device of the caller is signed in, so that it is not known how a call would be carried";
            return self.say(sentence, Vec::new());
        }
        let setting = self.control.0.config.calls.between;
        let mut ways: Vec<Way> = Vec::new();
        for caller in callers {
            let way = escalation::decide(setting, Ends { is_written: false, caller, callees: callees.as_deref() });
            if !ways.contains(&way) {
                ways.push(way);
            }
        }
        for Way { stands_between, reason } in ways {
            self.say(format!("of a call: {}", story::way(stands_between)), vec![reason]);
        }
    }

    /// What each device of this user of ours shows.
    async fn shown_by(&self, user: Option<Aor>) -> Option<Vec<TransferSupport>> {
        let user = user?;
        Some(self.control.0.workers.ask(move |core, now| core.transfer_support(now, &user)).await.concat())
    }

    async fn exists(&self, aor: &Aor) -> Result<bool, ControlError> {
        let aor = aor.clone();
        Ok(self.control.0.store.read(move |store| store.user_exists(&aor)).await?)
    }

    async fn partners(&self) -> Result<Partners, ControlError> {
        let terms = FederationTerms::of(&self.control.0.config);
        let read = move |store: &store::Store| partners_of(store, &terms);
        Ok(self.control.0.store.read(read).await?)
    }

    /// Asks the DNS now, and says what it said.
    async fn look_up(&mut self, domain: &str) -> Result<SrvResult, ControlError> {
        let resolver = Resolver::new(&self.control.0.config.dns).map_err(|error| {
            ControlError::unprocessable(error.to_string(), "see the name servers under [dns] in comity.toml")
        })?;
        let answered = tokio::time::timeout(RESOLVE_TIME, resolver.srv(domain)).await;
        let result = answered.unwrap_or(Err(federation::discovery::SrvFailure::Timeout));
        match &result {
            Ok(answer) => self.say(format!("the DNS names the servers of {domain}: {}", answer.name), Vec::new()),
            Err(failure) => self.say(format!("the DNS names no server of {domain}: {failure}"), Vec::new()),
        }
        Ok(result)
    }
}

/// The sender is told that nobody is there; the reason is a policy.
fn kept_apart(domain: &str, scope: &Scope) -> Advice {
    Advice {
        verdict: format!(
            "a policy of ours ({scope}) keeps {domain} apart: its users are told that nobody has this address"
        ),
        next: "if they should reach it, change the policy: comity policy list".to_owned(),
        side: Side::Ours,
        sure: Sure::Seen,
    }
}

fn address(typed: &str) -> Result<Aor, ControlError> {
    typed.parse().map_err(|_| {
        let error = format!("{typed:?} is no user's address");
        ControlError::unprocessable(error, "write it as NAME@DOMAIN, such as alice@contoso.example")
    })
}

const RESOLVE_TIME: Duration = Duration::from_secs(10);
