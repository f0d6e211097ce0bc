//! Steps: named, closed in kind, each with a deadline.

use serde::{Deserialize, Serialize};

use super::{Action, MAIN, Try};

/// One step, written as an object with its kind as the only name, or as the kind's bare word.
///
/// After each step stands a moment of the same name, at which host and witness look.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(from = "Form", into = "Form")]
pub enum Step {
    /// Calls the runtime.
    Call(Call),
    /// Tells the container's witness to end, and waits until the process is gone.
    Exit(Exit),
    /// The host does something.
    Host(Host),
    /// Orders to the witness inside.
    Inside(Inside),
    /// Looks, and does nothing else.
    Observe(Observe),
    /// Waits for a fact.
    Wait(Wait),
    /// Calls that run at the same time.
    Together(Together),
    /// Steps that are taken while a hook of another call is held.
    While(Box<While>),
}

/// The operations of the specification, and what the binding adds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Query state.
    #[default]
    State,
    /// Create.
    Create,
    /// Start.
    Start,
    /// Kill.
    Kill,
    /// Delete.
    Delete,
    /// Create, start, wait, delete.
    Run,
    /// What the runtime implements.
    Features,
    /// Raw arguments, nothing added but the adapter's global flags.
    Raw,
}

/// A call of the runtime.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The step's name; the verb's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Which operation; in a file this is the name of the step's object.
    #[serde(skip)]
    pub verb: Verb,
    /// The container.
    #[serde(default = "main", skip_serializing_if = "is_main")]
    pub container: String,
    /// For create and run: the bundle's directory, when it is not the case's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// For kill: the signal as the runtime is told it; TERM when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<String>,
    /// For delete: whether with `--force`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
    /// For raw: the arguments after the global flags.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub arguments: Vec<String>,
    /// Seconds until the call is killed; the run's when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u32>,
}

/// The end of a container's own process.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Exit {
    /// The step's name; `exit` when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The container.
    #[serde(default = "main", skip_serializing_if = "is_main")]
    pub container: String,
    /// The exit status to end with.
    #[serde(default)]
    pub code: u8,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u32>,
}

/// A deed of the host.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The step's name.
    pub name: String,
    /// What it does.
    pub does: Vec<Action>,
}

/// Orders to the witness that stays inside.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Inside {
    /// The step's name.
    pub name: String,
    /// The container.
    #[serde(default = "main", skip_serializing_if = "is_main")]
    pub container: String,
    /// What it is told, in order.
    pub orders: Vec<Order>,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u32>,
}

/// One order.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Order {
    /// Tries something; the answer lies at `/inside/STEP/NAME`.
    Ask {
        /// The answer's name.
        name: String,
        /// What.
        #[serde(rename = "try")]
        what: Try,
    },
    /// Installs a handler that writes `signal NAME` into the journal, and goes on.
    Handle(String),
    /// Starts a child that sleeps until the container ends.
    Spawn {},
    /// Ignores this signal, a name with SIG.
    Ignore(String),
    /// Blocks this signal, a name with SIG.
    Block(String),
    /// Joins the session keyring of this name, or makes it.
    Keyring(String),
}

/// A look without a deed.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Observe {
    /// The step's name.
    pub name: String,
    /// Paths of the host whose kind, owner and text are taken, besides the usual facts; of a network namespace's file the
    /// devices in it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
}

/// A wait for a fact.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Wait {
    /// The step's name.
    pub name: String,
    /// For what.
    pub until: WaitFor,
    /// Seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline: Option<u32>,
}

/// What can be waited for.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WaitFor {
    /// A record in the journal, by its label, as in `/journal`.
    Journal(String),
    /// The end of a container's process.
    Gone(String),
    /// A path of the host that is there.
    Path(String),
}

/// Calls at the same time.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Together {
    /// The step's name.
    pub name: String,
    /// Steps, of which each must be a call; all are started, then all are waited for.
    pub steps: Vec<Step>,
}

/// Steps while a hook is held.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct While {
    /// The step's name.
    pub name: String,
    /// The held hook, as `KIND/N`; its program must have `hold`.
    pub hook: String,
    /// The call that comes to the hook.
    pub call: Step,
    /// What is done meanwhile.
    pub steps: Vec<Step>,
}

impl Step {
    /// `create start exit delete`.
    pub fn plain_life() -> Vec<Self> {
        vec![
            Self::plain(Verb::Create),
            Self::plain(Verb::Start),
            Self::Exit(Exit::default()),
            Self::plain(Verb::Delete),
        ]
    }

    /// A call of `verb` on the main container, nothing special about it.
    pub fn plain(verb: Verb) -> Self {
        Self::Call(Call { verb, container: main(), ..Call::default() })
    }

    /// The step's name.
    pub fn name(&self) -> String {
        match self {
            Self::Call(call) => call.name.clone().unwrap_or_else(|| call.verb.word().to_owned()),
            Self::Exit(exit) => exit.name.clone().unwrap_or_else(|| "exit".to_owned()),
            Self::Host(Host { name, .. })
            | Self::Inside(Inside { name, .. })
            | Self::Observe(Observe { name, .. })
            | Self::Wait(Wait { name, .. })
            | Self::Together(Together { name, .. }) => name.clone(),
            Self::While(held) => held.name.clone(),
        }
    }

