//! When a certificate is replaced: when two thirds of its life are over, so that a third is left for failures.

use rustls_pki_types::CertificateDer;

/// When a certificate is valid, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    pub not_before_unix: i64,
    pub not_after_unix: i64,
}

impl Life {
    /// `None`: it cannot be read.
    pub fn of(certificate: &CertificateDer<'_>) -> Option<Life> {
        let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
        let validity = parsed.validity();
        Some(Life { not_before_unix: validity.not_before.timestamp(), not_after_unix: validity.not_after.timestamp() })
    }

    /// When to order the next one. `lead_secs` before the end if it is given. `spread`, from 0 to 1, puts it forward by up
    /// to a twentieth of the life, so that not all servers ask at once; never into the first third, whatever was configured.
    pub fn renewal_unix(self, lead_secs: Option<i64>, spread: f64) -> i64 {
        let life = (self.not_after_unix - self.not_before_unix).max(0);
        let wanted = match lead_secs {
            Some(lead) => self.not_after_unix.saturating_sub(lead),
            None => self.not_before_unix + life * 2 / 3,
        };
        let forward = (life as f64 / 20.0 * spread.clamp(0.0, 1.0)) as i64;
        (wanted - forward).max(self.not_before_unix + life / 3)
    }
}

/// A moment within the window that the authority suggests (RFC 9773 section 4.2); one that is over means at once.
pub fn within(window: (i64, i64), spread: f64) -> i64 {
    let (start, end) = window;
    start + ((end - start).max(0) as f64 * spread.clamp(0.0, 1.0)) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: i64 = 86_400;
    const LIFE: Life = Life { not_before_unix: 1_000 * DAY, not_after_unix: 1_090 * DAY };

    #[test]
    fn two_thirds_of_the_life_are_used() {
        assert_eq!(LIFE.renewal_unix(None, 0.0), 1_060 * DAY);
        assert_eq!(LIFE.renewal_unix(None, 1.0), 1_060 * DAY - LIFE_TWENTIETH);
        assert_eq!(LIFE.renewal_unix(Some(10 * DAY), 0.0), 1_080 * DAY);
    }

    #[test]
    fn a_lead_that_is_longer_than_the_life_does_not_order_again_and_again() {
        assert_eq!(LIFE.renewal_unix(Some(365 * DAY), 1.0), 1_030 * DAY);
        assert_eq!(LIFE.renewal_unix(Some(i64::MAX), 0.0), 1_030 * DAY);
    }

    #[test]
    fn a_suggested_window_is_met_somewhere() {
        assert_eq!([within((100, 200), 0.0), within((100, 200), 0.5), within((100, 200), 1.0)], [100, 150, 200]);
        assert_eq!(within((200, 100), 1.0), 200);
    }

    const LIFE_TWENTIETH: i64 = 90 * DAY / 20;
}
