//! One letter: in words, as a calendar's part (RFC 6047), and as a file for whoever opens that.

use conference::schedule::invitation::Method;
use conference::schedule::{Invitee, Meeting};
use lettre::Message;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Attachment, Mailbox, MultiPart, SinglePart};

use super::Post;
use crate::control::answers::local;

pub(super) struct Letter<'a> {
    pub post: &'a Post,
    pub invitee: &'a Invitee,
    pub from: Option<&'a str>,
    pub edge: &'a str,
}

impl Letter<'_> {
    /// # Errors
    /// In words: an address of SIP that is none of mail.
    pub(super) fn compose(&self) -> Result<Message, String> {
        let Post { meeting, invitation, .. } = self.post;
        let organiser = mailbox(&meeting.organiser.to_string())?;
        let from = self.from.map_or(Ok(organiser.clone()), mailbox)?;
        let method = invitation.method;
        let kind = format!("text/calendar; charset=utf-8; method={}", method.as_str());
        let calendar = SinglePart::builder().header(content_type(&kind)).body(invitation.text.clone());
        let words = MultiPart::alternative().singlepart(SinglePart::plain(words(meeting, method))).singlepart(calendar);
        let file = Attachment::new(FILE.to_owned()).body(invitation.text.clone(), content_type("application/ics"));
        let letter = Message::builder()
            .from(from)
            .reply_to(organiser)
            .to(mailbox(&self.invitee.address.to_string())?)
            .subject(subject(meeting, method))
            .date_now()
            .message_id(Some(format!("<{:032x}@{}>", rand::random::<u128>(), self.edge)))
            // It is nothing that an absent person's mailbox should answer.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        let body = MultiPart::mixed().multipart(words).singlepart(file);
        letter.multipart(body).map_err(|error| error.to_string())
    }
}

fn mailbox(text: &str) -> Result<Mailbox, String> {
    text.parse().map_err(|error| format!("{text:?} is no mail address: {error}"))
}

fn content_type(text: &str) -> ContentType {
    ContentType::parse(text).expect("it is a media type of our own making")
}

fn subject(meeting: &Meeting, method: Method) -> String {
    match (method, meeting.sequence) {
        (Method::Cancel, _) => format!("Cancelled: {}", meeting.subject),
        (Method::Request, 0) => meeting.subject.clone(),
        (Method::Request, _) => format!("Updated: {}", meeting.subject),
    }
}

/// For whoever has no calendar.
fn words(meeting: &Meeting, method: Method) -> String {
    let Meeting { organiser, subject, start, zone, minutes, recurrence, .. } = meeting;
    let invites = match method {
        Method::Cancel => "cancels a meeting, or a part of it",
        Method::Request => "invites you to a meeting",
    };
    let repeats = recurrence.as_ref().map(|series| format!("{series}\n")).unwrap_or_default();
    let join = match method {
        Method::Cancel => "What is cancelled is in the attached file; calendars open it.".to_owned(),
        Method::Request => format!(
            "To join, call {} with the SIP phone or client of your own organisation,\nfrom {} minutes before the start on.",
            meeting.uri(),
            meeting.settings.opens_before_mins
        ),
    };
    format!(
        "{organiser} {invites}.\n\n{subject}\n{}, {} {zone}, {minutes} minutes\n{repeats}\n{join}\n",
        start.strftime("%A"),
        local(start)
    )
}

const FILE: &str = "invitation.ics";
