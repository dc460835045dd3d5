//! The self-check: what users, administrators and strangers do, and what they must see.

mod calls;
mod conversations;
mod escalation;
mod federation;
mod meetings;
mod messages;
mod registration;
mod report;
mod scene;
mod scheduled;
mod sessions;
mod strangers;

pub use self::report::Report;
use self::scene::Scene;
use super::World;

/// Runs all checks; what fails is in the report.
///
/// # Errors
/// When they cannot even begin.
pub fn run(world: &World) -> anyhow::Result<Report> {
    let mut report = Report::default();
    let mut scene = Scene::new(world)?;
    registration::check(&mut report, &mut scene);
    messages::check(&mut report, &mut scene);
    calls::check(&mut report, &mut scene);
    conversations::check(&mut report, &mut scene);
    sessions::check(&mut report, &mut scene);
    meetings::check(&mut report, &mut scene);
    escalation::check(&mut report, &mut scene);
    scheduled::check(&mut report, &mut scene);
    federation::check(&mut report, &mut scene);
    strangers::check(&mut report, &mut scene);
    registration::check_end(&mut report, &mut scene);
    Ok(report)
}
