//! A folder with a configuration, and the program run in it.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, SystemTime};

/// Where one test's organisation lives.
pub struct Place {
    pub folder: tempfile::TempDir,
}

/// What a command answered.
pub struct Answer {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Place {
    /// A configuration for contoso.example; its certificate is issued where a test wants to serve.
    pub fn new(listen: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "domains = [\"contoso.example\"]\nedge = \"sip.contoso.example\"\nworkers = 2\n\
             [certificate]\nchain = \"contoso.pem\"\nkey = \"contoso.key\"\nroots = \"ca.pem\"\n\
             [listen]\n{listen}\n[dns]\nservers = [\"127.0.0.1:9\"]\n"
        );
        std::fs::write(folder.path().join("comity.toml"), text).unwrap();
        Place { folder }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Issues the certificate for these names, together with its authority.
    pub fn certify(&self, names: &[&str]) -> Authority {
        let authority = Authority::new();
        std::fs::write(self.path().join("ca.pem"), &authority.pem).unwrap();
        authority.issue(names, &self.path().join("contoso.pem"), &self.path().join("contoso.key"));
        authority
    }

    /// Runs `comity` in the folder.
    pub fn run(&self, arguments: &[&str]) -> Answer {
        self.run_with_input(arguments, "")
    }

    /// As [`Place::run`], with this on standard input.
    pub fn run_with_input(&self, arguments: &[&str], input: &str) -> Answer {
        let mut child = self
            .command(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // A command that wants no input may have ended before it is written.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        answer(child.wait_with_output().unwrap())
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_comity"));
        command.args(arguments).current_dir(self.path()).env_remove("COMITY_CONFIG").env_remove("COMITY_LOG");
        command
    }
}

/// Issues certificates.
pub struct Authority {
    pem: String,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    pub fn new() -> Authority {
        Authority::named("Test Authority")
    }

    pub fn named(name: &str) -> Authority {
        let mut params = rcgen::CertificateParams::default();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = params.self_signed(&key).unwrap().pem();
        Authority { pem, issuer: rcgen::Issuer::new(params, key) }
    }

    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for these names in one file, its key in the other.
    pub fn issue(&self, names: &[&str], chain: &Path, key_file: &Path) {
        self.issue_until(names, chain, key_file, SystemTime::now() + Duration::from_secs(365 * 86_400));
    }

    /// One whose certificate names a list of what was revoked.
    pub fn issue_with_list(&self, names: &[&str], list: &str, chain: &Path, key_file: &Path) {
        let key = rcgen::KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris: vec![list.to_owned()] }];
        params.serial_number = Some(rcgen::SerialNumber::from(77));
        std::fs::write(chain, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        write_key(key_file, &key);
    }

    /// A list of these serial numbers, in force for a day.
    pub fn list(&self, serials: &[u64]) -> Vec<u8> {
        let now = SystemTime::now();
        let revoked = |serial: &u64| rcgen::RevokedCertParams {
            serial_number: rcgen::SerialNumber::from(*serial),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: now.into(),
            next_update: (now + Duration::from_secs(86_400)).into(),
            crl_number: rcgen::SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: serials.iter().map(revoked).collect(),
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    pub fn issue_until(&self, names: &[&str], chain: &Path, key_file: &Path, end: SystemTime) {
        let mut params = Authority::wish(names);
        params.not_after = end.into();
        self.issue_as(params, chain, key_file);
    }

    /// What a server's certificate for these names says.
    pub fn wish(names: &[&str]) -> rcgen::CertificateParams {
        let all: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = rcgen::CertificateParams::new(all).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, names[0]);
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
        params
    }

    /// Its list of revoked certificates, in force for an hour, which names this serial number.
    pub fn revocation_list(&self, serial: u64) -> Vec<u8> {
        let now = SystemTime::now();
        let revoked = rcgen::RevokedCertParams {
            serial_number: serial.into(),
            revocation_time: now.into(),
            reason_code: None,
            invalidity_date: None,
        };
        let params = rcgen::CertificateRevocationListParams {
            this_update: now.into(),
            next_update: (now + Duration::from_secs(3600)).into(),
            crl_number: 1.into(),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: rcgen::KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().to_vec()
    }

    pub fn issue_as(&self, params: rcgen::CertificateParams, chain: &Path, key_file: &Path) {
        let key = rcgen::KeyPair::generate().unwrap();
        std::fs::write(chain, params.signed_by(&key, &self.issuer).unwrap().pem()).unwrap();
        write_key(key_file, &key);
    }
}

/// As a key is kept: nobody else may read it.
fn write_key(file: &Path, key: &rcgen::KeyPair) {
    std::fs::write(file, key.serialize_pem()).unwrap();
    std::fs::set_permissions(file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
}

impl Answer {
    /// Checks that the command succeeded.
    pub fn ok(self) -> Answer {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }

    /// Checks that it failed with exactly these lines: what was wrong, what to do next.
    pub fn fails(self, lines: &[&str]) {
        let told: Vec<_> = self.stderr.lines().filter(|line| !line.starts_with("no server is running: ")).collect();
        assert_eq!(told, lines);
        assert_eq!(self.code, Some(1), "{}", self.stderr);
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }
}

fn answer(output: Output) -> Answer {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Answer { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
