//! Debian's Kamailio, as interop/compare configures it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Context;

use crate::scene::{DOMAIN, PASSWORD, Place, Running, Scene, partners};

/// # Errors
/// When it is not installed, or does not start.
pub fn start(scene: &Scene, cores: &str) -> anyhow::Result<Running> {
    let program = Path::new("/usr/sbin/kamailio");
    anyhow::ensure!(program.exists(), "Kamailio is not installed: apt-get install kamailio kamailio-tls-modules");
    let place = Place::prepare()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../interop/compare");
    let folder = place.folder.path().to_string_lossy().into_owned();
    fs::copy(source.join("kamailio.cfg"), place.path("kamailio.cfg")).context("interop/compare/kamailio.cfg")?;
    let tls = fs::read_to_string(source.join("tls.cfg")).context("interop/compare/tls.cfg")?;
    fs::write(place.path("tls.cfg"), tls.replace("FOLDER", &folder))?;
    fs::write(place.path("site.cfg"), site(scene, &place, &folder))?;
    write_partners(&place, scene.partners)?;
    let arguments = ["-f", "kamailio.cfg", "-DD", "-E", "-Y", &folder, "-m", "2048", "-M", "32", "-w", &folder];
    place.start(program, &arguments, cores)
}

fn site(scene: &Scene, place: &Place, folder: &str) -> String {
    let mut text = String::new();
    for (name, value) in [
        ("MY_DOMAIN", DOMAIN),
        ("MY_PORT", &place.tls.port().to_string()),
        ("MY_PLAIN_PORT", &place.plain.port().to_string()),
        ("MY_FOLDER", folder),
        ("MY_INSIDE", &scene.inside.to_string()),
        ("MY_WORKERS", &scene.workers.to_string()),
        ("MY_PASSWORD", PASSWORD),
    ] {
        let _ = writeln!(text, "#!substdef \"!{name}!{value}!g\"");
    }
    text
}

/// As db_text keeps a table: the columns, then one line a row.
fn write_partners(place: &Place, count: usize) -> anyhow::Result<()> {
    let mut text =
        "id(int,auto) key_name(string) key_type(int) value_type(int) key_value(string) expires(int)\n".to_owned();
    for (number, domain) in partners(count).enumerate() {
        let _ = writeln!(text, "{}:{domain}:0:0:1:0", number + 1);
    }
    fs::create_dir(place.path("tables"))?;
    fs::write(place.path("tables/partner"), text)?;
    fs::write(place.path("tables/version"), "table_name(string) table_version(int)\npartner:2\n")?;
    Ok(())
}
