//! The hooks of a config: which there are, when each kind runs by which version of the text, and which of them fail.

use ocf_spec::Version;
use serde_json::Value;

use super::{Offence, objects, strings, text, typed};
use crate::case::{Case, Hook as Program, Step, Verb};

/// The kinds of hooks, in the order in which a life comes to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `prestart`.
    Prestart,
    /// `createRuntime`.
    CreateRuntime,
    /// `createContainer`.
    CreateContainer,
    /// `startContainer`.
    StartContainer,
    /// `poststart`.
    Poststart,
    /// `poststop`.
    Poststop,
}

impl Kind {
    /// All, in order.
    pub const ALL: [Self; 6] = [
        Self::Prestart,
        Self::CreateRuntime,
        Self::CreateContainer,
        Self::StartContainer,
        Self::Poststart,
        Self::Poststop,
    ];

    /// Its name in config.json.
    pub fn word(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "createRuntime",
            Self::CreateContainer => "createContainer",
            Self::StartContainer => "startContainer",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// How the requirements on it begin, after `hooks.`.
    pub fn stem(self) -> &'static str {
        match self {
            Self::Prestart => "prestart",
            Self::CreateRuntime => "create-runtime",
            Self::CreateContainer => "create-container",
            Self::StartContainer => "start-container",
            Self::Poststart => "poststart",
            Self::Poststop => "poststop",
        }
    }

    /// The kind of this name in config.json.
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.word() == word)
    }

    /// Whether it runs in the container's namespaces.
    pub fn is_inside(self) -> bool {
        matches!(self, Self::CreateContainer | Self::StartContainer)
    }

    /// The operation that runs it; none where the version has no such kind, or contradicts itself.
    pub fn operation(self, spec: Version) -> Option<Verb> {
        let since_1_0_2 = spec >= Version::new(1, 0, 2);
        match self {
            Self::Prestart if spec >= Version::new(1, 1, 0) => Some(Verb::Create),
            Self::Prestart if since_1_0_2 => None,
            Self::Prestart => Some(Verb::Start),
            Self::CreateRuntime | Self::CreateContainer => since_1_0_2.then_some(Verb::Create),
            Self::StartContainer => since_1_0_2.then_some(Verb::Start),
            Self::Poststart => Some(Verb::Start),
            Self::Poststop => Some(Verb::Delete),
        }
    }

    /// Whether its failure makes the operation that runs it an error; otherwise all goes on.
    pub fn failure_is_error(self, spec: Version) -> bool {
        match self {
            Self::Poststart => spec >= Version::new(1, 3, 0),
            Self::Poststop => false,
            _ => true,
        }
    }
}

/// One entry of a kind's list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hook {
    /// Its kind.
    pub kind: Kind,
    /// Its place in the kind's list.
    pub index: usize,
    /// `args`, if there are any.
    pub args: Option<Vec<String>>,
    /// `env`, if there is one.
    pub env: Option<Vec<String>>,
    /// Whether it has a `timeout`.
    pub timeout: bool,
}

/// All hooks, in the order in which they run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The hooks.
    pub hooks: Vec<Hook>,
}

/// Reads `hooks`; a wrong type is an invalid value, and the rest of its rules bind the author alone.
pub fn view(config: &Value) -> Result<Option<View>, Offence> {
    if typed(config, "/hooks", "an object", Value::as_object)?.is_none() {
        return Ok(None);
    }
    let mut hooks = Vec::new();
    for kind in Kind::ALL {
        let list = objects(config, &format!("/hooks/{}", kind.word()))?.unwrap_or_default();
        for (index, entry) in list.iter().enumerate() {
            hooks.push(hook(kind, index, entry)?);
        }
    }
    Ok((!hooks.is_empty()).then_some(View { hooks }))
}

fn hook(kind: Kind, index: usize, entry: &Value) -> Result<Hook, Offence> {
    match text(entry, "/path") {
        // A placeholder stands for an absolute path.
        Some(path) if path.starts_with('/') || path.starts_with("${") => {}
        Some(path) => return Err(Offence::authors(format!("{}: the path {path:?} is relative", kind.word()))),
        None => return Err(Offence::authors(format!("{}: a hook has no path", kind.word()))),
    }
    let timeout = typed(entry, "/timeout", "an integer", Value::as_i64)?;
    if timeout.is_some_and(|seconds| seconds <= 0) {
        return Err(Offence::authors(format!("{}: a timeout is not above 0", kind.word())));
    }
    let owned = |words: Vec<&str>| words.into_iter().map(str::to_owned).collect();
    Ok(Hook {
        kind,
        index,
        args: typed(entry, "/args", "an array of strings", strings)?.map(owned),
        env: typed(entry, "/env", "an array of strings", strings)?.map(owned),
        timeout: timeout.is_some(),
    })
}

/// What the harness knows of the program that a hook runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It ends well.
    Well,
    /// It ends with a status that is not 0.
    Badly,
    /// It waits for nobody, so that only its timeout can end it.
    Never,
    /// It is no program of the case's, and nothing of it is known.
    Unknown,
}

