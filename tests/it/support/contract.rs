//! docs/asyncapi.yaml as it is committed, and whether a message is what it says.
//!
//! The document leaves objects open, because consumers must bear fields that they do not know. What
//! this very version sends must have no such field: here every object is closed.

use std::path::{Path, PathBuf};

use jsonschema::{Draft, Validator};
use serde_json::{Map, Value, json};

use super::subscriber::Message;

/// Below this in topics.
pub const BASE: &str = "doorward/home/front";

/// The document.
pub struct Contract {
    pub document: Value,
    /// What schemas are looked up in: the components, open or closed.
    components: Value,
}

/// Where the document is.
pub fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/asyncapi.yaml")
}

impl Contract {
    /// As consumers read it: unknown fields are borne.
    pub fn open() -> Self {
        let text = std::fs::read_to_string(path()).unwrap();
        Self::of(serde_saphyr::from_str(&text).unwrap())
    }

    /// Another document.
    pub fn of(document: Value) -> Self {
        Self {
            components: document["components"].clone(),
            document,
        }
    }

    /// As the sender must keep it: unknown fields are errors.
    pub fn closed() -> Self {
        let mut contract = Self::open();
        close(&mut contract.components["schemas"]);
        contract
    }

    /// Whether a message is what the document says, topic and MQTT's own fields included.
    pub fn check(&self, message: &Message) -> Result<(), String> {
        let channel = self.channel(&message.topic)?;
        let name = self.message_on(channel, message)?;
        let described = &self.document["components"]["messages"][&name];
        let expected = described["contentType"].as_str().unwrap();
        if message.content_type != expected {
            let found = &message.content_type;
            return Err(format!("{name}: content type {found:?}, not {expected:?}"));
        }
        let payload = payload(message, expected)?;
        self.check_payload(&name, &payload)?;
        let mqtt = &self.operation(channel, &payload)["bindings"]["mqtt"];
        let found = json!({"qos": message.qos, "retain": message.retain});
        for key in ["qos", "retain"] {
            if found[key] != mqtt[key] {
                return Err(format!("{name}: {key} {}, not {}", found[key], mqtt[key]));
            }
        }
        Ok(())
    }

    /// Whether a payload fits the schema of a message, and what is signed in it the one of its claims.
    pub fn check_payload(&self, name: &str, payload: &Value) -> Result<(), String> {
        self.fits(&format!("#/components/messages/{name}/payload"), payload)
            .map_err(|error| format!("{name}: {error}"))?;
        let described = &self.components["messages"][name]["payload"];
        let schema = described["$ref"]
            .as_str()
            .map(|at| &self.resolve(at)["x-claims"]["$ref"]);
        match schema.and_then(Value::as_str) {
            Some(claims) => self
                .fits(claims, &claimed(payload.as_str().unwrap()))
                .map_err(|error| format!("{name}, claims: {error}")),
            None => Ok(()),
        }
    }

    /// What a reference into the components leads to.
    pub fn resolve(&self, reference: &str) -> &Value {
        let inside = reference.strip_prefix("#/components").unwrap();
        self.components.pointer(inside).unwrap()
    }

    /// Names of the messages on a channel.
    pub fn messages_on(&self, channel: &str) -> Vec<String> {
        let messages = &self.document["channels"][channel]["messages"];
        messages.as_object().unwrap().keys().cloned().collect()
    }

    fn fits(&self, reference: &str, instance: &Value) -> Result<(), String> {
        let errors: Vec<String> = self
            .validator(reference)
            .iter_errors(instance)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors.join("; "))
        }
    }

    fn validator(&self, reference: &str) -> Validator {
        let schema = json!({"allOf": [{"$ref": reference}], "components": self.components});
        jsonschema::options()
            .with_draft(Draft::Draft7)
            .should_validate_formats(true)
            .build(&schema)
            .unwrap()
    }

    fn channel(&self, topic: &str) -> Result<&str, String> {
        let channels = self.document["channels"].as_object().unwrap();
        let named = channels.iter().find(|(name, channel)| {
            let address = channel["address"].as_str().unwrap();
            let address = address.replace("{site}/{door}", "home/front");
            // A command may ask for its result below the topic of results.
            let below = topic
                .strip_prefix(&address)
                .and_then(|rest| rest.strip_prefix('/'));
            topic == address || (*name == "commandResult" && below.is_some())
        });
        named
            .map(|(name, _)| name.as_str())
            .ok_or_else(|| format!("topic {topic} is not in the document"))
    }

    /// Which of the channel's messages this is: of events, the one of its type.
    fn message_on(&self, channel: &str, message: &Message) -> Result<String, String> {
        let mut names = self.messages_on(channel);
        let kind = serde_json::from_str::<Value>(&message.payload)
            .ok()
            .and_then(|json| Some(json.get("type")?.as_str()?.to_owned()));
        match kind {
            Some(kind) => names
                .into_iter()
                .find(|name| *name == kind)
                .ok_or_else(|| format!("type {kind} is not on the channel {channel}")),
            None if names.len() == 1 => Ok(names.remove(0)),
            None => Err(format!("no type, on the channel {channel}")),
        }
    }

    fn operation(&self, channel: &str, payload: &Value) -> &Value {
        let channel = json!({"$ref": format!("#/channels/{channel}")});
        let operations = self.document["operations"].as_object().unwrap().values();
        let mut on_it = operations.filter(|operation| operation["channel"] == channel);
        let applies = |operation: &&Value| match operation.get("x-alarms") {
            Some(alarms) => alarms
                .as_array()
                .unwrap()
                .contains(&payload["data"]["alarm"]),
            None => true,
        };
        // The one for some alarms stands after the one for all.
        on_it.rfind(applies).unwrap()
    }
}

fn payload(message: &Message, content_type: &str) -> Result<Value, String> {
    if content_type.ends_with("json") {
        serde_json::from_str(&message.payload).map_err(|error| error.to_string())
    } else {
        Ok(message.payload.clone().into())
    }
}

/// What a token claims, whoever signed it.
fn claimed(token: &str) -> Value {
    let algorithm = jsonwebtoken::decode_header(token).unwrap().alg;
    let mut rules = jsonwebtoken::Validation::new(algorithm);
    rules.insecure_disable_signature_validation();
    rules.validate_exp = false;
    rules.validate_aud = false;
    rules.required_spec_claims.clear();
    let key = jsonwebtoken::DecodingKey::from_secret(&[]);
    let token = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &rules);
    token.unwrap().claims.into()
}

/// Lets no object have a field that its schema does not name.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            if object.get("properties").is_some_and(Value::is_object)
                && object.get("type") == Some(&json!("object"))
            {
                object
                    .entry("additionalProperties")
                    .or_insert(Value::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(values) => values.iter_mut().for_each(close),
        _ => {}
    }
}
