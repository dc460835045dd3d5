//! One organisation with narrow limits, on one worker, and two of its users.

use signaling::{CoreConfig, Limits};
use sim::{Line, World};

use crate::phone;

pub const ALICE: &str = "alice@contoso.example";
pub const DAVE: &str = "dave@contoso.example";

/// Both are signed in.
pub struct Stage {
    pub world: World,
    pub site: usize,
    pub alice: Line,
    pub dave: Line,
}

/// `register` signs Alice's phone in: one of those in [`phone`].
pub fn stage(register: impl Fn(&mut World, usize, u16, &str) -> Line, narrow: impl Fn(&mut Limits)) -> Stage {
    configured(register, |config| narrow(&mut config.limits))
}

/// The same of an organisation that is configured otherwise, too.
pub fn configured(
    register: impl Fn(&mut World, usize, u16, &str) -> Line,
    configure: impl Fn(&mut CoreConfig),
) -> Stage {
    let mut world = World::new(1);
    let site = world.organisation("contoso.example", 1, &[], false);
    world.configure(site, configure);
    world.user(site, ALICE);
    world.user(site, DAVE);
    let alice = register(&mut world, site, 0, ALICE);
    let dave = phone::register(&mut world, site, 0, DAVE);
    Stage { world, site, alice, dave }
}

impl Stage {
    /// How often this limit was hit, by its name in the metrics.
    pub fn hits(&self, limit: &str) -> u64 {
        self.world.core(self.site, 0).counts().limits_hit.get(limit).copied().unwrap_or(0)
    }

    /// Calls from a phone that knows neither REFER nor Replaces; returns the INVITE.
    pub fn invite(&mut self, from: Line, (caller, callee): (&str, &str), call_id: &str, sdp: &str) -> String {
        let invite = phone::simple(&phone::request("INVITE", caller, callee, call_id));
        self.world.send(from, &phone::with_body(&invite, "", "application/sdp", sdp));
        invite
    }
}
