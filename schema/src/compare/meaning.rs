//! What a difference means for documents: looks for one on which the two schemas disagree, and for a proof that
//! there is none.

use std::cell::OnceCell;
use std::collections::BTreeSet;

use ocf_spec::RequirementId;
use serde_json::Value;

use super::difference::{self, Difference, Property, Step, escaped};
use super::way::{Book, Ways};
use super::{Effect, Example, Side, pattern, proof, sample};
use crate::{Severity, rules};

/// The most documents that are made for one difference.
const MOST_DOCUMENTS: usize = 4_000;

/// The most documents from which examples are made for one difference.
const MOST_BASES: usize = 4;

/// Two schemas, and what it takes to find examples.
pub(super) struct Search<'a> {
    pub(super) old: &'a Side<'a>,
    pub(super) new: &'a Side<'a>,
    ways: [Ways; 2],
    samples: &'a [Value],
    /// The ways to properties that went (0) and that came (1).
    properties: [Vec<Vec<Step>>; 2],
    /// Documents that both accept, the smallest first.
    bases: OnceCell<Vec<Value>>,
}

/// What was found out about a difference.
pub(super) struct Found {
    /// The place in a document, `*` for any member or entry.
    pub(super) place: String,
    pub(super) rejects: Effect,
    pub(super) accepts: Effect,
    pub(super) advises: Option<Example>,
    pub(super) formal: Option<Example>,
}

impl Found {
    /// Whether no document was found yet.
    fn is_empty(&self) -> bool {
        let effects = [&self.rejects, &self.accepts].into_iter().all(|it| it.example().is_none());
        effects && self.advises.is_none() && self.formal.is_none()
    }
}

/// A document, and where in it the value lies that was varied.
struct Made {
    document: Value,
    at: String,
}

/// Values with something put into them, each with the pointer to it.
type Placed = Vec<(Value, String)>;

impl<'a> Search<'a> {
    pub(super) fn new(old: &'a Side<'a>, new: &'a Side<'a>, samples: &'a [Value]) -> Self {
        let ways = [Ways::of(&old.schema), Ways::of(&new.schema)];
        Self { old, new, ways, samples, properties: [Vec::new(), Vec::new()], bases: OnceCell::new() }
    }

    /// Everything in which the schemas differ. What only one of them uses is part of the difference that uses it.
    pub(super) fn differences(&self) -> Vec<Difference> {
        let is_used = |definition: &str| self.ways.iter().all(|it| !it.to(definition).is_empty());
        let is_known = |side: usize, definition: &str, steps: &[Step]| self.is_known(side, definition, steps);
        difference::between(&self.old.schema, &self.new.schema, &is_used, &is_known)
    }

    /// Keeps in mind which properties came and went.
    pub(super) fn note_properties(&mut self, differences: &[Difference]) {
        for difference in differences {
            let ways = self.ways(difference);
            match difference.property {
                Some(Property::Came) => self.properties[1].extend(ways),
                Some(Property::Went) => self.properties[0].extend(ways),
                None => {}
            }
        }
    }

    /// Whether the older schema (0) or the newer (1) has a description of a property, wherever it stands.
    fn is_known(&self, side: usize, definition: &str, steps: &[Step]) -> bool {
        let schema = [&self.old.schema, &self.new.schema][side];
        let mut ways = self.ways.iter().flat_map(|it| it.to(definition));
        ways.any(|way| Book(schema).describes(&[way, steps].concat()))
    }

    /// The requirements that a difference concerns; of a property also those of definitions that came or went with it.
    pub(super) fn requirements(&self, difference: &Difference) -> BTreeSet<RequirementId> {
        let mut ids = difference.requirements(&self.old.schema, &self.new.schema);
        let (side, schema) = match difference.property {
            Some(Property::Came) => (1, &self.new.schema),
            Some(Property::Went) => (0, &self.old.schema),
            None => return ids,
        };
        let way = difference.at[side].as_deref().and_then(|it| schema.pointer(it));
        let own = way.map(|it| Ways::from(schema, it)).unwrap_or_default();
        for definition in own.into_iter().filter(|it| self.ways[1 - side].to(it).is_empty()) {
            ids.extend(schema.pointer(&definition).map(crate::schema::requirements).unwrap_or_default());
        }
        ids
    }

