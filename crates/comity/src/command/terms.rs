//! The terms of a partner entry, as options of several commands.

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use federation::modality::Modalities;
use federation::partner::{EntrySwitch, VerificationLevel};
use server::control::answers::{NewPartner, PartnerEdit};

/// What is not typed is not said.
#[derive(Debug, Clone, clap::Args)]
pub(super) struct Terms {
    /// What may pass, in either direction: messages, presence, audio, video, sharing, files, meetings; all; none
    #[arg(long, value_name = "LIST", value_parser = parse_modalities)]
    modalities: Option<Modalities>,
    /// How far its word about a sender is believed
    #[arg(long, value_name = "LEVEL", value_parser = level())]
    verification: Option<VerificationLevel>,
    /// A mark for whoever watches over this partner: a row in comity status, and told apart in warnings and metrics
    #[arg(long, value_name = "YES|NO", value_parser = BoolishValueParser::new())]
    monitored: Option<bool>,
    /// Whether it is told that we vouch for our users; by-default: as its provider is, or as comity.toml says
    #[arg(long, value_name = "WHEN", value_parser = entry_switch())]
    mark_source: Option<EntrySwitch>,
    /// Whether it sees the edge alone, and no name or address behind it; by-default: as its provider does, or as comity.toml of the edge
    /// says
    #[arg(long, value_name = "WHEN", value_parser = entry_switch())]
    hide_topology: Option<EntrySwitch>,
}

impl Terms {
    /// A new entry on these terms.
    pub(super) fn on(self, new: NewPartner) -> NewPartner {
        NewPartner {
            modalities: self.modalities.unwrap_or(new.modalities),
            verification: self.verification.unwrap_or(new.verification),
            monitored: self.monitored.unwrap_or(new.monitored),
            mark_source: self.mark_source.unwrap_or(new.mark_source),
            hide_topology: self.hide_topology.unwrap_or(new.hide_topology),
            ..new
        }
    }

    /// A change to these terms.
    pub(super) fn edit(self, edge: Option<String>, comment: Option<String>) -> PartnerEdit {
        let Terms { modalities, verification, monitored, mark_source, hide_topology } = self;
        PartnerEdit { edge, comment, monitored, verification, modalities, mark_source, hide_topology }
    }
}

pub(super) fn parse_modalities(text: &str) -> Result<Modalities, String> {
    text.parse().map_err(|error| format!("{error}; also all, none"))
}

/// The levels by name.
pub(super) fn level() -> impl TypedValueParser<Value = VerificationLevel> {
    PossibleValuesParser::new(VerificationLevel::ALL.map(VerificationLevel::as_str))
        .map(|text| VerificationLevel::named(&text).unwrap_or_default())
}

pub(super) fn entry_switch() -> impl TypedValueParser<Value = EntrySwitch> {
    PossibleValuesParser::new(EntrySwitch::ALL.map(EntrySwitch::as_str))
        .map(|text| EntrySwitch::named(&text).unwrap_or_default())
}
