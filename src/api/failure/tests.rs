use super::*;

fn refused(class: Class, status: u16, body: &str) -> Error {
    Error::Refused(Box::new(Refusal::read(
        "albums.create",
        class,
        status,
        true,
        body.as_bytes(),
        None,
    )))
}

fn message(class: Class, status: u16, message: &str) -> Error {
    refused(
        class,
        status,
        &serde_json::json!({"error": {"code": status, "message": message}}).to_string(),
    )
}

#[test]
fn each_class_of_failure_has_its_advice() {
    let retry = Advice::Retry { after: None };
    for (status, class, text, advice) in [
        (500, Class::Write, "Internal error encountered.", retry),
        (503, Class::Read, "", retry),
        (509, Class::Read, "", retry),
        (409, Class::Write, "The operation was aborted.", retry),
        (302, Class::Read, "", retry),
        (400, Class::Write, "Request must contain a valid upload token.", Advice::GiveUp),
        (
            400,
            Class::Write,
            "The remaining storage in the user's account is not enough to perform this operation.",
            Advice::StorageFull,
        ),
        (403, Class::Write, "Request had insufficient authentication scopes.", Advice::Reauthorise),
        (403, Class::Write, "No permission to add media items to this album.", Advice::GiveUp),
        (403, Class::Media, "Your client does not have permission", Advice::GiveUp),
        (401, Class::Read, "", Advice::Reauthorise),
        (413, Class::Upload, "", Advice::GiveUp),
        (404, Class::Read, "", Advice::GiveUp),
        (
            429,
            Class::Write,
            "Quota exceeded for quota 'concurrent write request' of service 'x'.",
            Advice::PauseWrites { at_least: THROTTLED_MIN },
        ),
        (429, Class::Read, "", Advice::Retry { after: None }),
    ] {
        assert_eq!(message(class, status, text).advice(), advice, "{status} {text}");
    }
}

#[test]
fn a_daily_quota_differs_from_a_short_term_limit() {
    let daily = "Quota exceeded for quota metric 'All requests' and limit 'All requests per day' of service";
    assert!(message(Class::Read, 429, daily).refusal().unwrap().is_daily_quota());
    let minute = "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user'";
    assert!(!message(Class::Write, 429, minute).refusal().unwrap().is_daily_quota());
}

#[test]
fn any_body_makes_a_refusal() {
    for body in [
        "",
        "<html><body>Sorry",
        "null",
        "[]",
        "{\"error\":null}",
        "{\"error\":{\"message\":7}}",
        "\u{1}",
    ] {
        let error = refused(Class::Read, 404, body);
        assert_eq!(error.kind(), FailureKind::Foreign, "{body:?}");
    }
    let picture = Refusal::read("download", Class::Media, 404, false, &[0xff, 0xd8, 0xff], None);
    assert!(picture.message().contains("3 bytes"), "{picture}");
}

#[test]
fn a_refusal_by_a_proxy_does_not_blame_the_login() {
    let page = "<html><h1>403 Forbidden</h1>Blocked by policy</html>";
    let read = |class, is_json| {
        let refusal = Refusal::read("x", class, 403, is_json, page.as_bytes(), None);
        Error::Refused(Box::new(refusal))
    };
    for class in [Class::Read, Class::Write, Class::Upload] {
        for is_json in [true, false] {
            let error = read(class, is_json);
            assert_eq!(error.advice(), Advice::Retry { after: None }, "{error}");
            assert!(!error.may_have_happened());
        }
    }
    assert_eq!(read(Class::Media, false).advice(), Advice::GiveUp);
}

#[test]
fn reason_comes_from_the_details() {
    let body = r#"{"error":{"code":403,"message":"m","status":"PERMISSION_DENIED","details":[{"@type":"x"},
        {"reason":"ACCESS_TOKEN_SCOPE_INSUFFICIENT"}]}}"#;
    assert_eq!(refused(Class::Write, 403, body).kind(), FailureKind::ScopeMissing);
    let disabled = body.replace("ACCESS_TOKEN_SCOPE_INSUFFICIENT", "SERVICE_DISABLED");
    assert_eq!(refused(Class::Read, 403, &disabled).kind(), FailureKind::ApiDisabled);
}

/// A page, a bare status and an envelope about another status blame nothing, whatever they say.
#[test]
fn only_the_api_itself_blames_a_call() {
    let bodies = [
        "",
        "<html>The provided ID does not match any albums. valid upload token</html>",
        r#"{"code":3,"message":"Quota exceeded for quota metric 'Write requests'."}"#,
        r#"{"error":"invalid_grant"}"#,
        r#"{"error":{"code":500,"message":"checksum"}}"#,
        r#"{"error":{"message":"checksum"}}"#,
    ];
    for class in [Class::Read, Class::Write, Class::Upload] {
        for status in [400, 401, 403, 404, 405, 410, 412, 413, 418, 500, 501] {
            for body in bodies {
                let error = refused(class, status, body);
                let own = error.refusal().unwrap().is_from_api();
                assert_eq!(own, status == 500 && body.contains("500"), "{error}");
                assert!(own || error.kind() == FailureKind::Foreign, "{error}");
                assert_eq!(error.advice(), Advice::Retry { after: None }, "{error}");
                let harmless = matches!(status, 401 | 403);
                assert_eq!(error.may_have_happened(), !harmless, "{error}");
            }
        }
    }
    let full = "<html>The remaining storage in the account is not enough.</html>";
    assert_eq!(refused(Class::Write, 400, full).kind(), FailureKind::StorageFull);
}
