//! The constants of the C ABI, read from `src/abi/constants.rs` and written as members of unsized enums.
//!
//! The file is read line by line: a blank line ends a group, `//` lines above a group describe it, `///` lines
//! describe a constant, and a constant is one line, `pub const BARTER_NAME: i32 = 1;`. A `pub static` is left to
//! cbindgen. Reading ends at the tests.

use std::fmt::Write as _;

/// Constants that belong together: one enum.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Group {
    comment: Vec<String>,
    constants: Vec<Constant>,
}

#[derive(Debug, PartialEq, Eq)]
struct Constant {
    doc: Vec<String>,
    name: String,
    value: Value,
}

#[derive(Debug, PartialEq, Eq)]
enum Value {
    /// Fits an `int`, as C11 wants of an enum's member.
    Int(i32),
    /// The end of a wider type's range: its name in `stdint.h`, and the number.
    Limit(&'static str, i128),
}

const LIMITS: [(&str, &str, i128); 4] = [
    ("u32::MAX", "UINT32_MAX", u32::MAX as i128),
    ("u64::MAX", "UINT64_MAX", u64::MAX as i128),
    ("i64::MAX", "INT64_MAX", i64::MAX as i128),
    ("i64::MIN", "INT64_MIN", i64::MIN as i128),
];

/// The groups of the file, in its order. An error names the line that is not understood.
pub fn read(source: &str) -> Result<Vec<Group>, String> {
    let mut groups = Vec::new();
    let mut group = Group::default();
    let mut doc = Vec::new();
    let lines = source.lines().map(str::trim).enumerate();
    for (number, line) in lines.take_while(|(_, line)| *line != "#[cfg(test)]") {
        if line.is_empty() {
            close(&mut groups, &mut group);
        } else if let Some(text) = line.strip_prefix("///") {
            doc.push(text.trim().to_owned());
        } else if let Some(declared) = line.strip_prefix("pub const ") {
            let (name, value) = constant(declared).ok_or_else(|| {
                format!(
                    "line {}: not `pub const BARTER_NAME: i32 = 1;`: {line}",
                    number + 1
                )
            })?;
            let doc = std::mem::take(&mut doc);
            group.constants.push(Constant { doc, name, value });
        } else if line.starts_with("pub static ") {
            doc.clear();
        } else if line.starts_with("//!") || line.starts_with('#') {
        } else if let Some(text) = line.strip_prefix("//") {
            group.comment.push(text.trim().to_owned());
        } else {
            return Err(format!("line {}: not a constant: {line}", number + 1));
        }
    }
    close(&mut groups, &mut group);
    Ok(groups)
}

/// A group without a constant is a remark of the file's own and ends nowhere.
fn close(groups: &mut Vec<Group>, group: &mut Group) {
    let group = std::mem::take(group);
    if !group.constants.is_empty() {
        groups.push(group);
    }
}

fn constant(declared: &str) -> Option<(String, Value)> {
    let (name, rest) = declared.split_once(':')?;
    let (_, value) = rest.strip_suffix(';')?.split_once('=')?;
    let value = value.trim();
    let limit = LIMITS.iter().find(|(rust, ..)| *rust == value);
    let value = match limit {
        Some((_, c, number)) => Value::Limit(c, *number),
        None => Value::Int(integer(value)?),
    };
    name.starts_with("BARTER_")
        .then(|| (name.to_owned(), value))
}

fn integer(literal: &str) -> Option<i32> {
    let digits = literal.replace('_', "");
    match digits.strip_prefix("0x") {
        Some(hexadecimal) => i32::from_str_radix(hexadecimal, 16).ok(),
        None => digits.parse().ok(),
    }
}

impl Group {
    /// For a C program, with the descriptions. What no `int` holds cannot be in an enum of C11 and is a macro.
    pub fn for_c(&self) -> String {
        let mut text = String::new();
        match self.comment.as_slice() {
            [] => {}
            lines => writeln!(text, "/* {} */", lines.join("\n * ")).expect("a String takes it"),
        }
        let members = |constant: &&Constant| matches!(constant.value, Value::Int(_));
        if self.constants.iter().any(|constant| members(&constant)) {
            text.push_str("enum {\n");
            for constant in self.constants.iter().filter(members) {
                text.push_str(&constant.described("  "));
                writeln!(text, "  {} = {},", constant.name, constant.number())
                    .expect("a String takes it");
            }
            // C++ of before C++11 and strict C readers dislike a last comma; none is needed.
            text.truncate(text.len() - 2);
            text.push_str("\n};\n");
        }
        for constant in &self.constants {
            if let Value::Limit(limit, _) = constant.value {
                text.push_str(&constant.described(""));
                writeln!(text, "#define {} {limit}", constant.name).expect("a String takes it");
            }
        }
        text.trim_end().to_owned()
    }

    /// For cffi, whose enums hold numbers of any size.
    pub fn for_cffi(&self) -> String {
        let members = self.constants.iter();
        let members =
            members.map(|constant| format!("  {} = {}", constant.name, constant.number()));
        format!("enum {{\n{}\n}};", members.collect::<Vec<_>>().join(",\n"))
    }
}

impl Constant {
    fn number(&self) -> i128 {
        match self.value {
            Value::Int(number) => number.into(),
            Value::Limit(_, number) => number,
        }
    }

    fn described(&self, indent: &str) -> String {
        match self.doc.as_slice() {
            [] => String::new(),
            [line] => format!("{indent}/** {line} */\n"),
            lines => {
                let lines: String = lines
                    .iter()
                    .map(|line| format!("{indent} * {line}\n"))
                    .collect();
                format!("{indent}/**\n{lines}{indent} */\n")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "\
//! The file.

// Which side.
/// Not told.
pub const BARTER_SIDE_NONE: i32 = 0;
pub const BARTER_SIDE_SELL: i32 = -1;

/// A time that is not known.
pub const BARTER_NO_TIME: i64 = i64::MIN;

#[cfg(test)]
mod tests {}
";

    #[test]
    fn a_group_is_one_unsized_enum_with_its_descriptions() {
        let groups = read(SOURCE).unwrap();
        assert_eq!(
            groups[0].for_c(),
            "/* Which side. */\nenum {\n  /** Not told. */\n  BARTER_SIDE_NONE = 0,\n  BARTER_SIDE_SELL = -1\n};"
        );
        assert_eq!(
            groups[0].for_cffi(),
            "enum {\n  BARTER_SIDE_NONE = 0,\n  BARTER_SIDE_SELL = -1\n};"
        );
    }

    #[test]
    fn what_no_int_holds_is_a_macro_for_c_and_a_number_for_cffi() {
        let groups = read(SOURCE).unwrap();
        assert_eq!(groups.len(), 2);
        assert_eq!(
            groups[1].for_c(),
            "/** A time that is not known. */\n#define BARTER_NO_TIME INT64_MIN"
        );
        assert_eq!(
            groups[1].for_cffi(),
            "enum {\n  BARTER_NO_TIME = -9223372036854775808\n};"
        );
    }

    #[test]
    fn a_line_that_is_not_understood_is_named() {
        let error = read("pub const BARTER_A: i32 = 1 + 1;").unwrap_err();
        assert!(error.starts_with("line 1: "), "{error}");
        assert!(read("pub const BARTER_HEX: i32 = 0x1_0000;").is_ok());
        assert!(read("pub const OTHER: i32 = 1;").is_err());
        assert!(read("pub const BARTER_WIDE: i64 = 3000000000;").is_err());
        assert!(read("fn f() {}").is_err());
    }
}
