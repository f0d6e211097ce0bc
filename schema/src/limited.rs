//! JSON values as a schema's validator sees them: after so many errors, every list and object ends.
//!
//! A validator gathers all errors before it hands out the first, and each takes a kilobyte and more: those of half a
//! million wrong values, in a document of a few megabytes, would take most of a gigabyte.

use std::borrow::Cow;
use std::cell::Cell;

use jsonschema::JsonType;
use jsonschema::json::{Array, Json, Node, NodeIdentity, Object, SerdeJson};
use serde_json::{Map, Number, Value, map};

/// How many more errors may be made.
pub(crate) struct Left(Cell<usize>);

impl Left {
    pub(crate) fn new(errors: usize) -> Self {
        Self(Cell::new(errors))
    }

    /// Whether so many were made, so that the rest of the document was not looked at.
    pub(crate) fn is_spent(&self) -> bool {
        self.0.get() == 0
    }

    fn take_one(&self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// The representation of which validators are made.
pub(crate) struct Limited;

/// A value of it.
#[derive(Clone, Copy)]
pub(crate) struct Seen<'a> {
    value: &'a Value,
    /// `None` where nothing is counted.
    left: Option<&'a Left>,
}

impl<'a> Seen<'a> {
    /// A document of which only the question is asked whether it is right.
    pub(crate) fn whole(value: &'a Value) -> Self {
        Self { value, left: None }
    }

    /// A document of which no more errors are made than are left.
    pub(crate) fn until(value: &'a Value, left: &'a Left) -> Self {
        Self { value, left: Some(left) }
    }
}

impl Json for Limited {
    type Node<'a> = Seen<'a>;
    type PreparedKey = String;
    type StringBuffer = Value;

    // As for serde_json's own values.
    const KEYS_PER_LOOKUP: usize = SerdeJson::KEYS_PER_LOOKUP;
    const ACYCLIC: bool = SerdeJson::ACYCLIC;

    fn prepare_key(key: &str) -> String {
        key.to_owned()
    }

    fn with_string_node<T>(buffer: &mut Value, string: &str, f: impl FnOnce(Seen<'_>) -> T) -> T {
        match &mut *buffer {
            Value::String(text) => {
                text.clear();
                text.push_str(string);
            }
            other => *other = Value::String(string.to_owned()),
        }
        f(Seen::whole(buffer))
    }
}

impl<'a> Node<'a, Limited> for Seen<'a> {
    type Object = Members<'a>;
    type Array = Entries<'a>;
    type Number = &'a Number;

    fn as_object(&self) -> Option<Members<'a>> {
        Some(Members { members: self.value.as_object()?, left: self.left })
    }

    fn as_array(&self) -> Option<Entries<'a>> {
        Some(Entries { entries: self.value.as_array()?, left: self.left })
    }

    fn as_string(&self) -> Option<Cow<'a, str>> {
        self.value.as_str().map(Cow::Borrowed)
    }

    fn as_number(&self) -> Option<&'a Number> {
        self.value.as_number()
    }

    fn as_boolean(&self) -> Option<bool> {
        self.value.as_bool()
    }

    fn is_null(&self) -> bool {
        self.value.is_null()
    }

    fn json_type(&self) -> JsonType {
        <&Value as Node<'a, SerdeJson>>::json_type(&self.value)
    }

    fn string_length_within(&self, least: u64, most: u64) -> Option<bool> {
        <&Value as Node<'a, SerdeJson>>::string_length_within(&self.value, least, most)
    }

    fn equals_value(&self, expected: &Value) -> bool {
        <&Value as Node<'a, SerdeJson>>::equals_value(&self.value, expected)
    }

    /// Whoever makes an error asks for this, and nobody else.
    fn to_value(&self) -> Cow<'a, Value> {
        if let Some(left) = self.left {
            left.take_one();
        }
        Cow::Borrowed(self.value)
    }

    fn identity(&self) -> Option<NodeIdentity> {
        <&Value as Node<'a, SerdeJson>>::identity(&self.value)
    }
}

/// The members of an object.
pub(crate) struct Members<'a> {
    members: &'a Map<String, Value>,
    left: Option<&'a Left>,
}

impl<'a> Object<'a, Limited> for Members<'a> {
    type Node = Seen<'a>;
    type MemberName = &'a str;
    type MembersIter = Ending<'a, map::Iter<'a>>;

    fn len(&self) -> usize {
        self.members.len()
    }

    fn get(&self, key: &String) -> Option<Seen<'a>> {
        self.members.get(key).map(|value| Seen { value, left: self.left })
    }

    fn members(&self) -> Self::MembersIter {
        Ending { all: self.members.iter(), left: self.left }
    }
}

/// The entries of a list.
pub(crate) struct Entries<'a> {
    entries: &'a [Value],
    left: Option<&'a Left>,
}

impl<'a> Array<'a, Limited> for Entries<'a> {
    type Node = Seen<'a>;
    type ElementsIter = Ending<'a, std::slice::Iter<'a, Value>>;

    fn len(&self) -> usize {
        self.entries.len()
    }

    fn elements(&self) -> Self::ElementsIter {
        Ending { all: self.entries.iter(), left: self.left }
    }

    fn is_unique(&self) -> bool {
        <&[Value] as Array<'a, SerdeJson>>::is_unique(&self.entries)
    }
}

/// What is in a list or an object, as long as errors are left.
pub(crate) struct Ending<'a, I> {
    all: I,
    left: Option<&'a Left>,
}

impl<I> Ending<'_, I> {
    fn has_ended(&self) -> bool {
        self.left.is_some_and(Left::is_spent)
    }
}

impl<'a> Iterator for Ending<'a, map::Iter<'a>> {
    type Item = (&'a str, Seen<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let (name, value) = self.all.next().filter(|_| !self.has_ended())?;
        Some((name, Seen { value, left: self.left }))
    }
}

impl<'a> Iterator for Ending<'a, std::slice::Iter<'a, Value>> {
    type Item = Seen<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let value = self.all.next().filter(|_| !self.has_ended())?;
        Some(Seen { value, left: self.left })
    }
}
