//! The form of a sentence: fixed words, and places in capitals. Parsing, messages and the list of all sentences come
//! from the same forms.

use std::time::Duration;

use super::run::Run;

/// One kind of sentence, and what it does.
pub struct Form {
    /// Some words in capitals are places: see [`PLACES`].
    pub pattern: &'static str,
    /// Does it, or says why not.
    pub act: fn(&mut Run, &Words) -> Result<(), String>,
}

/// What stood in the places of a sentence, in order.
#[derive(Debug, Clone)]
pub struct Words {
    values: Vec<String>,
    /// How long something may take to come to be so.
    pub within: Option<Duration>,
}

/// A sentence that was understood.
#[derive(Clone)]
pub struct Sentence {
    pub line: usize,
    pub text: String,
    pub words: Words,
    pub form: &'static Form,
}

impl Words {
    pub fn text(&self, place: usize) -> &str {
        &self.values[place]
    }

    /// Of all places.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.values.iter().map(String::as_str)
    }

    pub fn number<T: std::str::FromStr<Err: std::fmt::Debug>>(&self, place: usize) -> T {
        self.values[place].parse().expect("its shape was checked")
    }

    pub fn time(&self, place: usize) -> Duration {
        parse_time(&self.values[place]).expect("its shape was checked")
    }
}

/// Understands one sentence.
///
/// # Errors
/// In words, with the sentence that was perhaps meant.
pub fn understand(line: usize, text: &str, forms: impl Iterator<Item = &'static Form>) -> Result<Sentence, String> {
    let (said, within) = split_within(tokens(text)?)?;
    let mut nearest: Option<(usize, &'static Form)> = None;
    for form in forms {
        match matched(form.pattern, &said) {
            Ok(values) => {
                let words = Words { values, within };
                return Ok(Sentence { line, text: text.to_owned(), words, form });
            }
            Err(alike) if nearest.is_none_or(|(most, _)| alike > most) => nearest = Some((alike, form)),
            Err(_) => {}
        }
    }
    let meant = nearest.map_or(String::new(), |(_, form)| format!("; did you mean: {}", form.pattern));
    Err(format!("nobody understands {text:?}{meant}"))
}

/// Words, quoted texts as one, and a number with its unit as one.
fn tokens(text: &str) -> Result<Vec<String>, String> {
    let mut tokens: Vec<String> = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let length = match rest.strip_prefix('"') {
            Some(quoted) => quoted.find('"').ok_or("a quoted text does not end")? + 2,
            None => rest.find(char::is_whitespace).unwrap_or(rest.len()),
        };
        let token = &rest[..length];
        match tokens.last_mut().filter(|last| UNITS.contains(&token) && last.parse::<u64>().is_ok()) {
            Some(number) => *number = format!("{number} {token}"),
            None => tokens.push(token.to_owned()),
        }
        rest = rest[length..].trim_start();
    }
    Ok(tokens)
}

/// Takes a last `within 5 s` off.
fn split_within(mut said: Vec<String>) -> Result<(Vec<String>, Option<Duration>), String> {
    match said.as_slice() {
        [.., within, time] if within == "within" => {
            let time = parse_time(time).ok_or("within what time? for example: within 5 s")?;
            said.truncate(said.len() - 2);
            Ok((said, Some(time)))
        }
        _ => Ok((said, None)),
    }
}

/// What stands in the places; or how many words are alike before the first that is not.
fn matched(pattern: &str, said: &[String]) -> Result<Vec<String>, usize> {
    let pattern: Vec<&str> = pattern.split(' ').collect();
    let fits = |(part, word): &(&&str, &String)| if is_place(part) { check_shape(part, word) } else { *part == word };
    let pairs = || pattern.iter().zip(said);
    if pattern.len() != said.len() || !pairs().all(|pair| fits(&pair)) {
        return Err(pairs().take_while(fits).count());
    }
    let in_place = pairs().filter(|(part, _)| is_place(part));
    Ok(in_place.map(|(_, word)| word.trim_matches('"').to_owned()).collect())
}

