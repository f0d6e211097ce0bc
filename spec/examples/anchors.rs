//! Writes `upstream.tsv` anew from a checkout of upstream's repository:
//!
//! ```text
//! cargo run -p ocf-spec --example anchors -- CHECKOUT TAG > upstream.tsv.new
//! ```
//!
//! Every clause keeps its id and its place; its digest is taken from the checkout. Clauses that are
//! gone, and keywords that have no id yet, are named on standard error, and the exit status is 1.

use std::collections::BTreeMap;
use std::error::Error;
use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use ocf_spec::upstream::{Clause, clauses, digest, scan};

/// Where a keyword stands: file, anchor, keyword and ordinal.
type Place = (String, String, String, usize);

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [checkout, tag] = &arguments[..] else {
        return Err("the arguments are CHECKOUT TAG".into());
    };
    let mut digests = digests(Path::new(checkout))?;
    let mut gone = 0;
    println!("id\tfile\tanchor\tkeyword\tordinal\ttag\tsha256");
    for clause in clauses() {
        match digests.remove(&place(clause)) {
            Some(sha256) => println!("{}", row(clause, tag, &sha256)),
            None => {
                gone += 1;
                eprintln!("gone: {} at {:?}", clause.id, place(clause));
            }
        }
    }
    for place in digests.keys() {
        eprintln!("without an id: {place:?}");
    }
    Ok(ExitCode::from(u8::from(gone > 0 || !digests.is_empty())))
}

/// The digest of the sentence around each keyword of the files that have clauses.
fn digests(checkout: &Path) -> Result<BTreeMap<Place, String>, Box<dyn Error>> {
    let mut files: Vec<&str> = clauses().iter().map(|clause| clause.file).collect();
    files.dedup();
    let mut digests = BTreeMap::new();
    for file in files {
        let path = checkout.join(file);
        let text = fs::read_to_string(&path).map_err(|error| format!("read {}: {error}", path.display()))?;
        for found in scan(&text) {
            let place = (file.to_owned(), found.anchor, found.keyword.to_owned(), found.ordinal);
            digests.insert(place, digest(&found.sentence));
        }
    }
    Ok(digests)
}

fn place(clause: &Clause) -> Place {
    (clause.file.to_owned(), clause.anchor.to_owned(), clause.keyword.to_owned(), clause.ordinal)
}

fn row(clause: &Clause, tag: &str, sha256: &str) -> String {
    let Clause { id, file, anchor, keyword, ordinal, .. } = clause;
    format!("{id}\t{file}\t{anchor}\t{keyword}\t{ordinal}\t{tag}\t{sha256}")
}
