//! Types and functions, translated by cbindgen from the library's sources and sorted into what is promised to stay
//! and the test helpers. Sources are followed from `lib.rs`; neither Cargo nor a network is asked.

use cbindgen::{Builder, Config, DocumentationStyle, ItemType, Language, Layout, Style};
use std::{collections::HashMap, path::Path};

/// One text an item, in the order of the sources.
pub struct Declarations {
    /// Covered by the stability promise.
    pub stable: Vec<String>,
    /// The `barter_test_*` functions and what only they use.
    pub test: Vec<String>,
}

impl Declarations {
    /// Translates the crate whose root is `lib`, with or without its documentation.
    pub fn generate(lib: &Path, documentation: bool) -> Result<Self, cbindgen::Error> {
        let mut config = Config {
            language: Language::C,
            style: Style::Type,
            usize_is_size_t: true,
            documentation,
            documentation_style: DocumentationStyle::Doxy,
            no_includes: true,
            line_length: 120,
            tab_width: 2,
            ..Config::default()
        };
        config.function.args = Layout::Auto;

        let all = translate(lib, &config)?;
        let lengths = macros(&all);
        config.export.rename = type_names(&all);
        config.export.item_types = vec![
            ItemType::Enums,
            ItemType::Structs,
            ItemType::Unions,
            ItemType::Typedefs,
            ItemType::OpaqueItems,
            ItemType::Functions,
            ItemType::Globals,
        ];
        let text = for_c_readers(&with_lengths(
            &snake_case(&translate(lib, &config)?),
            &lengths,
        ));
        let (test, stable) = items(&text)
            .into_iter()
            .partition(|item| is_test_helper(item));
        Ok(Self { stable, test })
    }
}

fn translate(lib: &Path, config: &Config) -> Result<String, cbindgen::Error> {
    let mut text = Vec::new();
    Builder::new()
        .with_config(config.clone())
        .with_src(lib)
        .generate()?
        .write(&mut text);
    Ok(String::from_utf8(text).expect("cbindgen writes UTF-8"))
}

/// cbindgen separates items by blank lines and has none inside one.
fn items(text: &str) -> Vec<String> {
    text.split("\n\n")
        .map(|item| item.trim().to_owned())
        .filter(|item| !item.is_empty())
        .collect()
}

fn is_test_helper(item: &str) -> bool {
    let code = item
        .lines()
        .filter(|line| !line.trim_start().starts_with(['*', '/']));
    code.flat_map(identifiers)
        .any(|(_, word)| word.starts_with("barter_test_"))
}

/// The integer constants that an array's length may be written with: the ABI's own stand in enums, others are not
/// part of the header, so their numbers take the place of their names.
fn macros(text: &str) -> HashMap<String, String> {
    let defined = text
        .lines()
        .filter_map(|line| line.strip_prefix("#define "));
    defined
        .filter_map(|line| line.split_once(' '))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn with_lengths(text: &str, lengths: &HashMap<String, String>) -> String {
    lengths.iter().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("[{name}]"), &format!("[{value}]"))
    })
}

/// Comments of one line on one line, and Rust's heading of what a caller must hold in words of C.
fn for_c_readers(text: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in text.replace("* # Safety\n * ", "* Requires: ").lines() {
        let comment = match lines.as_slice() {
            [.., start, text] if start.trim() == "/**" && line.trim() == "*/" => {
                Some((start, text))
            }
            _ => None,
        };
        if let Some((start, text)) = comment {
            let words = text.trim().trim_start_matches('*').trim();
            let comment = format!("{start} {words} */");
            lines.truncate(lines.len() - 2);
            lines.push(comment);
        } else {
            lines.push(line.to_owned());
        }
    }
    lines.join("\n")
}

/// `BarterEvent` in Rust is `barter_event` in C.
fn type_names(text: &str) -> HashMap<String, String> {
    let words = identifiers(text).filter(|(_, word)| is_type(word));
    words
        .map(|(_, word)| (word.to_owned(), snake(word)))
        .collect()
}

fn snake_case(text: &str) -> String {
    let mut renamed = String::with_capacity(text.len());
    let mut end = 0;
    for (start, word) in identifiers(text).filter(|(_, word)| is_type(word)) {
        renamed.push_str(&text[end..start]);
        renamed.push_str(&snake(word));
        end = start + word.len();
    }
    renamed + &text[end..]
}

fn is_type(word: &str) -> bool {
    word.strip_prefix("Barter")
        .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_uppercase()))
}

fn snake(word: &str) -> String {
    let mut snake = String::new();
    for (index, c) in word.char_indices() {
        if c.is_ascii_uppercase() && index > 0 {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}

/// Every word of letters, digits and underscores, and where it begins.
fn identifiers(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let base = text.as_ptr() as usize;
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
        .map(move |word| (word.as_ptr() as usize - base, word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_get_the_names_of_c_in_code_and_comments() {
        assert_eq!(
            snake_case("/* see BarterL1 */ BarterTradeId Barter"),
            "/* see barter_l1 */ barter_trade_id Barter"
        );
    }

    #[test]
    fn a_helper_is_told_by_its_code_not_by_its_comment() {
        assert!(is_test_helper(
            "/**\n * Doc.\n */\nint barter_test_push(int a);"
        ));
        assert!(!is_test_helper(
            "/**\n * Not barter_test_push.\n */\nint barter_version(void);"
        ));
    }

    #[test]
    fn a_comment_of_one_line_stands_on_one_line() {
        assert_eq!(
            for_c_readers("  /**\n   * Zero.\n   */\n  int a;"),
            "  /** Zero. */\n  int a;"
        );
        let longer = "/**\n * One.\n * Two.\n */";
        assert_eq!(for_c_readers(longer), longer);
        let safety = "/**\n * Waits.\n *\n * # Safety\n * `out` is valid.\n */";
        assert_eq!(
            for_c_readers(safety),
            "/**\n * Waits.\n *\n * Requires: `out` is valid.\n */"
        );
    }

    #[test]
    fn a_length_by_name_becomes_its_number() {
        let lengths = macros("#define LEN 40\n");
        assert_eq!(
            with_lengths("uint8_t id[LEN];", &lengths),
            "uint8_t id[40];"
        );
    }
}
