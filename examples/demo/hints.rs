//! What to try while the demo runs until Ctrl-C: commands that can be copied, and where things are.

use crate::broker::Broker;
use crate::stage::{RELEASE_MS, Stage};

/// The hints, as one block of text.
pub fn text(stage: &Stage, broker: &Broker) -> anyhow::Result<String> {
    let doorward = |args: &[&str]| -> String {
        let command = stage.doorward(args);
        let words = std::iter::once(command.get_program()).chain(command.get_args());
        let words: Vec<_> = words.map(|word| word.to_string_lossy()).collect();
        words.join(" ")
    };
    let commands = [
        doorward(&["people", "list"]),
        doorward(&["events", "follow"]),
        doorward(&["enroll", "\"Your Name\"", "--image", "you.jpg"]),
        broker.shown()?,
    ];
    let ca = match &broker.door.ca {
        Some(ca) => ca.display().to_string(),
        None => "the system's roots".to_owned(),
    };
    let mut places = vec![
        ("configuration", stage.config().display().to_string()),
        ("database", stage.database().display().to_string()),
        ("broker", format!("{} (CA: {ca})", broker.url)),
    ];
    if let Some(log) = &broker.log {
        places.push(("broker's log", log.display().to_string()));
    }

    let mut text = "\n  Runs until Ctrl-C. Meanwhile, in another terminal:\n".to_owned();
    for command in commands {
        text.push_str(&format!("    {command}\n"));
    }
    for (name, place) in places {
        text.push_str(&format!("  {name:<13}  {place}\n"));
    }
    text.push_str(&format!(
        "  The relay is simulated; it stays released for {RELEASE_MS} ms.\n"
    ));
    Ok(text)
}
