use federation::ledger::DiscoveredTerms;
use federation::partner::{EntrySwitch, Partner, Provider, VerificationLevel};

use super::*;
use crate::TrustChange;
use crate::testing::new_store;

/// A home that has something of every kind.
fn home() -> (tempfile::TempDir, Store) {
    let (folder, store) = new_store();
    let discovered = DiscoveredTerms { rate: 7, ..DiscoveredTerms::default() };
    let (federation, discovery, mark_source_verifiable, diagnostics_to_partners) = (true, true, false, true);
    let default_route = Some("sbc.corp.example:5061".to_owned());
    let rules =
        Rules { federation, discovery, mark_source_verifiable, diagnostics_to_partners, default_route, discovered };
    store.note_rules(&rules).unwrap();
    store.pool_secret([9; 32]).unwrap();
    let bank = Partner {
        comment: "the bank".to_owned(),
        monitored: true,
        verification: VerificationLevel::UseSourceVerification,
        modalities: "messages,files".parse().unwrap(),
        mark_source: EntrySwitch::Always,
        ..Partner::at("*.bank.example", "sip.bank.example:5071")
    };
    for (partner, at) in [(bank, 10), (Partner::blocked("spam.example"), 11), (Partner::allowed("a.example"), 12)] {
        store.put_partner(&partner, at).unwrap();
    }
    store.put_provider(&Provider::new("cloud", "edge.cloud.example"), 13).unwrap();
    let trust = TrustChange { pins: Some(vec![[0xa7; 32]]), anchors: Some(vec![vec![0x30, 0, 0xff]]) };
    store.change_trust("a.example", &trust, 14).unwrap();
    (folder, store)
}

#[test]
fn an_edge_knows_all_that_its_home_says_after_a_restart_too() {
    let ((_home_folder, home), (folder, edge)) = (home(), new_store());
    edge.put_partner(&Partner::allowed("own.example"), 1).unwrap();
    assert_eq!(edge.told().unwrap(), None);
    let sent = home.snapshot().unwrap();
    let read: Snapshot = serde_json::from_str(&serde_json::to_string(&sent).unwrap()).unwrap();
    assert_eq!(read, sent);
    edge.keep_snapshot(&read, "home.corp.example", 100).unwrap();
    drop(edge);
    let edge = Store::open(&folder.path().join("comity.db")).unwrap();
    assert_eq!(edge.partners().unwrap(), home.partners().unwrap(), "its own are gone");
    assert_eq!(edge.providers().unwrap(), home.providers().unwrap());
    assert_eq!(edge.domain_trust().unwrap(), home.domain_trust().unwrap());
    let told = edge.told().unwrap().unwrap();
    assert_eq!((told.revision, told.rules.discovered.rate), (home.revision().unwrap(), 7));
    assert_eq!((told.home.as_str(), told.at_unix, told.pool_secret), ("home.corp.example", 100, PoolSecret([9; 32])));
}

#[test]
fn an_older_revision_changes_nothing_and_another_epoch_begins_anew() {
    let ((_home_folder, home), (_folder, edge)) = (home(), new_store());
    let old = home.snapshot().unwrap();
    home.put_partner(&Partner::blocked("new.example"), 20).unwrap();
    let new = home.snapshot().unwrap();
    edge.keep_snapshot(&new, "home", 100).unwrap();
    edge.keep_snapshot(&new, "home", 101).expect("the same again does no harm");
    let error = edge.keep_snapshot(&old, "home", 102).unwrap_err();
    assert!(matches!(error, StoreError::OlderRevision { .. }), "{error}");
    assert!(edge.partner("new.example").unwrap().is_some());
    home.begin_epoch().unwrap();
    let restored = Snapshot { revision: Revision { number: 1, ..home.revision().unwrap() }, ..old };
    edge.keep_snapshot(&restored, "home", 103).unwrap();
    assert!(edge.partner("new.example").unwrap().is_none());
}

#[tokio::test]
async fn a_document_that_contradicts_itself_leaves_what_was_there() {
    let ((_home_folder, home), folder) = (home(), tempfile::tempdir().unwrap());
    let thread = crate::StoreThread::start(&folder.path().join("comity.db")).unwrap();
    let edge = thread.handle();
    let good = home.snapshot().unwrap();
    let mut bad = good.clone();
    bad.revision.number += 1;
    bad.partners.push(StoredPartner { partner: Partner::at("b.example", "edge.cloud.example"), added_unix: 1 });
    let keep = |snapshot: Snapshot| edge.write(move |store| store.keep_snapshot(&snapshot, "home", 100));
    keep(good.clone()).await.unwrap();
    assert!(matches!(keep(bad).await.unwrap_err(), StoreError::EdgeOfPartner { .. }));
    let (partners, told) = edge.read(|store| Ok((store.partners()?, store.told()?))).await.unwrap();
    assert_eq!((partners, told.unwrap().revision), (good.partners, good.revision));
    tokio::task::spawn_blocking(|| thread.stop()).await.unwrap();
}