    pub(super) fn effects(&self, difference: &Difference) -> Found {
        let mut found = Found {
            place: self.ways(difference).first().map(|way| shown(way)).unwrap_or_default(),
            rejects: Effect::None,
            accepts: Effect::None,
            advises: None,
            formal: None,
        };
        if difference.is_annotation_only() {
            return found;
        }
        let is_advice = difference.keywords.keys().all(|it| difference.weights.get(it) == Some(&[true, true]))
            && difference.weights.values().all(|it| *it == [true, true]);
        let proved = match difference.property {
            _ if is_advice && difference.property.is_none() => [true, true],
            Some(Property::Came) => [true, !self.is_closed()],
            Some(Property::Went) => [!self.is_closed(), true],
            None => proof::covers(&self.old.strict, &self.new.strict, difference),
        };
        self.look(difference, proved, &mut found);
        if found.rejects == Effect::None && !proved[0] {
            found.rejects = Effect::Unknown;
        }
        if found.accepts == Effect::None && !proved[1] {
            found.accepts = Effect::Unknown;
        }
        found
    }

    /// Whether some object of the schemas is closed, so that a property which comes may make it accept more.
    fn is_closed(&self) -> bool {
        let is_closed = |side: &Side<'_>| side.strict.to_string().contains(r#"Properties":false"#);
        is_closed(self.old) || is_closed(self.new)
    }

    fn ways(&self, difference: &Difference) -> Vec<Vec<Step>> {
        let of_side = |side: usize| self.ways[side].to(&difference.definition).iter();
        let all = of_side(1).chain(of_side(0)).map(|way| [way, &difference.steps[..]].concat());
        let mut seen = BTreeSet::new();
        all.filter(|way| seen.insert(way.clone())).collect()
    }

    /// Tries documents until each direction that is not proved empty has its example.
    fn look(&self, difference: &Difference, proved: [bool; 2], found: &mut Found) {
        let advises = difference.advises();
        let wants_formal = difference.property.is_some() || difference.keywords.contains_key("dependentRequired");
        let mut left = MOST_DOCUMENTS;
        for way in self.ways(difference) {
            for base in self.bases_with(&way) {
                for made in self.documents(&way, base, difference) {
                    let done = (proved[0] || found.rejects != Effect::None)
                        && (proved[1] || found.accepts != Effect::None)
                        && (!advises || found.advises.is_some())
                        && (!wants_formal || found.formal.is_some());
                    if done || left == 0 {
                        return;
                    }
                    left -= 1;
                    let is_first = found.is_empty();
                    if self.tell(difference, made, found) && is_first {
                        found.place = shown(&way);
                    }
                }
            }
        }
    }

    /// Judges a document by both; whether they disagree, because of the difference.
    fn tell(&self, difference: &Difference, made: Made, found: &mut Found) -> bool {
        let severities = [self.old, self.new].map(|side| side.judged(&made.document));
        let worse = usize::from(severities[1] > severities[0]);
        if severities[0] == severities[1] {
            return false;
        }
        let side = [self.old, self.new][worse];
        let pointers = difference.telltales(worse);
        let Some(finding) = side.said_at(&pointers, &made.document) else {
            return false;
        };
        let is_formal = self.properties[worse].iter().any(|way| reaches(&made.document, way));
        let example = Example { document: made.document, at: made.at, finding };
        let effect = match (severities[worse], worse) {
            (Some(Severity::Error), _) if is_formal => {
                found.formal.get_or_insert(example);
                return true;
            }
            (Some(Severity::Error), 1) => &mut found.rejects,
            (Some(Severity::Error), _) => &mut found.accepts,
            _ => {
                found.advises.get_or_insert(example);
                return true;
            }
        };
        if *effect == Effect::None {
            *effect = Effect::Example(Box::new(example));
        }
        true
    }

    /// The documents to start from: those that have a value near the way's end, the smallest first, and the smallest
    /// of all.
    fn bases_with(&self, way: &[Step]) -> Vec<&Value> {
        let bases = self.bases();
        let has = |base: &&Value| way.split_last().is_none_or(|(_, parent)| reaches(base, parent));
        let near = bases.iter().filter(has).take(MOST_BASES - 1);
        let mut chosen: Vec<&Value> = bases.iter().take(1).chain(near).collect();
        chosen.dedup();
        chosen
    }

    fn bases(&self) -> &[Value] {
        self.bases.get_or_init(|| {
            let least = [self.old, self.new].map(|side| sample::least(Book(&side.schema), &[&side.schema]));
            let is_right = |it: &Value| [self.old, self.new].iter().all(|side| side.judged(it).is_none());
            let mut right: Vec<(usize, Value)> = self
                .samples
                .iter()
                .cloned()
                .chain(least)
                .filter(is_right)
                .map(|it| (it.to_string().len(), it))
                .collect();
            right.sort_by_key(|(length, _)| *length);
            right.dedup();
            let mut right: Vec<Value> = right.into_iter().map(|(_, it)| it).collect();
            if right.is_empty() {
                right.push(Value::Object(serde_json::Map::new()));
            }
            right
        })
    }

