//! JSON values, as far as the witness writes them; it reads none.

use std::fmt::Write;
use std::io;

use crate::errno;

/// A value of a fact.
#[derive(Clone)]
pub enum Value {
    Bool(bool),
    /// Wide enough for every number that the kernel tells.
    Number(i128),
    Text(String),
    List(Vec<Value>),
    Object(Vec<(String, Value)>),
    /// Short JSON text from a child, which wrote it by this same module.
    Json(String),
}

impl Value {
    pub fn text(text: &str) -> Self {
        Self::Text(text.to_owned())
    }

    /// A text; `{"hex": …}` for what is no UTF-8.
    pub fn bytes(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::text(text),
            Err(_) => Self::object([("hex", Self::Text(hex(bytes)))]),
        }
    }

    pub fn object<const N: usize>(fields: [(&str, Self); N]) -> Self {
        Self::Object(fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
    }

    /// A listing from which nothing is missing; the mark comes last, so that half a listing never has it.
    pub fn complete(mut fields: Vec<(String, Self)>) -> Self {
        fields.push(("$complete".to_owned(), Self::Bool(true)));
        Self::Object(fields)
    }

    pub fn names<'a>(names: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(names.into_iter().map(Self::text).collect())
    }

    /// What can't be had, and why.
    pub fn unreadable(error: &io::Error) -> Self {
        Self::object([("$unreadable", Self::Text(errno::name(error)))])
    }

    /// What the kernel refused when it was asked: complete, so that what an answer would have held is known to be absent.
    pub fn error(error: &io::Error) -> Self {
        Self::complete(vec![("error".to_owned(), Self::Text(errno::name(error)))])
    }

    /// The JSON text.
    pub fn json(&self) -> String {
        let mut json = String::new();
        self.write(&mut json);
        json
    }

    fn write(&self, json: &mut String) {
        match self {
            Self::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
            Self::Number(value) => json.push_str(&value.to_string()),
            Self::Text(text) => quote(json, text),
            Self::List(items) => {
                json.push('[');
                for (index, item) in items.iter().enumerate() {
                    json.push_str(if index == 0 { "" } else { "," });
                    item.write(json);
                }
                json.push(']');
            }
            Self::Object(fields) => {
                json.push('{');
                for (index, (name, value)) in fields.iter().enumerate() {
                    json.push_str(if index == 0 { "" } else { "," });
                    quote(json, name);
                    json.push(':');
                    value.write(json);
                }
                json.push('}');
            }
            Self::Json(text) => json.push_str(text),
        }
    }
}

macro_rules! numbers {
    ($($number:ty)*) => {$(
        impl From<$number> for Value {
            fn from(number: $number) -> Self {
                Self::Number(number.into())
            }
        }
    )*};
}

numbers!(u8 u16 i32 u32 i64 u64);

impl From<io::Result<Value>> for Value {
    fn from(result: io::Result<Value>) -> Self {
        result.unwrap_or_else(|error| Self::unreadable(&error))
    }
}

/// Writes `text` as a JSON string.
pub fn quote(json: &mut String, text: &str) {
    json.push('"');
    for character in text.chars() {
        escape(json, character);
    }
    json.push('"');
}

/// Writes one character as it stands inside a JSON string.
pub fn escape(json: &mut String, character: char) {
    match character {
        '"' => json.push_str("\\\""),
        '\\' => json.push_str("\\\\"),
        '\n' => json.push_str("\\n"),
        '\t' => json.push_str("\\t"),
        // DEL too, so that a record is safe to show on a terminal.
        '\0'..='\x1f' | '\x7f' => _ = write!(json, "\\u{:04x}", u32::from(character)),
        _ => json.push(character),
    }
}

/// A name as the next part of a JSON pointer (RFC 6901).
pub fn pointer(name: &str) -> String {
    format!("/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// A file's name as a name in an object; `$hex:` and digits for what is no UTF-8.
pub fn field(bytes: &[u8]) -> String {
    std::str::from_utf8(bytes).map_or_else(|_| format!("$hex:{}", hex(bytes)), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut digits, byte| {
        _ = write!(digits, "{byte:02x}");
        digits
    })
}
