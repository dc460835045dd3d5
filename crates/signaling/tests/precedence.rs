//! Whose connections come first: of those who have shown that they are known here.

use signaling::Precedence;
use sim::{World, allowed, certificate};
use sip::FlowId;

use crate::phone;

const ALICE: &str = "alice@contoso.example";

/// How many flows stand like this at the organisation; all others have proven nothing, or are not there.
fn count(world: &World, site: usize, precedence: Precedence) -> usize {
    let workers = world.workers(site);
    let flows = (0..workers).flat_map(|worker| (1_000..1_100).map(move |serial| FlowId::Stream { worker, serial }));
    let cores = || (0..workers).map(|worker| world.core(site, worker));
    flows.flat_map(|flow| cores().map(move |core| core.precedence_of(flow))).filter(|of| *of == precedence).count()
}

#[test]
fn who_signs_in_or_has_an_entry_comes_first_and_so_does_whom_we_connected_to() {
    phone::everywhere(6, |workers, seed| {
        let mut world = World::new(seed);
        let entries = [allowed("fabrikam.example"), allowed("litware.example")];
        let contoso = world.organisation("contoso.example", workers, &entries, true);
        world.organisation("fabrikam.example", workers, &[allowed("contoso.example")], false);
        world.user(contoso, ALICE);
        let stand =
            |world: &World| (count(world, contoso, Precedence::Known), count(world, contoso, Precedence::Discovered));

        let alice = world.connect(contoso, 0, None);
        world.send(alice, &phone::request("MESSAGE", ALICE, ALICE, "unproven"));
        assert_eq!(world.only(alice).status(), Some(407));
        assert_eq!(stand(&world), (0, 0));
        phone::register_on(&mut world, alice, ALICE);
        assert_eq!(stand(&world), (1, 0));

        for (domain, known, discovered) in [("adatum.example", 1, 1), ("litware.example", 2, 1)] {
            let before = stand(&world);
            let line = world.connect(contoso, workers - 1, Some(certificate(&[domain])));
            assert_eq!(stand(&world), before, "a certificate alone is of nobody");
            world.send(line, &phone::request("MESSAGE", &format!("eve@{domain}"), ALICE, domain));
            assert_eq!(stand(&world), (known, discovered), "{domain}");
        }

        world.send(alice, &phone::request("MESSAGE", ALICE, "bob@fabrikam.example", "out"));
        world.take(alice);
        assert_eq!(stand(&world), (3, 1));
    });
}

/// Where no user is remembered by the connection: that it is a client's was shown all the same.
#[test]
fn a_client_comes_first_though_its_users_prove_themselves_each_time() {
    let mut world = World::new(1);
    let contoso = world.organisation("contoso.example", 1, &[], false);
    world.configure(contoso, |config| config.limits.users_per_flow_max = 0);
    world.user(contoso, ALICE);
    phone::register(&mut world, contoso, 0, ALICE);
    assert_eq!(count(&world, contoso, Precedence::Known), 1);
}
