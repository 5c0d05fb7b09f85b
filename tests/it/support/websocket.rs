//! What a dashboard in a browser does: MQTT 5 over WebSocket over TLS, with user name and password.
//!
//! Packets are written by hand: there are four, and what is looked for is the broker's answer.

use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use tungstenite::client::IntoClientRequest;
use tungstenite::{Message, WebSocket};

use super::pki::Pki;

/// A connection that the broker has accepted.
pub struct Browser {
    socket: WebSocket<rustls::StreamOwned<rustls::ClientConnection, TcpStream>>,
}

impl Browser {
    /// Connects; the error is the reason code of CONNACK, 0 for none.
    pub fn connect(pki: &Pki, port: u16, user: Option<(&str, &str)>) -> Result<Self, u8> {
        Self::connect_as(pki, port, user, "browser")
    }

    /// The same under this client id.
    pub fn connect_as(
        pki: &Pki,
        port: u16,
        user: Option<(&str, &str)>,
        client_id: &str,
    ) -> Result<Self, u8> {
        let mut browser = Self {
            socket: upgrade(pki, port),
        };
        let mut flags = 0b10; // Clean start.
        let mut login = text(client_id);
        if let Some((name, password)) = user {
            flags |= 0b1100_0000;
            login.extend(text(name));
            login.extend(text(password));
        }
        let mut body = text("MQTT");
        body.extend([5, flags, 0, 60, 0]);
        body.extend(login);
        browser.send(0x10, &body);
        // Mosquitto 2.1 ends the connection where 2.0 says no.
        let Ok(answer) = browser.socket.read() else {
            return Err(0);
        };
        let answer = answer.into_data();
        assert_eq!(answer[0], 0x20, "{answer:?}");
        match answer[3] {
            0 => Ok(browser),
            reason => Err(reason),
        }
    }

    /// What the broker says to a message of QoS 1.
    pub fn publish(&mut self, topic: &str, payload: &str) -> u8 {
        let mut body = text(topic);
        body.extend([0, 1, 0]); // Packet id, no properties.
        body.extend(payload.as_bytes());
        self.send(0x32, &body);
        // Without a reason code all is well.
        *self.receive(0x40).get(2).unwrap_or(&0)
    }

    /// Subscribes at QoS 0.
    pub fn subscribe(&mut self, filter: &str) {
        let mut body = vec![0, 2, 0];
        body.extend(text(filter));
        body.push(0);
        self.send(0x82, &body);
        self.receive(0x90);
    }

    /// Topic of the next message.
    pub fn next_topic(&mut self) -> String {
        let body = self.receive(0x30);
        let length = usize::from(u16::from_be_bytes([body[0], body[1]]));
        String::from_utf8(body[2..2 + length].to_vec()).unwrap()
    }

    fn send(&mut self, kind: u8, body: &[u8]) {
        let length = u8::try_from(body.len()).unwrap();
        assert!(length < 128, "one byte of length is enough for a test");
        let mut packet = vec![kind, length];
        packet.extend(body);
        self.socket.send(Message::binary(packet)).unwrap();
    }

    /// The body of the next packet, which must be of this kind.
    #[track_caller]
    fn receive(&mut self, kind: u8) -> Vec<u8> {
        let packet = self.socket.read().unwrap().into_data();
        assert_eq!(packet[0] & 0xf0, kind, "{packet:?}");
        assert!(packet[1] < 128, "{packet:?}");
        packet[2..].to_vec()
    }
}

fn upgrade(
    pki: &Pki,
    port: u16,
) -> WebSocket<rustls::StreamOwned<rustls::ClientConnection, TcpStream>> {
    let mut roots = rustls::RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(&pki.ca).unwrap())
        .unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let tcp = TcpStream::connect(("127.0.0.1", port)).unwrap();
    tcp.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let mut request = format!("wss://localhost:{port}/mqtt")
        .into_client_request()
        .unwrap();
    request
        .headers_mut()
        .insert("Sec-WebSocket-Protocol", "mqtt".parse().unwrap());
    let (socket, _) = tungstenite::client(request, rustls::StreamOwned::new(tls, tcp)).unwrap();
    socket
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).unwrap();
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.extend(text.as_bytes());
    bytes
}
