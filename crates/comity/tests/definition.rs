//! What is made from the definition of the command line: the shells' completions and the manual.

use std::path::Path;
use std::process::Command;

use crate::place::Place;

const LISTEN: &str = "tls = [\"127.0.0.1:5061\"]";

/// What bash offers for the last of these words, asked the way the Tab key asks.
fn completed(script: &Path, words: &[&str]) -> Vec<String> {
    let (last, before) = (words.len() - 1, words[words.len() - 2]);
    let asked = format!(
        "source '{script}'\nset -- $(complete -p comity)\nwhile [ \"$1\" != -F ]; do shift; done\n\
         COMP_WORDS=({all}) COMP_CWORD={last}\n\"$2\" comity '{word}' '{before}'\nprintf '%s\\n' \"${{COMPREPLY[@]}}\"\n",
        script = script.display(),
        all = words.join(" "),
        word = words[last],
    );
    let answer = Command::new("bash").args(["--norc", "-c", &asked]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stderr), "");
    String::from_utf8(answer.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    let place = Place::new(LISTEN);
    let script = place.path().join("comity.bash");
    std::fs::write(&script, place.run(&["completions", "bash"]).ok().stdout).unwrap();
    assert_eq!(completed(&script, &["comity", "partner", "sh"]), ["show"]);
    assert_eq!(completed(&script, &["comity", "pa"]), ["partner"]);
    assert_eq!(completed(&script, &["comity", "why", "--dr"]), ["--dry-run"]);
    assert_eq!(completed(&script, &["comity", "nothing-such", "--dr"]), [""]);
    // Hidden: for our own tests and documents.
    assert_eq!(completed(&script, &["comity", "ref"]), [""]);
    assert_eq!(completed(&script, &["comity", "demo", "--hold"]), [""]);
}

#[test]
fn every_shell_has_its_completions() {
    for (shell, mark) in [("zsh", "#compdef comity"), ("fish", "complete -c comity"), ("elvish", "edit:completion")] {
        let script = Place::new(LISTEN).run(&["completions", shell]).ok().stdout;
        assert!(script.contains(mark) && script.contains("unblock"), "{shell}: {script}");
    }
}

#[test]
fn the_manual_has_a_page_for_every_command_and_groff_reads_it_without_a_warning() {
    let place = Place::new(LISTEN);
    let told = place.run(&["man", "--directory", "share/man1"]).ok().stdout;
    let folder = place.path().join("share/man1");
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    assert_eq!(told, format!("{} pages are in share/man1\n", names.len()));
    for wanted in ["comity.1", "comity-partner-add.1", "comity-user-passwd.1", "comity-why.1"] {
        assert!(names.iter().any(|name| name == wanted), "{wanted} is missing in {names:?}");
    }
    for name in &names {
        rendered(&folder.join(name));
    }
    let page = rendered(&folder.join("comity-partner-add.1"));
    assert!(page.contains("comity partner add fabrikam.example --edge sip.fabrikam.example"), "{page}");
}

#[test]
fn one_page_is_printed() {
    let page = Place::new(LISTEN).run(&["man"]).ok().stdout;
    assert!(page.contains(".TH comity 1") && page.contains("comity\\-partner(1)"), "{page}");
}

/// The page as a terminal shows it. Needs groff (Debian: groff-base).
fn rendered(page: &Path) -> String {
    let groff = Command::new("groff").args(["-man", "-Tutf8", "-ww", "-P-cbou"]).arg(page).output();
    let groff = groff.expect("groff is needed; Debian's package is groff-base");
    assert_eq!(String::from_utf8_lossy(&groff.stderr), "", "{}", page.display());
    String::from_utf8(groff.stdout).unwrap()
}
