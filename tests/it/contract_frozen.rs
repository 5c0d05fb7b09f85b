//! What consumers already rely on: tests/data/contract.txt has every field and word that was
//! promised, one a line, and nothing may go from it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

use crate::support::contract::Contract;

const FREEZE: &str = "DOORWARD_FREEZE";

#[test]
fn what_was_promised_is_kept() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/contract.txt");
    let frozen = std::fs::read_to_string(&path).unwrap_or_default();
    let frozen: BTreeSet<&str> = frozen
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let promised = promises(&Contract::open());
    let now: BTreeSet<&str> = promised.iter().map(String::as_str).collect();

    let gone = broken(&frozen, &now);
    assert!(
        gone.is_empty(),
        "consumers rely on what is gone or has another type:\n{}\n\
         Keep it, or leave this version of the type as it is and add the next one beside it \
         (event_type in core/src/event/wire.rs). Never take a line out of {} once it was released.",
        gone.join("\n"),
        path.display(),
    );
    let new: Vec<&str> = now.difference(&frozen).copied().collect();
    if !new.is_empty() && std::env::var_os(FREEZE).is_some() {
        let lines: Vec<&str> = now.iter().copied().collect();
        let text = format!(
            "# What consumers rely on; see tests/it/contract_frozen.rs. Lines are only ever added.\n{}\n",
            lines.join("\n")
        );
        std::fs::write(&path, text).unwrap();
        return;
    }
    assert!(
        new.is_empty(),
        "this is new, and no version of a type has to change for it:\n{}\n\
         Promise it with\n  {FREEZE}=1 cargo nextest run contract_frozen\nand commit {}",
        new.join("\n"),
        path.display(),
    );
}

/// What is no longer as it was promised. That something is always there now is no harm.
fn broken<'a>(frozen: &BTreeSet<&'a str>, now: &BTreeSet<&str>) -> Vec<&'a str> {
    let kept = |line: &str| {
        now.contains(line) || now.contains(line.replace(" optional ", " required ").as_str())
    };
    frozen.iter().copied().filter(|line| !kept(line)).collect()
}

#[test]
fn what_goes_or_changes_is_noticed_and_what_comes_is_not() {
    let contract = Contract::open();
    let promised = promises(&contract);
    let before: BTreeSet<&str> = promised.iter().map(String::as_str).collect();
    let changed = |from: &str, to: &str| {
        let text = contract.document.to_string();
        assert!(text.contains(from), "{from}");
        let changed: Value = serde_json::from_str(&text.replace(from, to)).unwrap();
        promises(&Contract::of(changed))
    };
    for (from, to, gone) in [
        (
            "\"previous\"",
            "\"old\"",
            "doorward.admin.renamed.v1 data.previous required string",
        ),
        (
            "\"const\":\"outside_schedule\"",
            "\"const\":\"closed\"",
            "doorward.access.denied.v1 data.reason = \"outside_schedule\"",
        ),
        (
            "admin.renamed.v1",
            "admin.renamed.v2",
            "doorward.admin.renamed.v1 data.previous required string",
        ),
        (
            "\"required\":[\"person\",\"previous\"]",
            "\"required\":[\"person\"]",
            "doorward.admin.renamed.v1 data.previous required string",
        ),
    ] {
        let after = changed(from, to);
        let after = after.iter().map(String::as_str).collect();
        let broken = broken(&before, &after);
        assert!(broken.contains(&gone), "{broken:?}");
    }
    let after = changed(
        "\"required\":[\"cause\"]",
        "\"required\":[\"cause\",\"person\"]",
    );
    let after = after.iter().map(String::as_str).collect();
    assert_eq!(broken(&before, &after), Vec::<&str>::new());
}

/// Every field with whether it is always there and its type, and every word that it can be.
fn promises(contract: &Contract) -> Vec<String> {
    let mut lines = Vec::new();
    let envelope = contract.resolve("#/components/schemas/Envelope");
    let mut walk = Walk {
        contract,
        of: "event",
        lines: &mut lines,
    };
    walk.schema("", "required", envelope);
    for (name, message) in contract.document["components"]["messages"]
        .as_object()
        .unwrap()
    {
        let mut walk = Walk {
            contract,
            of: name,
            lines: &mut lines,
        };
        let payload = &message["payload"];
        // The envelope of events stands above, once.
        match payload.pointer("/allOf/1/properties/data") {
            Some(data) => walk.schema("data", "required", data),
            None => walk.schema("payload", "required", payload),
        }
    }
    lines.sort();
    lines
}

struct Walk<'a> {
    contract: &'a Contract,
    of: &'a str,
    lines: &'a mut Vec<String>,
}

impl Walk<'_> {
    fn schema(&mut self, at: &str, presence: &str, schema: &Value) {
        let of = self.of;
        for reference in ["/$ref", "/allOf/0/$ref"] {
            if let Some(reference) = schema.pointer(reference).and_then(Value::as_str) {
                let schema = self.contract.resolve(reference);
                return self.schema(at, presence, schema);
            }
        }
        for choice in schema["oneOf"].as_array().into_iter().flatten() {
            self.schema(at, presence, choice);
        }
        if let Some(claims) = schema.pointer("/x-claims/$ref").and_then(Value::as_str) {
            self.schema("claims", presence, self.contract.resolve(claims));
        }
        if let Some(word) = schema.get("const") {
            self.lines.push(format!("{of} {at} = {word}"));
        }
        if let Some(kind) = schema["type"].as_str() {
            let line = format!("{of} {at} {presence} {kind}");
            if !at.is_empty() && !self.lines.contains(&line) {
                self.lines.push(line);
            }
        }
        if schema["items"].is_object() {
            self.schema(&format!("{at}[]"), "required", &schema["items"]);
        }
        let required: Vec<&str> = schema["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for (name, field) in schema["properties"].as_object().into_iter().flatten() {
            let presence = if required.contains(&name.as_str()) {
                "required"
            } else {
                "optional"
            };
            let at = if at.is_empty() {
                name.clone()
            } else {
                format!("{at}.{name}")
            };
            self.schema(&at, presence, field);
        }
    }
}