fn is_place(part: &str) -> bool {
    PLACES.iter().any(|(place, _)| *place == part)
}

/// Whether a word can stand in a place.
fn check_shape(place: &str, word: &str) -> bool {
    PLACES.iter().any(|(name, has_shape)| *name == place && has_shape(word))
}

/// Whether a word has the shape of what stands in a place.
type Shape = fn(&str) -> bool;

/// The places that a form can have, and what can stand in each.
const PLACES: [(&str, Shape); 14] = [
    ("PHONE", |word| word.contains('@')),
    ("USER", |word| word.contains('@')),
    ("DOMAIN", is_domain),
    ("HOST", is_domain),
    ("TEXT", |word| word.starts_with('"')),
    ("TIME", |word| parse_time(word).is_some()),
    ("STATUS", |word| word.parse().is_ok_and(|status: u16| (100..700).contains(&status))),
    ("COUNT", |word| word.parse::<u16>().is_ok()),
    ("PERCENT", |word| word.parse().is_ok_and(|percent: u8| percent <= 100)),
    ("ADDRESS", |word| word.parse::<std::net::IpAddr>().is_ok()),
    ("METHOD", |word| word.bytes().all(|byte| byte.is_ascii_uppercase())),
    ("WORD", is_lower_case),
    ("RUNG", is_lower_case),
    ("STATE", is_lower_case),
];

fn is_domain(word: &str) -> bool {
    word.contains('.') && !word.contains('@')
}

fn is_lower_case(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
}

fn parse_time(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_once(' ')?;
    let number: u64 = number.parse().ok()?;
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => Some(Duration::from_secs(number)),
        "min" => Some(Duration::from_secs(60 * number)),
        "h" => Some(Duration::from_secs(3600 * number)),
        _ => None,
    }
}

const UNITS: [&str; 4] = ["ms", "s", "min", "h"];

#[cfg(test)]
mod tests {
    use super::*;

    fn values(text: &str) -> Vec<String> {
        understand(1, text, super::super::forms()).map(|sentence| sentence.words.values).unwrap_or_default()
    }

    #[test]
    fn places_are_filled_and_quotes_taken_off() {
        let said = "alice@contoso.example writes \"Hello, Bob\" to bob@fabrikam.example";
        assert_eq!(values(said), ["alice@contoso.example", "Hello, Bob", "bob@fabrikam.example"]);
        assert_eq!(values("90 s pass"), ["90 s"]);
    }

    #[test]
    fn how_long_it_may_take_is_said_last() {
        let said = "bob@fabrikam.example receives \"x\" from alice@contoso.example within 3 s";
        let sentence = understand(1, said, super::super::forms()).map_err(|error| panic!("{error}"));
        assert_eq!(sentence.map(|sentence| sentence.words.within), Ok(Some(Duration::from_secs(3))));
    }

    #[test]
    fn what_is_not_understood_names_what_was_perhaps_meant() {
        let error = understand(1, "alice@contoso.example writes to bob@fabrikam.example", super::super::forms());
        let error = error.err().unwrap_or_default();
        assert!(error.contains("did you mean: PHONE writes TEXT to USER"), "{error}");
    }

    #[test]
    fn every_form_is_there_once_and_its_capitals_are_places() {
        let mut patterns: Vec<&str> = super::super::forms().map(|form| form.pattern).collect();
        for part in patterns.iter().flat_map(|pattern| pattern.split(' ')) {
            let is_name = ["DNS", "UDP"].contains(&part);
            assert!(is_name || is_place(part) || part != part.to_uppercase() || part == "%", "{part}");
        }
        let count = patterns.len();
        patterns.sort_unstable();
        patterns.dedup();
        assert_eq!(patterns.len(), count);
    }
}