/// How the program of a hook ends.
pub fn ending(case: &Case, hook: &Hook) -> Ending {
    match program(case, hook) {
        None => Ending::Unknown,
        Some(program) if program.hold && !is_released(&case.steps(), hook) => Ending::Never,
        Some(program) if program.exit != 0 => Ending::Badly,
        Some(_) => Ending::Well,
    }
}

/// The case's program that a hook runs, if the merge patch says which; a patch replaces lists whole.
pub fn program<'a>(case: &'a Case, hook: &Hook) -> Option<&'a Program> {
    let place = format!("/hooks/{}/{}/path", hook.kind.word(), hook.index);
    let path = case.config.as_ref()?.pointer(&place)?.as_str()?;
    case.hooks.get(path.strip_prefix("${hook:")?.strip_suffix('}')?)
}

fn is_released(steps: &[Step], hook: &Hook) -> bool {
    let place = format!("{}/{}", hook.kind.word(), hook.index);
    steps.iter().any(|step| matches!(step, Step::While(held) if held.hook == place))
}

/// Whether a hook makes this operation an error; none if that is open.
pub fn breaks(case: &Case, config: &Value, verb: Verb, spec: Version) -> Option<bool> {
    let view = match view(config) {
        Ok(Some(view)) => view,
        Ok(None) => return Some(false),
        Err(_) => return None,
    };
    let of_verb = |hook: &&Hook| match hook.kind {
        // Where the text contradicts itself, it may be either.
        Kind::Prestart => matches!(verb, Verb::Create | Verb::Start),
        kind => kind.operation(spec) == Some(verb),
    };
    let mut open = false;
    for hook in view.hooks.iter().filter(of_verb).filter(|hook| hook.kind.failure_is_error(spec)) {
        match ending(case, hook) {
            Ending::Well => {}
            Ending::Badly if hook.kind.operation(spec) == Some(verb) => return Some(true),
            Ending::Badly if hook.kind.operation(spec).is_some() => {}
            Ending::Badly | Ending::Never | Ending::Unknown => open = true,
        }
    }
    (!open).then_some(false)
}

/// Whether a hook of this operation may fail so that all goes on and a warning is due.
pub fn warns(case: &Case, config: &Value, verb: Verb, spec: Version) -> bool {
    let may_fail = |hook: &Hook| {
        hook.kind.operation(spec) == Some(verb)
            && !hook.kind.failure_is_error(spec)
            && ending(case, hook) != Ending::Well
    };
    matches!(view(config), Ok(Some(view)) if view.hooks.iter().any(may_fail))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn when_a_kind_runs_depends_on_the_version() {
        let of = |kind: Kind| [(1, 0, 0), (1, 0, 2), (1, 1, 0)].map(|(a, b, c)| kind.operation(Version::new(a, b, c)));
        assert_eq!(of(Kind::Prestart), [Some(Verb::Start), None, Some(Verb::Create)]);
        assert_eq!(of(Kind::CreateContainer), [None, Some(Verb::Create), Some(Verb::Create)]);
        assert_eq!(of(Kind::Poststop), [Some(Verb::Delete); 3]);
    }

    #[test]
    fn only_a_wrong_type_is_to_be_refused() {
        let refusal = |hooks: Value| view(&json!({ "hooks": hooks })).unwrap_err().refusal;
        assert_eq!(refusal(json!([])), Some("errors.invalid-value"));
        assert_eq!(refusal(json!({"poststop": [{"path": "/x", "args": [1]}]})), Some("errors.invalid-value"));
        assert_eq!(refusal(json!({"poststop": [{"path": "x"}]})), None);
        assert_eq!(refusal(json!({"poststop": [{"path": "/x", "timeout": 0}]})), None);
        assert_eq!(view(&json!({"hooks": {"poststop": []}})), Ok(None));
    }

    #[test]
    fn only_a_hook_that_may_fail_without_an_error_warns() {
        let config = json!({"hooks": {"poststop": [{"path": "${hook:one}"}]}});
        let of = |exit: u8, verb| {
            let document = json!({"about": "x", "config": config, "hooks": {"one": {"exit": exit}}});
            warns(&Case::parse(&document.to_string()).unwrap(), &config, verb, Version::new(1, 0, 2))
        };
        assert!(of(1, Verb::Delete));
        assert!(!of(0, Verb::Delete) && !of(1, Verb::Start));
    }

    #[test]
    fn a_held_program_ends_by_itself_only_if_a_step_lets_it_go() {
        let case = |steps: Value| {
            let config = json!({"hooks": {"poststop": [{"path": "${hook:held}"}, {"path": "/bin/true"}]}});
            let document = json!({"about": "x", "config": config, "hooks": {"held": {"hold": true}}, "steps": steps});
            (Case::parse(&document.to_string()).unwrap(), view(&config).unwrap().unwrap().hooks)
        };
        let (case_without, hooks) = case(json!(["create"]));
        assert_eq!(ending(&case_without, &hooks[0]), Ending::Never);
        assert_eq!(ending(&case_without, &hooks[1]), Ending::Unknown);
        let (released, hooks) =
            case(json!([{"while": {"name": "w", "hook": "poststop/0", "call": "delete", "steps": []}}]));
        assert_eq!(ending(&released, &hooks[0]), Ending::Well);
    }
}
