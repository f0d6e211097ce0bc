//! Comparison of schemas: small pairs, each with what it has to say; and versions of the format.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use ocf_fixtures::{BASES, STATIC};
use ocf_schema::compare::{Change, Comparison, Effect, Example, Grade, Side, compare};
use ocf_schema::{Kind, Severity, Validator, schema};
use ocf_spec::{Specification, VERSIONS, Version};
use serde_json::{Value, json};

const NEWEST: Version = VERSIONS[6];

fn between(old: Value, new: Value) -> Comparison {
    let side = |schema: &Value| Side::new(Kind::Config, schema, Specification::embedded(), NEWEST).unwrap();
    let comparison = compare(&side(&old), &side(&new), &[]);
    let is_valid = |schema: &Value, document: &Value| jsonschema::draft202012::new(schema).unwrap().is_valid(document);
    for change in &comparison.changes {
        let rejects = change.rejects.example().map(|it| (it, [true, false]));
        let accepts = change.accepts.example().map(|it| (it, [false, true]));
        for (example, expected) in rejects.into_iter().chain(accepts) {
            let judged = [&old, &new].map(|it| is_valid(it, &example.document));
            assert_eq!(judged, expected, "{change:#?}");
        }
    }
    comparison
}

/// The only change of a pair.
fn only(old: Value, new: Value) -> Change {
    let mut comparison = between(old, new);
    comparison.changes.retain(|it| it.definition != "rules");
    assert_eq!(comparison.changes.len(), 1, "{comparison:#?}");
    comparison.changes.remove(0)
}

fn value(example: Option<&Example>) -> Value {
    let example = example.unwrap();
    example.document.pointer(&example.at).unwrap().clone()
}

fn object(properties: Value) -> Value {
    json!({"type": "object", "properties": properties})
}

#[test]
fn equal_schemas_do_not_differ() {
    let schema = object(json!({"a": {"type": "string"}}));
    assert_eq!(between(schema.clone(), schema), Comparison::default());
    assert_eq!(Comparison::default().grade(), None);
}

