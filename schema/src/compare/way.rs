//! The ways from a document to the values that a definition is about, and what a schema says of a
//! value on such a way.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::difference::{
    ANNOTATIONS, CHILD_MAPS, CHILDREN, IN_PLACE, IN_PLACE_LISTS, IN_PLACE_MAPS, LISTS, Step, escaped,
};

/// Ways that are kept of one definition.
const MOST_WAYS: usize = 6;

/// The most ways to all definitions together that are worth looking at.
const MOST_IN_ALL: usize = 20_000;

/// Subschemas that are looked at for one value: references may lead in a circle.
const MOST_SUBSCHEMAS: usize = 200;

/// For each definition that something refers to, by its pointer, the ways there, the shortest first.
pub(super) struct Ways(BTreeMap<String, Vec<Vec<Step>>>);

impl Ways {
    pub(super) fn of(schema: &Value) -> Self {
        let mut ways = BTreeMap::from([(String::new(), vec![Vec::new()])]);
        let mut queue = VecDeque::from([(String::new(), Vec::new())]);
        while let Some((pointer, way)) = queue.pop_front() {
            let Some(definition) = schema.pointer(&pointer) else { continue };
            let mut references = Vec::new();
            collect(definition, &way, &mut references);
            references.sort_by_key(|(_, way)| way.len());
            for (target, way) in references {
                let known = ways.entry(target.clone()).or_insert_with(Vec::new);
                if known.is_empty() {
                    queue.push_back((target, way.clone()));
                }
                if known.len() < MOST_WAYS && !known.contains(&way) {
                    known.push(way);
                }
            }
        }
        Self(ways)
    }

    /// Every way to every definition; none if the schema refers to itself, or there are too many.
    pub(super) fn every(schema: &Value) -> Option<Self> {
        let mut ways = BTreeMap::from([(String::new(), vec![Vec::new()])]);
        let mut queue = vec![(Vec::<String>::new(), String::new(), Vec::new())];
        while let Some((above, pointer, way)) = queue.pop() {
            let mut references = Vec::new();
            collect(schema.pointer(&pointer)?, &way, &mut references);
            for (target, way) in references {
                let here: Vec<String> = above.iter().cloned().chain([pointer.clone()]).collect();
                if here.contains(&target) || queue.len() > MOST_IN_ALL {
                    return None;
                }
                ways.entry(target.clone()).or_insert_with(Vec::new).push(way.clone());
                queue.push((here, target, way));
            }
        }
        Some(Self(ways))
    }

    /// Pointers to the definitions that a subschema refers to, directly or through one of them.
    pub(super) fn from(schema: &Value, subschema: &Value) -> BTreeSet<String> {
        let mut found = BTreeSet::new();
        let mut queue = vec![subschema];
        while let Some(next) = queue.pop() {
            let mut references = Vec::new();
            collect(next, &[], &mut references);
            let new = references.into_iter().map(|(target, _)| target).filter(|it| found.insert(it.clone()));
            queue.extend(new.collect::<Vec<_>>().iter().filter_map(|it| schema.pointer(it)));
        }
        found
    }

    /// The ways to the definition at this pointer; none if nothing refers to it.
    pub(super) fn to(&self, definition: &str) -> &[Vec<Step>] {
        self.0.get(definition).map(Vec::as_slice).unwrap_or_default()
    }
}

/// A projected schema without the properties whose definition is not in force, and without the definitions that
/// nothing refers to.
pub fn reachable(schema: &Value) -> Value {
    let mut schema = in_force(schema);
    let used = Ways::of(&schema).0.into_keys().collect();
    keep_definitions(&mut schema, "", &used);
    schema
}

fn keep_definitions(schema: &mut Value, pointer: &str, used: &BTreeSet<String>) {
    let Some(members) = schema.as_object_mut() else { return };
    let Some(definitions) = members.get_mut("$defs").and_then(Value::as_object_mut) else { return };
    definitions.retain(|name, definition| {
        let pointer = format!("{pointer}/$defs/{}", escaped(name));
        keep_definitions(definition, &pointer, used);
        used.contains(&pointer) || definition.get("$defs").is_some()
    });
    if definitions.is_empty() {
        members.remove("$defs");
    }
}

/// The schema without the properties whose definition is not in force: it stands as `true`, so that nothing refers to
/// what isn't there.
pub(super) fn in_force(schema: &Value) -> Value {
    without_dead(schema, schema)
}

fn without_dead(root: &Value, subschema: &Value) -> Value {
    match subschema {
        Value::Array(items) => items.iter().map(|it| without_dead(root, it)).collect(),
        Value::Object(members) => {
            let kept = members.iter().filter(|(_, it)| !is_dead(root, it));
            kept.map(|(name, it)| (name.clone(), without_dead(root, it))).collect()
        }
        other => other.clone(),
    }
}

/// Whether a subschema does no more than to refer to a definition that is not in force.
fn is_dead(root: &Value, subschema: &Value) -> bool {
    let Some(members) = subschema.as_object() else { return false };
    let only_refers = members.keys().all(|it| it == "$ref" || ANNOTATIONS.contains(&it.as_str()));
    let target = members.get("$ref").and_then(Value::as_str).and_then(|it| root.pointer(it.strip_prefix('#')?));
    only_refers && target == Some(&Value::Bool(true))
}

