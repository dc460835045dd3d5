//! Scheduled meetings: when each takes place, who is invited, and who comes in how. What outlives a conference is here; the
//! conference itself is `focus`'s.
//!
//! Nothing here knows the time of day: it is an argument, in seconds since 1970.

mod error;
pub mod invitation;
mod meeting;
mod meetings;
mod occurrence;
mod opening;
mod recurrence;
mod settings;
mod text;
mod weekday;
mod zone;

pub use error::ScheduleError;
pub use jiff::civil::Date;
pub use meeting::{Attendance, INVITEES_MAX, Invitee, MINUTES_MAX, Meeting};
pub use meetings::Meetings;
pub use occurrence::{Exception, OCCURRENCES_MAX, Occurrence};
pub use opening::Opening;
pub use recurrence::{Frequency, INTERVAL_MAX, Recurrence, RecurrenceEnd};
pub use settings::{LobbyRule, LobbyRules, MeetingRole, MeetingSettings, Origin, Presenters};
pub use weekday::{DayOfMonth, Weekday, Which};
pub use zone::{Zone, parse_date, parse_local};
