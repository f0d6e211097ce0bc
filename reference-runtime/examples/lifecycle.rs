//! Creates a container from a bundle, starts it, runs a second program in it, ends it and removes it:
//!
//! ```sh
//! cargo run --example lifecycle -- /tmp/example reference-runtime/examples/bundle
//! ```

use ocf_runtime::config;
use ocf_runtime::engine::exec;
use ocf_runtime::error::{Error, Result};
use ocf_runtime::lifecycle::{self, Request};
use serde_json::json;

fn main() -> Result<()> {
    // First of all: from here on no container can reach this program's file.
    ocf_runtime::own_program::seal()?;
    let mut arguments = std::env::args().skip(1);
    let (Some(root), Some(bundle)) = (arguments.next(), arguments.next()) else {
        return Err(Error::new("usage: lifecycle ROOT BUNDLE"));
    };
    let request = Request::new(root, "example".parse()?, bundle);

    let created = lifecycle::create(&request)?;
    println!("created {}", created.alive().state()?.id);

    let running = match created.start() {
        Ok(running) => running,
        // A program that can't be executed leaves the container as it was, a hook that fails takes it along.
        Err(failed) => {
            lifecycle::remove(&request.root, &request.id)?;
            return Err(failed.error);
        }
    };
    let process = json!({ "args": ["cat", "/greeting"], "env": ["PATH=/usr/bin:/bin"], "cwd": "/" });
    let second = running.alive().exec(&exec::Request::new(config::parse_process(&process)?))?;
    println!("the second program exits with {}", second.wait()?);

    running.alive().kill("KILL".parse()?)?;
    let stopped = running.wait()?;
    println!("the first one ended with {:?}", stopped.exit_status());
    stopped.delete()
}
