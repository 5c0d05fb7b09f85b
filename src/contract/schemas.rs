//! JSON Schemas of what is published, made from the Rust types.
//!
//! Draft 07, which is what AsyncAPI means when nothing else is said. Objects stay open: a consumer
//! must not trip over a field that a later version adds.

use schemars::generate::SchemaSettings;
use schemars::transform::{RecursiveTransform, Transform as _};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use crate::event::Event;
use crate::event::wire::Envelope;

/// Where schemas stand in the document.
const HOME: &str = "/components/schemas";

/// Collects schemas by name; every type is there once.
pub(super) struct Schemas {
    generator: SchemaGenerator,
    more: Map<String, Value>,
}

/// One kind of event.
pub(super) struct Kind {
    /// Dotted name, without version.
    pub(super) name: String,
    /// What happened, in words.
    pub(super) about: String,
    /// Schema of `data`.
    pub(super) data: Value,
}

impl Schemas {
    pub(super) fn new() -> Self {
        let mut settings = SchemaSettings::draft07()
            .for_serialize()
            .with_transform(RecursiveTransform(tidy));
        settings.definitions_path = HOME.into();
        settings.meta_schema = None;
        Self {
            generator: settings.into_generator(),
            more: Map::new(),
        }
    }

    /// A reference to the schema of a type.
    pub(super) fn of<T: JsonSchema>(&mut self) -> Value {
        self.generator.subschema_for::<T>().to_value()
    }

    /// A reference to a schema that no type stands for.
    pub(super) fn named(&mut self, name: &str, schema: Value) -> Value {
        self.more.insert(name.to_owned(), schema);
        reference(name)
    }

    /// A reference to what all events have in common.
    pub(super) fn envelope(&mut self) -> Value {
        self.of::<Envelope<'static>>()
    }

    /// Every kind of event, in the order of the catalogue.
    ///
    /// As serde writes it, [`Event`] is one of several objects with `kind` and `data`. On the wire
    /// the kind is in the envelope, so they are taken apart here.
    pub(super) fn kinds(&mut self) -> Vec<Kind> {
        let mut event = Event::json_schema(&mut self.generator);
        let _ = self.of::<Event>();
        RecursiveTransform(tidy).transform(&mut event);
        let variants = event.get("oneOf").and_then(Value::as_array).cloned();
        let kinds = variants.unwrap_or_default().into_iter().map(|variant| {
            let text = |at: &str| variant.pointer(at).and_then(Value::as_str);
            let name = text("/properties/kind/const").unwrap_or_default();
            let about = text("/description").unwrap_or_default();
            let data = match variant.pointer("/properties/data") {
                Some(data) if data.get("$ref").is_some() => data.clone(),
                data => {
                    let mut schema = data.cloned().unwrap_or_else(nothing);
                    if let Some(schema) = schema.as_object_mut() {
                        schema.shift_insert(0, "description".into(), about.into());
                    }
                    self.named(&pascal(name), schema)
                }
            };
            Kind {
                name: name.to_owned(),
                about: about.to_owned(),
                data,
            }
        });
        kinds.collect()
    }

    /// Everything that was referred to, sorted by name.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut all = self.generator.take_definitions(true);
        all.remove("Event");
        all.extend(self.more);
        all.sort_keys();
        all
    }
}

/// A reference to a schema by its name.
pub(super) fn reference(name: &str) -> Value {
    json!({"$ref": format!("#{HOME}/{name}")})
}

/// An event that has no details, so far.
fn nothing() -> Value {
    json!({"type": "object", "properties": {}})
}

/// `door.mode` as `DoorMode`.
fn pascal(name: &str) -> String {
    name.split(['.', '_'])
        .filter_map(|word| {
            let (first, rest) = word.split_at_checked(1)?;
            Some(first.to_uppercase() + rest)
        })
        .collect()
}

/// What serde does and schemars cannot know, and what reads badly in a document.
fn tidy(schema: &mut Schema) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    let required = object.get("required").and_then(Value::as_array).cloned();
    let required = required.unwrap_or_default();
    if let Some(properties) = object.get_mut("properties").and_then(Value::as_object_mut) {
        for (name, property) in properties {
            // Whatever may be absent is left out, never null.
            if !required.contains(&Value::from(name.as_str())) {
                never_null(property);
            }
        }
    }
    if let Some(Value::String(text)) = object.shift_remove("description") {
        // Doc comments are wrapped for the editor.
        let paragraphs: Vec<String> = text.split("\n\n").map(|p| p.replace('\n', " ")).collect();
        let text = paragraphs.join("\n\n");
        object.shift_insert(0, "description".into(), text.into());
    }
}

fn never_null(property: &mut Value) {
    let Some(property) = property.as_object_mut() else {
        return;
    };
    if let Some(Value::Array(types)) = property.get_mut("type") {
        types.retain(|kind| kind != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            property.insert("type".into(), only);
        }
    }
    if let Some(Value::Array(mut choices)) = property.remove("anyOf") {
        choices.retain(|choice| choice != &json!({"type": "null"}));
        let word = if choices.len() == 1 { "allOf" } else { "anyOf" };
        property.insert(word.into(), choices.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::KINDS;

    #[test]
    fn every_kind_of_event_has_a_schema_and_words() {
        let kinds = Schemas::new().kinds();
        let names: Vec<&str> = kinds.iter().map(|kind| kind.name.as_str()).collect();
        assert_eq!(names, KINDS);
        assert!(kinds.iter().all(|kind| kind.about.ends_with('.')));
        assert!(kinds.iter().all(|kind| kind.data["$ref"].is_string()));
    }

    #[test]
    fn what_may_be_absent_is_never_null() {
        let mut schemas = Schemas::new();
        schemas.kinds();
        let all = Value::from(schemas.finish());
        assert!(!all.to_string().contains("\"null\""), "{all:#}");
        let person = &all["DoorReleased"]["properties"]["person"];
        assert_eq!(person["allOf"][0], reference("PersonRef"));
        let until = &all["DoorMode"]["properties"]["until"];
        assert_eq!(until["type"], "string");
        assert_eq!(until["format"], "date-time");
    }
}
