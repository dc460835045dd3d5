//! Who takes part: a phone for every user, and a second one for alice.

use sdp::ProtectionPolicy;

use super::super::World;
use super::super::organisation::Organisation;
use super::super::phone::{Account, Door, Phone, TONES, Voice};
use super::super::pki::{Authority, Certified};

pub struct Scene<'a> {
    pub world: &'a World,
    pub alice: Phone,
    /// Alice's second device, registered only while a check needs it.
    pub tablet: Phone,
    /// With a device that knows neither REFER nor Replaces.
    pub dave: Phone,
    pub bob: Phone,
    /// Away, but for one check.
    pub erin: Phone,
    pub carol: Phone,
}

impl<'a> Scene<'a> {
    pub fn new(world: &'a World) -> anyhow::Result<Scene<'a>> {
        let phone = |domain: &str, user: &str| {
            let organisation = world.organisation(domain);
            let door = door(organisation, &world.authority, None)?;
            anyhow::Ok(Phone::new(organisation.account(user).clone(), door, voice(user)))
        };
        Ok(Scene {
            alice: phone("contoso.example", "alice")?,
            tablet: phone("contoso.example", "alice")?,
            dave: phone("contoso.example", "dave")?.simple(),
            bob: phone("fabrikam.example", "bob")?,
            erin: phone("fabrikam.example", "erin")?,
            carol: phone("litware.example", "carol")?,
            world,
        })
    }

    /// Somebody who connects to a domain's edge with any name and any certificate.
    pub fn stranger(&self, domain: &str, aor: &str, certified: Option<&Certified>) -> anyhow::Result<Phone> {
        let account = Account { aor: aor.to_owned(), password: "unknown".to_owned() };
        let door = door(self.world.organisation(domain), &self.world.authority, certified)?;
        let mut phone = Phone::new(account, door, SILENT);
        phone.connect()?;
        Ok(phone)
    }

    /// A phone of a user with another password than the right one.
    pub fn guesser(&self, domain: &str, aor: &str) -> anyhow::Result<Phone> {
        self.stranger(domain, aor, None)
    }
}

/// A tone for each user. Alice's phone knows no protection of sound; the others use it where the other side knows it, too.
fn voice(user: &str) -> Voice {
    let hz = TONES.iter().find(|(name, _)| *name == user).map_or(0, |(_, hz)| *hz);
    let protection = if user == "alice" { ProtectionPolicy::Never } else { ProtectionPolicy::Preferred };
    Voice { hz, protection }
}

fn door(organisation: &Organisation, authority: &Authority, certified: Option<&Certified>) -> anyhow::Result<Door> {
    Ok(Door {
        address: organisation.place.tls,
        server_name: organisation.definition.phone_name,
        tls: authority.client_config(certified)?,
    })
}

/// For those who get no call through.
const SILENT: Voice = Voice { hz: 0, protection: ProtectionPolicy::Never };