/// The references of a definition, each with the way to it.
fn collect(subschema: &Value, way: &[Step], found: &mut Vec<(String, Vec<Step>)>) {
    let Value::Object(members) = subschema else { return };
    if let Some(target) = members.get("$ref").and_then(Value::as_str).and_then(|it| it.strip_prefix('#')) {
        found.push((target.to_owned(), way.to_vec()));
    }
    for (keyword, value) in members {
        for (step, below) in held(keyword, value) {
            let way: Vec<Step> = way.iter().cloned().chain(step).collect();
            collect(below, &way, found);
        }
    }
}

/// The subschemas that a keyword holds, each with the step to the value that it is about; no step if
/// that is the same value.
fn held<'a>(keyword: &str, value: &'a Value) -> Vec<(Option<Step>, &'a Value)> {
    match value {
        Value::Array(all) if IN_PLACE_LISTS.contains(&keyword) => all.iter().map(|it| (None, it)).collect(),
        Value::Array(all) if LISTS.contains(&keyword) => {
            all.iter().enumerate().map(|(at, it)| (Some(Step::At(at)), it)).collect()
        }
        Value::Object(all) if IN_PLACE_MAPS.contains(&keyword) => all.values().map(|it| (None, it)).collect(),
        Value::Object(all) if CHILD_MAPS.contains(&keyword) => {
            all.iter().map(|(name, it)| (Some(of_map(keyword, name)), it)).collect()
        }
        one if IN_PLACE.contains(&keyword) => vec![(None, one)],
        one if CHILDREN.contains(&keyword) => vec![(Some(of_child(keyword)), one)],
        _ => Vec::new(),
    }
}

fn of_map(keyword: &str, name: &str) -> Step {
    match keyword {
        "properties" => Step::Member(name.to_owned()),
        _ => Step::Matching(name.to_owned()),
    }
}

fn of_child(keyword: &str) -> Step {
    match keyword {
        "propertyNames" => Step::Name,
        "items" | "contains" | "unevaluatedItems" => Step::Item,
        _ => Step::Other,
    }
}

/// A schema, for questions about the values of its documents.
#[derive(Clone, Copy)]
pub(super) struct Book<'a>(pub(super) &'a Value);

impl<'a> Book<'a> {
    /// What must hold of the value that `of` are about: they, what they refer to, and all conditions of these.
    pub(super) fn firm(self, of: &[&'a Value]) -> Vec<&'a Map<String, Value>> {
        self.closure(of, |keyword| keyword == "allOf")
    }

    /// The same with everything that may have to hold.
    pub(super) fn all(self, of: &[&'a Value]) -> Vec<&'a Map<String, Value>> {
        let is_in_place = |keyword: &str| {
            IN_PLACE.contains(&keyword) || IN_PLACE_LISTS.contains(&keyword) || IN_PLACE_MAPS.contains(&keyword)
        };
        self.closure(of, is_in_place)
    }

    fn closure(self, of: &[&'a Value], follows: impl Fn(&str) -> bool) -> Vec<&'a Map<String, Value>> {
        let mut found: Vec<&Map<String, Value>> = Vec::new();
        let mut queue: VecDeque<&Value> = of.iter().copied().collect();
        while let Some(next) = queue.pop_front() {
            let Value::Object(members) = next else { continue };
            if found.len() >= MOST_SUBSCHEMAS || found.iter().any(|it| std::ptr::eq(*it, members)) {
                continue;
            }
            found.push(members);
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                queue.extend(reference.strip_prefix('#').and_then(|pointer| self.0.pointer(pointer)));
            }
            for (keyword, value) in members.iter().filter(|(keyword, _)| follows(keyword)) {
                queue.extend(held(keyword, value).into_iter().map(|(_, below)| below));
            }
        }
        found
    }

    /// What is said of the value one step below the one that `of` are about.
    pub(super) fn below(self, of: &[&'a Value], step: &Step) -> Vec<&'a Value> {
        self.all(of).into_iter().flat_map(|members| of_members(members, step)).collect()
    }

    /// What is said of the value at the end of a way.
    pub(super) fn at(self, way: &[Step]) -> Vec<&'a Value> {
        way.iter().fold(vec![self.0], |of, step| self.below(&of, step))
    }

    /// Whether a property at the end of a way is described by its own name.
    pub(super) fn describes(self, way: &[Step]) -> bool {
        let Some((Step::Member(name), object)) = way.split_last() else { return false };
        let mut all = self.all(&self.at(object)).into_iter();
        all.any(|members| members.get("properties").is_some_and(|it| it.get(name).is_some()))
    }
}

fn of_members<'a>(members: &'a Map<String, Value>, step: &Step) -> Vec<&'a Value> {
    let of = |keyword: &str| members.get(keyword);
    match step {
        Step::Member(name) => match of("properties").and_then(|it| it.get(name)) {
            Some(own) => vec![own],
            None => of("additionalProperties").into_iter().collect(),
        },
        Step::Matching(pattern) => of("patternProperties").and_then(|it| it.get(pattern)).into_iter().collect(),
        Step::Other => of("additionalProperties").or(of("unevaluatedProperties")).into_iter().collect(),
        Step::Name => of("propertyNames").into_iter().collect(),
        Step::Item => [of("items"), of("contains"), of("unevaluatedItems")].into_iter().flatten().collect(),
        Step::At(at) => of("prefixItems").and_then(|it| it.get(at)).or(of("items")).into_iter().collect(),
    }
}
