//! What Lync's cmdlets print, as records of names and values: `Format-List` text, or the XML of `Export-Clixml`, in
//! UTF-8 or, as PowerShell writes files, in UTF-16.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// The properties of one object, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Record(Vec<(String, String)>);

impl Record {
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    fn put(&mut self, name: &str, value: &str) {
        if self.0.len() < PROPERTIES_MAX {
            self.0.push((name.to_owned(), value.trim().to_owned()));
        }
    }
}

/// Reads a file of either form.
///
/// # Errors
/// In words, where it is neither.
pub(super) fn records(text: &str) -> Result<Vec<Record>, String> {
    if text.trim_start().starts_with('<') { from_xml(text) } else { Ok(from_list(text)) }
}

/// What is written where a cmdlet had nothing to print: by Export-Clixml, a list without an object.
pub(super) fn lists_nothing(text: &str) -> bool {
    text.trim().is_empty() || (text.trim_start().starts_with('<') && text.contains("<Objs") && !text.contains("<Obj "))
}

/// With the byte order mark of UTF-16 or UTF-8, or else UTF-8.
pub(super) fn decoded(bytes: &[u8]) -> Result<String, String> {
    let units = |rest: &[u8], read: fn([u8; 2]) -> u16| -> Result<String, String> {
        let units: Vec<u16> = rest.chunks_exact(2).map(|pair| read([pair[0], pair[1]])).collect();
        String::from_utf16(&units).map_err(|_| "it is no text in UTF-16".to_owned())
    };
    match bytes {
        [0xff, 0xfe, rest @ ..] => units(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => units(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => decoded(rest),
        _ => String::from_utf8(bytes.to_vec()).map_err(|_| "it is neither UTF-8 nor UTF-16".to_owned()),
    }
}

/// `Name : value`; a line that begins with a blank goes on with the value before, an empty one ends the object.
fn from_list(text: &str) -> Vec<Record> {
    let mut records = vec![Record::default()];
    for line in text.lines() {
        let Some(record) = records.last_mut() else { break };
        if line.trim().is_empty() {
            if !record.0.is_empty() {
                records.push(Record::default());
            }
        } else if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = record.0.last_mut() {
                if !value.is_empty() {
                    value.push(' ');
                }
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            record.put(name.trim(), value);
        }
    }
    records.retain(|record| !record.0.is_empty());
    records
}

/// `<Obj><Props><S N="Domain">...`: every element with the attribute N is a property of the object around it; an object
/// that is a property stands for its `ToString`.
fn from_xml(text: &str) -> Result<Vec<Record>, String> {
    let mut reader = Reader::from_str(text);
    let mut objects: Vec<(Option<String>, Record, String)> = Vec::new();
    let mut records = Vec::new();
    let mut leaf: Option<String> = None;
    let mut value = String::new();
    loop {
        match reader.read_event().map_err(|error| format!("its XML cannot be read: {error}"))? {
            Event::Start(element) if is_object(&element) => {
                if objects.len() >= DEPTH_MAX {
                    return Err("its objects lie too deep in each other".to_owned());
                }
                objects.push((property_name(&element), Record::default(), String::new()));
            }
            Event::Start(element) => {
                let is_words = element.local_name().as_ref() == "ToString";
                leaf = property_name(&element).or_else(|| is_words.then(String::new));
                value.clear();
            }
            Event::Empty(element) => {
                if let (Some(name), Some((_, record, _))) = (property_name(&element), objects.last_mut()) {
                    record.put(&name, "");
                }
            }
            Event::Text(text) => value.push_str(&text),
            Event::GeneralRef(reference) => value.push_str(&character(&reference)?),
            Event::End(element) if element.local_name().as_ref() == "Obj" => {
                let Some((name, record, words)) = objects.pop() else { continue };
                match (name, objects.last_mut()) {
                    (Some(name), Some((_, outer, _))) => outer.put(&name, &words),
                    _ if !record.0.is_empty() => records.push(record),
                    _ => {}
                }
            }
            Event::End(_) => {
                if let (Some(name), Some((_, record, words))) = (leaf.take(), objects.last_mut()) {
                    if name.is_empty() { words.push_str(&value) } else { record.put(&name, &value) }
                }
                value.clear();
            }
            Event::Eof => return Ok(records),
            _ => {}
        }
    }
}

fn is_object(element: &BytesStart<'_>) -> bool {
    element.local_name().as_ref() == "Obj"
}

fn property_name(element: &BytesStart<'_>) -> Option<String> {
    let attribute = element.attributes().flatten().find(|attribute| attribute.key.as_ref() == "N")?;
    Some(attribute.value.into_owned())
}

/// `&amp;` and its like.
fn character(reference: &quick_xml::events::BytesRef<'_>) -> Result<String, String> {
    if let Ok(Some(character)) = reference.resolve_char_ref() {
        return Ok(character.to_string());
    }
    let found = quick_xml::escape::resolve_xml_entity(reference);
    found.map(str::to_owned).ok_or_else(|| "its XML names an unknown entity".to_owned())
}

const PROPERTIES_MAX: usize = 200;
const DEPTH_MAX: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<Vec<(String, String)>> {
        records(text).expect("it can be read").into_iter().map(|record| record.0).collect()
    }

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn a_list_is_read_with_values_over_several_lines() {
        let text = "\r\n\r\nIdentity  : fabrikam.example\r\nProxyFqdn :\r\nComment   : the bank, since\r\n            2012\r\n\r\n\
                    Identity  : litware.example\r\n\r\n";
        let first =
            vec![pair("Identity", "fabrikam.example"), pair("ProxyFqdn", ""), pair("Comment", "the bank, since 2012")];
        assert_eq!(read(text), [first, vec![pair("Identity", "litware.example")]]);
    }

    #[test]
    fn exported_xml_is_read_with_objects_that_are_properties() {
        let text = r#"<Objs Version="1.1.0.1" xmlns="http://schemas.microsoft.com/powershell/2004/04">
            <Obj RefId="0"><TN RefId="0"><T>Deserialized.AllowedDomain</T></TN><ToString>AllowedDomain</ToString>
            <Props><S N="Domain">fabrikam.example</S><Nil N="ProxyFqdn" /><B N="MarkForMonitoring">false</B>
            <Obj N="VerificationLevel" RefId="1"><ToString>UseSourceVerification</ToString><I32>2</I32></Obj>
            <S N="Comment">bread &amp; butter</S></Props></Obj>
            <Obj RefId="2"><Props><S N="Domain">litware.example</S></Props></Obj></Objs>"#;
        let first = vec![
            pair("Domain", "fabrikam.example"),
            pair("ProxyFqdn", ""),
            pair("MarkForMonitoring", "false"),
            pair("VerificationLevel", "UseSourceVerification"),
            pair("Comment", "bread & butter"),
        ];
        assert_eq!(read(text), [first, vec![pair("Domain", "litware.example")]]);
    }

    #[test]
    fn files_of_powershell_in_utf_16_are_read() {
        let mut bytes = vec![0xff, 0xfe];
        bytes.extend("Domain : fabrikam.example\r\n".encode_utf16().flat_map(u16::to_le_bytes));
        assert_eq!(
            records(&decoded(&bytes).expect("it is text")).expect("it can be read")[0].get("domain"),
            Some("fabrikam.example")
        );
        assert!(decoded(&[0xc3, 0x28]).is_err());
        assert!(records("<Objs><Obj><Props>").is_ok_and(|found| found.is_empty()));
        assert!(records("<Objs></Other>").is_err());
    }
}
