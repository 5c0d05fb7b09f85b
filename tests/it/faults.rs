//! Exactly once at QoS 2 through cuts at any byte, broker restarts and killed processes.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use doorward::config::{Config, Protocol};
use doorward::mqtt::{self, PumpConfig};

use crate::support::broker::Broker;
use crate::support::proxy::Proxy;
use crate::support::sender::{RETRY, SOON, Sender, record};
use crate::support::subscriber::{Login, Subscriber};
use crate::support::wait_for;

/// Set in a process that is only a pump: the configuration it runs with.
const CONFIG: &str = "DOORWARD_TEST_PUMP";
/// Set to repeat a run.
const SEED: &str = "DOORWARD_TEST_SEED";

/// Not a test by itself: the process that is killed. It pumps until its standard input closes.
#[test]
fn pump_process() {
    let Some(path) = std::env::var_os(CONFIG) else {
        return;
    };
    let config = Config::load(path.as_ref()).unwrap();
    let mut config = PumpConfig::from_config(&config).unwrap();
    config.retry = RETRY;
    let pump = mqtt::spawn(
        config,
        std::sync::Arc::new(doorward::clock::SystemClock::new()),
        |event| println!("{event:?}"),
    )
    .unwrap();
    let _ = std::io::stdin().read(&mut [0]);
    drop(pump);
}

/// A pump in a process of its own; killed when dropped.
struct PumpProcess(Child);

impl PumpProcess {
    fn start(door: &Sender) -> Self {
        let path = door.folder().join("doorward.toml");
        if !path.exists() {
            let mqtt = door.config.mqtt.as_ref().unwrap();
            let protocol = match mqtt.protocol {
                Protocol::V5 => "5",
                Protocol::V311 => "3.1.1",
            };
            let toml = format!(
                "[store]\npath = \"doorward.db\"\n[mqtt]\nurl = \"{}\"\nca_file = \"ca.pem\"\nprotocol = \"{protocol}\"\n",
                mqtt.url
            );
            std::fs::write(&path, toml).unwrap();
        }
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(door.folder().join("pump.log"))
            .unwrap();
        let process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "faults::pump_process", "--nocapture"])
            .env(CONFIG, &path)
            .stdin(Stdio::piped())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        Self(process)
    }
}

impl Drop for PumpProcess {
    fn drop(&mut self) {
        // SIGKILL: nothing of the process gets to say goodbye.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Small and repeatable; quality does not matter here.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 33).unwrap() % limit
    }
}

#[test]
fn two_hundred_events_arrive_exactly_once_through_cuts_kills_and_restarts() {
    exactly_once(Protocol::V5);
}

#[test]
fn two_hundred_events_arrive_exactly_once_in_the_older_protocol() {
    exactly_once(Protocol::V311);
}

fn exactly_once(protocol: Protocol) {
    const EVENTS: usize = 200;
    let seed = std::env::var(SEED).map_or_else(
        |_| u64::from(std::process::id()) << 20 | 0x9E37,
        |seed| seed.parse().unwrap(),
    );
    println!("{SEED}={seed}");
    let mut random = Random(seed);

    let door = Sender::speaking(protocol);
    let mut broker = Broker::builder(&door.pki).start();
    let proxy = Proxy::start(broker.port);
    let door = door.at(proxy.port);
    let mut store = door.store();
    let mut consumer = Subscriber::start(
        broker.port,
        Some(&door.pki),
        "doorward/+/+/event/#",
        &Login::default(),
    );

    let mut pump = PumpProcess::start(&door);
    let (mut kills, mut restarts, mut recorded) = (0, 0, 0);
    for round in 0..40 {
        for _ in 0..EVENTS / 40 {
            record(&mut store);
            recorded += 1;
            std::thread::sleep(Duration::from_millis(u64::from(random.below(30))));
        }
        // A handshake is about 3 000 bytes: most cuts hit the messages after it.
        proxy.cut_after(1_000 + random.below(9_000));
        if round % 3 == 2 {
            drop(pump);
            kills += 1;
            pump = PumpProcess::start(&door);
        }
        if round % 10 == 9 && restarts < 3 {
            broker.restart();
            restarts += 1;
        }
        let next = Instant::now() + Duration::from_millis(100 + u64::from(random.below(400)));
        let cuts = proxy.cuts();
        while Instant::now() < next && proxy.cuts() == cuts {
            std::thread::sleep(Duration::from_millis(5));
        }
        if proxy.cuts() == cuts {
            proxy.cut();
        }
        // On a busy machine nothing may be connected yet. A pump that was just started is left to it.
        let late = Instant::now() + Duration::from_secs(5);
        while round % 3 != 2 && proxy.cuts() == cuts && Instant::now() < late {
            std::thread::sleep(Duration::from_millis(u64::from(50 + random.below(200))));
            proxy.cut();
        }
    }
    // Peace: whatever is left must find its way now.
    proxy.cut_never();
    door.drained(Duration::from_secs(20));
    drop(pump);
    wait_for("the broker has handed over everything", SOON, || {
        let before = consumer.messages().len();
        std::thread::sleep(Duration::from_millis(500));
        before == consumer.messages().len()
    });

    assert!(consumer.is_alive(), "the consumer gave up");

    let mut sequences = consumer.sequences("/event/access");
    sequences.sort_unstable();
    let received = sequences.len();
    sequences.dedup();
    let lost = recorded - sequences.len();
    let doubled = received - sequences.len();
    println!(
        "{recorded} events, {} cuts, {kills} kills, {restarts} broker restarts: {lost} lost, {doubled} doubled",
        proxy.cuts()
    );
    assert_eq!((lost, doubled), (0, 0), "{SEED}={seed}");
    assert_eq!(recorded, EVENTS);
    assert!(proxy.cuts() >= 20, "only {} cuts", proxy.cuts());
    assert!(kills >= 10 && restarts == 3);
}
