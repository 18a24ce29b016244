//! A JSON request on its way to a method, and the method's answer.

use axum::http::StatusCode;
use serde_json::Value;

use super::mask::Schema;
use crate::account::Account;
use crate::call::Call;
use crate::faults::Faults;

/// A JSON request that the middleware has let in.
pub(crate) struct ApiRequest {
    pub(crate) call: Call,
    pub(crate) account: Account,
    /// The id in the path; empty if the method has none.
    pub(crate) id: String,
    /// Query parameters but for the standard ones.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) body: Value,
    pub(crate) faults: Faults,
}

/// A method's answer and its message type.
pub(crate) struct ApiAnswer {
    pub(crate) http: StatusCode,
    pub(crate) value: Value,
    pub(crate) schema: &'static Schema,
}

impl ApiAnswer {
    pub(crate) fn ok(value: Value, schema: &'static Schema) -> ApiAnswer {
        ApiAnswer { http: StatusCode::OK, value, schema }
    }
}
