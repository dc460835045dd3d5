//! What three commands say of a fault, compared with a text in the repository that a person has read.
//!
//! GOLDEN=write cargo test -p comity faults::    writes them anew; then read them

use std::path::PathBuf;

use super::scene::{CALL_ID, Scene};

/// `comity why`, `comity partner show` and `comity route`, one after the other.
pub fn check(name: &str, scene: &Scene, call_id: &str) {
    let of_partner = |command: &'static [&'static str]| [command, &["fabrikam.example"]].concat();
    let shown: String = [vec!["why", call_id], of_partner(&["partner", "show"]), of_partner(&["route"])]
        .into_iter()
        .map(|arguments| format!("$ comity {}\n{}\n", arguments.join(" "), said(scene, &arguments)))
        .collect();
    compare(&format!("golden/{name}.txt"), &shown);
}

/// What the doctor says, with its exit code.
pub fn check_doctor(name: &str, scene: &Scene, arguments: &[&str]) {
    let answer = scene.served.run(&[&["doctor"], arguments].concat());
    let ports = [&scene.ports[..], &[scene.served.tls_port]].concat();
    let text = steady(&(answer.stdout + &answer.stderr), &ports);
    let command = [&["comity", "doctor"], arguments].concat().join(" ");
    compare(&format!("doctor/{name}.txt"), &format!("$ {command}; echo $?\n{text}{}\n", answer.code.unwrap()));
}

fn compare(name: &str, shown: &str) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("tests/faults/{name}"));
    if std::env::var_os("GOLDEN").is_some_and(|value| value == "write") {
        std::fs::write(&file, shown).unwrap();
    }
    let golden = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(shown, golden, "{} is to be read again; see the head of golden.rs", file.display());
}

fn said(scene: &Scene, arguments: &[&str]) -> String {
    let answer = scene.served.run(arguments);
    let text = answer.stdout + &answer.stderr;
    for side in ["verdict: ", "how sure: ", "next: ", "whose side: "] {
        assert!(text.contains(side), "{side}is missing in:\n{text}");
    }
    steady(&text, &scene.ports)
}

/// Without what is different each time.
fn steady(text: &str, ports: &[u16]) -> String {
    let mut text = text.replace(CALL_ID, "CALL-ID");
    for port in ports {
        text = text.replace(&port.to_string(), "5061");
    }
    text.lines().map(|line| steady_line(line) + "\n").collect()
}

fn steady_line(line: &str) -> String {
    // An hour may be over in between.
    if line.trim_start().starts_with("this hour: ") {
        let (hours, rate) = line.split_once("; it may").map_or((line, ""), |(hours, _)| (hours, &line[hours.len()..]));
        let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        let words = hours.split(' ').map(|word| if is_number(word) { "N" } else { word });
        return words.collect::<Vec<_>>().join(" ") + rate;
    }
    let indent = line.len() - line.trim_start().len();
    let mut words: Vec<String> = Vec::new();
    for word in line.split_whitespace() {
        let number = word.trim_matches(|letter: char| "(),;:.".contains(letter));
        let after = |name: &str| words.last().is_some_and(|last| last == name);
        let is_time = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit() || b"-:Z".contains(&byte));
        let replaced = match number {
            _ if after("serial") => word.replace(number, "SERIAL"),
            _ if is_time && number.matches('-').count() == 2 => word.replace(number, "DATE"),
            _ if is_time && number.matches(':').count() == 2 => word.replace(number, "TIME"),
            // A number: it may begin with a zero, which is not shown.
            _ if (32..=40).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                word.replace(number, "SERIAL")
            }
            _ if number.len() == 8 && number.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                word.replace(number, "SERIAL-BEGIN")
            }
            _ if number.len() == 64 && number.bytes().all(|byte| byte.is_ascii_hexdigit()) => {
                word.replace(number, "FINGERPRINT")
            }
            _ => word.to_owned(),
        };
        let is_unit = matches!(number, "ms" | "s" | "min");
        if let Some(last) = words.last_mut().filter(|last| is_unit && last.ends_with(|end: char| end.is_ascii_digit()))
        {
            let kept = last.trim_end_matches(|end: char| end.is_ascii_digit()).len();
            last.replace_range(kept.., "N");
        }
        words.push(replaced);
    }
    " ".repeat(indent) + &words.join(" ")
}
