//! Where two schemas differ, subschema by subschema. References are not followed: what they name is
//! compared as a definition of its own.

use std::collections::{BTreeMap, BTreeSet};

use ocf_spec::RequirementId;
use serde_json::{Map, Value};

use super::weight::ADVISES;

/// Keywords that constrain nothing; those of this project among them.
pub(super) const ANNOTATIONS: [&str; 18] = [
    "$comment",
    "$id",
    "$schema",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
    "default",
    "deprecated",
    "description",
    "examples",
    "format",
    "readOnly",
    "title",
    "writeOnly",
    "requirement",
    "severity",
    "since",
    "until",
];
/// Keywords whose subschema is about the same value.
pub(super) const IN_PLACE: [&str; 4] = ["not", "if", "then", "else"];
/// Keywords whose list of subschemas is about the same value.
pub(super) const IN_PLACE_LISTS: [&str; 3] = ["allOf", "anyOf", "oneOf"];
/// Keywords whose map of subschemas is about the same value.
pub(super) const IN_PLACE_MAPS: [&str; 1] = ["dependentSchemas"];
/// Keywords whose subschema is about each of some values below.
pub(super) const CHILDREN: [&str; 6] =
    ["items", "additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames", "contains"];
/// Keywords whose map of subschemas is about values below.
pub(super) const CHILD_MAPS: [&str; 2] = ["properties", "patternProperties"];
/// Keywords whose list of subschemas is about values below.
pub(super) const LISTS: [&str; 1] = ["prefixItems"];

/// One step from a value to one below it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Step {
    /// The member of this name.
    Member(String),
    /// Any member whose name matches.
    Matching(String),
    /// Any member that has no description of its own.
    Other,
    /// The name of any member.
    Name,
    /// Any entry.
    Item,
    /// The entry at this index.
    At(usize),
}

/// One subschema that is not as it was.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    /// A pointer to the definition that it is part of; empty for the schema itself.
    pub(super) definition: String,
    /// Pointers to it in the older and the newer schema; none where it is not there.
    pub(super) at: [Option<String>; 2],
    /// Pointers to the nearest subschema around it that is about the same value.
    pub(super) anchor: [Option<String>; 2],
    /// Whether it lies in a condition, a negation or an exclusive alternative of the anchor.
    pub(super) is_conditional: bool,
    /// The way from the definition's value to the one that it is about.
    pub(super) steps: Vec<Step>,
    /// The constraining keywords that differ, each with what it was and what it is.
    pub(super) keywords: BTreeMap<String, [Option<Value>; 2]>,
    /// Of the keywords that differ, or weigh differently: those that only advise, before or now.
    pub(super) weights: BTreeMap<String, [bool; 2]>,
    /// The annotations that differ, each with what it was and what it is.
    pub(super) annotations: BTreeMap<String, [Option<Value>; 2]>,
    /// The property that it describes is new to its object, or went.
    pub(super) property: Option<Property>,
}

/// What became of a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Property {
    /// It came.
    Came,
    /// It went.
    Went,
}

impl Difference {
    pub(super) fn pointer(&self) -> &str {
        self.at[1].as_deref().or(self.at[0].as_deref()).unwrap_or_default()
    }

    /// `/$defs/mounts/$defs/mount` is `mounts.mount`.
    pub(super) fn definition_name(&self) -> String {
        let names = self.definition.split("/$defs/").skip(1);
        names.collect::<Vec<_>>().join(".")
    }

    /// Whether the findings about documents can change, if only in the requirement that they name.
    pub(super) fn matters(&self) -> bool {
        let names = ["requirement", "severity"].iter().any(|it| self.annotations.contains_key(*it));
        names || !self.is_annotation_only()
    }

    pub(super) fn is_annotation_only(&self) -> bool {
        self.keywords.is_empty() && self.weights.is_empty() && self.property.is_none()
    }

    /// Whether its property came (true) or went.
    pub(super) fn came(&self) -> Option<bool> {
        self.property.map(|it| it == Property::Came)
    }

    /// Whether some constraint of it advises, or did.
    pub(super) fn advises(&self) -> bool {
        !self.weights.is_empty()
    }

    /// Pointers to what finds something wrong with a document because of it, in the older schema (0) or the newer (1).
    pub(super) fn telltales(&self, side: usize) -> Vec<String> {
        let Some(at) = self.at[side].as_deref() else { return self.closing(1 - side) };
        let anchor = self.anchor[side].as_deref().unwrap_or_default();
        if let Some(place) = conditional(anchor, at) {
            return place;
        }
        if self.property.is_some() || self.keywords.contains_key("") {
            return vec![at.to_owned()];
        }
        self.keywords.keys().chain(self.weights.keys()).map(|keyword| format!("{at}/{keyword}")).collect()
    }

