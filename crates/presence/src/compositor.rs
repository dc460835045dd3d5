//! One document for a user out of all that is known of him (RFC 3856 section 6.4): what his devices publish, else whether
//! one is registered, and his calls and meetings beside either. Who has no device cannot be reached, whatever one left published.

use documents::pidf::{ACTIVITIES_MAX, Activity, Basic, Contact, NOTES_MAX, Person, Pidf, TUPLES_MAX, Tuple};
use sip::Aor;

/// What else is known of a user.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct BaseState {
    pub is_registered: bool,
    pub calls: u32,
    pub meetings: u32,
}

/// The document, printed. The oldest publications are left out where all of them would be longer than a message should be,
/// and beyond what a document may hold, so that every reader of ours can read it.
pub(crate) fn compose(aor: &Aor, published: &[&Pidf], base: BaseState) -> String {
    // COMPAT(baresip 1.0): publishes twice when it starts, and takes back only the second when it ends.
    let mut rest = if base.is_registered { published } else { &[] };
    loop {
        let document = merge(aor, rest, base).print();
        if document.len() <= COMPOSED_BYTES_MAX || rest.is_empty() {
            return document;
        }
        rest = &rest[1..];
    }
}

fn merge(aor: &Aor, published: &[&Pidf], base: BaseState) -> Pidf {
    let mut pidf = Pidf { entity: aor.uri(), ..Pidf::default() };
    let mut person = Person::default();
    if base.calls > 0 {
        person.activities.push(Activity::OnThePhone);
    }
    if base.meetings > 0 {
        person.activities.push(Activity::Meeting);
    }
    // The newest first: what it says is not what the bounds cut off.
    for one in published.iter().rev() {
        pidf.tuples.extend(one.tuples.iter().cloned());
        extend_once(&mut pidf.notes, &one.notes, NOTES_MAX);
        if let Some(other) = &one.person {
            extend_once(&mut person.activities, &other.activities, ACTIVITIES_MAX);
            extend_once(&mut person.notes, &other.notes, NOTES_MAX);
        }
    }
    if pidf.tuples.iter().all(|tuple| tuple.basic.is_none()) {
        pidf.tuples.insert(0, registration_tuple(aor, base.is_registered));
    }
    pidf.tuples.truncate(TUPLES_MAX);
    make_ids_unique(&mut pidf.tuples);
    if !person.activities.is_empty() || !person.notes.is_empty() {
        // An id names one element of the document, whatever its kind.
        person.id = unused_id("person", &pidf.tuples);
        pidf.person = Some(person);
    }
    pidf
}

fn registration_tuple(aor: &Aor, is_registered: bool) -> Tuple {
    Tuple {
        id: "registration".to_owned(),
        basic: Some(if is_registered { Basic::Open } else { Basic::Closed }),
        contact: Some(Contact { uri: aor.uri(), priority_thousandths: None }),
        ..Tuple::default()
    }
}

/// Two devices of one make mostly choose the same ids.
fn make_ids_unique(tuples: &mut [Tuple]) {
    for index in 1..tuples.len() {
        tuples[index].id = unused_id(&tuples[index].id, &tuples[..index]);
    }
}

fn unused_id(wanted: &str, tuples: &[Tuple]) -> String {
    let is_unused = |id: &String| tuples.iter().all(|tuple| tuple.id != *id);
    let others = (2..=tuples.len() + 1).map(|number| format!("{wanted}-{number}"));
    // One more candidate than there are tuples: one of them is free.
    std::iter::once(wanted.to_owned()).chain(others).find(is_unused).unwrap_or_default()
}

fn extend_once<T: Clone + PartialEq>(all: &mut Vec<T>, more: &[T], max: usize) {
    for one in more {
        if all.len() < max && !all.contains(one) {
            all.push(one.clone());
        }
    }
}