    /// Documents that differ from a base in the value at the end of a way.
    fn documents(&self, way: &[Step], base: &Value, difference: &Difference) -> Vec<Made> {
        let sides = [(&self.new.schema, &difference.anchor[1]), (&self.old.schema, &difference.anchor[0])];
        let said: Vec<(Book<'_>, &Value)> = sides
            .iter()
            .filter_map(|(schema, anchor)| Some((Book(schema), schema.pointer(anchor.as_deref()?)?)))
            .collect();
        let vary = |existing: Option<&Value>| telling(difference, sample::values(&said, existing));
        let placed = said.iter().take(1).flat_map(|(book, _)| placed(*book, &[book.0], Some(base), way, &vary));
        placed.map(|(document, at)| Made { document, at }).collect()
    }

    /// What a rule across properties means that is in force, or weighs, otherwise than before, by the samples.
    pub(super) fn effects_of_rule(&self, id: &RequirementId) -> Found {
        let severities = [self.old, self.new].map(|side| side.severity(id));
        let worse = usize::from(severities[1] > severities[0]);
        let mut found =
            Found { place: String::new(), rejects: Effect::None, accepts: Effect::None, advises: None, formal: None };
        if severities[worse] == Some(Severity::Error) {
            *(if worse == 1 { &mut found.rejects } else { &mut found.accepts }) = Effect::Unknown;
        }
        let rule = rules::of(self.new.kind).find(|it| it.id().as_ref() == Some(id));
        let Some(rule) = rule else { return found };
        let offence = |document: &'a Value| Some((document, (rule.offences)(document).into_iter().next()?));
        let mut offending: Vec<_> = self.samples.iter().filter_map(offence).collect();
        offending.sort_by_key(|(document, _)| document.to_string().len());
        for (document, offence) in offending {
            let judged = [self.old, self.new].map(|side| side.judged(document));
            if judged[worse] <= judged[1 - worse] {
                continue;
            }
            let is_formal = self.properties[worse].iter().any(|way| reaches(document, way));
            let example = Example { document: document.clone(), at: offence.pointer, finding: offence.message };
            match judged[worse] {
                _ if is_formal => {
                    found.formal.get_or_insert(example);
                }
                Some(Severity::Error) => {
                    *(if worse == 1 { &mut found.rejects } else { &mut found.accepts }) =
                        Effect::Example(Box::new(example));
                    return found;
                }
                _ => {
                    found.advises.get_or_insert(example);
                }
            }
        }
        found
    }
}

/// The ways to all places in which two schemas differ by more than a description; none if they are too many to tell.
pub(super) fn touched_ways(old: &Value, new: &Value) -> Option<Vec<Vec<Step>>> {
    let ways = [Ways::every(old)?, Ways::every(new)?];
    let is_used = |definition: &str| ways.iter().all(|it| !it.to(definition).is_empty());
    let differences = difference::between(old, new, &is_used, &|_, _, _| false);
    let mut touched = Vec::new();
    for difference in differences.iter().filter(|it| it.matters()) {
        for of_side in &ways {
            let places = of_side.to(&difference.definition).iter().map(|way| [way, &difference.steps[..]].concat());
            touched.extend(places);
        }
    }
    Some(touched)
}

/// Values, those first that the difference itself speaks of: entries that its lists gained or lost.
fn telling(difference: &Difference, values: Vec<Value>) -> Vec<Value> {
    let lists = difference.keywords.values().flat_map(|both| {
        let [was, is] = both.each_ref().map(|it| it.as_ref().map(listed).unwrap_or_default());
        let gained: Vec<Value> = is.iter().filter(|it| !was.contains(it)).cloned().collect();
        gained.into_iter().chain(was.into_iter().filter(|it| !is.contains(it)).collect::<Vec<_>>()).collect::<Vec<_>>()
    });
    let first: Vec<Value> = lists.filter(|it| values.contains(it)).collect();
    first.into_iter().chain(values).collect()
}

/// The values that a constraint lists, one by one or as a pattern of few texts.
fn listed(constraint: &Value) -> Vec<Value> {
    match constraint {
        Value::Array(all) => all.clone(),
        Value::String(text) => pattern::language(text).into_iter().flatten().map(Value::String).collect(),
        _ => Vec::new(),
    }
}

/// Whether a document has a value at the end of a way.
pub(super) fn reaches(value: &Value, way: &[Step]) -> bool {
    let Some((step, rest)) = way.split_first() else { return true };
    match (step, value) {
        (Step::Member(name), Value::Object(members)) => members.get(name).is_some_and(|it| reaches(it, rest)),
        (Step::Item, Value::Array(items)) => items.iter().any(|it| reaches(it, rest)),
        (Step::At(at), Value::Array(items)) => items.get(*at).is_some_and(|it| reaches(it, rest)),
        (Step::Matching(_) | Step::Other, Value::Object(members)) => members.values().any(|it| reaches(it, rest)),
        (Step::Name, Value::Object(_)) => true,
        _ => false,
    }
}

/// Puts each of the values that `vary` gives at the end of a way into `current`, the value that `of` are about, making
/// what is missing on the way; each with the pointer from there.
fn placed(
    book: Book<'_>,
    of: &[&Value],
    current: Option<&Value>,
    way: &[Step],
    vary: &dyn Fn(Option<&Value>) -> Vec<Value>,
) -> Placed {
    let Some((step, rest)) = way.split_first() else {
        return vary(current).into_iter().map(|it| (it, String::new())).collect();
    };
    let below = book.below(of, step);
    let parent = current.cloned().unwrap_or_else(|| sample::least(book, of));
    let inside = |current: Option<&Value>| placed(book, &below, current, rest, vary);
    match step {
        Step::Item | Step::At(_) => in_list(&parent, step, &inside),
        Step::Name => named(book, of, &parent, vary),
        _ => {
            let name = name(book, of, &parent, step);
            in_object(&parent, &name, &inside)
        }
    }
}

fn in_object(parent: &Value, name: &str, inside: &dyn Fn(Option<&Value>) -> Placed) -> Placed {
    let members = parent.as_object().cloned().unwrap_or_default();
    let all = inside(members.get(name)).into_iter();
    all.map(|(value, rest)| {
        let mut members = members.clone();
        members.insert(name.to_owned(), value);
        (Value::Object(members), format!("/{}{rest}", escaped(name)))
    })
    .collect()
}

/// In place of the whole list first, then behind what is there.
fn in_list(parent: &Value, step: &Step, inside: &dyn Fn(Option<&Value>) -> Placed) -> Placed {
    let entries = parent.as_array().cloned().unwrap_or_default();
    let before = match step {
        Step::At(at) => entries.iter().take(*at).cloned().collect(),
        _ => Vec::new(),
    };
    let mut made = Vec::new();
    for (value, rest) in inside(entries.first()) {
        let mut starts = vec![before.clone()];
        starts.extend((before != entries).then(|| entries.clone()));
        for mut list in starts {
            let at = list.len();
            list.push(value.clone());
            made.push((Value::Array(list), format!("/{at}{rest}")));
        }
    }
    made
}

/// Members with each name that `vary` gives.
fn named(book: Book<'_>, of: &[&Value], parent: &Value, vary: &dyn Fn(Option<&Value>) -> Vec<Value>) -> Placed {
    let names = vary(None).into_iter().filter_map(|it| it.as_str().map(str::to_owned));
    let made = names.map(|name| {
        let mut members = parent.as_object().cloned().unwrap_or_default();
        let value = sample::least(book, &book.below(of, &Step::Member(name.clone())));
        members.insert(name.clone(), value);
        (Value::Object(members), format!("/{}", escaped(&name)))
    });
    made.collect()
}

/// A name for a member that a step is about.
fn name(book: Book<'_>, of: &[&Value], parent: &Value, step: &Step) -> String {
    let described =
        |name: &str| book.all(of).iter().any(|it| it.get("properties").is_some_and(|it| it.get(name).is_some()));
    match step {
        Step::Member(name) => name.clone(),
        Step::Matching(pattern) => pattern::texts(pattern).into_iter().next().unwrap_or_default(),
        _ => {
            let existing = parent.as_object().into_iter().flatten().map(|(name, _)| name).find(|it| !described(it));
            let made = || match &book.below(of, &Step::Name)[..] {
                [] => "other".to_owned(),
                names => sample::least(book, names).as_str().unwrap_or("other").to_owned(),
            };
            existing.cloned().unwrap_or_else(made)
        }
    }
}

fn shown(way: &[Step]) -> String {
    let step = |it: &Step| match it {
        Step::Member(name) => format!("/{}", escaped(name)),
        Step::At(at) => format!("/{at}"),
        Step::Matching(_) | Step::Other | Step::Name | Step::Item => "/*".to_owned(),
    };
    way.iter().map(step).collect()
}
