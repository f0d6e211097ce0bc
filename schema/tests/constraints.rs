//! Every constraint of the schemas is offended against once, by changing one place of a right
//! document: the finding has to be there, and alone, and under the name that the schema gives it.

#![expect(clippy::unwrap_used, reason = "a helper of tests fails as a test does")]

use std::collections::BTreeSet;

use ocf_schema::{Finding, Kind, schema, validate};
use ocf_spec::VERSIONS;
use serde_json::{Map, Value, json};

const WRONG_TEXT: &str = "no such value";

/// Stands for the constraints at a place that the right document does not have.
const ABSENT: &str = "";

/// One constraint, met by the value at `place` of the right document.
#[derive(Clone, Debug)]
struct Constraint {
    place: String,
    keyword: String,
    bound: Value,
}

/// A way to offend against a constraint: where the finding has to be, and the wrong document.
type Offence = (String, Value);

/// Right documents, which reach every subschema between them.
fn right(kind: Kind) -> Vec<Value> {
    let texts: &[&str] = match kind {
        Kind::Config => &[include_str!("right/config.json"), include_str!("right/platforms.json")],
        Kind::State => &[include_str!("right/state.json"), include_str!("right/state-stopped.json")],
        Kind::Features => &[include_str!("right/features.json")],
        other => panic!("there is no right document of {other:?}"),
    };
    let documents = texts.iter().map(|text| serde_json::from_str(text).unwrap());
    documents.flat_map(|it| if let Value::Array(several) = it { several } else { vec![it] }).collect()
}

fn schema_of(kind: Kind) -> Value {
    serde_json::from_str(schema::text(kind)).unwrap()
}

#[test]
fn a_right_document_offends_against_nothing_in_any_version() {
    for kind in [Kind::Config, Kind::State, Kind::Features] {
        for (version, right) in VERSIONS.iter().flat_map(|it| right(kind).into_iter().map(|r| (*it, r))) {
            assert_eq!(validate(kind, &right, version), [], "{kind:?} {version}");
        }
    }
}

#[test]
fn each_constraint_of_a_config_names_its_requirement() {
    assert_eq!(ids_found(Kind::Config), ids_written(Kind::Config));
}

#[test]
fn each_constraint_of_a_state_names_its_requirement() {
    assert_eq!(ids_found(Kind::State), ids_written(Kind::State));
}

#[test]
fn each_constraint_of_features_names_its_requirement() {
    assert_eq!(ids_found(Kind::Features), ids_written(Kind::Features));
}

