//! Runtimes that are none, to show that the suite can fail: each is wrong in one way, and acts by its file's name.
//!
//! They speak the suite's binding. Those that lean on a real runtime find it in `STAND_IN_RUNTIME`, the version that a base
//! bundle has in `STAND_IN_SPEC`, and the place of the property that one of them refuses in `STAND_IN_REFUSES`.

mod borrowed;
mod call;
mod chrooted;
mod container;
mod hostile;
mod machine;
mod naive;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use call::Call;

/// What went wrong: what was being done to what, for stderr.
type Failure = String;

/// A stand-in: what it does with a call.
type Act = fn(&Call) -> Result<ExitCode, Failure>;

/// All stand-ins, by their files' names.
const STAND_INS: &[(&str, Act)] = &[
    ("true", |_| Ok(ExitCode::SUCCESS)),
    ("false", |_| Ok(ExitCode::FAILURE)),
    ("sleeps", |_| hostile::sleep()),
    ("floods", |_| hostile::flood()),
    ("state-machine", |call| machine::act(call, &machine::Nothing)),
    ("chroot-only", |call| machine::act(call, &chrooted::Chrooted)),
    ("naive", |call| machine::act(call, &naive::Naive)),
    ("accepts-everything", borrowed::accept_everything),
    ("base-only", borrowed::refuse_all_but_the_base),
    ("base-always", borrowed::give_the_base_instead),
    ("refuses-a-property", borrowed::refuse_a_property),
    ("leaves-a-daemon", hostile::leave_a_daemon),
    ("freezes-itself", hostile::freeze),
    ("fills-the-disk", |_| hostile::fill_the_disk()),
];

fn main() -> ExitCode {
    let words: Vec<String> = env::args().collect();
    let name = words.first().and_then(|word| Path::new(word).file_name()?.to_str()).unwrap_or_default();
    let Some((_, act)) = STAND_INS.iter().find(|(known, _)| *known == name) else {
        eprintln!("{name}: no stand-in has this name");
        return ExitCode::from(2);
    };
    act(&Call::parse(&words[1..])).unwrap_or_else(|why| {
        eprintln!("{name}: {why}");
        ExitCode::FAILURE
    })
}
