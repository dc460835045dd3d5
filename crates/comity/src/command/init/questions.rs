//! Questions on a terminal, each with its default; without one, the flag that answers it is named.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use crate::failure::Failure;

/// One thing to know.
pub struct Question {
    pub text: &'static str,
    /// What answers it on the command line.
    pub flag: &'static str,
}

/// Who answers.
pub enum Asking<'a> {
    /// Nobody: defaults hold.
    Defaults,
    Terminal {
        terminal: Terminal<'a>,
        has_asked: bool,
    },
    /// Nobody, and it was not said that defaults shall hold.
    Nobody,
}

/// Where questions go and answers come from.
pub struct Terminal<'a> {
    input: Box<dyn BufRead + 'a>,
    output: Box<dyn Write + 'a>,
}

impl Terminal<'_> {
    /// Questions go to standard error, so that standard output holds the outcome alone.
    pub fn standard() -> Option<Terminal<'static>> {
        let is_there = io::stdin().is_terminal() && io::stderr().is_terminal();
        is_there.then(|| Terminal { input: Box::new(io::stdin().lock()), output: Box::new(io::stderr()) })
    }
}

impl Asking<'_> {
    pub fn new(takes_defaults: bool, terminal: Option<Terminal<'_>>) -> Asking<'_> {
        match (takes_defaults, terminal) {
            (true, _) => Asking::Defaults,
            (false, Some(terminal)) => Asking::Terminal { terminal, has_asked: false },
            (false, None) => Asking::Nobody,
        }
    }

    /// The answer, as `parse` reads it; on a terminal, asked again until it can be read.
    pub fn ask<T>(
        &mut self,
        question: &Question,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        let flag = question.flag;
        match (self, default) {
            (Asking::Terminal { terminal, has_asked }, _) => {
                *has_asked = true;
                terminal.ask(question.text, default, parse)
            }
            (Asking::Defaults, Some(default)) => parse(default).map_err(Failure::told),
            (Asking::Defaults, None) => {
                Err(Failure::new(format!("{flag} is missing, and nothing can stand in for it"), HINT_DOMAIN))
            }
            (Asking::Nobody, default) => {
                let hint = if default.is_some() { HINT_DEFAULTS } else { HINT_DOMAIN };
                Err(Failure::new(format!("{flag} is missing, and there is no terminal to ask on"), hint))
            }
        }
    }

    /// After questions, the last moment to stop. What was given by flags alone was meant.
    pub fn confirm(&mut self, files: &[&Path]) -> Result<(), Failure> {
        let Asking::Terminal { terminal, has_asked: true } = self else {
            return Ok(());
        };
        let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
        let text = format!("Write {}", names.join(", "));
        if terminal.ask(&text, Some("yes"), super::answers::parse_yes)? { Ok(()) } else { Err(stopped()) }
    }
}

impl Terminal<'_> {
    fn ask<T>(
        &mut self,
        text: &str,
        default: Option<&str>,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, Failure> {
        loop {
            let shown = default.map(|default| format!(" [{default}]")).unwrap_or_default();
            let mut line = String::new();
            let asked = write!(self.output, "{text}{shown}: ").and_then(|()| self.output.flush());
            let length = asked.and_then(|()| self.input.read_line(&mut line)).map_err(Failure::told)?;
            if length == 0 {
                let _ = writeln!(self.output);
                return Err(stopped());
            }
            let typed = line.trim();
            match parse(default.filter(|_| typed.is_empty()).unwrap_or(typed)) {
                Ok(answer) => return Ok(answer),
                Err(why) => writeln!(self.output, "  {why}").map_err(Failure::told)?,
            }
        }
    }
}

fn stopped() -> Failure {
    Failure::new("stopped before anything was written", "begin again, or give the answers as flags: comity init --help")
}

const HINT_DOMAIN: &str = "name your SIP domain, such as: comity init --domain contoso.example --yes";
const HINT_DEFAULTS: &str = "give it, or take the default for whatever is not given: --yes";

#[cfg(test)]
mod tests {
    use super::*;

    const QUESTION: Question = Question { text: "Port", flag: "--port" };

    fn number(text: &str) -> Result<u16, String> {
        text.parse().map_err(|_| format!("{text:?} is no port"))
    }

    /// The answer, and what the terminal shows.
    fn converse(input: &str, default: Option<&str>) -> (Option<u16>, String) {
        let mut output = Vec::new();
        let answer = {
            let terminal = Terminal { input: Box::new(input.as_bytes()), output: Box::new(&mut output) };
            Asking::new(false, Some(terminal)).ask(&QUESTION, default, number).ok()
        };
        (answer, String::from_utf8(output).unwrap())
    }

    #[test]
    fn an_empty_line_takes_the_default() {
        assert_eq!(converse("\n", Some("5061")), (Some(5061), "Port [5061]: ".to_owned()));
        assert_eq!(converse(" 443 \n", Some("5061")), (Some(443), "Port [5061]: ".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_is_told_and_asked_again() {
        let shown = "Port:   \"sip\" is no port\nPort:   \"\" is no port\nPort: ".to_owned();
        assert_eq!(converse("sip\n\n7\n", None), (Some(7), shown));
    }

    #[test]
    fn the_end_of_input_stops() {
        assert_eq!(converse("", Some("5061")), (None, "Port [5061]: \n".to_owned()));
    }

    #[test]
    fn without_a_terminal_a_default_holds_only_where_that_was_said() {
        assert_eq!(Asking::new(true, None).ask(&QUESTION, Some("1"), number).ok(), Some(1));
        assert!(Asking::new(true, None).ask(&QUESTION, None, number).is_err());
        assert!(Asking::new(false, None).ask(&QUESTION, Some("1"), number).is_err());
    }

    #[test]
    fn a_no_at_the_end_stops_and_nobody_is_asked_who_was_not_asked_before() {
        let mut output = Vec::new();
        let terminal = Terminal { input: Box::new(&b"1\nn\n"[..]), output: Box::new(&mut output) };
        let mut asking = Asking::new(false, Some(terminal));
        assert!(asking.confirm(&[Path::new("comity.toml")]).is_ok());
        assert!(asking.ask(&QUESTION, None, number).is_ok());
        assert!(asking.confirm(&[Path::new("comity.toml")]).is_err());
        drop(asking);
        assert_eq!(String::from_utf8(output).unwrap(), "Port: Write comity.toml [yes]: ");
    }
}