/// Half of what a body may have here: the reader is another server, whose bounds we do not know.
const COMPOSED_BYTES_MAX: usize = 32 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    const REGISTERED: BaseState = BaseState { is_registered: true, calls: 0, meetings: 0 };

    fn aor() -> Aor {
        "alice@contoso.example".parse().unwrap()
    }

    fn published(id: &str, activities: Vec<Activity>) -> Pidf {
        let tuple = Tuple { id: id.to_owned(), basic: Some(Basic::Open), ..Tuple::default() };
        let person = Person { id: "p".to_owned(), activities, ..Person::default() };
        Pidf {
            entity: "pres:somebody@else.example".to_owned(),
            tuples: vec![tuple],
            person: Some(person),
            notes: vec![],
        }
    }

    fn composed(published: &[&Pidf], base: BaseState) -> Pidf {
        Pidf::parse(compose(&aor(), published, base).as_bytes()).unwrap()
    }

    fn ids(pidf: &Pidf) -> Vec<&str> {
        pidf.tuples.iter().map(|tuple| tuple.id.as_str()).collect()
    }

    #[test]
    fn without_a_publication_the_registration_speaks() {
        for (is_registered, basic) in [(true, Basic::Open), (false, Basic::Closed)] {
            let pidf = composed(&[], BaseState { is_registered, ..BaseState::default() });
            assert_eq!((pidf.entity.as_str(), pidf.tuples[0].basic), ("sip:alice@contoso.example", Some(basic)));
            assert_eq!((pidf.tuples.len(), pidf.person), (1, None));
        }
    }

    #[test]
    fn what_is_left_published_makes_nobody_reachable() {
        let pidf = composed(&[&published("t", vec![Activity::Busy])], BaseState::default());
        assert_eq!((ids(&pidf), pidf.tuples[0].basic), (vec!["registration"], Some(Basic::Closed)));
        assert_eq!(pidf.person, None);
    }

    #[test]
    fn the_registration_speaks_where_publications_leave_it_open() {
        let mut silent = published("t", vec![Activity::Away]);
        silent.tuples[0].basic = None;
        let pidf = composed(&[&silent], REGISTERED);
        assert_eq!((ids(&pidf), pidf.tuples[0].basic), (vec!["registration", "t"], Some(Basic::Open)));
        assert_eq!(pidf.person.unwrap().activities, [Activity::Away]);
        assert_eq!(ids(&composed(&[&silent, &published("u", vec![])], REGISTERED)), ["u", "t"]);
    }

    #[test]
    fn publications_are_united_under_the_users_own_name() {
        let (one, two) = (published("t", vec![Activity::Away]), published("t", vec![Activity::Busy, Activity::Away]));
        let pidf = composed(&[&one, &two], BaseState { calls: 2, ..REGISTERED });
        assert_eq!(pidf.entity, "sip:alice@contoso.example");
        assert_eq!(ids(&pidf), ["t", "t-2"]);
        let activities = pidf.person.unwrap().activities;
        assert_eq!(activities, [Activity::OnThePhone, Activity::Busy, Activity::Away]);
    }

    #[test]
    fn calls_and_meetings_are_told_apart_and_beside_each_other() {
        for (calls, meetings, expected) in [
            (1, 0, vec![Activity::OnThePhone]),
            (0, 1, vec![Activity::Meeting]),
            (2, 3, vec![Activity::OnThePhone, Activity::Meeting]),
        ] {
            let pidf = composed(&[], BaseState { calls, meetings, ..REGISTERED });
            assert_eq!(pidf.person.unwrap().activities, expected);
        }
    }

    #[test]
    fn ids_stay_unique_where_a_new_one_is_taken_too() {
        let (one, two, three) = (published("t-2", vec![]), published("t", vec![]), published("t", vec![]));
        assert_eq!(ids(&composed(&[&one, &two, &three], REGISTERED)), ["t", "t-2", "t-2-2"]);
        let person = published("person", vec![Activity::Away]);
        assert_eq!(composed(&[&person], REGISTERED).person.unwrap().id, "person-2");
    }

    #[test]
    fn what_would_be_too_long_leaves_the_oldest_out() {
        let mut old = published("old", vec![]);
        old.tuples[0].notes = vec!["&".repeat(1000); 10];
        let new = published("new", vec![]);
        assert!(compose(&aor(), &[&old, &new], REGISTERED).len() <= COMPOSED_BYTES_MAX);
        assert_eq!(ids(&composed(&[&old, &new], REGISTERED)), ["new"]);
        let many = Pidf { tuples: vec![new.tuples[0].clone(); TUPLES_MAX], ..new.clone() };
        assert_eq!(composed(&[&many, &new], REGISTERED).tuples.len(), TUPLES_MAX);
    }
}