/// Written by hand beside the schema: a constraint that lost its name would take its list's.
#[test]
fn a_wrong_value_offends_against_the_requirement_that_speaks_of_it() {
    let wrong = [
        ("/ociVersion", json!("1.0"), "version.semantic"),
        ("/mounts/0/destination", json!("data"), "mounts.destination-should-be-absolute"),
        ("/mounts/0/options/0", json!(7), "mounts.options-array"),
        ("/mounts/0/uidMappings/0", json!(7), "mounts.uid-mappings-array"),
        ("/mounts/0/uidMappings/0/size", json!(-1), "mounts.id-mapping-entry-complete"),
        ("/process/cwd", json!(""), "process.cwd-absolute"),
        ("/process/args", json!([]), "process.args-required"),
        ("/process/consoleSize/width", json!(-1), "process.console-width-required"),
        ("/process/ioPriority/priority", json!(8), "process.io-priority-range"),
        ("/process/user/uid", json!(-1), "user.uid-required"),
        ("/process/user/uid", json!(4_294_967_296_u64), "errors.unsupported-value"),
        ("/process/rlimits/0/type", json!("RLIMIT_NOSUCH"), "rlimits.type-name"),
        ("/process/rlimits/0/soft", json!("unlimited"), "rlimits.soft-required"),
        ("/process/capabilities/ambient/0", json!("CAP_NOSUCH"), "capabilities.names"),
        ("/process/capabilities/ambient/0", json!(7), "capabilities.ambient-array"),
        ("/linux/namespaces/1/type", json!("mnt"), "namespaces.type-with-time"),
        ("/linux/namespaces/0/path", json!("ns/uts"), "namespaces.path-absolute"),
        ("/linux/timeOffsets/monotonic/secs", json!(0.5), "namespaces.time-offset-seconds-integer"),
        ("/linux/maskedPaths/0", json!("proc/kcore"), "masked-paths.absolute"),
        ("/linux/maskedPaths/0", json!(null), "masked-paths.array"),
        ("/linux/readonlyPaths/0", json!(""), "readonly-paths.absolute"),
        ("/linux/netDevices/eth0", json!(7), "net-devices.object"),
        ("/linux/netDevices/eth0/name", json!(".."), "net-devices.name-characters"),
        ("/linux/intelRdt/closID", json!("a/b"), "intel-rdt.clos-id-name"),
        ("/linux/intelRdt/memBwSchema", json!("L3:0=f"), "intel-rdt.bandwidth-schema-prefix"),
        ("/linux/intelRdt/schemata/0", json!(7), "intel-rdt.schemata-array"),
        ("/linux/intelRdt/schemata/0", json!("MB:0=20\n"), "intel-rdt.schemata-one-line-each"),
        ("/linux/memoryPolicy/nodes", json!("0-"), "memory-policy.nodes-list"),
        ("/linux/memoryPolicy/flags/0", json!(7), "memory-policy.flags-array"),
        ("/linux/personality/flags", json!(["ADDR_NO_RANDOMIZE"]), "personality.flags-empty"),
        ("/linux/seccomp/defaultAction", json!(7), "seccomp.default-action-required"),
        ("/linux/seccomp/defaultAction", json!("SCMP_ACT_DENY"), "seccomp.default-action-value"),
        ("/linux/seccomp/defaultErrnoRet", json!(-1), "seccomp.default-errno-integer"),
        ("/linux/seccomp/syscalls/0", json!(7), "seccomp.syscalls-array"),
        ("/linux/seccomp/syscalls/0/names", json!([]), "seccomp.names-not-empty"),
        ("/linux/seccomp/syscalls/0/names/0", json!(7), "seccomp.names-required"),
        ("/linux/seccomp/syscalls/0/errnoRet", json!(4096), "seccomp.errno-known"),
        ("/linux/seccomp/syscalls/0/args/0", json!(7), "seccomp.arguments-array"),
        ("/linux/seccomp/syscalls/0/args/0/index", json!(6), "seccomp.argument-index-known"),
        ("/linux/seccomp/syscalls/0/args/0/index", json!(-1), "seccomp.argument-index-required"),
        ("/linux/seccomp/flags/0", json!("TSYNC"), "seccomp.flag-value"),
        ("/linux/devices/0/path", json!("dev/fuse"), "devices.path-required"),
        ("/linux/devices/0/fileMode", json!("0666"), "devices.file-mode-integer"),
        ("/linux/resources/devices/0/access", json!("rx"), "devices.rule-access-letters"),
        ("/linux/resources/memory/limit", json!(-2), "memory.limit-integer"),
        ("/linux/resources/memory/swappiness", json!(101), "memory.swappiness-range"),
        ("/linux/resources/memory/swappiness", json!(-1), "memory.swappiness-integer"),
        ("/linux/resources/cpu/mems", json!("0 1"), "cpu.mems-list"),
        ("/linux/resources/blockIO/weightDevice/0/weight", json!(65536), "block-io.device-weight-integer"),
        ("/linux/resources/blockIO/throttleReadIOPSDevice/0", json!(7), "block-io.throttle-operations-arrays"),
        ("/linux/resources/hugepageLimits/0/pageSize", json!("2M"), "hugepage-limits.page-size-format"),
        ("/linux/resources/network/priorities/0/priority", json!(-1), "network.priority-value-required"),
        ("/linux/resources/rdma/rxe3", json!(7), "rdma.object"),
        ("/linux/resources/unified/memory.high", json!(7), "unified.object"),
        ("/linux", json!(7), "platforms.linux-object"),
        ("/hooks/poststop/0/path", json!("hook"), "hooks.path-absolute"),
        ("/hooks/poststop/0/timeout", json!(0), "hooks.timeout-positive"),
        ("/annotations/com.example.key", json!(1), "annotations.value-is-string"),
    ];
    for (place, value, id) in wrong {
        let document = with(&right(Kind::Config)[0], place, |it| *it = value.clone());
        let findings = validate(Kind::Config, &document, VERSIONS[6]);
        let found: Vec<_> = findings.iter().map(|it| it.requirement.as_ref().unwrap().as_str()).collect();
        assert_eq!(found, [id], "{place} {value}: {findings:?}");
    }
}