    /// What may close the object that has a property on this side only.
    fn closing(&self, side: usize) -> Vec<String> {
        let object =
            self.at[side].as_deref().filter(|_| self.property.is_some()).and_then(|it| it.rsplit_once("/properties/"));
        let closing = ["additionalProperties", "unevaluatedProperties"];
        object.into_iter().flat_map(|(object, _)| closing.map(|it| format!("{object}/{it}"))).collect()
    }

    /// Every requirement that its keywords name, and those that are named in another way now.
    pub(super) fn requirements(&self, old: &Value, new: &Value) -> BTreeSet<RequirementId> {
        let mut ids = BTreeSet::new();
        for (pointer, schema) in self.at.iter().zip([old, new]) {
            let Some(pointer) = pointer else { continue };
            if self.property.is_some() {
                ids.extend(schema.pointer(pointer).map(crate::schema::requirements).unwrap_or_default());
            }
            for keyword in self.keywords.keys().chain(self.weights.keys()) {
                ids.extend(named(schema, pointer, keyword));
            }
        }
        if let Some(both) = self.annotations.get("requirement") {
            let [old, new] = both.each_ref().map(|it| it.as_ref().map(all_ids).unwrap_or_default());
            ids.extend(old.symmetric_difference(&new).cloned());
        }
        ids
    }
}

/// Where errors are reported that come from below `at`, if that is in a condition, a negation or an alternative.
fn conditional(anchor: &str, at: &str) -> Option<Vec<String>> {
    let mut here = anchor.to_owned();
    for step in at.strip_prefix(anchor)?.split('/').skip(1) {
        match step {
            "if" => return Some(vec![format!("{here}/then"), format!("{here}/else")]),
            "not" | "anyOf" | "oneOf" | "dependentSchemas" => return Some(vec![format!("{here}/{step}")]),
            _ => here = format!("{here}/{step}"),
        }
    }
    None
}

/// Every id in the value of a `requirement`.
pub(super) fn all_ids(requirement: &Value) -> BTreeSet<RequirementId> {
    crate::schema::requirements(&serde_json::json!({ "requirement": requirement }))
}

/// What the nearest subschema, from the one at the pointer upwards, names for a keyword.
fn named(schema: &Value, pointer: &str, keyword: &str) -> BTreeSet<RequirementId> {
    let mut pointer = pointer;
    loop {
        let requirement = schema.pointer(pointer).and_then(|it| it.get("requirement"));
        let of_keyword = match requirement {
            Some(Value::Object(by_keyword)) => by_keyword.get(keyword),
            other => other,
        };
        if let Some(found) = of_keyword {
            return all_ids(found);
        }
        let Some((above, step)) = pointer.rsplit_once('/') else { return BTreeSet::new() };
        let is_other =
            |it: &str| CHILD_MAPS.contains(&it) || it == "$defs" || it.ends_with("Properties") || it == "propertyNames";
        if is_other(step) || is_other(above.rsplit('/').next().unwrap_or_default()) {
            return BTreeSet::new();
        }
        pointer = above;
    }
}

/// Whether a property is described already (in the older schema, 0, or the newer, 1), by something
/// other than the definition at hand: of the definition at a pointer, the steps to the property.
pub(super) type IsKnown<'a> = dyn Fn(usize, &str, &[Step]) -> bool + 'a;

/// Every difference, the schema itself first, then the definitions that both use, by their pointers.
pub(super) fn between(
    old: &Value,
    new: &Value,
    is_used: &dyn Fn(&str) -> bool,
    is_known: &IsKnown<'_>,
) -> Vec<Difference> {
    let mut definitions = BTreeSet::from([String::new()]);
    [old, new].into_iter().for_each(|schema| collect_definitions(schema, "", &mut definitions));
    let mut differences = Vec::new();
    for definition in definitions.iter().filter(|it| is_used(it)) {
        if let [Some(old), Some(new)] = [old, new].map(|it| it.pointer(definition)) {
            Walk::begin(definition, is_known).compare(old, new, &mut differences);
        }
    }
    differences
}

fn collect_definitions(schema: &Value, pointer: &str, found: &mut BTreeSet<String>) {
    for (name, definition) in schema.get("$defs").and_then(Value::as_object).into_iter().flatten() {
        let pointer = format!("{pointer}/$defs/{}", escaped(name));
        collect_definitions(definition, &pointer, found);
        found.insert(pointer);
    }
}

pub(super) fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}

/// Where two subschemas are that are being compared.
#[derive(Clone)]
struct Walk<'a> {
    definition: &'a str,
    is_known: &'a IsKnown<'a>,
    at: [Option<String>; 2],
    anchor: [Option<String>; 2],
    is_conditional: bool,
    steps: Vec<Step>,
}

