//! How many subscriptions each subscriber has, so that none of them can take all room.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use super::Subscriber;

/// The subscriptions of one notifier, by who has them and to what.
#[derive(Debug)]
pub(super) struct Shares<R> {
    by_subscriber: BTreeMap<Subscriber, Share<R>>,
}

#[derive(Debug)]
struct Share<R> {
    total: usize,
    by_resource: BTreeMap<R, usize>,
}

impl<R: Clone + Ord> Shares<R> {
    pub fn new() -> Shares<R> {
        Shares { by_subscriber: BTreeMap::new() }
    }

    /// How many he has, and how many of them to this resource.
    pub fn of(&self, subscriber: &Subscriber, resource: &R) -> (usize, usize) {
        let Some(share) = self.by_subscriber.get(subscriber) else { return (0, 0) };
        (share.total, share.by_resource.get(resource).copied().unwrap_or(0))
    }

    pub fn take(&mut self, subscriber: &Subscriber, resource: &R) {
        let new = || Share { total: 0, by_resource: BTreeMap::new() };
        let share = self.by_subscriber.entry(subscriber.clone()).or_insert_with(new);
        share.total += 1;
        *share.by_resource.entry(resource.clone()).or_default() += 1;
    }

    pub fn give_back(&mut self, subscriber: Subscriber, resource: R) {
        let Entry::Occupied(mut share) = self.by_subscriber.entry(subscriber) else { return };
        share.get_mut().total -= 1;
        if let Entry::Occupied(mut count) = share.get_mut().by_resource.entry(resource) {
            *count.get_mut() -= 1;
            if *count.get() == 0 {
                count.remove();
            }
        }
        if share.get().total == 0 {
            share.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_leaves_nobody_behind() {
        let mut shares = Shares::new();
        let bob = Subscriber { aor: None, domain: "fabrikam.example".to_owned() };
        ["m1", "m1", "m2"].iter().for_each(|resource| shares.take(&bob, resource));
        assert_eq!([shares.of(&bob, &"m1"), shares.of(&bob, &"m2"), shares.of(&bob, &"m3")], [(3, 2), (3, 1), (3, 0)]);
        ["m1", "m2"].iter().for_each(|resource| shares.give_back(bob.clone(), resource));
        assert_eq!(shares.of(&bob, &"m1"), (1, 1));
        assert_eq!(shares.by_subscriber[&bob].by_resource.len(), 1);
        shares.give_back(bob, "m1");
        assert!(shares.by_subscriber.is_empty());
    }
}
