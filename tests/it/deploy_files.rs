//! What can be checked of `deploy/` without starting a broker: the rules know the topics of a door,
//! and EMQX's files, which are not run here, say what they must.

use doorward::event::Class;

use crate::support::sender::Sender;
use crate::support::site::{COMMANDS, WRITTEN, of};

#[test]
fn the_rules_know_every_topic_of_a_door() {
    let wire = Sender::new().config.wire().unwrap();
    let classes = [
        Class::Availability,
        Class::State,
        Class::Access,
        Class::Door,
        Class::Admin,
        Class::Alarm,
        Class::Telemetry,
        Class::Snapshot,
        Class::Checkpoint,
        Class::Result,
    ];
    assert_eq!(
        classes.map(|class| wire.topic(class)).to_vec(),
        of("front", &WRITTEN)
    );
    let plain = wire.plain_topic("homeassistant");
    assert_eq!(vec![wire.command_topic(), plain], of("front", &COMMANDS));
    // EMQX is not run here: at least the same topics stand in its rules.
    let rules = shipped("emqx/acl.conf");
    for leaf in &WRITTEN[..9] {
        assert!(
            rules.contains(&format!("\"doorward/${{username}}/{leaf}\"")),
            "{leaf}"
        );
    }
    for leaf in ["command/result", "command", "command/plain/+"] {
        assert!(
            rules.contains(&format!("\"doorward/${{username}}/{leaf}\"")),
            "{leaf}"
        );
    }
}

#[test]
fn the_compose_file_mounts_what_is_shipped_and_opens_nothing_plain() {
    let compose: serde_json::Value = serde_saphyr::from_str(&shipped("emqx/compose.yaml")).unwrap();
    let emqx = &compose["services"]["emqx"];
    let image = emqx["image"].as_str().unwrap();
    let (_, version) = image.rsplit_once(':').unwrap();
    assert_eq!(version.split('.').count(), 3, "{image} names no version");
    let texts = |key: &str| -> Vec<&str> {
        let values = emqx[key].as_array().unwrap();
        values.iter().map(|value| value.as_str().unwrap()).collect()
    };
    assert_eq!(
        texts("ports"),
        ["8883:8883", "8084:8084", "127.0.0.1:18084:18084"]
    );
    for mount in texts("volumes") {
        let source = mount.split_once(':').unwrap().0;
        if let Some(file) = source.strip_prefix("./").filter(|file| *file != "certs") {
            assert!(!shipped(&format!("emqx/{file}")).is_empty());
        }
    }
    // Secrets come from the environment and have no default.
    for (name, value) in emqx["environment"].as_object().unwrap() {
        if name.ends_with("PASSWORD") || name.ends_with("COOKIE") {
            assert!(value.as_str().unwrap().contains(":?"), "{name}");
        }
    }
}

#[test]
fn the_emqx_configuration_asks_for_certificates_and_denies_by_default() {
    let conf = shipped("emqx/emqx.conf");
    let settings: Vec<&str> = conf.lines().map(str::trim).collect();
    for setting in [
        "listeners.tcp.default.enable = false",
        "listeners.ws.default.enable = false",
        "http.bind = 0",
        "verify = verify_peer",
        "fail_if_no_peer_cert = true",
        "peer_cert_as_username = cn",
        "enable_authn = quick_deny_anonymous",
        "no_match = deny",
        "slash = true",
        "use_username_as_clientid = true",
        "max_subscriptions = 50",
    ] {
        assert!(settings.contains(&setting), "{setting}");
    }
    // Whoever is connected is limited, on both listeners.
    for limit in ["max_conn_rate", "messages_rate", "bytes_rate"] {
        assert_eq!(conf.matches(&format!("  {limit} = ")).count(), 2, "{limit}");
    }
    // Every TLS listener, the web pages' too, names its CA and the version.
    for setting in ["cacertfile = ", "certfile = ", "versions = [\"tlsv1.3\"]"] {
        let count = conf.matches(&format!(" {setting}")).count();
        assert_eq!(count, 3, "{setting}");
    }
    // Only the listener that insists on certificates goes without a password.
    assert_eq!(conf.matches("enable_authn = false").count(), 1);
    let listeners = conf.split("\nlisteners.").collect::<Vec<_>>();
    let open = listeners
        .iter()
        .find(|part| part.contains("enable_authn = false"));
    assert!(open.unwrap().contains("fail_if_no_peer_cert = true"));
    let rules = shipped("emqx/acl.conf");
    assert!(rules.trim_end().ends_with("{deny, all}."));
    // They break exactly-once.
    assert!(!conf.contains("durable_sessions"));
}

#[test]
fn the_emqx_rules_let_nobody_leave_a_command_for_doors_that_come_back() {
    let rules = shipped("emqx/acl.conf");
    // A rule each; what is kept is named in one of its own.
    let rules = rules.split("\n{").filter_map(|rule| rule.split_once("}."));
    let writing = rules.filter(|(rule, _)| rule.starts_with("allow") && rule.contains("publish"));
    let (mut commands, mut kept) = (0, 0);
    for (rule, _) in writing {
        if rule.contains("[{retain, false}]") {
            commands += rule.matches("/command").count();
        } else {
            kept += 1;
            assert!(
                rule.contains("/state") && !rule.contains("/command"),
                "{rule}"
            );
        }
    }
    // Of an operator, of Home Assistant, and the door's answers.
    assert_eq!((commands, kept), (3, 1));
}

#[test]
fn the_firewall_example_knows_the_ports_that_are_open() {
    let rules = shipped("nftables.conf");
    let compose = shipped("emqx/compose.yaml");
    for port in ["8883", "8084"] {
        assert!(compose.contains(&format!("\"{port}:{port}\"")), "{port}");
        assert!(shipped("mosquitto/mosquitto.conf").contains(&format!("\nlistener {port}\n")));
    }
    // Held and new ones, of both families.
    assert_eq!(rules.matches("tcp dport { 8883, 8084 }").count(), 4);
}

fn shipped(file: &str) -> String {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file);
    std::fs::read_to_string(path).unwrap()
}
