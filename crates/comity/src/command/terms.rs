//! The terms of a partner entry, as options of several commands.

use clap::builder::{BoolishValueParser, PossibleValuesParser, TypedValueParser};
use federation::modality::Modalities;
use federation::partner::{SourceMark, VerificationLevel};
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
    #[arg(long, value_name = "WHEN", value_parser = source_mark())]
    mark_source: Option<SourceMark>,
}

impl Terms {
    /// A new entry on these terms.
    pub(super) fn on(self, new: NewPartner) -> NewPartner {
        NewPartner {
            modalities: self.modalities.unwrap_or(new.modalities),
            verification: self.verification.unwrap_or(new.verification),
            monitored: self.monitored.unwrap_or(new.monitored),
            mark_source: self.mark_source.unwrap_or(new.mark_source),
            ..new
        }
    }

    /// A change to these terms.
    pub(super) fn edit(self, edge: Option<String>, comment: Option<String>) -> PartnerEdit {
        let Terms { modalities, verification, monitored, mark_source } = self;
        PartnerEdit { edge, comment, monitored, verification, modalities, mark_source }
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

pub(super) fn source_mark() -> impl TypedValueParser<Value = SourceMark> {
    PossibleValuesParser::new(SourceMark::ALL.map(SourceMark::as_str))
        .map(|text| SourceMark::named(&text).unwrap_or_default())
}