/// The ids of all findings, after proving that each offence gives exactly one, which names an id.
fn ids_found(kind: Kind) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    for (constraint, place, wrong) in all_offences(kind) {
        let found: Vec<Finding> = VERSIONS
            .iter()
            .flat_map(|version| {
                let findings = validate(kind, &wrong, *version);
                assert!(findings.len() < 2, "{constraint:?} {version}: {findings:?}");
                findings
            })
            .collect();
        assert!(!found.is_empty(), "{constraint:?} is found in no version");
        for finding in found {
            assert_eq!(finding.pointer, place, "{constraint:?}: {finding:?}");
            ids.insert(finding.requirement.unwrap_or_else(|| panic!("{constraint:?}")).to_string());
        }
    }
    ids
}

fn all_offences(kind: Kind) -> Vec<(Constraint, String, Value)> {
    let schema = schema_of(kind);
    let mut all = Vec::new();
    for right in right(kind) {
        for constraint in constraints(&schema, &right) {
            for (place, wrong) in offences(&constraint, &right) {
                all.push((constraint.clone(), place, wrong));
            }
        }
    }
    all
}

fn ids_written(kind: Kind) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    collect_requirements(&schema_of(kind), &mut ids);
    ids
}

fn collect_requirements(schema: &Value, ids: &mut BTreeSet<String>) {
    match schema {
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "requirement" => collect_texts(member, ids),
                    _ => collect_requirements(member, ids),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| collect_requirements(item, ids)),
        _ => {}
    }
}

fn collect_texts(value: &Value, texts: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => {
            texts.insert(text.clone());
        }
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect_texts(member, texts)),
        other => panic!("{other} is no requirement"),
    }
}

fn constraints(schema: &Value, right: &Value) -> Vec<Constraint> {
    let mut constraints = Vec::new();
    collect(schema, schema, String::new(), right, &mut constraints);
    constraints
}

/// The right documents may lack a place, but not all of them the same one.
#[test]
fn each_subschema_is_reached_by_a_right_document() {
    for kind in [Kind::Config, Kind::State, Kind::Features] {
        let schema = schema_of(kind);
        let missing = right(kind).into_iter().map(|right| {
            let constraints = constraints(&schema, &right).into_iter();
            constraints.filter(|it| it.keyword == ABSENT).map(|it| it.place).collect::<BTreeSet<_>>()
        });
        let everywhere = missing.reduce(|all, these| &all & &these).unwrap();
        assert_eq!(everywhere, BTreeSet::new(), "{kind:?}");
    }
}

/// Walks the schema alongside the right document.
fn collect(schema: &Value, subschema: &Value, place: String, right: &Value, constraints: &mut Vec<Constraint>) {
    let Some(value) = right.pointer(&place) else {
        return constraints.push(Constraint { place, keyword: ABSENT.to_owned(), bound: Value::Null });
    };
    for (keyword, argument) in subschema.as_object().unwrap() {
        let mut below = |subschema: &Value, place: String| {
            collect(schema, subschema, place, right, constraints);
        };
        match keyword.as_str() {
            "$ref" => {
                let target = argument.as_str().unwrap().trim_start_matches('#');
                below(schema.pointer(target).unwrap(), place.clone());
            }
            "properties" => {
                for (name, property) in argument.as_object().unwrap() {
                    below(property, join(&place, name));
                }
            }
            "additionalProperties" => {
                let known = subschema.get("properties").and_then(Value::as_object);
                let names = value.as_object().unwrap().keys();
                let other = names.clone().find(|name| known.is_none_or(|it| !it.contains_key(*name)));
                below(argument, join(&place, other.unwrap()));
            }
            "items" => below(argument, join(&place, "0")),
            "allOf" => argument.as_array().unwrap().iter().for_each(|it| below(it, place.clone())),
            "then" | "else" => {
                let met = jsonschema::is_valid(&subschema["if"], value);
                if met == (keyword == "then") {
                    below(argument, place.clone());
                }
            }
            "propertyNames" => name_constraints(argument, &place, constraints),
            "$schema" | "$id" | "$defs" | "title" | "description" | "requirement" | "severity" => {}
            "since" | "until" | "if" => {}
            _ => {
                constraints.push(Constraint { place: place.clone(), keyword: keyword.clone(), bound: argument.clone() })
            }
        }
    }
}

