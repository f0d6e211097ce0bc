//! The binding: what a call asks for. Options come before the arguments.

use std::path::PathBuf;

/// One call, read with leniency: what is missing is missed by whoever needs it.
#[derive(Debug, Default)]
pub struct Call {
    /// All words behind the program's name, to be handed on.
    pub words: Vec<String>,
    /// `create`, `start` …, or an option such as `--version` in a verb's place.
    pub verb: String,
    /// What stands behind the verb and is no option: id, then signal.
    pub arguments: Vec<String>,
    /// `--root`
    pub root: Option<PathBuf>,
    /// `--bundle`; the working directory when left out.
    pub bundle: PathBuf,
    /// `--pid-file`
    pub pid_file: Option<PathBuf>,
    /// `--force`
    pub force: bool,
}

impl Call {
    /// Reads the words behind the program's name.
    pub fn parse(words: &[String]) -> Self {
        let mut call = Self { words: words.to_vec(), bundle: PathBuf::from("."), ..Self::default() };
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            let mut path = || rest.next().map(PathBuf::from);
            match word.as_str() {
                "--root" => call.root = path(),
                "--bundle" => call.bundle = path().unwrap_or_default(),
                "--pid-file" => call.pid_file = path(),
                "--force" => call.force = true,
                _ if call.verb.is_empty() => call.verb = word.clone(),
                _ => call.arguments.push(word.clone()),
            }
        }
        call
    }

    /// Whether it makes a container out of a bundle.
    pub fn takes_a_bundle(&self) -> bool {
        matches!(self.verb.as_str(), "create" | "run")
    }
}
