//! A broker that follows a script: it answers what the test says, over plain TCP.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// What the client sent, as far as tests care.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    Connect {
        clean_start: bool,
    },
    Publish {
        qos: u8,
        dup: bool,
        pkid: u16,
        topic: String,
    },
    PubRel {
        pkid: u16,
    },
    Subscribe {
        pkid: u16,
    },
    Disconnect,
    Other(u8),
}

/// Where the scripted broker listens.
pub struct Script {
    listener: TcpListener,
    pub port: u16,
}

/// One client connection.
pub struct Client(TcpStream);

impl Script {
    pub fn new() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        Self { listener, port }
    }

    /// Waits for the next client and takes its CONNECT.
    pub fn accept(&self) -> (Client, Packet) {
        let (stream, _) = self.listener.accept().unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut client = Client(stream);
        let connect = client.read();
        (client, connect)
    }

    /// Lets a door make its session and come back to it.
    pub fn first(&self) -> Client {
        let (mut making, connect) = self.accept();
        assert_eq!(connect, Packet::Connect { clean_start: true });
        making.accept(false);
        assert_eq!(making.read(), Packet::Disconnect);
        let (mut client, connect) = self.accept();
        assert_eq!(connect, Packet::Connect { clean_start: false });
        client.accept(true);
        client
    }
}

impl Client {
    /// CONNACK without properties.
    pub fn accept(&mut self, session_present: bool) {
        self.send(&[0x20, 3, session_present.into(), 0, 0]);
    }

    pub fn puback(&mut self, pkid: u16) {
        let [high, low] = pkid.to_be_bytes();
        self.send(&[0x40, 2, high, low]);
    }

    pub fn pubrec(&mut self, pkid: u16, reason: u8) {
        let [high, low] = pkid.to_be_bytes();
        self.send(&[0x50, 3, high, low, reason]);
    }

    pub fn pubcomp(&mut self, pkid: u16) {
        let [high, low] = pkid.to_be_bytes();
        self.send(&[0x70, 2, high, low]);
    }

    pub fn pubcomp_not_found(&mut self, pkid: u16) {
        let [high, low] = pkid.to_be_bytes();
        self.send(&[0x70, 3, high, low, 0x92]);
    }

    /// SUBACK for one topic.
    pub fn suback(&mut self, pkid: u16) {
        let [high, low] = pkid.to_be_bytes();
        self.send(&[0x90, 4, high, low, 0, 1]);
    }

    /// A message of QoS 0, short.
    pub fn publish(&mut self, topic: &str, payload: &str) {
        let length = u8::try_from(2 + topic.len() + 1 + payload.len()).unwrap();
        let mut packet = vec![0x30, length, 0, u8::try_from(topic.len()).unwrap()];
        packet.extend(topic.bytes());
        packet.push(0);
        packet.extend(payload.bytes());
        self.send(&packet);
    }

    pub fn disconnect(&mut self, reason: u8) {
        self.send(&[0xE0, 2, reason, 0]);
    }

    fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).unwrap();
    }

    /// The next packet; panics when there is none within five seconds.
    pub fn read(&mut self) -> Packet {
        self.try_read().expect("the client sent something")
    }

    /// Whether the client stays silent for a while.
    pub fn is_silent(&mut self, time: Duration) -> bool {
        self.0.set_read_timeout(Some(time)).unwrap();
        let silent = matches!(self.0.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock);
        self.0
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        silent
    }

    fn try_read(&mut self) -> std::io::Result<Packet> {
        let first = self.byte()?;
        let (mut length, mut shift) = (0_usize, 0);
        loop {
            let byte = self.byte()?;
            length |= usize::from(byte & 0x7F) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        Ok(match first >> 4 {
            1 => Packet::Connect {
                clean_start: body[7] & 2 != 0,
            },
            3 => {
                let topic_length = usize::from(u16::from_be_bytes([body[0], body[1]]));
                let after = 2 + topic_length;
                let qos = (first >> 1) & 3;
                Packet::Publish {
                    qos,
                    dup: first & 8 != 0,
                    pkid: if qos == 0 {
                        0
                    } else {
                        u16::from_be_bytes([body[after], body[after + 1]])
                    },
                    topic: String::from_utf8(body[2..after].to_vec()).unwrap(),
                }
            }
            6 => Packet::PubRel {
                pkid: u16::from_be_bytes([body[0], body[1]]),
            },
            8 => Packet::Subscribe {
                pkid: u16::from_be_bytes([body[0], body[1]]),
            },
            14 => Packet::Disconnect,
            other => Packet::Other(other),
        })
    }

    fn byte(&mut self) -> std::io::Result<u8> {
        let mut byte = [0];
        self.0.read_exact(&mut byte)?;
        Ok(byte[0])
    }
}
