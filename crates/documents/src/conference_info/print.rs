//! A document, printed in the order of the schema (RFC 4575 section 6). Of lists that must not be empty, an empty one is
//! left out.

use std::io;

use super::{
    ConferenceDescription, ConferenceInfo, ConferenceState, Endpoint, Execution, HostInfo, Media, State, UriEntry,
    User, Users,
};
use crate::xml::Namespace;
use crate::xml::print::{Output, allowed, document, write_text};

pub(super) fn print(info: &ConferenceInfo) -> String {
    document(|output| write_info(output, info))
}

fn write_info(output: &mut Output, info: &ConferenceInfo) -> io::Result<()> {
    let mut element = output
        .create_element("conference-info")
        .with_attribute(("xmlns", Namespace::ConferenceInfo.uri()))
        .with_attribute(("entity", allowed(&info.entity)))
        .with_attribute(("state", info.state.as_str()));
    if let Some(version) = info.version {
        element = element.with_attribute(("version", version.to_string().as_str()));
    }
    element.write_inner_content(|output| {
        each(&info.description, |description| write_description(output, description))?;
        each(&info.host_info, |host| write_host_info(output, host))?;
        each(&info.conference_state, |state| write_conference_state(output, state))?;
        each(&info.users, |users| write_users(output, users))
    })?;
    Ok(())
}

fn write_description(output: &mut Output, description: &ConferenceDescription) -> io::Result<()> {
    output.create_element("conference-description").write_inner_content(|output| {
        each(&description.display_text, |text| write_text(output, "display-text", text))?;
        each(&description.subject, |text| write_text(output, "subject", text))?;
        each(&description.free_text, |text| write_text(output, "free-text", text))?;
        write_uris(output, "conf-uris", &description.conf_uris)?;
        each(&description.maximum_user_count, |count| write_text(output, "maximum-user-count", &count.to_string()))
    })?;
    Ok(())
}

fn write_host_info(output: &mut Output, host: &HostInfo) -> io::Result<()> {
    output.create_element("host-info").write_inner_content(|output| {
        each(&host.display_text, |text| write_text(output, "display-text", text))?;
        each(&host.web_page, |uri| write_text(output, "web-page", uri))?;
        write_uris(output, "uris", &host.uris)
    })?;
    Ok(())
}

fn write_conference_state(output: &mut Output, state: &ConferenceState) -> io::Result<()> {
    output.create_element("conference-state").write_inner_content(|output| {
        each(&state.user_count, |count| write_text(output, "user-count", &count.to_string()))?;
        each(&state.active, |is_active| write_text(output, "active", &is_active.to_string()))?;
        each(&state.locked, |is_locked| write_text(output, "locked", &is_locked.to_string()))
    })?;
    Ok(())
}

fn write_users(output: &mut Output, users: &Users) -> io::Result<()> {
    let element = output.create_element("users").with_attribute(("state", users.state.as_str()));
    element.write_inner_content(|output| users.users.iter().try_for_each(|user| write_user(output, user)))?;
    Ok(())
}

fn write_user(output: &mut Output, user: &User) -> io::Result<()> {
    let element = output.create_element("user").with_attribute(("entity", allowed(&user.entity)));
    let element = element.with_attribute(("state", user.state.as_str()));
    element.write_inner_content(|output| {
        each(&user.display_text, |text| write_text(output, "display-text", text))?;
        if !user.roles.is_empty() {
            output.create_element("roles").write_inner_content(|output| {
                user.roles.iter().try_for_each(|role| write_text(output, "entry", role))
            })?;
        }
        user.endpoints.iter().try_for_each(|endpoint| write_endpoint(output, endpoint))
    })?;
    Ok(())
}

fn write_endpoint(output: &mut Output, endpoint: &Endpoint) -> io::Result<()> {
    let mut element = output.create_element("endpoint");
    if !endpoint.entity.is_empty() {
        element = element.with_attribute(("entity", allowed(&endpoint.entity)));
    }
    if endpoint.state != State::default() {
        element = element.with_attribute(("state", endpoint.state.as_str()));
    }
    element.write_inner_content(|output| {
        each(&endpoint.display_text, |text| write_text(output, "display-text", text))?;
        each(&endpoint.status, |status| write_text(output, "status", status.as_str()))?;
        each(&endpoint.joining_method, |method| write_text(output, "joining-method", method.as_str()))?;
        each(&endpoint.joining_info, |info| write_execution(output, "joining-info", info))?;
        each(&endpoint.disconnection_method, |method| write_text(output, "disconnection-method", method.as_str()))?;
        each(&endpoint.disconnection_info, |info| write_execution(output, "disconnection-info", info))?;
        endpoint.media.iter().try_for_each(|media| write_media(output, media))
    })?;
    Ok(())
}

fn write_execution(output: &mut Output, name: &str, execution: &Execution) -> io::Result<()> {
    output.create_element(name).write_inner_content(|output| {
        each(&execution.when, |when| write_text(output, "when", when))?;
        each(&execution.reason, |reason| write_text(output, "reason", reason))?;
        each(&execution.by, |by| write_text(output, "by", by))
    })?;
    Ok(())
}

fn write_media(output: &mut Output, media: &Media) -> io::Result<()> {
    let element = output.create_element("media").with_attribute(("id", allowed(&media.id)));
    element.write_inner_content(|output| {
        each(&media.display_text, |text| write_text(output, "display-text", text))?;
        each(&media.media_type, |text| write_text(output, "type", text))?;
        each(&media.label, |text| write_text(output, "label", text))?;
        each(&media.src_id, |text| write_text(output, "src-id", text))?;
        each(&media.status, |status| write_text(output, "status", status.as_str()))
    })?;
    Ok(())
}

fn write_uris(output: &mut Output, name: &str, entries: &[UriEntry]) -> io::Result<()> {
    if entries.is_empty() {
        return Ok(());
    }
    output.create_element(name).write_inner_content(|output| {
        entries.iter().try_for_each(|entry| {
            output.create_element("entry").write_inner_content(|output| {
                write_text(output, "uri", &entry.uri)?;
                each(&entry.display_text, |text| write_text(output, "display-text", text))?;
                each(&entry.purpose, |text| write_text(output, "purpose", text))
            })?;
            Ok(())
        })
    })?;
    Ok(())
}

/// What is absent is not written.
fn each<T>(value: &Option<T>, write: impl FnOnce(&T) -> io::Result<()>) -> io::Result<()> {
    value.as_ref().map_or(Ok(()), write)
}
