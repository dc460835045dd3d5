//! Addresses and networks that an administrator wrote, to be looked up.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Serialize, Serializer};

/// Addresses that are trusted with something; none by default.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    pub fn contains(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.0.iter().any(|network| network.contains(&ip))
    }

    /// Adds `ADDRESS` or `ADDRESS/BITS`.
    ///
    /// # Errors
    /// It is neither, or it is everybody.
    pub fn add(&mut self, text: &str) -> Result<(), NetworkError> {
        let network = match text.parse::<IpAddr>() {
            Ok(ip) => IpNet::from(ip),
            Err(_) => text.parse().map_err(|_| NetworkError::Unreadable(text.to_owned()))?,
        };
        if network.prefix_len() == 0 {
            return Err(NetworkError::Everybody(text.to_owned()));
        }
        self.0.push(network.trunc());
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Each as it is written in a configuration.
    pub fn written(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

impl Serialize for Networks {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.written().serialize(serializer)
    }
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NetworkError {
    #[error("{0:?} is no address and no network; expected one such as \"10.0.0.5\" or \"10.0.0.0/24\"")]
    Unreadable(String),
    #[error("{0:?} is everybody; name the addresses of your load balancers alone")]
    Everybody(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_are_told_from_what_is_neither() {
        let mut networks = Networks::default();
        for text in ["10.0.0.5", "192.0.2.77/24", "2001:db8::/32"] {
            assert_eq!(networks.add(text), Ok(()));
        }
        let contains = |text: &str| networks.contains(text.parse().expect("an address"));
        assert!(["10.0.0.5", "192.0.2.1", "::ffff:10.0.0.5", "2001:db8:5::1"].into_iter().all(contains));
        assert!(!["10.0.0.6", "192.0.3.1", "2001:db9::1"].into_iter().any(contains));
        assert_eq!(networks.written(), ["10.0.0.5/32", "192.0.2.0/24", "2001:db8::/32"]);
        for text in ["lb.example", "10.0.0.5:5061", "10.0.0.0/33", "0.0.0.0/0", "::/0"] {
            assert!(networks.add(text).is_err(), "{text}");
        }
    }
}
