//! The spec's JSON Schema, and the reference made from it.

use serde_json::Value;

use crate::overlay::Overlay;

/// The JSON Schema of a spec, for editors (draft 2020-12).
pub fn schema() -> Value {
    schemars::schema_for!(Overlay).to_value()
}

/// The reference of all keys as Markdown, made from the schema.
pub fn reference() -> String {
    let schema = schema();
    let mut text = String::from(
        "# The image spec\n\n\
         Made from the types by `basalt schema --markdown`: do not edit.\n\n\
         A spec is YAML. Keys that are not listed are errors. `include` names specs that this one is laid over, and each \
         variant is laid over the image: lists are appended, mappings merged, single values replaced. Equal entries \
         count once; of users, groups and archives of one name, and of files at one path, the last counts. Local paths are \
         relative to the file that names them.\n",
    );
    section(&mut text, "Top level", &schema);
    if let Some(definitions) = schema.get("$defs").and_then(Value::as_object) {
        for (name, definition) in definitions {
            match definition.get("properties") {
                Some(_) => section(&mut text, name, definition),
                None if name == "Effect" => effects(&mut text, definition),
                None => forms(&mut text, name, definition),
            }
        }
    }
    text
}

fn section(text: &mut String, name: &str, schema: &Value) {
    text.push_str(&format!("\n## {name}\n\n"));
    if let Some(description) = description(schema) {
        text.push_str(&format!("{description}\n\n"));
    }
    rows(text, schema);
}

/// What is no mapping: a text of some form, one of a few words, one of several types.
fn forms(text: &mut String, name: &str, schema: &Value) {
    text.push_str(&format!("\n## {name}\n\n"));
    if let Some(description) = description(schema) {
        text.push_str(&format!("{description}\n"));
    }
    let choices = ["oneOf", "anyOf"]
        .iter()
        .find_map(|key| schema.get(*key)?.as_array());
    for (index, choice) in choices.into_iter().flatten().enumerate() {
        let word = match choice.get("const").and_then(Value::as_str) {
            Some(word) => format!("`{word}`"),
            None => type_of(choice),
        };
        text.push_str(match index {
            0 => "\n",
            _ => "",
        });
        let meaning = description(choice).unwrap_or_default().replace('\n', " ");
        text.push_str(&format!("- {word}: {meaning}\n"));
    }
}

fn rows(text: &mut String, schema: &Value) {
    let Some(properties) = schema.get("properties").and_then(Value::as_object) else {
        return;
    };
    text.push_str("| key | type | meaning |\n| --- | --- | --- |\n");
    for (key, property) in properties {
        text.push_str(&format!(
            "| `{key}` | {} | {} |\n",
            type_of(property).replace('|', "\\|"),
            description(property).unwrap_or_default().replace('\n', " ")
        ));
    }
}

fn effects(text: &mut String, schema: &Value) {
    text.push_str("\n## Effect\n\nOne of, by its key `effect`:\n");
    for variant in schema
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
    {
        let name = variant
            .pointer("/properties/effect/const")
            .and_then(Value::as_str);
        text.push_str(&format!("\n### `{}`\n\n", name.unwrap_or("")));
        if let Some(description) = description(variant) {
            text.push_str(&format!("{description}\n\n"));
        }
        rows(text, variant);
    }
}

fn description(schema: &Value) -> Option<String> {
    schema
        .get("description")
        .and_then(Value::as_str)
        .map(str::to_owned)
}

fn type_of(schema: &Value) -> String {
    if let Some(reference) = schema.get("$ref").and_then(Value::as_str) {
        return match reference.rsplit('/').next() {
            None | Some("" | "#") => "[image spec](#top-level)".to_owned(),
            Some(name) => format!("[{name}](#{})", name.to_ascii_lowercase()),
        };
    }
    if let Some(choices) = schema.get("anyOf").and_then(Value::as_array) {
        let types: Vec<String> = choices
            .iter()
            .map(type_of)
            .filter(|one| one != "null")
            .collect();
        return types.join(" or ");
    }
    let one = |name: &str| match name {
        "array" => format!(
            "list of {}",
            schema.get("items").map(type_of).unwrap_or_default()
        ),
        "object" => format!(
            "mapping to {}",
            schema
                .get("additionalProperties")
                .map(type_of)
                .unwrap_or_default()
        ),
        "string" => "text".to_owned(),
        "integer" => "number".to_owned(),
        "boolean" => "true or false".to_owned(),
        other => other.to_owned(),
    };
    match schema.get("type") {
        Some(Value::String(name)) => one(name),
        Some(Value::Array(names)) => {
            let names: Vec<String> = names
                .iter()
                .filter_map(Value::as_str)
                .filter(|name| *name != "null")
                .map(one)
                .collect();
            names.join(" or ")
        }
        _ => String::new(),
    }
}
