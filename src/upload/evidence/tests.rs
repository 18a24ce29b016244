use proptest::prelude::*;

use super::*;

const ONE: FileId = FileId(1);
const TWO: FileId = FileId(2);

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

fn trial(attempts: u32, own: u32, age: Duration) -> Trial {
    let past = PastFailures { attempts, own, since: Some(at(1000)) };
    Trial { alone: true, only: false, broken: false, past, now: at(1000) + age }
}

fn soon() -> Trial {
    trial(0, 0, Duration::ZERO)
}

#[test]
fn a_file_is_refused_when_it_fails_alone_while_others_succeed() {
    let mut evidence = Evidence::default();
    let first = evidence.failed(ONE, Symptom::Content, true);
    assert_eq!(first.verdict(&soon()), Verdict::Own);
    evidence.succeeded(TWO);
    let second = evidence.failed(ONE, Symptom::Content, false);
    assert_eq!(second.others, Others::Succeed);
    assert_eq!(second.verdict(&Trial { alone: false, ..soon() }), Verdict::Own);
    assert_eq!(second.verdict(&soon()), Verdict::Refused);
}

#[test]
fn files_that_fail_alike_are_an_outage_until_one_succeeds() {
    for symptom in [Symptom::Content, Symptom::Unclear, Symptom::Failing, Symptom::Elsewhere] {
        let mut evidence = Evidence::default();
        evidence.failed(ONE, symptom, false);
        assert!(!evidence.is_outage());
        for n in 0..1000 {
            let file = if n % 2 == 0 { TWO } else { ONE };
            let failed = evidence.failed(file, symptom, false);
            assert_eq!(failed.verdict(&trial(10, 0, FAILING_MAX)), Verdict::Outage);
        }
        assert!(evidence.is_outage());
        evidence.succeeded(TWO);
        assert!(!evidence.is_outage());
    }
}

#[test]
fn one_file_alone_is_refused_at_once_only_for_its_content() {
    let alone = Trial { only: true, ..soon() };
    for (symptom, verdict) in [
        (Symptom::Content, Verdict::Refused),
        (Symptom::Checksum, Verdict::Refused),
        (Symptom::Unclear, Verdict::Unknown),
        (Symptom::Failing, Verdict::Unknown),
        (Symptom::Elsewhere, Verdict::Unknown),
    ] {
        let mut evidence = Evidence::default();
        let verdicts: Vec<_> =
            (0..6).map(|_| evidence.failed(ONE, symptom, false).verdict(&alone)).collect();
        assert_eq!(verdicts[0], Verdict::Unknown, "{symptom:?}");
        assert_eq!(verdicts[5], verdict, "{symptom:?}");
        let others_wait = evidence.failed(ONE, symptom, false).verdict(&soon());
        assert_eq!(others_wait, Verdict::Unknown, "{symptom:?}");
    }
}

#[test]
fn an_answer_about_all_files_is_about_one_if_others_succeed() {
    let (none, own) = (soon().past, trial(1, 1, Duration::ZERO).past);
    let mut evidence = Evidence::default();
    assert!(!evidence.failed(ONE, Symptom::Unclear, false).is_of_one_file(none));
    assert!(!evidence.failed(TWO, Symptom::Unclear, false).is_of_one_file(none));
    // They may have been the last that had room.
    assert!(!evidence.failed(TWO, Symptom::Unclear, false).is_of_one_file(own));
    let mut evidence = Evidence::default();
    assert!(evidence.failed(ONE, Symptom::Unclear, true).is_of_one_file(none));
    evidence.succeeded(TWO);
    assert!(evidence.failed(ONE, Symptom::Unclear, false).is_of_one_file(own));
    // No other file is left, and the answer stays the same.
    assert!(evidence.failed(ONE, Symptom::Unclear, false).is_of_one_file(own));
    assert!(!evidence.failed(TWO, Symptom::Unclear, false).is_of_one_file(none));
}