impl<'a> Walk<'a> {
    fn begin(definition: &'a str, is_known: &'a IsKnown<'a>) -> Self {
        let at = [Some(definition.to_owned()), Some(definition.to_owned())];
        Self { definition, is_known, at: at.clone(), anchor: at, is_conditional: false, steps: Vec::new() }
    }

    fn compare(&self, old: &Value, new: &Value, found: &mut Vec<Difference>) {
        if old == new {
            return;
        }
        let (empty, truth) = (Map::new(), Value::Bool(true));
        let members = |it: &'_ Value| it.as_object().cloned().unwrap_or_else(|| empty.clone());
        // What rejects everything can't be walked.
        if *old == Value::Bool(false) || *new == Value::Bool(false) {
            return found.push(Difference { keywords: whole(old, new), ..self.difference() });
        }
        let (old, new) = (members(old), members(new));
        let mut difference = self.difference();
        let mut keywords: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        keywords.retain(|it| *it != "$defs" && *it != ADVISES && old.get(*it) != new.get(*it));
        let mut below = Vec::new();
        for keyword in keywords {
            let both = [old.get(keyword), new.get(keyword)];
            let owned = || both.map(|it| it.cloned());
            if ANNOTATIONS.contains(&keyword.as_str()) || is_reordered(both) && keyword == "allOf" {
                difference.annotations.insert(keyword.clone(), owned());
            } else if !self.walk_below(
                keyword,
                both.map(|it| it.unwrap_or(&truth)),
                both.map(|it| it.is_some()),
                &mut below,
            ) {
                difference.keywords.insert(keyword.clone(), owned());
            }
        }
        difference.weights = weights(&old, &new);
        let differs =
            !(difference.keywords.is_empty() && difference.weights.is_empty() && difference.annotations.is_empty());
        found.extend(differs.then_some(difference));
        found.extend(below);
    }

    /// Compares what a keyword holds; false if it holds no subschemas that can be told apart.
    fn walk_below(
        &self,
        keyword: &str,
        [old, new]: [&Value; 2],
        there: [bool; 2],
        found: &mut Vec<Difference>,
    ) -> bool {
        let is_both = there == [true, true];
        if IN_PLACE.contains(&keyword) && is_both {
            self.in_place(keyword, "", [true, true]).compare(old, new, found);
        } else if keyword == "allOf" {
            self.compare_conditions(old, new, found);
        } else if IN_PLACE_LISTS.contains(&keyword) && is_both {
            return self.compare_alternatives(keyword, old, new, found);
        } else if (CHILDREN.contains(&keyword) && keyword != "contains" || keyword == "contains" && is_both)
            && [old, new].iter().all(|it| **it != Value::Bool(false))
        {
            self.child(&[keyword], there, step(keyword)).compare(old, new, found);
        } else if CHILD_MAPS.contains(&keyword) {
            self.compare_properties(keyword, old, new, found);
        } else {
            return false;
        }
        true
    }

    fn compare_properties(&self, keyword: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) {
        let names: BTreeSet<&String> =
            [old, new].into_iter().filter_map(Value::as_object).flat_map(Map::keys).collect();
        let truth = Value::Bool(true);
        for name in names {
            let both = [old.get(name), new.get(name)];
            let step = match keyword {
                "properties" => Step::Member(name.clone()),
                _ => Step::Matching(name.clone()),
            };
            let below = self.child(&[keyword, &escaped(name)], both.map(|it| it.is_some()), step);
            match below.property(both.map(|it| it.is_some())).filter(|_| keyword == "properties") {
                Some(property) => found.push(Difference { property: Some(property), ..below.difference() }),
                None => below.compare(both[0].unwrap_or(&truth), both[1].unwrap_or(&truth), found),
            }
        }
    }

    /// What became of a property that only one of the two describes, if nothing else describes it.
    fn property(&self, there: [bool; 2]) -> Option<Property> {
        match there {
            [false, true] if !(self.is_known)(0, self.definition, &self.steps) => Some(Property::Came),
            [true, false] if !(self.is_known)(1, self.definition, &self.steps) => Some(Property::Went),
            _ => None,
        }
    }