fn name_constraints(names: &Value, place: &str, constraints: &mut Vec<Constraint>) {
    for (keyword, argument) in names.as_object().unwrap() {
        match keyword.as_str() {
            "allOf" => {
                argument.as_array().unwrap().iter().for_each(|it| name_constraints(it, place, constraints));
            }
            "requirement" => {}
            _ => constraints.push(Constraint {
                place: place.to_owned(),
                keyword: format!("propertyNames/{keyword}"),
                bound: argument.clone(),
            }),
        }
    }
}

fn offences(constraint: &Constraint, right: &Value) -> Vec<Offence> {
    let Constraint { place, keyword, bound } = constraint;
    let replaced = |value: Value| vec![(place.clone(), with(right, place, |it| *it = value))];
    match keyword.as_str() {
        ABSENT => Vec::new(),
        "type" => replaced(of_other_type(bound)),
        "enum" => replaced(json!(WRONG_TEXT)),
        "pattern" => replaced(unmatched(bound, right.pointer(place).unwrap())),
        "minItems" => replaced(json!([])),
        "maxItems" => replaced(json!(vec![WRONG_TEXT; bound.as_u64().unwrap() as usize + 1])),
        "minimum" => replaced(below(bound)),
        "maximum" => replaced(above(bound)),
        "exclusiveMinimum" => replaced(bound.clone()),
        "required" => texts(bound).map(|name| without(right, place, name)).collect(),
        "dependentRequired" => {
            let needed = bound.as_object().unwrap().values();
            let there = needed.flat_map(texts).filter(|name| right.pointer(place).unwrap().get(name).is_some());
            there.map(|name| without(right, place, name)).collect()
        }
        "propertyNames/minLength" => vec![with_name(right, place, "")],
        "propertyNames/pattern" => vec![with_name(right, place, WRONG_TEXT)],
        other => panic!("no way is known to offend against {other}"),
    }
}

/// Where any text of one line matches, the right one twice.
fn unmatched(pattern: &Value, right: &Value) -> Value {
    let doubled = format!("{0}\n{0}", right.as_str().unwrap());
    let schema = json!({ "pattern": pattern });
    let texts = [json!(WRONG_TEXT), json!(doubled)];
    texts.into_iter().find(|text| !jsonschema::is_valid(&schema, text)).unwrap()
}

fn of_other_type(types: &Value) -> Value {
    match types.as_str() {
        Some("string") | None => json!(7),
        Some(_) => json!(WRONG_TEXT),
    }
}

/// Below the least 64-bit number there is only what a floating-point number can say.
fn below(least: &Value) -> Value {
    let number = least.as_i64().unwrap();
    number.checked_sub(1).map_or(json!(-1e30), Value::from)
}

fn above(greatest: &Value) -> Value {
    let number = greatest.as_u64().unwrap();
    number.checked_add(1).map_or(json!(1e30), Value::from)
}

fn without(right: &Value, place: &str, name: &str) -> Offence {
    let wrong = with(right, place, |object| {
        object.as_object_mut().unwrap().remove(name).unwrap();
    });
    (place.to_owned(), wrong)
}

/// Gives the first member of the object another name.
fn with_name(right: &Value, place: &str, name: &str) -> Offence {
    let wrong = with(right, place, |object| {
        let members: &mut Map<String, Value> = object.as_object_mut().unwrap();
        let value = members.values().next().unwrap().clone();
        members.insert(name.to_owned(), value);
    });
    (join(place, name), wrong)
}

fn with(right: &Value, place: &str, change: impl FnOnce(&mut Value)) -> Value {
    let mut document = right.clone();
    change(document.pointer_mut(place).unwrap());
    document
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().unwrap().iter().map(|it| it.as_str().unwrap())
}

fn join(place: &str, name: &str) -> String {
    format!("{place}/{}", name.replace('~', "~0").replace('/', "~1"))
}