#[test]
fn files_that_are_too_large_are_refused_whatever_becomes_of_others() {
    let mut evidence = Evidence::default();
    for file in [ONE, TWO] {
        let failed = evidence.failed(file, Symptom::Size, false);
        assert_eq!(failed.verdict(&soon()), Verdict::Refused);
    }
}

#[test]
fn unclear_refusals_are_believed_after_five_each_with_a_success_between() {
    let mut evidence = Evidence::default();
    let mut fail = |symptom| {
        evidence.succeeded(TWO);
        evidence.failed(ONE, symptom, false).verdict(&soon())
    };
    for _ in 0..5 {
        assert_ne!(fail(Symptom::Unclear), Verdict::Refused);
    }
    assert_eq!(fail(Symptom::Unclear), Verdict::Refused);
    // Another symptom in between begins anew.
    fail(Symptom::Failing);
    assert_eq!(fail(Symptom::Unclear), Verdict::Own);
}

#[test]
fn a_file_that_fails_for_ever_is_given_up_by_number_or_time() {
    let day = FAILING_MAX;
    let mut evidence = Evidence::default();
    let own = evidence.failed(ONE, Symptom::Failing, true);
    assert_eq!(own.verdict(&trial(40, 28, Duration::ZERO)), Verdict::Own);
    assert_eq!(own.verdict(&trial(40, 29, Duration::ZERO)), Verdict::GivenUp);
    assert_eq!(own.verdict(&trial(9, 4, day)), Verdict::GivenUp);
    // The clock was set.
    assert_eq!(own.verdict(&trial(9, 3, day * 400)), Verdict::Own);

    let mut evidence = Evidence::default();
    let unknown = evidence.failed(ONE, Symptom::Failing, false);
    assert_eq!(unknown.verdict(&trial(400, 0, day / 2)), Verdict::Unknown);
    assert_eq!(unknown.verdict(&trial(28, 0, day * 400)), Verdict::Unknown);
    assert_eq!(unknown.verdict(&trial(29, 0, day)), Verdict::GivenUp);
    let elsewhere = evidence.failed(TWO, Symptom::Elsewhere, false);
    assert_eq!(elsewhere.verdict(&trial(400, 0, day * 400)), Verdict::Unknown);
}

#[test]
fn broken_pictures_are_refused_although_no_other_file_succeeds() {
    let mut evidence = Evidence::default();
    let trial = Trial { broken: true, ..soon() };
    for file in [ONE, TWO] {
        let first = evidence.failed(file, Symptom::Content, false);
        assert_ne!(first.verdict(&trial), Verdict::Refused);
    }
    for file in [ONE, TWO] {
        let again = evidence.failed(file, Symptom::Content, false);
        assert_eq!(again.others, Others::FailAlike);
        assert_eq!(again.verdict(&Trial { alone: false, ..trial }), Verdict::Outage);
        assert_eq!(again.verdict(&trial), Verdict::Refused);
        assert_eq!(again.verdict(&soon()), Verdict::Outage);
    }
}

fn symptoms() -> impl Strategy<Value = Symptom> {
    use Symptom::{Checksum, Content, Elsewhere, Failing, Unclear};
    prop::sample::select(vec![Content, Checksum, Unclear, Failing, Elsewhere])
}

proptest! {
    /// Several files wait and none succeeds: only a broken picture is refused, only for its content, and only alone.
    #[test]
    fn without_a_success_only_broken_pictures_are_refused(
        failures in prop::collection::vec((0..4i64, symptoms(), any::<bool>(), any::<bool>()), 1..60)
    ) {
        let mut evidence = Evidence::default();
        for (file, symptom, alone, broken) in failures {
            let compared = evidence.failed(FileId(file), symptom, false);
            let verdict = compared.verdict(&Trial { alone, broken, ..soon() });
            if verdict == Verdict::Refused {
                prop_assert!(broken && alone && symptom == Symptom::Content && compared.times >= 2);
            }
            prop_assert_ne!(verdict, Verdict::GivenUp);
            prop_assert_ne!(verdict, Verdict::Own);
        }
    }
}
