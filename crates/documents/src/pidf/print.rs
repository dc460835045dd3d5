//! A document, printed in the order of the schemas (RFC 3863 4.4, RFC 4479 5).
//!
//! COMPAT(baresip 1.0): reads by pattern, hence `basic` without a prefix or attribute, and activities empty and with the
//! prefix `rpid`.

use std::borrow::Cow;
use std::io;

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{Contact, Person, Pidf, Tuple};
use crate::xml::{Namespace, is_allowed};

type Output = Writer<Vec<u8>>;

pub(super) fn print(pidf: &Pidf) -> String {
    let mut output = Writer::new(Vec::new());
    write_document(&mut output, pidf).expect("a vector takes all that is written");
    String::from_utf8(output.into_inner()).expect("only strings were written")
}

fn write_document(output: &mut Output, pidf: &Pidf) -> io::Result<()> {
    output.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let presence = output
        .create_element("presence")
        .with_attribute(("xmlns", Namespace::Pidf.uri()))
        .with_attribute(("xmlns:dm", Namespace::DataModel.uri()))
        .with_attribute(("xmlns:rpid", Namespace::Rpid.uri()))
        .with_attribute(("entity", allowed(&pidf.entity)));
    presence.write_inner_content(|output| {
        pidf.tuples.iter().try_for_each(|tuple| write_tuple(output, tuple))?;
        pidf.notes.iter().try_for_each(|note| write_text(output, "note", note))?;
        pidf.person.iter().try_for_each(|person| write_person(output, person))
    })?;
    Ok(())
}

fn write_tuple(output: &mut Output, tuple: &Tuple) -> io::Result<()> {
    let element = output.create_element("tuple").with_attribute(("id", allowed(&tuple.id)));
    element.write_inner_content(|output| {
        output.create_element("status").write_inner_content(|output| match tuple.basic {
            Some(basic) => write_text(output, "basic", basic.as_str()),
            None => Ok(()),
        })?;
        tuple.contact.iter().try_for_each(|contact| write_contact(output, contact))?;
        tuple.notes.iter().try_for_each(|note| write_text(output, "note", note))?;
        tuple.timestamp.iter().try_for_each(|timestamp| write_text(output, "timestamp", timestamp))
    })?;
    Ok(())
}

fn write_contact(output: &mut Output, contact: &Contact) -> io::Result<()> {
    let mut element = output.create_element("contact");
    if let Some(thousandths) = contact.priority_thousandths.map(|thousandths| thousandths.min(1000)) {
        let priority = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
        element = element.with_attribute(("priority", priority.as_str()));
    }
    element.write_text_content(BytesText::new(&allowed(&contact.uri)))?;
    Ok(())
}

fn write_person(output: &mut Output, person: &Person) -> io::Result<()> {
    let mut element = output.create_element("dm:person");
    if !person.id.is_empty() {
        element = element.with_attribute(("id", allowed(&person.id)));
    }
    element.write_inner_content(|output| {
        output.create_element("rpid:activities").write_inner_content(|output| {
            person.activities.iter().try_for_each(|activity| {
                output.create_element(format!("rpid:{}", activity.as_str())).write_empty().map(|_| ())
            })
        })?;
        person.notes.iter().try_for_each(|note| write_text(output, "dm:note", note))
    })?;
    Ok(())
}

fn write_text(output: &mut Output, name: &str, text: &str) -> io::Result<()> {
    output.create_element(name).write_text_content(BytesText::new(&allowed(text)))?;
    Ok(())
}

/// Escaping helps no character that XML forbids (XML 1.0, 2.2).
fn allowed(text: &str) -> Cow<'_, str> {
    if text.chars().all(is_allowed) {
        return Cow::Borrowed(text);
    }
    text.chars().map(|letter| if is_allowed(letter) { letter } else { char::REPLACEMENT_CHARACTER }).collect()
}
