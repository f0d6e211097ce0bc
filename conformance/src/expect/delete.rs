//! What delete takes away, and when it must not.

use super::{Expectation, Subject, errors};
use crate::case::{Order, Step, Verb};
use crate::view::lifecycle::{Operation, Outcome};

/// The laws.
pub fn expect(subject: &Subject<'_>) -> Vec<Expectation> {
    subject.operations_of(Verb::Delete).iter().flat_map(|delete| of(subject, delete)).collect()
}

fn of(subject: &Subject<'_>, delete: &Operation<'_>) -> Vec<Expectation> {
    match delete.outcome {
        Outcome::Error(requirement) => errors::demanded(requirement, subject, delete),
        Outcome::Success if delete.provoked.is_none() && delete.alone && !delete.crowded && !spawns(subject) => {
            errors::nothing_there("delete.removes-created-resources", subject, &delete.name)
        }
        _ => Vec::new(),
    }
}

/// A process that the container made later is no resource of the create operation.
fn spawns(subject: &Subject<'_>) -> bool {
    subject.steps.iter().any(|step| {
        matches!(step, Step::Inside(inside) if inside.orders.iter().any(|order| matches!(order, Order::Spawn {})))
    })
}
