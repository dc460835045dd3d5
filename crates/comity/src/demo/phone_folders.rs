//! Real phones for the demo: folders that register baresip and linphone with an organisation, and what to type.

use std::fmt::Write;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::World;
use super::meeting::{self, ANY_TIME};
use super::organisation::Organisation;
use super::phone::Account;
use super::pki::CertificateNames;

/// Writes a folder for each user and prints the commands that use them.
pub fn write_and_print(world: &World) -> anyhow::Result<()> {
    let mut text = String::from("\nEverything stays up. To join with a phone, one command each:\n");
    let mut port = BARESIP_PORT_FIRST;
    for organisation in &world.organisations {
        for account in &organisation.accounts {
            let phone = PhoneFolder { world, organisation, account, port };
            let (baresip, linphone) = phone.write()?;
            port += 10;
            write!(
                text,
                "\n  {}   password {}\n    baresip -f {}\n    {}\n",
                account.aor,
                account.password,
                baresip.display(),
                linphone.display()
            )?;
        }
    }
    text += IN_THE_PHONES;
    text += &meeting_to_join(world)?;
    text += "\nAny other phone: transport TLS, the authority in ";
    writeln!(text, "{}, names by the DNS server {}, and", world.authority.file.display(), world.dns)?;
    for Organisation { definition, place, .. } in &world.organisations {
        writeln!(
            text,
            "  {:<17} TLS {}, TCP and UDP {}, WebSocket over TLS {}",
            definition.domain, place.tls, place.plain, place.wss
        )?;
    }
    let comity = as_typed(&world.program);
    text += "\nTo see what a server does:\n";
    for organisation in &world.organisations {
        writeln!(text, "  {comity} status --config {}", organisation.config_file().display())?;
    }
    let contoso = world.organisation("contoso.example").config_file();
    writeln!(text, "  {comity} partner show fabrikam.example --config {}", contoso.display())?;
    println!("{text}\nCtrl-C ends everything.");
    Ok(())
}

/// Makes a meeting of everybody that is open for a day, and says how to come into it and how to begin another.
fn meeting_to_join(world: &World) -> anyhow::Result<String> {
    let contoso = world.organisation("contoso.example");
    let address = meeting::schedule(contoso, &meeting::everybody(world), ANY_TIME)?;
    let id = address.trim_start_matches("meet-").split('@').next().unwrap_or_default();
    let (comity, config) = (as_typed(&world.program), contoso.config_file());
    let config = config.display();
    Ok(format!(
        "\nA meeting of all of them is open for a day: sip:{address}\n  \
         baresip:   /dial sip:{address}\n  \
         linphonec: call sip:{address}, or in writing: chat sip:{address} Hello\n  \
         who is in: {comity} meeting running {id} --config {config}\n\
         To begin another, alice or dave calls, or writes to, sip:meet@contoso.example; then\n  \
         {comity} meeting running --config {config}\n  \
         {comity} meeting add ID bob@fabrikam.example --config {config}\n"
    ))
}

/// How this program is called from the folder that the demo was started in.
fn as_typed(program: &Path) -> String {
    let here = std::env::current_dir().ok();
    let below = here.and_then(|here| program.strip_prefix(here).ok());
    below.unwrap_or(program).display().to_string()
}

struct PhoneFolder<'a> {
    world: &'a World,
    organisation: &'a Organisation,
    account: &'a Account,
    /// Phones listen, though nobody dials them; several of them on one machine need a port each.
    port: u16,
}