    /// Pairs the conditions that must all hold: equal ones, then those with the same keywords; what is left came or
    /// went.
    fn compare_conditions(&self, old: &Value, new: &Value, found: &mut Vec<Difference>) {
        let list = |it: &Value| it.as_array().cloned().unwrap_or_default();
        let (old, new) = (list(old), list(new));
        let mut left: Vec<usize> = (0..new.len()).collect();
        let mut pairs: Vec<(usize, Option<usize>)> = Vec::new();
        let mut take = |fits: &dyn Fn(&Value) -> bool| {
            let position = left.iter().position(|at| fits(&new[*at]))?;
            Some(left.remove(position))
        };
        let equals: Vec<Option<usize>> = old.iter().map(|one| take(&|other| one == other)).collect();
        for (at, (one, equal)) in old.iter().zip(equals).enumerate() {
            pairs.push((at, equal.or_else(|| take(&|other| constraints(one) == constraints(other)))));
        }
        let truth = Value::Bool(true);
        for (at, other) in pairs {
            let pair = self.condition([Some(at), other]);
            pair.compare(&old[at], other.map_or(&truth, |it| &new[it]), found);
        }
        for at in left {
            self.condition([None, Some(at)]).compare(&truth, &new[at], found);
        }
    }

    /// Compares alternatives one by one if there are as many as before.
    fn compare_alternatives(&self, keyword: &str, old: &Value, new: &Value, found: &mut Vec<Difference>) -> bool {
        let (Value::Array(old), Value::Array(new)) = (old, new) else { return false };
        if old.len() != new.len() {
            return false;
        }
        for (at, (old, new)) in old.iter().zip(new).enumerate() {
            self.in_place(keyword, &format!("/{at}"), [true, true]).compare(old, new, found);
        }
        true
    }

    fn condition(&self, at: [Option<usize>; 2]) -> Self {
        let pointer = |side: usize| Some(format!("{}/allOf/{}", self.at[side].as_deref()?, at[side]?));
        Self { at: [pointer(0), pointer(1)], ..self.clone() }
    }

    fn in_place(&self, keyword: &str, rest: &str, there: [bool; 2]) -> Self {
        let at = self.below(&format!("{keyword}{rest}"), there);
        // What takes away in a consequence, or in one of several alternatives, takes away from the whole.
        let is_conditional = self.is_conditional || ["if", "not", "oneOf"].contains(&keyword);
        Self { at, is_conditional, ..self.clone() }
    }

    fn child(&self, path: &[&str], there: [bool; 2], step: Step) -> Self {
        let at = self.below(&path.join("/"), there);
        if self.is_conditional {
            // It matters for the value that the condition is about.
            return Self { at, ..self.clone() };
        }
        let steps = self.steps.iter().cloned().chain([step]).collect();
        Self { at: at.clone(), anchor: at, is_conditional: false, steps, ..self.clone() }
    }

    fn below(&self, path: &str, there: [bool; 2]) -> [Option<String>; 2] {
        let pointer = |side: usize| {
            let here = self.at[side].as_deref().filter(|_| there[side])?;
            Some(format!("{here}/{path}"))
        };
        [pointer(0), pointer(1)]
    }

    fn difference(&self) -> Difference {
        Difference {
            definition: self.definition.to_owned(),
            at: self.at.clone(),
            anchor: self.anchor.clone(),
            is_conditional: self.is_conditional,
            steps: self.steps.clone(),
            ..Difference::default()
        }
    }
}

fn step(keyword: &str) -> Step {
    match keyword {
        "items" | "contains" | "unevaluatedItems" => Step::Item,
        "propertyNames" => Step::Name,
        _ => Step::Other,
    }
}

/// Whether two lists have the same entries in another order.
fn is_reordered(both: [Option<&Value>; 2]) -> bool {
    let [Some(Value::Array(old)), Some(Value::Array(new))] = both else { return false };
    old.len() == new.len() && old.iter().all(|it| new.contains(it)) && new.iter().all(|it| old.contains(it))
}

/// The keywords of a subschema that constrain.
fn constraints(subschema: &Value) -> Vec<&String> {
    let members = subschema.as_object().into_iter().flat_map(Map::keys);
    members.filter(|it| !ANNOTATIONS.contains(&it.as_str()) && *it != ADVISES).collect()
}

/// A subschema that became, or was, one that rejects everything.
fn whole(old: &Value, new: &Value) -> BTreeMap<String, [Option<Value>; 2]> {
    BTreeMap::from([(String::new(), [Some(old.clone()), Some(new.clone())])])
}

/// Whether each keyword advised and advises, of those that do and are not as they were.
fn weights(old: &Map<String, Value>, new: &Map<String, Value>) -> BTreeMap<String, [bool; 2]> {
    let advises = |of: &Map<String, Value>, keyword: &str| {
        of.get(ADVISES).and_then(Value::as_array).is_some_and(|all| all.iter().any(|it| it == keyword))
    };
    let both = old.keys().chain(new.keys()).map(|it| (it.clone(), [advises(old, it), advises(new, it)]));
    both.filter(|(keyword, [was, is])| was != is || *was && old.get(keyword) != new.get(keyword)).collect()
}
