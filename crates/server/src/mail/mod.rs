//! Invitations by mail: one letter to each invitee, so that what goes wrong with one is known of that one.

mod letter;

use std::time::Duration;

use conference::schedule::invitation::Invitation;
use conference::schedule::{Invitee, Meeting};
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Certificate, CertificateStore, Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::{self, PoolConfig};
use lettre::{SmtpTransport, Transport};

use crate::config::{MailSecurity, MailServer};
use crate::control::answers::{MailAnswer, MailFailure};
use letter::Letter;

/// What one sending is about.
pub(crate) struct Post {
    pub meeting: Meeting,
    pub invitation: Invitation,
    pub to: Vec<Invitee>,
}

/// Speaks with one mail server.
#[derive(Clone)]
pub(crate) struct Mailer {
    server: MailServer,
    /// How we are called: in EHLO and in message ids.
    edge: String,
}

impl Mailer {
    pub(crate) fn new(server: MailServer, edge: String) -> Mailer {
        Mailer { server, edge }
    }

    /// The address that letters of this organiser come from, where it is another than his own.
    pub(crate) fn sent_by(&self, organiser: &str) -> Option<String> {
        let from: Mailbox = self.server.from.as_ref()?.parse().ok()?;
        let from = from.email.to_string();
        (!from.eq_ignore_ascii_case(organiser)).then_some(from)
    }

    /// Sends all of it and says who was reached. Blocks for as long as the mail server takes.
    pub(crate) fn send(&self, posts: &[Post]) -> MailAnswer {
        let mut answer = MailAnswer::default();
        let transport = match self.transport() {
            Ok(transport) => transport,
            Err(reason) => {
                answer.fail_all(posts, &reason);
                return answer;
            }
        };
        let mut unreachable = None;
        for (post, invitee) in posts.iter().flat_map(|post| post.to.iter().map(move |invitee| (post, invitee))) {
            let sent = match &unreachable {
                // Whoever waited for a server once need not wait for it again.
                Some(reason) => Err(String::clone(reason)),
                None => self.send_one(&transport, post, invitee, &mut unreachable),
            };
            answer.add(invitee, sent);
        }
        answer
    }

    fn send_one(
        &self,
        transport: &SmtpTransport,
        post: &Post,
        invitee: &Invitee,
        unreachable: &mut Option<String>,
    ) -> Result<(), String> {
        let letter = Letter { post, invitee, from: self.server.from.as_deref(), edge: &self.edge };
        let message = letter.compose()?;
        transport.send(&message).map(drop).map_err(|error| {
            let reason = self.reason(&error);
            if error.status().is_none() {
                *unreachable = Some(reason.clone());
            }
            reason
        })
    }

    fn reason(&self, error: &smtp::Error) -> String {
        let MailServer { host, port, .. } = &self.server;
        let cause = std::error::Error::source(error).map(|cause| format!(": {cause}")).unwrap_or_default();
        format!("{host}:{port}: {error}{}", if error.to_string().contains(&cause) { "" } else { &cause })
    }

    fn transport(&self) -> Result<SmtpTransport, String> {
        let MailServer { host, port, security, login, .. } = &self.server;
        let tls = match security {
            MailSecurity::None => Tls::None,
            MailSecurity::StartTls => Tls::Required(self.tls()?),
            MailSecurity::Tls => Tls::Wrapper(self.tls()?),
        };
        let builder = SmtpTransport::builder_dangerous(host).port(*port).tls(tls).timeout(Some(ANSWER_TIME));
        // One connection, for one letter after the other.
        let builder =
            builder.pool_config(PoolConfig::new().max_size(1)).hello_name(ClientId::Domain(self.edge.clone()));
        let Some((user, file)) = login else { return Ok(builder.build()) };
        let unreadable = |error| format!("cannot read {}, the password of {user} at {host}: {error}", file.display());
        let password = std::fs::read_to_string(file).map_err(unreadable)?;
        let password = password.trim_end_matches(['\r', '\n']).to_owned();
        Ok(builder.credentials(Credentials::new(user.clone(), password)).build())
    }

    fn tls(&self) -> Result<TlsParameters, String> {
        let mut builder = TlsParameters::builder(self.server.host.clone());
        if let Some(file) = &self.server.roots {
            let unreadable = |error: String| format!("cannot read {}: {error}", file.display());
            let pem = std::fs::read(file).map_err(|error| unreadable(error.to_string()))?;
            let roots = Certificate::from_pem(&pem).map_err(|error| unreadable(error.to_string()))?;
            builder = builder.certificate_store(CertificateStore::None).add_root_certificate(roots);
        }
        builder.build_rustls().map_err(|error| format!("TLS towards {}: {error}", self.server.host))
    }
}

impl MailAnswer {
    fn add(&mut self, invitee: &Invitee, sent: Result<(), String>) {
        let address = invitee.address.to_string();
        match sent {
            Ok(()) => self.sent.push(address),
            Err(reason) => self.failed.push(MailFailure { address, reason }),
        }
    }

    fn fail_all(&mut self, posts: &[Post], reason: &str) {
        posts.iter().flat_map(|post| &post.to).for_each(|invitee| self.add(invitee, Err(reason.to_owned())));
    }
}

/// For each step of the conversation.
const ANSWER_TIME: Duration = Duration::from_secs(20);
