//! Payload types: which number stands for which encoding (RFC 3551, RFC 8866 section 6.6).

use sdp_types::{Media, RtpMap};

use crate::session::{Encoding, Format};

/// The formats of an m-line, in its order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Payloads {
    /// Those that we speak.
    pub formats: Vec<Format>,
    /// Telephone events, each with its clock rate.
    pub events: Vec<(u8, u32)>,
}

impl Payloads {
    pub fn read(media: &Media) -> Self {
        let maps: Vec<RtpMap> = media.attributes_typed::<RtpMap>().filter_map(Result::ok).collect();
        let mut payloads = Self::default();
        for payload_type in media.fmt.split_ascii_whitespace().filter_map(|number| number.parse::<u8>().ok()) {
            payloads.add(payload_type, maps.iter().find(|map| map.payload_type == payload_type));
        }
        payloads
    }

    fn add(&mut self, payload_type: u8, map: Option<&RtpMap>) {
        let encoding = match map {
            Some(map) if map.encoding_name.eq_ignore_ascii_case("telephone-event") => {
                return self.events.push((payload_type, map.clock_rate));
            }
            Some(map) => mapped(map),
            None => statically(payload_type),
        };
        if let Some(encoding) = encoding {
            self.formats.push(Format { payload_type, encoding });
        }
    }

    /// Telephone events to go with an encoding.
    pub fn event_for(&self, encoding: Encoding) -> Option<u8> {
        let at = |rate| self.events.iter().find(|(_, of)| *of == rate).map(|(payload_type, _)| *payload_type);
        at(encoding.clock_rate()).or_else(|| at(8_000))
    }
}

/// What `rtpmap` says counts, even for a number that has a meaning without it.
fn mapped(map: &RtpMap) -> Option<Encoding> {
    let encoding = Encoding::ALL.into_iter().find(|known| known.name().eq_ignore_ascii_case(&map.encoding_name))?;
    // COMPAT(old linphone): Opus as one channel, where RFC 7587 says two of all.
    let is_mono = matches!(map.encoding_params.as_deref(), None | Some("1"));
    (map.clock_rate == encoding.clock_rate() && (is_mono || encoding == Encoding::Opus)).then_some(encoding)
}

/// RFC 3551 section 6.
fn statically(payload_type: u8) -> Option<Encoding> {
    match payload_type {
        0 => Some(Encoding::Pcmu),
        8 => Some(Encoding::Pcma),
        9 => Some(Encoding::G722),
        _ => None,
    }
}

/// The number under which we offer an encoding.
pub(crate) fn ours(encoding: Encoding) -> Format {
    let payload_type = match encoding {
        Encoding::Pcmu => 0,
        Encoding::Pcma => 8,
        Encoding::G722 => 9,
        Encoding::Opus => 111,
    };
    Format { payload_type, encoding }
}

/// The number under which we offer telephone events at a clock rate.
pub(crate) fn our_event(clock_rate: u32) -> u8 {
    if clock_rate == 48_000 { 110 } else { 101 }
}

impl Format {
    /// The value of its `rtpmap`.
    pub(crate) fn map(self) -> String {
        let channels = if self.encoding == Encoding::Opus { "/2" } else { "" };
        format!("{} {}/{}{channels}", self.payload_type, self.encoding.name(), self.encoding.clock_rate())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(fmt: &str, maps: &[&str]) -> Payloads {
        let mut text = format!("v=0\r\nm=audio 4000 RTP/AVP {fmt}\r\n");
        maps.iter().for_each(|map| text.push_str(&format!("a=rtpmap:{map}\r\n")));
        Payloads::read(&sdp_types::Session::parse(text.as_bytes()).unwrap().medias[0])
    }

    fn encodings(payloads: &Payloads) -> Vec<(u8, Encoding)> {
        payloads.formats.iter().map(|format| (format.payload_type, format.encoding)).collect()
    }

    #[test]
    fn static_numbers_need_no_map() {
        let payloads = read("0 8 9 18 3", &[]);
        assert_eq!(encodings(&payloads), [(0, Encoding::Pcmu), (8, Encoding::Pcma), (9, Encoding::G722)]);
    }

    #[test]
    fn a_map_counts_more_than_the_table() {
        assert_eq!(encodings(&read("0 8", &["0 PCMA/8000", "8 G729/8000"])), [(0, Encoding::Pcma)]);
    }

    #[test]
    fn names_have_no_case_and_rates_count() {
        let payloads = read(
            "96 97 98 99 100",
            &["96 OPUS/48000/2", "97 pcmu/16000", "98 pcmu/8000/2", "99 g722/8000/1", "100 opus/48000/1"],
        );
        assert_eq!(encodings(&payloads), [(96, Encoding::Opus), (99, Encoding::G722), (100, Encoding::Opus)]);
    }

    #[test]
    fn events_go_by_clock_rate() {
        let both = read("96 0 101 97", &["96 opus/48000/2", "101 telephone-event/8000", "97 telephone-event/48000"]);
        assert_eq!(both.event_for(Encoding::Opus), Some(97));
        assert_eq!(both.event_for(Encoding::Pcmu), Some(101));
        let narrow = read("96 101", &["96 opus/48000/2", "101 telephone-event/8000"]);
        assert_eq!(narrow.event_for(Encoding::Opus), Some(101));
        let wide = read("0 97", &["97 telephone-event/48000"]);
        assert_eq!(wide.event_for(Encoding::Pcmu), None);
    }

    #[test]
    fn numbers_of_ours_are_told_apart() {
        let mut numbers: Vec<u8> = Encoding::ALL.into_iter().map(|encoding| ours(encoding).payload_type).collect();
        numbers.extend([our_event(8_000), our_event(48_000)]);
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }
}