    /// Its name and the names of the steps in it.
    pub fn names(&self) -> Vec<String> {
        let mut names = vec![self.name()];
        match self {
            Self::Together(together) => names.extend(together.steps.iter().flat_map(Self::names)),
            Self::While(held) => {
                names.extend(held.call.names());
                names.extend(held.steps.iter().flat_map(Self::names));
            }
            _ => {}
        }
        names
    }
}

impl Step {
    /// The calls in it, in the order in which they are written.
    pub fn calls(&self) -> Box<dyn Iterator<Item = &Call> + '_> {
        match self {
            Self::Call(call) => Box::new(std::iter::once(call)),
            Self::Together(together) => Box::new(together.steps.iter().flat_map(Self::calls)),
            Self::While(held) => Box::new(held.call.calls().chain(held.steps.iter().flat_map(Self::calls))),
            _ => Box::new(std::iter::empty()),
        }
    }

    /// The containers that it speaks of.
    pub fn containers(&self) -> Vec<String> {
        match self {
            Self::Exit(exit) => vec![exit.container.clone()],
            Self::Inside(inside) => vec![inside.container.clone()],
            Self::While(held) => {
                let steps = held.steps.iter().flat_map(Self::containers);
                held.call.containers().into_iter().chain(steps).collect()
            }
            other => other.calls().map(|call| call.container.clone()).collect(),
        }
    }
}

impl Verb {
    /// The word by which files and adapters call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::State => "state",
            Self::Create => "create",
            Self::Start => "start",
            Self::Kill => "kill",
            Self::Delete => "delete",
            Self::Run => "run",
            Self::Features => "features",
            Self::Raw => "raw",
        }
    }
}

impl Default for Exit {
    fn default() -> Self {
        Self { name: None, container: main(), code: 0, deadline: None }
    }
}

/// A step as a file writes it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(untagged, expecting = "a step: a bare word such as \"create\", or {KIND: {…}} with a known kind and fields")]
enum Form {
    Word(Word),
    Kind(Kind),
}

#[derive(Clone, Copy, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Word {
    State,
    Create,
    Start,
    Kill,
    Delete,
    Run,
    Features,
    Exit,
}

#[derive(Clone, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    State(Call),
    Create(Call),
    Start(Call),
    Kill(Call),
    Delete(Call),
    Run(Call),
    Features(Call),
    Raw(Call),
    Exit(Exit),
    Host(Host),
    Inside(Inside),
    Observe(Observe),
    Wait(Wait),
    Together(Together),
    While(Box<While>),
}

impl From<Form> for Step {
    fn from(form: Form) -> Self {
        let call = |call: Call, verb| Self::Call(Call { verb, ..call });
        match form {
            Form::Word(Word::State) => Self::plain(Verb::State),
            Form::Word(Word::Create) => Self::plain(Verb::Create),
            Form::Word(Word::Start) => Self::plain(Verb::Start),
            Form::Word(Word::Kill) => Self::plain(Verb::Kill),
            Form::Word(Word::Delete) => Self::plain(Verb::Delete),
            Form::Word(Word::Run) => Self::plain(Verb::Run),
            Form::Word(Word::Features) => Self::plain(Verb::Features),
            Form::Word(Word::Exit) => Self::Exit(Exit::default()),
            Form::Kind(Kind::State(c)) => call(c, Verb::State),
            Form::Kind(Kind::Create(c)) => call(c, Verb::Create),
            Form::Kind(Kind::Start(c)) => call(c, Verb::Start),
            Form::Kind(Kind::Kill(c)) => call(c, Verb::Kill),
            Form::Kind(Kind::Delete(c)) => call(c, Verb::Delete),
            Form::Kind(Kind::Run(c)) => call(c, Verb::Run),
            Form::Kind(Kind::Features(c)) => call(c, Verb::Features),
            Form::Kind(Kind::Raw(c)) => call(c, Verb::Raw),
            Form::Kind(Kind::Exit(exit)) => Self::Exit(exit),
            Form::Kind(Kind::Host(host)) => Self::Host(host),
            Form::Kind(Kind::Inside(inside)) => Self::Inside(inside),
            Form::Kind(Kind::Observe(observe)) => Self::Observe(observe),
            Form::Kind(Kind::Wait(wait)) => Self::Wait(wait),
            Form::Kind(Kind::Together(together)) => Self::Together(together),
            Form::Kind(Kind::While(held)) => Self::While(held),
        }
    }
}

impl From<Step> for Form {
    fn from(step: Step) -> Self {
        Self::Kind(match step {
            Step::Call(call) => match call.verb {
                Verb::State => Kind::State(call),
                Verb::Create => Kind::Create(call),
                Verb::Start => Kind::Start(call),
                Verb::Kill => Kind::Kill(call),
                Verb::Delete => Kind::Delete(call),
                Verb::Run => Kind::Run(call),
                Verb::Features => Kind::Features(call),
                Verb::Raw => Kind::Raw(call),
            },
            Step::Exit(exit) => Kind::Exit(exit),
            Step::Host(host) => Kind::Host(host),
            Step::Inside(inside) => Kind::Inside(inside),
            Step::Observe(observe) => Kind::Observe(observe),
            Step::Wait(wait) => Kind::Wait(wait),
            Step::Together(together) => Kind::Together(together),
            Step::While(held) => Kind::While(held),
        })
    }
}

pub(super) fn main() -> String {
    MAIN.to_owned()
}

pub(super) fn is_main(name: &str) -> bool {
    name == MAIN
}
