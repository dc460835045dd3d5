//! A document, read.

use super::{
    ConferenceDescription, ConferenceInfo, ConferenceState, DisconnectionMethod, ELEMENTS_MAX, ENDPOINTS_MAX, Endpoint,
    EndpointStatus, Execution, HostInfo, JoiningMethod, MEDIA_MAX, Media, MediaStatus, ROLES_MAX, State, URIS_MAX,
    USERS_MAX, UriEntry, User, Users,
};
use crate::DocumentError;
use crate::bounds::{TEXT_CHARS_MAX, check_chars, push_bounded, read_text, read_uri};
use crate::xml::{self, Element, Namespace};

pub(super) fn read(bytes: &[u8]) -> Result<ConferenceInfo, DocumentError> {
    let root = xml::read_within(bytes, ELEMENTS_MAX)?;
    if !root.is(Namespace::ConferenceInfo, "conference-info") {
        return Err(DocumentError::Root("conference-info of urn:ietf:params:xml:ns:conference-info"));
    }
    let entity = root.attribute("entity").ok_or(DocumentError::Missing("entity"))?;
    let version = root.attribute("version").map(|text| number(text, "version")).transpose()?;
    Ok(ConferenceInfo {
        entity: read_uri(entity, "entity")?,
        state: state(&root)?,
        version,
        description: child(&root, "conference-description").map(description).transpose()?,
        host_info: child(&root, "host-info").map(host_info).transpose()?,
        conference_state: child(&root, "conference-state").map(conference_state).transpose()?,
        users: child(&root, "users").map(users).transpose()?,
    })
}

fn description(element: &Element) -> Result<ConferenceDescription, DocumentError> {
    Ok(ConferenceDescription {
        display_text: prose(element, "display-text")?,
        subject: prose(element, "subject")?,
        free_text: prose(element, "free-text")?,
        conf_uris: uris(element, "conf-uris")?,
        maximum_user_count: count(element, "maximum-user-count")?,
    })
}

fn host_info(element: &Element) -> Result<HostInfo, DocumentError> {
    Ok(HostInfo {
        display_text: prose(element, "display-text")?,
        web_page: uri(element, "web-page")?,
        uris: uris(element, "uris")?,
    })
}

fn conference_state(element: &Element) -> Result<ConferenceState, DocumentError> {
    Ok(ConferenceState {
        user_count: count(element, "user-count")?,
        active: truth(element, "active")?,
        locked: truth(element, "locked")?,
    })
}

fn users(element: &Element) -> Result<Users, DocumentError> {
    let mut users = Users { state: state(element)?, users: Vec::new() };
    for child in children(element, "user") {
        push_bounded(&mut users.users, user(child)?, "users", USERS_MAX)?;
    }
    Ok(users)
}

fn user(element: &Element) -> Result<User, DocumentError> {
    let entity = element.attribute("entity").ok_or(DocumentError::Missing("entity of a user"))?;
    let mut user = User {
        entity: read_uri(entity, "entity of a user")?,
        state: state(element)?,
        display_text: prose(element, "display-text")?,
        ..User::default()
    };
    for entry in child(element, "roles").into_iter().flat_map(|roles| children(roles, "entry")) {
        push_bounded(&mut user.roles, read_text(&entry.text, "role")?, "roles", ROLES_MAX)?;
    }
    for child in children(element, "endpoint") {
        push_bounded(&mut user.endpoints, endpoint(child)?, "endpoints", ENDPOINTS_MAX)?;
    }
    Ok(user)
}

/// The schema lets an endpoint be without entity.
fn endpoint(element: &Element) -> Result<Endpoint, DocumentError> {
    let word = |name| child(element, name).map(|child| child.text.trim()).unwrap_or_default();
    let mut endpoint = Endpoint {
        entity: read_text(element.attribute("entity").unwrap_or_default(), "entity of an endpoint")?,
        state: state(element)?,
        display_text: prose(element, "display-text")?,
        status: EndpointStatus::named(word("status")),
        joining_method: JoiningMethod::named(word("joining-method")),
        joining_info: child(element, "joining-info").map(execution).transpose()?,
        disconnection_method: DisconnectionMethod::named(word("disconnection-method")),
        disconnection_info: child(element, "disconnection-info").map(execution).transpose()?,
        media: Vec::new(),
    };
    for child in children(element, "media") {
        push_bounded(&mut endpoint.media, media(child)?, "media of an endpoint", MEDIA_MAX)?;
    }
    Ok(endpoint)
}

fn execution(element: &Element) -> Result<Execution, DocumentError> {
    Ok(Execution { when: text(element, "when")?, reason: prose(element, "reason")?, by: uri(element, "by")? })
}

fn media(element: &Element) -> Result<Media, DocumentError> {
    let id = element.attribute("id").ok_or(DocumentError::Missing("id of a medium"))?;
    let status = child(element, "status").and_then(|status| MediaStatus::named(status.text.trim()));
    Ok(Media {
        id: read_text(id, "id of a medium")?,
        display_text: prose(element, "display-text")?,
        media_type: text(element, "type")?,
        label: text(element, "label")?,
        src_id: text(element, "src-id")?,
        status,
    })
}

fn uris(element: &Element, name: &str) -> Result<Vec<UriEntry>, DocumentError> {
    let mut entries = Vec::new();
    for entry in child(element, name).into_iter().flat_map(|list| children(list, "entry")) {
        let read = UriEntry {
            uri: uri(entry, "uri")?.ok_or(DocumentError::Missing("uri of an entry"))?,
            display_text: prose(entry, "display-text")?,
            purpose: text(entry, "purpose")?,
        };
        push_bounded(&mut entries, read, "URIs", URIS_MAX)?;
    }
    Ok(entries)
}

fn child<'a>(element: &'a Element, name: &str) -> Option<&'a Element> {
    element.child(Namespace::ConferenceInfo, name)
}

fn children<'a>(element: &'a Element, name: &'static str) -> impl Iterator<Item = &'a Element> {
    element.children.iter().filter(move |child| child.is(Namespace::ConferenceInfo, name))
}

fn state(element: &Element) -> Result<State, DocumentError> {
    match element.attribute("state") {
        Some(text) => State::named(text.trim()).ok_or(DocumentError::Malformed("state")),
        None => Ok(State::default()),
    }
}

/// Kept with its blanks: it is for people.
fn prose(element: &Element, name: &'static str) -> Result<Option<String>, DocumentError> {
    let Some(child) = child(element, name) else { return Ok(None) };
    check_chars(&child.text, name, TEXT_CHARS_MAX)?;
    Ok(Some(child.text.clone()))
}

fn text(element: &Element, name: &'static str) -> Result<Option<String>, DocumentError> {
    child(element, name).map(|child| read_text(&child.text, name)).transpose()
}

fn uri(element: &Element, name: &'static str) -> Result<Option<String>, DocumentError> {
    child(element, name).map(|child| read_uri(&child.text, name)).transpose()
}

fn count(element: &Element, name: &'static str) -> Result<Option<u32>, DocumentError> {
    child(element, name).map(|child| number(&child.text, name)).transpose()
}

fn number(text: &str, what: &'static str) -> Result<u32, DocumentError> {
    text.trim().parse().map_err(|_| DocumentError::Malformed(what))
}

fn truth(element: &Element, name: &'static str) -> Result<Option<bool>, DocumentError> {
    match child(element, name).map(|child| child.text.trim()) {
        None => Ok(None),
        Some("true" | "1") => Ok(Some(true)),
        Some("false" | "0") => Ok(Some(false)),
        Some(_) => Err(DocumentError::Malformed(name)),
    }
}
