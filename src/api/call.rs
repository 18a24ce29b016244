//! A call of the API as a value.

use reqwest::Method;
use serde_json::{Value, json};

use super::refusal::Class;

/// A request that can be sent several times.
#[derive(Clone)]
pub(super) struct Call {
    /// The name in the reference.
    pub name: &'static str,
    pub class: Class,
    pub method: Method,
    /// Segments below the API's base URL. The transport escapes them.
    pub path: Vec<String>,
    pub query: Vec<(&'static str, String)>,
    pub body: Option<Value>,
}

fn call(name: &'static str, class: Class, method: Method, path: &[&str]) -> Call {
    let path = ["v1"].iter().chain(path).map(|&it| it.to_owned()).collect();
    Call { name, class, method, path, query: Vec::new(), body: None }
}

pub(super) fn get<const N: usize>(name: &'static str, path: [&str; N]) -> Call {
    call(name, Class::Read, Method::GET, &path)
}

pub(super) fn post<const N: usize>(name: &'static str, path: [&str; N], body: Value) -> Call {
    Call { body: Some(body), ..call(name, Class::Write, Method::POST, &path) }
}

pub(super) fn delete<const N: usize>(name: &'static str, path: [&str; N]) -> Call {
    call(name, Class::Read, Method::DELETE, &path)
}

/// Patches one field. The mask names the field as the body does.
pub(super) fn patch<const N: usize>(
    name: &'static str,
    path: [&str; N],
    field: &'static str,
    value: &str,
) -> Call {
    let query = vec![("updateMask", field.to_owned())];
    Call {
        query,
        body: Some(json!({field: value})),
        ..call(name, Class::Write, Method::PATCH, &path)
    }
}
