//! The partner's names in the DNS, changed while the name server runs; or a name server that is silent.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, SRV};
use hickory_proto::rr::{Name, RData, Record};

/// Ends with the test.
#[derive(Clone)]
pub struct Zone {
    pub address: SocketAddr,
    records: Arc<Mutex<Vec<(String, RData)>>>,
}

impl Zone {
    /// Of a domain that is there, with nothing in it.
    pub fn new() -> Zone {
        let records = Arc::new(Mutex::new(vec![("fabrikam.example".to_owned(), RData::A(A(Ipv4Addr::LOCALHOST)))]));
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let zone = Zone { address: socket.local_addr().unwrap(), records };
        let answering = zone.clone();
        std::thread::spawn(move || {
            let mut packet = [0; 1500];
            while let Ok((length, asker)) = socket.recv_from(&mut packet) {
                let answer = answering.answer(&Message::from_vec(&packet[..length]).unwrap());
                let _ = socket.send_to(&answer.to_vec().unwrap(), asker);
            }
        });
        zone
    }

    /// Takes every question and answers none.
    pub fn silent() -> Zone {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = socket.local_addr().unwrap();
        std::thread::spawn(move || while socket.recv(&mut [0; 1500]).is_ok() {});
        Zone { address, records: Arc::default() }
    }

    /// The domain itself is gone.
    pub fn forget(&self) {
        self.records.lock().unwrap().clear();
    }

    pub fn host(&self, name: &str, address: Ipv4Addr) {
        self.records.lock().unwrap().push((name.to_owned(), RData::A(A(address))));
    }

    pub fn leads_to(&self, host: &str, port: u16) {
        self.domain_leads_to("fabrikam.example", host, port);
    }

    pub fn domain_leads_to(&self, domain: &str, host: &str, port: u16) {
        let target = Name::from_ascii(format!("{host}.")).unwrap();
        let name = format!("_sipfederationtls._tcp.{domain}");
        self.records.lock().unwrap().push((name, RData::SRV(SRV::new(0, 0, port, target))));
    }

    fn answer(&self, question: &Message) -> Message {
        let query = question.queries[0].clone();
        let asked = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
        let mut answer = Message::response(question.metadata.id, question.metadata.op_code);
        answer.add_query(query.clone());
        let records = self.records.lock().unwrap();
        let mut named = records.iter().filter(|(name, _)| *name == asked).peekable();
        if named.peek().is_none() {
            answer.metadata.response_code = ResponseCode::NXDomain;
        }
        for (_, data) in named.filter(|(_, data)| data.record_type() == query.query_type()) {
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, data.clone()));
        }
        answer
    }
}
