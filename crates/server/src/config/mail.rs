//! `[mail]`: the mail server that takes invitations.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use lettre::message::Mailbox;
use serde::Serialize;

use super::raw::Located;
use super::{Builder, key};
use crate::domain;

/// A mail server and what it is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MailServer {
    /// A name, or an address.
    pub host: String,
    pub port: u16,
    pub security: MailSecurity,
    /// `None`: the system's.
    pub roots: Option<PathBuf>,
    /// `NAME <ADDRESS>` or an address; `None`: the organiser's address.
    pub from: Option<String>,
    /// The user, and the file with his password.
    pub login: Option<(String, PathBuf)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum MailSecurity {
    /// TLS begins after STARTTLS, or nothing is sent.
    StartTls,
    /// TLS from the first byte.
    Tls,
    None,
}

impl MailServer {
    /// Whether it is on this machine.
    pub fn is_here(&self) -> bool {
        is_here(&self.host)
    }
}

impl Builder<'_> {
    pub(super) fn mail(&mut self) -> Option<MailServer> {
        let smtp = self.raw.text(&key::MAIL_SMTP);
        let (user, password) = (self.raw.text(&key::MAIL_USER), self.readable(&key::MAIL_PASSWORD_FILE));
        let (from, roots) = (self.from(), self.readable(&key::MAIL_ROOTS));
        let Some(Located { value: url, line }) = smtp else {
            if let Some(user) = &user {
                self.problems
                    .at(user.line, "[mail] user: there is no mail server; name it: smtp = \"smtp://HOST:587\"");
            }
            return None;
        };
        let Some((is_tls, host, port)) = read_url(&url) else {
            let text = format!("[mail] smtp: expected smtp://HOST:PORT or smtps://HOST:PORT, found {url:?}");
            self.problems.at(line, text);
            return None;
        };
        let security = match (is_tls, self.raw.switch(&key::MAIL_STARTTLS)) {
            (true, _) => MailSecurity::Tls,
            (false, Some(false)) => MailSecurity::None,
            (false, _) => MailSecurity::StartTls,
        };
        let login = self.login(user, password, security == MailSecurity::None && !is_here(&host));
        Some(MailServer { host, port, security, roots, from, login })
    }

    fn from(&mut self) -> Option<String> {
        let Located { value, line } = self.raw.text(&key::MAIL_FROM)?;
        if value.parse::<Mailbox>().is_err() {
            let text = format!("[mail] from: expected an address or NAME <ADDRESS>, found {value:?}");
            self.problems.at(line, text);
        }
        Some(value)
    }

    fn login(
        &mut self,
        user: Option<Located<String>>,
        password: Option<PathBuf>,
        is_overheard: bool,
    ) -> Option<(String, PathBuf)> {
        let Located { value: user, line } = user?;
        if is_overheard {
            self.problems.at(
                line,
                "[mail] user: his password would go over the network in the clear; leave out starttls = false",
            );
        }
        if password.is_none() {
            self.problems
                .at(line, "[mail] user: his password is missing; name its file: password_file = \"mail.password\"");
        }
        Some((user, password?))
    }
}

/// Whether it is TLS from the first byte, the host and the port.
fn read_url(url: &str) -> Option<(bool, String, u16)> {
    let (is_tls, rest, port_default) = match url.split_once("://")? {
        ("smtp", rest) => (false, rest, SUBMISSION_PORT),
        ("smtps", rest) => (true, rest, SUBMISSIONS_PORT),
        _ => return None,
    };
    let rest = rest.trim_end_matches('/');
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok().filter(|port| *port > 0)?),
        _ => (rest, port_default),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let host = host.parse::<IpAddr>().map(|address| address.to_string()).or_else(|_| domain::parse(host)).ok()?;
    Some((is_tls, host, port))
}

fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The section as it could stand in a file.
impl fmt::Display for MailServer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.security == MailSecurity::Tls { "smtps" } else { "smtp" };
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        write!(formatter, "[mail]\nsmtp = \"{scheme}://{host}:{}\"\n", self.port)?;
        write!(formatter, "starttls = {}", self.security != MailSecurity::None)?;
        let text =
            |formatter: &mut fmt::Formatter<'_>, name: &str, value: &str| write!(formatter, "\n{name} = {value:?}");
        if let Some(from) = &self.from {
            text(formatter, "from", from)?;
        }
        if let Some((user, password)) = &self.login {
            text(formatter, "user", user)?;
            text(formatter, "password_file", &password.display().to_string())?;
        }
        match &self.roots {
            Some(roots) => text(formatter, "roots", &roots.display().to_string()),
            None => Ok(()),
        }
    }
}

/// RFC 6409 and RFC 8314.
const SUBMISSION_PORT: u16 = 587;
const SUBMISSIONS_PORT: u16 = 465;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_server_is_a_scheme_a_host_and_a_port() {
        let read = |url| read_url(url).map(|(is_tls, host, port)| format!("{is_tls} {host} {port}"));
        assert_eq!(read("smtp://Mail.contoso.example").as_deref(), Some("false mail.contoso.example 587"));
        assert_eq!(read("smtps://mail.contoso.example/").as_deref(), Some("true mail.contoso.example 465"));
        assert_eq!(read("smtp://127.0.0.1:25").as_deref(), Some("false 127.0.0.1 25"));
        assert_eq!(read("smtp://[::1]:2525").as_deref(), Some("false ::1 2525"));
        for url in [
            "",
            "mail.contoso.example",
            "http://mail.contoso.example",
            "smtp://",
            "smtp://a b",
            "smtp://host:0",
            "smtp://u:p@host",
        ] {
            assert_eq!(read(url), None, "{url}");
        }
    }
}
