//! The program text: one instruction a line, words separated by one space, each percent-encoded.

/// A parsed program text.
pub struct Program {
    /// 16 hexadecimal digits which the harness chose for this copy.
    pub nonce: String,
    /// Who this copy is, in the journal.
    pub writer: String,
    /// Where the journal is.
    pub journal: Place,
    /// The decoded words of each instruction.
    pub instructions: Vec<Vec<String>>,
}

/// Where the journal is.
pub enum Place {
    File(String),
    Descriptor(i32),
}

impl Program {
    /// Parses the text: the lines `nonce`, `writer` and `journal`, then the instructions.
    pub fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let nonce = header(lines.next()?, "nonce")?;
        let writer = header(lines.next()?, "writer")?;
        let journal = match &instruction(lines.next()?)?[..] {
            [word, kind, path] if word == "journal" && kind == "file" => Place::File(path.clone()),
            [word, kind, number] if word == "journal" && kind == "fd" => Place::Descriptor(number.parse().ok()?),
            _ => return None,
        };
        let instructions = lines.map(instruction).collect::<Option<_>>()?;
        Some(Self { nonce, writer, journal, instructions })
    }
}

/// The decoded words of one line; none if a word is not encoded as it has to be.
pub fn instruction(line: &str) -> Option<Vec<String>> {
    line.split(' ').map(decode).collect()
}

fn header(line: &str, name: &str) -> Option<String> {
    match &instruction(line)?[..] {
        [word, value] if word == name => Some(value.clone()),
        _ => None,
    }
}

/// Decodes one word: `%XX` is a byte, a lone `%` the empty word.
fn decode(word: &str) -> Option<String> {
    if word == "%" {
        return Some(String::new());
    }
    let mut bytes = Vec::with_capacity(word.len());
    let mut rest = word.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        if first != b'%' {
            bytes.push(first);
            continue;
        }
        let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        rest = &rest[2..];
    }
    (!bytes.is_empty()).then(|| String::from_utf8(bytes).ok()).flatten()
}
