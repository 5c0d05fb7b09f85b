//! The access rules that a door needs at its broker, in the broker's own language.
//!
//! What no rule allows must be denied: Mosquitto does so as soon as there is an `acl_file`, EMQX
//! with `authorization.no_match = deny`. Each client gets exactly the topics of the table, so a
//! door can neither speak for another nor read commands that are not meant for it.

use std::fmt::Write as _;

use super::channels::{Carries, Channel, Direction};

/// Who connects to the broker, by the names that it knows (user names, or common names of
/// certificates).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clients {
    /// The door itself.
    pub door: String,
    /// Those who send signed commands; they see everything too.
    pub operators: Vec<String>,
    /// Those who look on.
    pub viewers: Vec<String>,
    /// The client of plain lock payloads; it looks on too.
    pub plain: Option<String>,
}

/// A name that cannot be written into access rules.
#[derive(Debug, thiserror::Error)]
#[error(
    "{0:?} cannot stand in access rules: a name has 1 to 128 characters and none of them is a control character, a quote or a backslash"
)]
pub struct NameError(String);

/// What one client may do.
struct Grant<'a> {
    user: &'a str,
    who: &'static str,
    publish: Vec<Rule>,
    subscribe: Vec<Rule>,
}

/// One topic, and whether the client may ask the broker to keep what it publishes.
struct Rule {
    topic: String,
    retain: bool,
}

/// For Mosquitto's `acl_file`.
///
/// # Errors
/// [`NameError`].
pub fn mosquitto(channels: &[Channel], clients: &Clients) -> Result<String, NameError> {
    let mut text =
        String::from("# What no line allows is denied. Append this to the broker's acl_file.\n");
    for Grant {
        user,
        who,
        publish,
        subscribe,
    } in grants(channels, clients)?
    {
        let _ = write!(text, "\n# {who}\nuser {user}\n");
        for Rule { topic, .. } in &publish {
            let _ = writeln!(text, "topic write {topic}");
        }
        for Rule { topic, .. } in &subscribe {
            let _ = writeln!(text, "topic read {topic}");
        }
    }
    Ok(text)
}

/// For EMQX's `acl.conf`; unlike Mosquitto, EMQX also refuses commands that are retained.
///
/// # Errors
/// [`NameError`].
pub fn emqx(channels: &[Channel], clients: &Clients) -> Result<String, NameError> {
    let mut text = String::from(
        "%% What no line allows must be denied: authorization.no_match = deny.\n\
         %% Put this before the last lines of acl.conf, which allow or deny the rest.\n",
    );
    for Grant {
        user,
        who,
        publish,
        subscribe,
    } in grants(channels, clients)?
    {
        let _ = writeln!(text, "\n%% {who}");
        let (kept, once): (Vec<_>, Vec<_>) = publish.iter().partition(|rule| rule.retain);
        let subscribe = subscribe.iter().collect();
        for (action, rules) in [
            ("publish", kept),
            ("{publish, [{retain, false}]}", once),
            ("subscribe", subscribe),
        ] {
            let rules: Vec<&Rule> = rules;
            if rules.is_empty() {
                continue;
            }
            let topics: Vec<String> = rules
                .iter()
                .map(|rule| format!("\n  \"{}\"", rule.topic))
                .collect();
            let _ = writeln!(
                text,
                "{{allow, {{user, \"{user}\"}}, {action}, [{}\n]}}.",
                topics.join(",")
            );
        }
    }
    Ok(text)
}

fn grants<'a>(channels: &[Channel], clients: &'a Clients) -> Result<Vec<Grant<'a>>, NameError> {
    let used: Vec<&Channel> = channels.iter().filter(|channel| channel.in_use).collect();
    let rules = |pick: &dyn Fn(&Channel) -> bool| -> Vec<Rule> {
        let picked = used.iter().filter(|channel| pick(channel));
        picked
            .map(|channel| Rule {
                topic: channel.topic.clone(),
                retain: channel.retain,
            })
            .collect()
    };
    let seen = |channel: &Channel| {
        channel.direction == Direction::Sends && channel.carries != Carries::CommandResult
    };

    let mut grants = Vec::new();
    let publish = rules(&|channel| channel.direction == Direction::Sends);
    grants.push(Grant {
        user: &clients.door,
        who: "The door.",
        publish,
        subscribe: rules(&|channel| channel.direction == Direction::Receives),
    });
    for user in &clients.operators {
        let subscribe = rules(&|channel| channel.direction == Direction::Sends);
        grants.push(Grant {
            user,
            who: "An operator: looks on, and sends signed commands.",
            publish: rules(&|channel| channel.carries == Carries::Command),
            subscribe,
        });
    }
    for user in &clients.viewers {
        grants.push(Grant {
            user,
            who: "A viewer: looks on.",
            publish: Vec::new(),
            subscribe: rules(&seen),
        });
    }
    if let Some(user) = &clients.plain {
        grants.push(Grant {
            user,
            who: "The client of plain lock payloads: looks on, and writes to the topic of its name.",
            publish: rules(&|channel| channel.carries == Carries::PlainCommand),
            subscribe: rules(&seen),
        });
    }
    match grants.iter().find(|grant| !can_be_written(grant.user)) {
        Some(grant) => Err(NameError(grant.user.to_owned())),
        None => Ok(grants),
    }
}

fn can_be_written(name: &str) -> bool {
    let fits = |c: char| !c.is_control() && !['"', '\\'].contains(&c);
    (1..=128).contains(&name.len()) && name.trim() == name && name.chars().all(fits)
}