/// What changed, its grade, and the value that proves each direction.
type Expected = (Value, Value, &'static str, Grade, Option<Value>, Option<Value>);

#[test]
fn a_change_of_one_property_has_words_a_grade_and_examples() {
    let pairs: Vec<Expected> = vec![
        (
            json!({"type": "string"}),
            json!({"type": ["string", "null"]}),
            r#"`type` gained "null""#,
            Grade::Widening,
            None,
            Some(json!(null)),
        ),
        (
            json!({"type": ["string", "null"]}),
            json!({"type": "string"}),
            r#"`type` lost "null""#,
            Grade::Breaking,
            Some(json!(null)),
            None,
        ),
        (
            json!({"enum": ["a", "b"]}),
            json!({"enum": ["a", "b", "c"]}),
            r#"`enum` gained "c""#,
            Grade::Widening,
            None,
            Some(json!("c")),
        ),
        (
            json!({"enum": ["a", "b"]}),
            json!({"enum": ["a"]}),
            r#"`enum` lost "b""#,
            Grade::Breaking,
            Some(json!("b")),
            None,
        ),
        (
            json!({"enum": ["a", "b"]}),
            json!({"enum": ["b", "a"]}),
            "`enum` in another order",
            Grade::Editorial,
            None,
            None,
        ),
        (json!({"const": 1}), json!({"const": 2}), "`const` 1 became 2", Grade::Both, Some(json!(1)), Some(json!(2))),
        (
            json!({"type": "integer", "minimum": 0}),
            json!({"type": "integer", "minimum": 1}),
            "`minimum` 0 became 1",
            Grade::Breaking,
            Some(json!(0)),
            None,
        ),
        (
            json!({"type": "integer", "maximum": 9}),
            json!({"type": "integer", "maximum": 10}),
            "`maximum` 9 became 10",
            Grade::Widening,
            None,
            Some(json!(10)),
        ),
        (
            json!({"type": "integer", "minimum": 1}),
            json!({"type": "integer"}),
            "`minimum` 1 dropped",
            Grade::Widening,
            None,
            Some(json!(0)),
        ),
        (
            json!({"type": "integer", "maximum": u64::MAX}),
            json!({"type": "integer", "maximum": u64::MAX - 1}),
            "`maximum` 18446744073709551615 became 18446744073709551614",
            Grade::Breaking,
            Some(json!(u64::MAX)),
            None,
        ),
        (
            json!({"type": "integer", "minimum": i64::MIN}),
            json!({"type": "integer", "minimum": 0}),
            "`minimum` -9223372036854775808 became 0",
            Grade::Breaking,
            Some(json!(-1)),
            None,
        ),
        (
            json!({"type": "integer", "exclusiveMinimum": 0}),
            json!({"type": "integer", "exclusiveMinimum": 1}),
            "`exclusiveMinimum` 0 became 1",
            Grade::Breaking,
            Some(json!(1)),
            None,
        ),
        (
            json!({"type": "string", "pattern": "^(a|b)$"}),
            json!({"type": "string", "pattern": "^(a|b|c)$"}),
            r#"`pattern` gained "c""#,
            Grade::Widening,
            None,
            Some(json!("c")),
        ),
        (
            json!({"type": "string", "pattern": "^(a|b)$"}),
            json!({"type": "string", "pattern": "^[ac]$"}),
            r#"`pattern` gained "c"; `pattern` lost "b""#,
            Grade::Both,
            Some(json!("b")),
            Some(json!("c")),
        ),
        (
            json!({"type": "string"}),
            json!({"type": "string", "pattern": "^/"}),
            r#"`pattern` "^/" added"#,
            Grade::Breaking,
            Some(json!("")),
            None,
        ),
        (
            json!({"type": "string"}),
            json!({"type": "string", "minLength": 1}),
            "`minLength` 1 added",
            Grade::Breaking,
            Some(json!("")),
            None,
        ),
        (
            json!({"type": "string", "maxLength": 3}),
            json!({"type": "string", "maxLength": 4}),
            "`maxLength` 3 became 4",
            Grade::Widening,
            None,
            Some(json!("xxxx")),
        ),
        (
            json!({"type": "array"}),
            json!({"type": "array", "minItems": 1}),
            "`minItems` 1 added",
            Grade::Breaking,
            Some(json!([])),
            None,
        ),
        (
            json!({"type": "array", "maxItems": 1}),
            json!({"type": "array"}),
            "`maxItems` 1 dropped",
            Grade::Widening,
            None,
            Some(json!(["x", "x"])),
        ),
        (
            json!({"type": "array"}),
            json!({"type": "array", "uniqueItems": true}),
            "`uniqueItems` true added",
            Grade::Breaking,
            Some(json!(["x", "x"])),
            None,
        ),
        (
            json!({"type": "object"}),
            json!({"type": "object", "required": ["b"]}),
            r#"`required` "b" added"#,
            Grade::Breaking,
            Some(json!({})),
            None,
        ),
        (
            json!({"type": "object", "required": ["b", "c"]}),
            json!({"type": "object", "required": ["c"]}),
            r#"`required` lost "b""#,
            Grade::Widening,
            None,
            Some(json!({"c": "x"})),
        ),
        (
            json!({"type": "integer"}),
            json!({"type": "string"}),
            r#"`type` gained "string"; `type` lost "integer""#,
            Grade::Both,
            Some(json!(1)),
            Some(json!("x")),
        ),
        (json!({}), json!(false), "rejects everything", Grade::Breaking, Some(json!("x")), None),
    ];
    for (old, new, what, grade, rejects, accepts) in pairs {
        let change = only(object(json!({"a": old})), object(json!({"a": new})));
        assert_eq!(change.what.join("; "), what);
        assert_eq!((change.place.as_str(), change.grade), ("/a", grade), "{change:#?}");
        assert!(![&change.rejects, &change.accepts].contains(&&Effect::Unknown), "{change:#?}");
        assert_eq!(change.rejects.example().map(|it| value(Some(it))), rejects, "{what}");
        assert_eq!(change.accepts.example().map(|it| value(Some(it))), accepts, "{what}");
    }
}

#[test]
fn what_means_the_same_is_editorial() {
    let pairs = [
        (json!({"type": "string", "description": "one"}), json!({"type": "string", "description": "another"})),
        (json!({"type": "integer", "minimum": 1}), json!({"type": "integer", "exclusiveMinimum": 0})),
        (json!({"type": "string", "pattern": "^(a|b)$"}), json!({"type": "string", "pattern": "^[ab]$"})),
        (json!({"enum": ["a"]}), json!({"const": "a"})),
        (json!({"allOf": [{"minimum": 1}, {"maximum": 2}]}), json!({"allOf": [{"maximum": 2}, {"minimum": 1}]})),
        (json!({"requirement": "root.required"}), json!({"requirement": "root.path-required"})),
    ];
    for (old, new) in pairs {
        let comparison = between(object(json!({"a": old.clone()})), object(json!({"a": new})));
        assert_eq!(comparison.grade(), Some(Grade::Editorial), "{old}: {comparison:#?}");
    }
}

#[test]
fn a_property_that_comes_widens_though_it_takes_something_from_an_open_object() {
    let change = only(object(json!({})), object(json!({"umask": {"type": "integer", "minimum": 0}})));
    assert_eq!(change.what, ["property added: integer, at least 0"]);
    assert_eq!((change.grade, &change.rejects, &change.accepts), (Grade::Widening, &Effect::None, &Effect::None));
    assert_eq!(value(change.formal.as_ref()), json!(-1));
}

#[test]
fn a_property_that_goes_breaks() {
    let change = only(object(json!({"umask": {"type": "integer"}})), object(json!({})));
    assert_eq!((change.what[0].as_str(), change.grade), ("property removed: integer", Grade::Breaking));
    assert_eq!(value(change.formal.as_ref()), json!("x"));
}

#[test]
fn a_property_that_comes_to_a_closed_object_is_accepted() {
    let closed = |properties: Value| json!({"type": "object", "properties": properties, "additionalProperties": false});
    let change = only(closed(json!({})), closed(json!({"umask": {"type": "integer"}})));
    assert_eq!((change.grade, &change.rejects), (Grade::Widening, &Effect::None));
    assert_eq!(value(change.accepts.example()), json!(1));
}

#[test]
fn a_constraint_on_a_property_that_others_describe_is_no_new_property() {
    let old = object(json!({"a": {"type": "object", "properties": {"b": {"type": "integer"}}}}));
    let mut new = old.clone();
    new["allOf"] = json!([{"properties": {"a": {"properties": {"b": {"minimum": 1}}}}}]);
    let change = only(old, new);
    assert_eq!((change.place.as_str(), change.grade), ("/a/b", Grade::Breaking));
    assert_eq!(value(change.rejects.example()), json!(0));
}

#[test]
fn a_definition_is_compared_once_and_proved_at_a_place_that_uses_it() {
    let schema = |maximum: i64| {
        json!({
            "type": "object",
            "properties": {"list": {"type": "array", "items": {"$ref": "#/$defs/entry"}}},
            "$defs": {
                "entry": {"type": "object", "properties": {"size": {"$ref": "#/$defs/types/$defs/size"}}},
                "types": {"$defs": {"size": {"type": "integer", "maximum": maximum}}}
            }
        })
    };
    let change = only(schema(5), schema(3));
    assert_eq!((change.definition.as_str(), change.place.as_str()), ("types.size", "/list/*/size"));
    assert_eq!(change.rejects.example().unwrap().document, json!({"list": [{"size": 4}]}));
}

#[test]
fn conditions_names_and_alternatives_have_examples() {
    let condition = |then: Value| {
        let mut schema = object(json!({"kind": {"enum": ["a", "b"]}, "size": {"type": "integer"}}));
        schema["if"] = json!({"properties": {"kind": {"const": "a"}}, "required": ["kind"]});
        schema["then"] = then;
        schema
    };
    let change =
        only(condition(json!({"minProperties": 1})), condition(json!({"minProperties": 1, "required": ["size"]})));
    assert_eq!(change.rejects.example().unwrap().document, json!({"kind": "a"}));
    let of_kinds = |kinds: Value| {
        let mut schema = condition(json!({"required": ["size"]}));
        schema["if"]["properties"]["kind"] = kinds;
        schema
    };
    let change = only(of_kinds(json!({"enum": ["a"]})), of_kinds(json!({"enum": ["a", "b"]})));
    assert_eq!(change.rejects.example().unwrap().document, json!({"kind": "b"}));
    let names = |pattern: &str| json!({"type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": {"type": "string"}});
    let change = only(names("^(a|b)$"), names("^(a|b|c)$"));
    assert_eq!(change.what, [r#"of names, `pattern` gained "c""#]);
    assert_eq!(change.accepts.example().unwrap().document, json!({"c": "x"}));
    let either = |second: Value| json!({"type": "object", "oneOf": [{"required": ["a"]}, second]});
    let change = only(either(json!({"required": ["b"]})), either(json!({"required": ["c"]})));
    assert_eq!((change.grade, change.accepts.example().is_some()), (Grade::Both, true));
    let not = |names: Value| json!({"type": "object", "not": {"required": names}});
    let change = only(not(json!(["a", "b"])), not(json!(["a"])));
    assert_eq!(change.rejects.example().unwrap().document, json!({"a": "x"}));
    let pairs = |names: Value| json!({"type": "object", "dependentRequired": names});
    let change = only(pairs(json!({})), pairs(json!({"a": ["b"]})));
    assert_eq!(change.rejects.example().unwrap().document, json!({"a": "x"}));
}

#[test]
fn a_constraint_that_only_advises_rejects_nothing() {
    let schema = |constraint: Value| object(json!({"a": constraint}));
    let advice = json!({"type": "string", "pattern": "^x$", "severity": {"pattern": "warning"}});
    let change = only(schema(json!({"type": "string"})), schema(advice.clone()));
    assert_eq!((change.grade, &change.rejects), (Grade::Advice, &Effect::None));
    assert_eq!(change.what, [r#"`pattern` "^x$" added, as advice"#]);
    assert!(change.advises.is_some());
    let strict = json!({"type": "string", "pattern": "^x$", "severity": {"pattern": "error"}});
    let comparison = between_weighed(schema(advice), schema(strict));
    assert_eq!(comparison.what, ["`pattern` rejects, it only advised"]);
    assert_eq!(comparison.grade, Grade::Breaking);
}

/// As [`only`], where plain JSON Schema can't tell advice from rejection.
fn between_weighed(old: Value, new: Value) -> Change {
    let side = |schema: &Value| Side::new(Kind::Config, schema, Specification::embedded(), NEWEST).unwrap();
    compare(&side(&old), &side(&new), &[]).changes.remove(0)
}

#[test]
fn where_nothing_is_found_and_nothing_proved_the_answer_is_unknown() {
    // No text that is tried matches one and not the other: they differ in what comes after nine letters.
    let pattern = |end: &str| object(json!({"a": {"type": "string", "pattern": format!("^(?:[a-z]{{300}}|x){end}$")}}));
    let change = only(pattern("(?:[a-z]{300})?"), pattern("(?:[a-z]{301})?"));
    assert_eq!(change.grade, Grade::Unknown, "{change:#?}");
}

fn samples() -> Vec<Value> {
    let plain = BASES.iter().find(|(stem, _)| *stem == "plain").unwrap().1;
    let mut plain = serde_json::from_str::<Value>(plain).unwrap()["config"].take();
    plain["ociVersion"] = json!("1.0.2");
    let files = STATIC.iter().map(|(_, text)| serde_json::from_str::<Value>(text).unwrap());
    let entries = files.flat_map(|file| file["wrong"].as_array().unwrap().clone());
    let entries = entries.filter(|it| it.get("kind").is_none_or(|kind| kind == "config"));
    let patches = entries.flat_map(|entry| [entry["document"].clone(), entry["control"]["document"].clone()]);
    let merged = patches.filter(Value::is_object).map(|patch| {
        let mut document = plain.clone();
        json_patch::merge(&mut document, &patch);
        document
    });
    [plain.clone()].into_iter().chain(merged.collect::<Vec<_>>()).collect()
}

fn versions(old: &str, new: &str) -> Comparison {
    let side = |version: &str| {
        Side::new(Kind::Config, schema::document(Kind::Config), Specification::embedded(), version.parse().unwrap())
    };
    compare(&side(old).unwrap(), &side(new).unwrap(), &samples())
}

/// Each example is judged again, by validators of its own.
fn check(comparison: &Comparison, old: &str, new: &str) {
    let validator = |version: &str| {
        Validator::new(
            Kind::Config,
            schema::document(Kind::Config),
            Specification::embedded(),
            version.parse().unwrap(),
        )
        .unwrap()
    };
    let (old, new) = (validator(old), validator(new));
    let gravest = |by: &Validator<'_>, it: &Example| by.validate(&it.document).iter().map(|it| it.severity).max();
    let rejects = |by: &Validator<'_>, it: &Example| gravest(by, it) == Some(Severity::Error);
    for change in &comparison.changes {
        if let Some(example) = change.rejects.example() {
            assert_eq!([rejects(&old, example), rejects(&new, example)], [false, true], "{change:#?}");
        }
        if let Some(example) = change.accepts.example() {
            assert_eq!([rejects(&old, example), rejects(&new, example)], [true, false], "{change:#?}");
        }
        if let Some(example) = &change.formal {
            assert_ne!(gravest(&old, example), gravest(&new, example), "{change:#?}");
        }
    }
}

fn change<'a>(comparison: &'a Comparison, place: &str) -> &'a Change {
    let found = comparison.changes.iter().find(|it| it.place == place && it.definition != "rules");
    found.unwrap_or_else(|| panic!("{place}: {:#?}", comparison.changes.iter().map(|it| &it.place).collect::<Vec<_>>()))
}

#[test]
fn from_1_0_2_to_1_1_0_the_time_namespace_came() {
    let comparison = versions("1.0.2", "1.1.0");
    check(&comparison, "1.0.2", "1.1.0");
    let kind = change(&comparison, "/linux/namespaces/*/type");
    assert_eq!((kind.what[0].as_str(), kind.grade), (r#"`pattern` gained "time""#, Grade::Widening));
    assert_eq!(value(kind.accepts.example()), json!("time"));
    let offsets = change(&comparison, "/linux/timeOffsets");
    assert_eq!((offsets.what[0].as_str(), offsets.grade), ("property added: object", Grade::Widening));
    assert!(offsets.requirements.iter().any(|it| it.as_str() == "namespaces.time-offset-seconds-integer"));
}

#[test]
fn from_1_2_1_to_1_3_0_properties_came() {
    let comparison = versions("1.2.1", "1.3.0");
    check(&comparison, "1.2.1", "1.3.0");
    for place in ["/linux/memoryPolicy", "/linux/netDevices", "/linux/intelRdt/schemata"] {
        assert_eq!(change(&comparison, place).grade, Grade::Widening, "{place}");
    }
}

#[test]
fn a_version_does_not_differ_from_itself() {
    for version in [VERSIONS[0], NEWEST] {
        assert_eq!(versions(&version.to_string(), &version.to_string()), Comparison::default());
    }
}