impl PhoneFolder<'_> {
    /// Answers baresip's folder and the script that starts linphone.
    fn write(&self) -> anyhow::Result<(PathBuf, PathBuf)> {
        let folder = self.world.folder.join("phones").join(self.user());
        let baresip = folder.join("baresip");
        fs::create_dir_all(&baresip)?;
        fs::write(baresip.join("accounts"), self.baresip_account())?;
        fs::write(baresip.join("config"), self.baresip_config())?;
        fs::write(baresip.join("contacts"), self.contacts())?;
        fs::write(folder.join("hosts"), self.hosts())?;
        // It names nobody: linphonec would ask for one at the terminal, since the servers ask every peer.
        self.world.authority.certify(CertificateNames { dns: &["phone.invalid"], uris: &[] })?.write(&folder)?;
        fs::write(folder.join("linphonerc"), self.linphone(&folder))?;
        // Its database wants the folder.
        fs::create_dir_all(folder.join(".local/share/linphone"))?;
        let linphone = folder.join("linphonec");
        fs::write(&linphone, LINPHONE_SCRIPT)?;
        fs::set_permissions(&linphone, Permissions::from_mode(0o700))?;
        Ok((baresip, linphone))
    }

    fn user(&self) -> &str {
        self.account.aor.split('@').next().unwrap_or_default()
    }

    fn baresip_account(&self) -> String {
        let (Account { aor, password }, user) = (self.account, self.user());
        let (edge, port) = (self.organisation.definition.edge, self.organisation.place.tls.port());
        format!(
            "<sip:{aor}>;auth_user={user};auth_pass={password};outbound=\"sip:{edge}:{port};transport=tls\";\
             regint=600;audio_codecs=PCMU/8000/1,PCMA/8000/1;mediaenc=srtp-mand\n"
        )
    }

    fn baresip_config(&self) -> String {
        let (port, dns, ca) = (self.port, self.world.dns, self.world.authority.file.display());
        let modules: String = BARESIP_MODULES.iter().map(|module| format!("module {module}.so\n")).collect();
        format!(
            "poll_method epoll\nsip_listen 0.0.0.0:{port}\nsip_cafile {ca}\nsip_verify_server yes\n\
             dns_server {dns}\ncall_local_timeout 120\ncall_max_calls 4\naudio_path /usr/share/baresip\n\
             audio_player alsa,default\naudio_source alsa,default\naudio_alert alsa,default\n\
             rtp_ports 10000-20000\nmodule_path /usr/lib/baresip/modules\n{modules}\
             module_tmp account.so\nmodule_app contact.so\nmodule_app menu.so\n"
        )
    }

    /// Everybody but the user.
    fn contacts(&self) -> String {
        let accounts = self.world.organisations.iter().flat_map(|organisation| &organisation.accounts);
        let others = accounts.filter(|account| account.aor != self.account.aor);
        others.map(|account| format!("\"{0}\" <sip:{0}>\n", account.aor)).collect()
    }

    /// What linphone is to find in /etc/hosts: what is there, and the demo's names.
    fn hosts(&self) -> String {
        let line = |organisation: &Organisation| {
            let (address, definition) = (organisation.place.tls.ip(), organisation.definition);
            format!("{address} {} {}\n", definition.edge, definition.domain)
        };
        let names: String = self.world.organisations.iter().map(line).collect();
        fs::read_to_string("/etc/hosts").unwrap_or_default() + "\n" + &names
    }

    fn linphone(&self, folder: &Path) -> String {
        let (Account { aor, password }, user) = (self.account, self.user());
        let (tls_port, rtp_port) = (self.port + 5, self.port + 6);
        let (definition, port) = (self.organisation.definition, self.organisation.place.tls.port());
        let (edge, domain, ca) = (definition.edge, definition.domain, self.world.authority.file.display());
        let (chain, key) = (folder.join("certificate.pem"), folder.join("certificate.key"));
        let (chain, key) = (chain.display(), key.display());
        format!(
            "[sip]\nsip_port=-1\nsip_tcp_port=-1\nsip_tls_port={tls_port}\nroot_ca={ca}\n\
             media_encryption=srtp\nmedia_encryption_mandatory=1\n\
             client_cert_chain={chain}\nclient_cert_key={key}\n\
             verify_server_certs=1\nverify_server_cn=1\ndefault_proxy=0\nguess_hostname=1\n\n\
             [net]\ndns_srv_enabled=0\n\n[rtp]\naudio_rtp_port={rtp_port}\n\n\
             [misc]\nprefer_basic_chat_room=1\n\n\
             [proxy_0]\nreg_proxy=<sip:{edge}:{port};transport=tls>\nreg_route=<sip:{edge}:{port};transport=tls;lr>\n\
             reg_identity=sip:{aor}\nreg_expires=600\nreg_sendregister=1\npublish=0\n\n\
             [auth_info_0]\nusername={user}\npasswd={password}\nrealm={domain}\ndomain={domain}\n"
        )
    }
}

/// linphone 5.1 asks nothing but the system for names: it gets a view of its own of /etc/hosts, which needs no root.
const LINPHONE_SCRIPT: &str = r#"#!/bin/sh
here=$(dirname "$0")
export HOME="$here"
exec unshare --map-root-user --mount sh -c \
    'mount --bind "$0/hosts" /etc/hosts && exec linphonec -c "$0/linphonerc" "$@"' "$here" "$@"
"#;
const IN_THE_PHONES: &str = "
In baresip, to call: /dial sip:bob@fabrikam.example    In linphonec: call sip:bob@fabrikam.example
Sound is protected (SRTP). Plain sound of another organisation's phone is not let into a meeting.
";
const BARESIP_PORT_FIRST: u16 = 15_060;
const BARESIP_MODULES: [&str; 5] = ["stdio", "alsa", "g711", "uuid", "srtp"];
