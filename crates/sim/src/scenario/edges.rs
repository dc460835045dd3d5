//! Organisations in two, and what happens to their edges.

use super::form::{Form, Words};
use super::run::Run;

pub static FORMS: &[Form] = &[
    Form { pattern: "DOMAIN has COUNT edges before its home", act: has_edges },
    Form { pattern: "edge COUNT of DOMAIN dies", act: |run, words| edge(run, words, crate::World::kill_edge) },
    Form { pattern: "edge COUNT of DOMAIN is back", act: |run, words| edge(run, words, crate::World::revive_edge) },
    Form { pattern: "edge COUNT of DOMAIN drains", act: |run, words| edge(run, words, crate::World::drain_edge) },
    Form {
        pattern: "partners find edge COUNT of DOMAIN alone",
        act: |run, words| edge(run, words, crate::World::show_edge),
    },
    Form { pattern: "edges of DOMAIN let nobody sign in", act: |run, words| lets_in(run, words, false) },
    Form { pattern: "edges of DOMAIN let users sign in", act: |run, words| lets_in(run, words, true) },
    Form { pattern: "connections between DOMAIN and its edges break", act: connections_break },
];

/// At least so many: the setting may have put some there.
fn has_edges(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.put_edges_before(site, words.number(1));
    Ok(())
}

fn lets_in(run: &mut Run, words: &Words, takes_remote_users: bool) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.open_edges(site, takes_remote_users);
    Ok(())
}

fn edge(run: &mut Run, words: &Words, act: fn(&mut crate::World, usize, usize)) -> Result<(), String> {
    let (number, site) = (words.number(0), run.site(words.text(1))?);
    if number == 0 || number > run.world.edges(site) {
        return Err(format!("it has {} edges", run.world.edges(site)));
    }
    act(&mut run.world, site, number);
    Ok(())
}

fn connections_break(run: &mut Run, words: &Words) -> Result<(), String> {
    let site = run.site(words.text(0))?;
    run.world.cut_inside(site);
    Ok(())
}
