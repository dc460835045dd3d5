//! A partner with several servers, in order of preference; for plays about which of them is tried.

use signaling::{CoreConfig, PartnerCounts};
use sim::{Line, World};
use sip::{HeaderName, Message};

use crate::phone;

pub const ALICE: &str = "alice@contoso.example";
pub const BOB: &str = "bob@fabrikam.example";
pub const FIRST: &str = "192.0.2.71";
pub const SECOND: &str = "192.0.2.72";
pub const THIRD: &str = "192.0.2.73";

/// Alice is at Contoso; Bob is at Fabrikam, which has `one` at FIRST, `two` at SECOND, and so on.
pub struct Play {
    pub world: World,
    pub workers: u16,
    pub contoso: usize,
    pub fabrikam: usize,
    pub alice: Line,
    pub bob: Line,
}

impl Play {
    /// Fabrikam has so many servers, three at most.
    pub fn new(workers: u16, seed: u64, servers: usize, change: impl Fn(&mut CoreConfig)) -> Play {
        let mut world = World::new(seed);
        let [contoso, fabrikam] = world.allies(["contoso.example", "fabrikam.example"], workers);
        world.configure(contoso, change);
        for (priority, name, address) in
            [(10, "one", FIRST), (20, "two", SECOND), (30, "three", THIRD)].iter().take(servers)
        {
            world.server(fabrikam, *priority, &format!("{name}.fabrikam.example"), &[*address]);
        }
        world.user(contoso, ALICE);
        world.user(fabrikam, BOB);
        let by_seed = |n: u64| u16::try_from((seed + n) % u64::from(workers)).unwrap();
        let alice = phone::register(&mut world, contoso, by_seed(0), ALICE);
        let bob = phone::register(&mut world, fabrikam, by_seed(1), BOB);
        Play { world, workers, contoso, fabrikam, alice, bob }
    }

    /// What Contoso's workers counted of Fabrikam.
    pub fn counts(&self) -> PartnerCounts {
        let mut counts = PartnerCounts::default();
        for worker in 0..self.workers {
            let core = self.world.core(self.contoso, worker);
            counts += core.partner_status(self.world.now, "fabrikam.example").counts;
        }
        counts
    }

    /// The addresses that were tried since the last look.
    pub fn dialled(&mut self) -> Vec<String> {
        std::mem::take(&mut self.world.dialled).iter().map(ToString::to_string).collect()
    }

    pub fn write(&mut self, call_id: &str) {
        self.world.send(self.alice, &phone::request("MESSAGE", ALICE, BOB, call_id));
    }

    /// Bob has what Alice wrote, and says so.
    pub fn arrives(&mut self) {
        let arrived = self.world.only(self.bob);
        self.world.send(self.bob, &phone::answer(&arrived, "200 OK", "bob"));
        assert_eq!(self.world.only(self.alice).status(), Some(200));
    }
}

/// The status, and the public word.
pub fn told(answer: &Message) -> (u16, String) {
    let warning = answer.header_text(HeaderName::Warning).unwrap_or_default();
    (answer.status().unwrap(), warning.split('"').nth(1).unwrap_or_default().to_owned())
}
