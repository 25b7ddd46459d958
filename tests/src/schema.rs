//! `docs/schema.json` against documents of the program, by python3-jsonschema.

use std::collections::BTreeSet;
use std::fs;

use serde_json::{Value, json};

use crate::{tool, tree};

/// Reads the schema and a list of `{"name", "document"}`; prints a line for each thing that is wrong.
const JUDGE: &str = "
import json, sys
from jsonschema import Draft202012Validator as Judge
schema, cases = [json.load(open(path)) for path in sys.argv[1:]]
Judge.check_schema(schema)
for case in cases:
    part = dict(schema, **{'$ref': '#/$defs/' + case['name']})
    whole = Judge(schema).is_valid(case['document']) or case['name'] == 'entry'
    for error in Judge(part).iter_errors(case['document']):
        print(case['name'] + ':', list(error.absolute_path), error.message)
    if not whole:
        print(case['name'] + ': the schema as a whole does not know it')
";

/// Documents with the names of what they must be.
#[derive(Debug, Default)]
pub struct Cases(Vec<(String, Value)>);

impl Cases {
    /// One more.
    pub fn add(&mut self, name: &str, document: Value) {
        self.0.push((name.to_owned(), document));
    }

    /// The names that are there.
    #[must_use]
    pub fn names(&self) -> BTreeSet<&str> {
        self.0.iter().map(|(name, _)| name.as_str()).collect()
    }

    /// What the schema says against them, a line each.
    ///
    /// # Panics
    /// Where python3 or its jsonschema is missing.
    #[must_use]
    pub fn faults(&self) -> String {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let path = folder.path().join("cases.json");
        let cases: Vec<Value> =
            self.0.iter().map(|(name, document)| json!({"name": name, "document": document})).collect();
        fs::write(&path, Value::from(cases).to_string()).expect("the temporary folder can be written");
        let schema = tree::root().join("docs/schema.json");
        let [schema, path] = [&schema, &path].map(|path| path.to_str().expect("paths of tests are UTF-8"));
        tool::run("python3", &["-c", JUDGE, schema, path])
    }
}

/// The schema.
///
/// # Panics
/// Where it is no JSON.
#[must_use]
pub fn read() -> Value {
    let text = fs::read_to_string(tree::root().join("docs/schema.json")).expect("the schema is there");
    serde_json::from_str(&text).expect("the schema is JSON")
}
