//! What `comity status` says of a home's edges, and of an edge's home.

use server::control::answers::{EdgeAnswer, EdgeSoundAnswer, EdgesAnswer, FromEdge, HomeSoundAnswer, ToldAnswer};
use server::moment;
use store::Revision;

use crate::table::Columns;

/// The edges of a home, and what is wrong with each.
pub fn print(answer: &EdgesAnswer) {
    let mut table = Columns::new(&["EDGE", "KNOWS", "REACHED", ""]);
    for edge in &answer.edges {
        let reached = edge.succeeded_unix.map_or_else(|| "never".to_owned(), moment::date_and_time);
        table.row([
            edge.edge.clone(),
            knows(edge, &answer.revision),
            reached,
            stands(edge, &answer.revision).to_owned(),
        ]);
    }
    table.print();
    println!();
    for edge in &answer.edges {
        if let Some(failure) = &edge.failed {
            println!(
                "warning: {} has not been reached since {}:",
                edge.edge,
                moment::date_and_time(failure.since_unix)
            );
            println!("{}\n", failure.why);
        }
    }
    for (key, said) in answer.differences() {
        let each: Vec<String> = said.iter().map(|(edge, value)| format!("{value} at {edge}")).collect();
        println!("warning: the edges differ in {key} under [federation]: {}", each.join(", "));
        println!("next: write the same into comity.toml of each, for a partner may come by any of them\n");
    }
    for edge in &answer.edges {
        if let Some(sound) = &edge.sound {
            println!("sound at {}: {}", edge.edge, sounds(sound));
        }
    }
    if answer.edges.iter().any(|edge| edge.sound.is_some()) {
        println!();
    }
}

fn sounds(sound: &EdgeSoundAnswer) -> String {
    let EdgeSoundAnswer { is_connected, is_draining, bridges, legs, why } = sound;
    match (is_connected, is_draining) {
        (true, false) => format!("bridges {bridges}, legs {legs}"),
        (true, true) => format!("bridges {bridges}, legs {legs}; it drains, and gets no more"),
        (false, _) => format!("none, {}", why.as_deref().unwrap_or("not connected yet")),
    }
}

fn knows(edge: &EdgeAnswer, home: &Revision) -> String {
    match &edge.revision {
        Some(revision) => format!("revision {} of {}", revision.number, home.number),
        None => "not known".to_owned(),
    }
}

fn stands(edge: &EdgeAnswer, home: &Revision) -> &'static str {
    match edge.failed {
        Some(_) => "out of reach",
        None if edge.is_current(home) => "current",
        None => "being told",
    }
}

/// What each edge said to a question of its home.
pub fn print_each<T>(edges: &[FromEdge<T>], print: impl Fn(&T)) {
    for FromEdge { edge, answer, failure } in edges {
        println!("\nat the edge {edge}");
        answer.iter().for_each(&print);
        failure.iter().for_each(|why| println!("  it does not answer: {why}"));
    }
}

/// What an edge goes by, as rows of facts.
pub fn told(answer: &ToldAnswer) -> Vec<(&'static str, String)> {
    let heard = match answer.heard_unix {
        Some(at) => format!("the home was here last at {}", moment::date_and_time(at)),
        None => "the home was not here since the start".to_owned(),
    };
    let sound = answer.sound.iter().map(|sound| ("sound", home_sounds(sound)));
    let (Some(revision), Some(at_unix)) = (&answer.revision, answer.told_unix) else {
        let nothing = "has told this edge nothing yet: partners get 503 edge-not-ready".to_owned();
        return [("home", nothing), ("", heard)].into_iter().chain(sound).collect();
    };
    let home = answer.home.as_deref().unwrap_or_default();
    let told = format!("{home} told revision {} at {}", revision.number, moment::date_and_time(at_unix));
    [("home", told), ("", heard)].into_iter().chain(sound).collect()
}

fn home_sounds(sound: &HomeSoundAnswer) -> String {
    match sound.homes.as_slice() {
        [] => "no home is connected for it".to_owned(),
        homes => format!("of {}: bridges {}, legs {}", homes.join(", "), sound.bridges, sound.legs),
    }
}
