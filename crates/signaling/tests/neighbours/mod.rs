//! Two organisations that federate, with a phone signed in at each; for plays about the connections between them.

use sim::{Line, World, allowed};

use crate::phone;

pub const ALICE: &str = "alice@contoso.example";
pub const BOB: &str = "bob@fabrikam.example";

/// Alice is at Contoso, Bob at Fabrikam; Litware is another partner of Contoso.
pub struct Play {
    pub world: World,
    pub workers: u16,
    pub seed: u64,
    pub contoso: usize,
    pub alice: Line,
    pub bob: Line,
}

/// With one worker and with several. `arrange` is told which site Fabrikam is, before anybody signs in.
pub fn everywhere(arrange: impl Fn(&mut World, usize), act: impl Fn(Play)) {
    phone::everywhere(6, |workers, seed| {
        let mut world = World::new(seed);
        let partners = [allowed("fabrikam.example"), allowed("litware.example")];
        let contoso = world.organisation("contoso.example", workers, &partners, false);
        let fabrikam = world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        arrange(&mut world, fabrikam);
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let worker = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let alice = phone::register(&mut world, contoso, worker(0), ALICE);
        let bob = phone::register(&mut world, fabrikam, worker(1), BOB);
        act(Play { world, workers, seed, contoso, alice, bob });
    });
}

impl Play {
    /// A worker of Contoso, another one with each seed.
    pub fn worker(&self, n: u64) -> u16 {
        u16::try_from((self.seed + n) % u64::from(self.workers)).unwrap()
    }
}
