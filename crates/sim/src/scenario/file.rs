//! Reading a scenario's file.

use std::path::Path;

use super::form::{Sentence, understand};
use super::forms;

/// A stage, and the plays on it.
#[derive(Clone)]
pub struct ScenarioFile {
    /// As it is found from the repository's root.
    pub path: String,
    stage: Vec<Sentence>,
    pub plays: Vec<Play>,
}

#[derive(Clone)]
pub struct Play {
    pub title: String,
    pub(crate) sentences: Vec<Sentence>,
}

impl ScenarioFile {
    /// # Errors
    /// Each line with what is wrong with it.
    pub fn load(path: &Path) -> Result<ScenarioFile, String> {
        let shown = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| format!("{shown}: cannot be read: {error}"))?;
        ScenarioFile::parse(&shown, &text)
    }

    /// # Errors
    /// As [`ScenarioFile::load`].
    pub fn parse(path: &str, text: &str) -> Result<ScenarioFile, String> {
        let mut file = ScenarioFile { path: path.to_owned(), stage: Vec::new(), plays: Vec::new() };
        let mut errors = Vec::new();
        for (number, line) in (1..).zip(text.lines().map(str::trim)) {
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if let Some(title) = line.strip_prefix("==") {
                file.plays.push(Play { title: title.trim().to_owned(), sentences: file.stage.clone() });
                continue;
            }
            match understand(number, line, forms()) {
                Ok(sentence) => {
                    file.plays.last_mut().map_or(&mut file.stage, |play| &mut play.sentences).push(sentence)
                }
                Err(error) => errors.push(format!("{path}:{number}: {error}")),
            }
        }
        if file.plays.is_empty() {
            errors.push(format!("{path}: no play; a line that begins with == names one"));
        }
        if errors.is_empty() { Ok(file) } else { Err(errors.join("\n")) }
    }

    /// The play of this title, or what the titles are.
    ///
    /// # Errors
    /// When there is none.
    pub fn play(&self, title: &str) -> Result<&Play, String> {
        self.plays.iter().find(|play| play.title == title).ok_or_else(|| {
            let titles: Vec<&str> = self.plays.iter().map(|play| play.title.as_str()).collect();
            format!("{}: there is no play {title:?}; there are:\n  {}", self.path, titles.join("\n  "))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_comes_before_every_play() {
        let text = "organisation contoso.example\n\n# why\n== one\n1 s pass\n== two\n";
        let file = ScenarioFile::parse("x.play", text).map_err(|error| panic!("{error}"));
        let plays: Vec<(String, usize)> =
            file.iter().flat_map(|file| &file.plays).map(|play| (play.title.clone(), play.sentences.len())).collect();
        assert_eq!(plays, [("one".to_owned(), 2), ("two".to_owned(), 1)]);
    }

    #[test]
    fn all_that_is_wrong_is_told_with_its_line() {
        let error = ScenarioFile::parse("x.play", "organisation\n== one\n1 s goes by\n").err().unwrap_or_default();
        assert!(error.starts_with("x.play:1: ") && error.contains("\nx.play:3: "), "{error}");
    }
}
