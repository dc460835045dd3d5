//! The media threads: where phones are to send, and how the threads are started.

use std::net::IpAddr;
use std::sync::Arc;
use std::thread::JoinHandle;

use ::media::{Clock, MediaEvent};
use net::media::{MediaInbox, MediaSetup};

use sdp::LocalAddresses;

use crate::config::{Config, MediaAt};
use crate::network::own_address;
use crate::running::{EndReport, LostThread};
use crate::start_error::StartError;

/// What phones are told to send to; the error says why there is none, and what to do.
pub(crate) fn addresses(config: &Config) -> Result<LocalAddresses, String> {
    let known = |address: &IpAddr| match address.is_unspecified() {
        true => own_address(*address),
        false => Some(*address),
    };
    let mut known = config.media.addresses.iter().filter_map(known);
    known.next().map(|first| LocalAddresses { first, other: known.next() }).ok_or_else(|| {
        "this server does not know where phones reach it: no listener names an address, and this machine has no way to the \
         network. Set address under [media] in comity.toml"
            .to_owned()
    })
}

/// What is wrong with the ports of sound on this machine; one sentence each.
pub(crate) fn problems(config: &Config) -> Vec<String> {
    if config.media.at != MediaAt::Here {
        return Vec::new();
    }
    let addresses = match addresses(config) {
        Ok(LocalAddresses { first, other }) => [Some(first), other],
        Err(problem) => return vec![problem],
    };
    let check = |address| net::media::check_ports(address, config.media.ports).err();
    addresses.into_iter().flatten().filter_map(check).collect()
}

/// Starts as many threads as there are inboxes.
pub(crate) fn start(
    config: &Config,
    inboxes: Vec<MediaInbox>,
    clock: Clock,
    deliver: &Arc<dyn Fn(MediaEvent) + Send + Sync>,
    end: &tokio::sync::mpsc::UnboundedSender<LostThread>,
) -> Result<Vec<JoinHandle<()>>, StartError> {
    if inboxes.is_empty() {
        return Ok(Vec::new());
    }
    let addresses = addresses(config).inspect_err(|reason| tracing::warn!("meetings have no sound: {reason}"));
    let start = |(thread, inbox)| {
        let setup = MediaSetup {
            thread,
            threads: config.media.threads,
            addresses: addresses.clone(),
            ports: config.media.ports,
            clock,
            inbox,
            deliver: deliver.clone(),
        };
        let end = EndReport { thread: LostThread::Media(thread), end: end.clone() };
        let body = move || {
            let _end = end;
            if let Err(error) = net::media::run(setup) {
                tracing::error!(%error, "a media thread cannot run");
            }
        };
        std::thread::Builder::new().name(format!("media-{thread}")).spawn(body).map_err(StartError::Thread)
    };
    (0..).zip(inboxes).map(start).collect()
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, UdpSocket};
    use std::path::Path;

    use super::*;

    fn config(rest: &str) -> Config {
        let text = format!(
            "domains = [\"contoso.example\"]\nedge = \"sip.contoso.example\"\n[certificate]\nchain = \"c\"\nkey = \"k\"\n{rest}"
        );
        Config::parse(Path::new("comity.toml"), &text, &|_| Ok(())).unwrap()
    }

    #[test]
    fn phones_are_told_what_is_configured_else_what_is_listened_on_else_what_the_machine_has() {
        let told = |rest: &str| addresses(&config(rest)).map(|LocalAddresses { first, .. }| first.to_string());
        let listening = "[listen]\ntls = [\"127.0.0.1:5061\", \"192.0.2.7:5061\"]\n";
        assert_eq!(told(listening).as_deref(), Ok("192.0.2.7"));
        assert_eq!(told(&format!("{listening}[media]\naddress = \"203.0.113.5\"\n")).as_deref(), Ok("203.0.113.5"));
        assert_eq!(told("[listen]\ntls = [\"127.0.2.1:5061\"]\n").as_deref(), Ok("127.0.2.1"));
        match (told("[listen]\ntls = [\"0.0.0.0:5061\"]\n"), own_address(Ipv4Addr::UNSPECIFIED.into())) {
            (Ok(told), Some(address)) => assert_eq!(told, address.to_string()),
            (Err(reason), None) => assert!(reason.ends_with("Set address under [media] in comity.toml"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn ports_that_others_hold_are_told() {
        let (first, second) = loop {
            let first = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = first.local_addr().unwrap().port();
            if let (0, Ok(second)) = (port % 2, UdpSocket::bind(("127.0.0.1", port.saturating_add(1)))) {
                break (first, second);
            }
        };
        let port = first.local_addr().unwrap().port();
        let ports = format!("[listen]\ntls = [\"127.0.0.1:5061\"]\n[media]\nports = \"{port}-{}\"\n", port + 1);
        let [problem] = &problems(&config(&ports))[..] else { panic!("one problem") };
        assert!(problem.starts_with(&format!("no port of [media] ports {port}-")), "{problem}");
        drop((first, second));
        assert_eq!(problems(&config(&ports)), Vec::<String>::new());
    }
}
