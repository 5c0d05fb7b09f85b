//! An independent consumer: `mosquitto_sub` with a persistent session.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::pki::{Identity, Pki};
use super::wait_for;

/// One message as the consumer got it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    pub topic: String,
    pub qos: u8,
    pub retain: bool,
    pub content_type: String,
    pub user_properties: String,
    pub payload: String,
}

impl Message {
    /// The payload as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.payload).unwrap()
    }

    /// The event's sequence number.
    pub fn sequence(&self) -> u64 {
        self.json()["sequence"].as_str().unwrap().parse().unwrap()
    }
}

/// A running consumer; killed when dropped. Its session at the broker lives on and collects
/// until the next consumer starts.
pub struct Subscriber {
    process: Child,
    messages: Arc<Mutex<Vec<Message>>>,
}

/// How the consumer connects.
#[derive(Default)]
pub struct Login<'a> {
    pub certificate: Option<&'a Identity>,
    pub user: Option<(&'a str, &'a str)>,
    /// Without handshakes: shows the order in which the broker sends.
    pub at_most_once: bool,
    /// Client id, where several consumers are there at once.
    pub client_id: Option<&'a str>,
}

impl Subscriber {
    /// Subscribes to `filter`, at QoS 2 unless said otherwise, and returns once the broker has confirmed it.
    pub fn start(port: u16, pki: Option<&Pki>, filter: &str, login: &Login<'_>) -> Self {
        let messages = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&messages);
        let mut subscriber = Self::each(port, pki, filter, login, move |message| {
            keep.lock().unwrap().push(message);
        });
        subscriber.messages = messages;
        subscriber
    }

    /// The same for more messages than should be kept: each is handed to `each`, once.
    pub fn each(
        port: u16,
        pki: Option<&Pki>,
        filter: &str,
        login: &Login<'_>,
        mut each: impl FnMut(Message) + Send + 'static,
    ) -> Self {
        // stdbuf becomes mosquitto_sub (exec), which would otherwise keep its lines to itself.
        let mut command = Command::new("stdbuf");
        command
            .args(["-oL", "mosquitto_sub"])
            .args(["-V", "mqttv5", "-h", "localhost", "-p", &port.to_string()])
            .args([
                "-i",
                login.client_id.unwrap_or(if login.at_most_once {
                    "listener"
                } else {
                    "consumer"
                }),
            ])
            .args(["-q", if login.at_most_once { "0" } else { "2" }])
            .args(["-c", "-x", "3600", "-d"])
            // With the usual 20, Mosquitto overruns its own consumer after an absence.
            .args(["-D", "connect", "receive-maximum", "10000"])
            .args(["--retain-as-published", "-t", filter])
            .args(["-F", "MSG\t%t\t%q\t%r\t%C\t%P\t%p"]);
        if let Some(pki) = pki {
            command.arg("--cafile").arg(&pki.ca);
        }
        if let Some(identity) = login.certificate {
            command.arg("--cert").arg(&identity.certificate);
            command.arg("--key").arg(&identity.key);
        }
        if let Some((user, password)) = login.user {
            command.args(["-u", user, "-P", password]);
        }
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("mosquitto_sub is installed");
        let subscribed = Arc::new(Mutex::new(false));
        let lines = BufReader::new(process.stdout.take().unwrap()).lines();
        std::thread::spawn({
            let subscribed = Arc::clone(&subscribed);
            move || {
                for line in lines.map_while(Result::ok) {
                    if line.contains("SUBACK") || line.starts_with("Subscribed") {
                        *subscribed.lock().unwrap() = true;
                    }
                    if let Some(message) = parse(&line) {
                        each(message);
                    }
                }
            }
        });
        wait_for("the subscription", Duration::from_secs(10), || {
            *subscribed.lock().unwrap()
        });
        Self {
            process,
            messages: Arc::default(),
        }
    }

    /// Whether the process still runs: it gives up on some errors of TLS.
    pub fn is_alive(&mut self) -> bool {
        matches!(self.process.try_wait(), Ok(None))
    }

    /// Everything received so far.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.lock().unwrap().clone()
    }

    /// Payloads received on topics that end so.
    pub fn payloads(&self, suffix: &str) -> Vec<String> {
        self.messages()
            .into_iter()
            .filter(|message| message.topic.ends_with(suffix))
            .map(|message| message.payload)
            .collect()
    }

    /// Sequence numbers of events, in the order received, on topics that contain `part`.
    pub fn sequences(&self, part: &str) -> Vec<u64> {
        self.messages()
            .iter()
            .filter(|message| message.topic.contains(part))
            .map(Message::sequence)
            .collect()
    }

    /// What the broker keeps on a topic, asked by a client of its own.
    pub fn retained(port: u16, pki: Option<&Pki>, topic: &str) -> Option<String> {
        let mut command = Command::new("mosquitto_sub");
        command
            .args(["-V", "mqttv5", "-h", "localhost", "-p", &port.to_string()])
            .args(["-t", topic, "-C", "1", "-W", "2"]);
        if let Some(pki) = pki {
            command.arg("--cafile").arg(&pki.ca);
        }
        let output = command.stderr(Stdio::null()).output().unwrap();
        output
            .status
            .success()
            .then(|| String::from_utf8(output.stdout).unwrap().trim().to_owned())
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn parse(line: &str) -> Option<Message> {
    let mut fields = line.strip_prefix("MSG\t")?.splitn(6, '\t');
    Some(Message {
        topic: fields.next()?.to_owned(),
        qos: fields.next()?.parse().ok()?,
        retain: fields.next()? == "1",
        content_type: fields.next()?.to_owned(),
        user_properties: fields.next()?.to_owned(),
        payload: fields.next()?.to_owned(),
    })
}
