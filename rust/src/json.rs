//! Reading the JSON of callers. Who asks says what shape it has; what does not fit is an error that names its path.

use crate::status::{Error, Result, Status};
use serde::de::DeserializeOwned;
use serde_json::error::Category;

/// Parses JSON into `T`; what does not fit is an error that names its path.
pub(crate) fn from_json<T: DeserializeOwned>(json: &str) -> Result<T> {
    let mut deserializer = serde_json::Deserializer::from_str(json);
    let parsed = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        let path = error.path().to_string();
        let reason = error.into_inner();
        let message = match reason.classify() {
            Category::Syntax | Category::Eof => format!("malformed JSON: {reason}"),
            _ if path == "." => format!("JSON of another shape: {reason}"),
            _ => format!("{path}: {reason}"),
        };
        Error::new(Status::InvalidJson, message)
    })?;
    deserializer
        .end()
        .map_err(|error| Error::new(Status::InvalidJson, format!("malformed JSON: {error}")))?;
    Ok(parsed)
}
