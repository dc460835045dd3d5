use super::*;

const ALLOWED: &[u8] = include_bytes!("../../../../tests/lync/allowed.txt");
const CONFIGURATION: &[u8] = include_bytes!("../../../../tests/lync/configuration.xml");

#[test]
fn allowed_and_blocked_domains_keep_all_their_terms() {
    let mapped = read(ALLOWED, &Known::default()).expect("it can be read");
    let [fabrikam, litware, adatum] = &mapped.transfer.partner[..] else { panic!("{:?}", mapped.transfer.partner) };
    assert_eq!(fabrikam.domain, "fabrikam.example");
    let fabrikam = &fabrikam.entry;
    assert_eq!((fabrikam.kind, fabrikam.edge.as_deref()), (PartnerWord::AllowedServer, Some("edge.fabrikam.example")));
    assert_eq!((fabrikam.verification, fabrikam.monitored), (VerificationLevel::UseSourceVerification, true));
    assert_eq!(fabrikam.comment, "Since the merger");
    assert_eq!((litware.entry.kind, litware.entry.edge.as_deref()), (PartnerWord::AllowedDomain, None));
    assert_eq!(litware.entry.verification, VerificationLevel::AlwaysUnverifiable);
    assert_eq!(
        (adatum.entry.kind, adatum.entry.comment.as_str()),
        (PartnerWord::Blocked, "Spam, as told by the help desk")
    );
    assert_eq!(mapped.rest, [""; 0]);
}

#[test]
fn providers_policies_and_settings_are_mapped_and_the_rest_is_told() {
    let mapped = read(CONFIGURATION, &Known::default()).expect("it can be read");
    let provider = &mapped.transfer.provider[0];
    assert_eq!(provider.name, "Woodgrove-Cloud");
    assert!(provider.entry.enabled && provider.entry.shared_address_space && provider.entry.hosts_users);
    assert_eq!(provider.entry.edge, "edge.woodgrove.example");
    assert_eq!(
        mapped.settings,
        [
            "[federation] enabled = true",
            "[federation] discovery = false",
            "[federation] mark_source_verifiable = true",
            "[federation.discovered] rate = 20",
            "[federation.discovered] users_max = 1000",
        ]
    );
    let policies: Vec<_> = mapped.transfer.policy.iter().map(|it| (it.name.as_str(), it.entry.federation)).collect();
    assert_eq!(policies, [("organisation", false), ("Sales---more", true)]);
    assert_eq!(
        mapped.rest,
        [
            "Woodgrove-Cloud: IsLocal = \"false\": it says where Lync itself runs",
            "Woodgrove-Cloud: AutodiscoverUrl = \"https://discover.woodgrove.example/root\": phones are not told where else to \
             sign in",
            "AccessEdgeConfiguration: AllowAnonymousUsers = \"true\": each meeting says whether guests come in: comity meeting \
             create --help",
            "AccessEdgeConfiguration: RoutingMethod = \"UseDnsSrvRouting\": UseDefaultRouting is [federation] \
             default_route; without one the DNS is asked",
            "organisation: EnableXmppAccess = \"false\": there is no XMPP gateway",
            "Sales---more: SomethingNew = \"\": it has no place here",
        ]
    );
}

#[test]
fn each_setting_of_the_access_edge_that_has_a_place_is_a_line_for_it() {
    let text = "AllowFederatedUsers : True\nAllowOutsideUsers : True\nRoutingMethod : UseDefaultRouting\n\
                DefaultRouteFqdn : hub.example\nKeepCrlsUpToDateForPeers : False\nOutgoingTlsCountForFederatedPartners : 2\n";
    let mapped = read(text.as_bytes(), &Known::default()).expect("it can be read");
    let expected = [
        "[federation] enabled = true",
        "[federation] connections_per_partner = 2",
        "[federation] default_route = \"sip:hub.example:5061;transport=tls\"",
        "[federation] crl = \"off\"",
        "[inside] remote_users = true (on an edge alone)",
    ];
    assert_eq!(mapped.settings, expected);
    assert_eq!(mapped.rest, [""; 0]);
    let wrong = text.replace("hub.example", "hub.example;lr");
    let mapped = read(wrong.as_bytes(), &Known::default()).expect("it can be read");
    assert!(mapped.settings.iter().all(|line| !line.contains("default_route")), "{:?}", mapped.settings);
    assert!(mapped.rest[0].starts_with("AccessEdgeConfiguration: its DefaultRouteFqdn \"hub.example;lr\": "));
}

#[test]
fn nothing_that_an_object_says_is_passed_over() {
    let text = "Identity : tag:sales\nEnableFederationAccess : True\nDescription : of Berlin\nPriority : 1\n";
    let mapped = read(text.as_bytes(), &Known::default()).expect("it can be read");
    let told: Vec<_> = mapped.rest.iter().map(|line| line.split(':').next().unwrap_or_default()).collect();
    assert_eq!(told, ["sales", "sales"], "{:?}", mapped.rest);
}

#[test]
fn what_cannot_be_taken_is_told_and_the_rest_is_taken() {
    let text = "Identity : not a domain\nDomain : not a domain\nProxyFqdn :\n\nDomain : a.example\nProxyFqdn : 192.0.2.1\n\n\
                Something : else\n";
    let mapped = read(text.as_bytes(), &Known::default()).expect("it can be read");
    assert_eq!(mapped.transfer.partner.len(), 1);
    assert_eq!(mapped.rest.len(), 3, "{:?}", mapped.rest);
    assert!(
        mapped.rest[0].starts_with("\"not a domain\"") && mapped.rest[1].contains("ProxyFqdn"),
        "{:?}",
        mapped.rest
    );
}

#[test]
fn what_lync_does_not_say_stays_as_it_is_here() {
    let narrowed = NewPartner {
        modalities: federation::modality::Modalities::NONE,
        monitored: true,
        verification: VerificationLevel::AlwaysUnverifiable,
        ..NewPartner::of(PartnerWord::AllowedServer, Some("edge.a.example".into()), "since May".into())
    };
    let entered = |domain: &str| EnteredPartner { domain: domain.into(), entry: narrowed.clone() };
    let now = Import { partner: vec![entered("a.example"), entered("b.example")], ..Import::default() };
    let text = "Domain : a.example\nProxyFqdn : 192.0.2.1\n\nDomain : b.example\nProxyFqdn :\nComment :\n";
    let mapped = read(text.as_bytes(), &Known::of(&now)).expect("it can be read");
    let found: Vec<_> = mapped.transfer.partner.into_iter().map(|it| it.entry).collect();
    // No edge is what Lync says of the second; of the first it says one that cannot be.
    let by_dns = NewPartner { kind: PartnerWord::AllowedDomain, edge: None, ..narrowed.clone() };
    assert_eq!(found, [narrowed, by_dns]);
    assert_eq!(mapped.rest.len(), 1, "{:?}", mapped.rest);
}
