//! Writes the C header and the declarations that cffi reads, both from the Rust sources of the library.
//!
//! `build.py header` calls it with the library's directory and the directory to write to. It guarantees that the two
//! files declare the same things, that constants are members of unsized enums, and that nothing declared has an enum
//! type. cbindgen translates types and functions; [`constants`] does the constants, which cbindgen would make macros.

mod constants;
mod declarations;

use constants::Group;
use declarations::Declarations;
use std::{error::Error, fs, path::Path, process::ExitCode};

/// The page that the header begins with.
const CONVENTIONS: &str = include_str!("conventions.txt");

const TEST_SECTION: &str = "\
/*
 * Test helpers: streams fed from memory instead of sockets.
 *
 * They are shipped so that programs can be tested without a network. They stand outside the stability promise: any
 * release may change them.
 */";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [library, output] = arguments.as_slice() else {
        eprintln!("usage: header <directory of the library> <directory to write to>");
        return ExitCode::from(2);
    };
    match write(Path::new(library), Path::new(output)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn write(library: &Path, output: &Path) -> Result<(), Box<dyn Error>> {
    let lib = library.join("src/lib.rs");
    let path = library.join("src/abi/constants.rs");
    let source =
        fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let groups =
        constants::read(&source).map_err(|error| format!("{}: {error}", path.display()))?;
    let public = public_header(&groups, &Declarations::generate(&lib, true)?);
    let cffi = cffi_header(&groups, &Declarations::generate(&lib, false)?);
    fs::create_dir_all(output)?;
    fs::write(output.join("barter.h"), public)?;
    fs::write(output.join("barter_cffi.h"), cffi)?;
    Ok(())
}

/// The header for C11 and C++ programs.
fn public_header(groups: &[Group], declarations: &Declarations) -> String {
    let mut parts = vec![
        comment(CONVENTIONS),
        "#ifndef BARTER_H\n#define BARTER_H".to_owned(),
        "#include <stddef.h>\n#include <stdint.h>".to_owned(),
        "#ifdef __cplusplus\nextern \"C\" {\n#endif".to_owned(),
    ];
    parts.extend(groups.iter().map(Group::for_c));
    parts.extend(declarations.stable.iter().cloned());
    parts.push(TEST_SECTION.to_owned());
    parts.extend(declarations.test.iter().cloned());
    parts.push("#ifdef __cplusplus\n}\n#endif".to_owned());
    parts.push("#endif /* BARTER_H */".to_owned());
    parts.join("\n\n") + "\n"
}

/// The same declarations as plain C without a directive, as `cffi.FFI.cdef` takes them.
fn cffi_header(groups: &[Group], declarations: &Declarations) -> String {
    let mut parts = vec![
        "/* The declarations of barter.h for cffi; written by `build.py header`. */".to_owned(),
    ];
    parts.extend(groups.iter().map(Group::for_cffi));
    parts.extend(declarations.stable.iter().cloned());
    parts.extend(declarations.test.iter().cloned());
    parts.join("\n\n") + "\n"
}

fn comment(text: &str) -> String {
    let lines = text
        .lines()
        .map(|line| format!(" * {line}").trim_end().to_owned());
    format!("/*\n{}\n */", lines.collect::<Vec<_>>().join("\n"))
}
