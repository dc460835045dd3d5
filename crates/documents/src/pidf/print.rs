//! A document, printed in the order of the schemas (RFC 3863 4.4, RFC 4479 5).
//!
//! COMPAT(baresip 1.0): reads by pattern, hence `basic` without a prefix or attribute, and activities empty and with the
//! prefix `rpid`.

use std::io;

use quick_xml::events::BytesText;

use super::{Contact, Person, Pidf, Tuple};
use crate::xml::Namespace;
use crate::xml::print::{Output, allowed, document, write_text};

pub(super) fn print(pidf: &Pidf) -> String {
    document(|output| write_presence(output, pidf))
}

fn write_presence(output: &mut Output, pidf: &Pidf) -> io::Result<()> {
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
