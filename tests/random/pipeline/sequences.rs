//! Random sequences of operations.

use super::*;

fn spot() -> impl Strategy<Value = Spot> {
    (0..ALBUMS, 0..NAMES.len()).prop_map(|(album, name)| Spot { album, name })
}

fn content() -> impl Strategy<Value = Content> {
    prop_oneof![
        12 => (0..PHOTOS).prop_map(Content::Photo),
        2 => any::<u8>().prop_map(Content::Strange),
        1 => Just(Content::Text),
        1 => Just(Content::Empty),
    ]
}

fn fault() -> impl Strategy<Value = Op> {
    let write = prop::sample::select(vec![
        Call::UploadRaw,
        Call::MediaItemsBatchCreate,
        Call::MediaItemsBatchCreate,
        Call::AlbumsBatchAdd,
        Call::AlbumsBatchRemove,
    ]);
    let read = prop::sample::select(vec![
        Call::MediaItemsBatchGet,
        Call::MediaItemsSearch,
        Call::AlbumsList,
    ]);
    let passing = vec![
        Failure::Drop,
        Failure::Drop,
        Failure::Garbage,
        Failure::Html,
        Failure::Unavailable,
        Failure::Internal,
        Failure::Aborted,
        Failure::HtmlPage { http: 404 },
        Failure::HtmlPage { http: 413 },
        Failure::BareStatus { http: 400, code: 3 },
        Failure::Empty { http: 400 },
    ];
    // Limits on reading, and those of a day, are taken at their word: too long for here. What is refused for
    // a limit has had no effect.
    let limits = prop::sample::select(vec![Failure::WritesPerMinute, Failure::ConcurrentWrite]);
    let for_write = prop::sample::select(passing.clone());
    let for_write = prop_oneof![
        7 => (for_write, any::<bool>()),
        2 => (limits, Just(false)),
    ];
    let for_read = prop::sample::select(passing);
    prop_oneof![
        3 => (write, for_write, 1..4u8).prop_map(|(call, (what, after), n)| Op::Fault(call, what, after, n)),
        1 => (read, for_read, 1..4u8).prop_map(|(call, what, n)| Op::Fault(call, what, false, n)),
    ]
}

const QUOTA: &str = "Quota exceeded for quota metric 'Write requests'.";
const STORAGE: &str = "The remaining storage in the user's account is not enough.";

/// A code, and perhaps a text, that say nothing about the item.
fn item_failure() -> impl Strategy<Value = (i32, Option<&'static str>)> {
    let codes = [(13, None), (8, None), (9, None), (7, None), (16, None)];
    let texts = [(3, Some(QUOTA)), (3, Some(STORAGE))];
    prop::sample::select([&codes[..], &texts].concat())
}

/// Lists that lack something, while counts and questions by id tell the truth.
fn lie() -> impl Strategy<Value = Op> {
    let lack = prop_oneof![Just(Lack::All), (1..4u8).prop_map(Lack::Newest)];
    prop_oneof![
        3 => (0..ALBUMS, lack, 1..4u8).prop_map(|(album, lack, n)| Op::ListsLack(album, lack, n)),
        1 => (0..ALBUMS, 1..4u8).prop_map(|(album, n)| Op::AlbumForgotten(album, n)),
    ]
}

fn user() -> impl Strategy<Value = Op> {
    let nth = any::<Nth>;
    prop_oneof![
        10 => (spot(), content()).prop_map(|(spot, content)| Op::Put(spot, content)),
        3 => spot().prop_map(Op::Open),
        3 => (nth(), content()).prop_map(|(at, content)| Op::Write(at, content)),
        1 => nth().prop_map(Op::Append),
        1 => nth().prop_map(Op::Cut),
        1 => nth().prop_map(Op::Flush),
        4 => nth().prop_map(Op::Close),
        4 => nth().prop_map(Op::Remove),
        4 => (nth(), spot()).prop_map(|(from, to)| Op::Rename(from, to)),
        1 => (nth(), nth()).prop_map(|(a, b)| Op::Exchange(a, b)),
        3 => (nth(), spot()).prop_map(|(from, to)| Op::Link(from, to)),
        4 => (0..60u8).prop_map(Op::Pause),
        2 => Just(Op::Drain),
        1 => Just(Op::Crash),
        1 => Just(Op::Restart),
        1 => Just(Op::AccessTokensExpire),
        1 => (0..ALBUMS).prop_map(Op::Refresh),
        1 => (0..ALBUMS, any::<bool>()).prop_map(|(album, saver)| Op::Quality(album, saver)),
    ]
}

fn service() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => fault(),
        1 => Just(Op::Outage(true)),
        2 => Just(Op::Outage(false)),
        3 => (1..4u8, item_failure()).prop_map(|(n, (code, text))| Op::ItemsFail(n, code, text)),
        3 => lie(),
        1 => Just(Op::DayPasses),
        2 => Just(Op::Crash),
    ]
}

fn stranger() -> impl Strategy<Value = Op> {
    let nth = any::<Nth>;
    prop_oneof![
        3 => (0..ALBUMS).prop_map(Op::StrangerAdds),
        2 => nth().prop_map(Op::StrangerRemoves),
        1 => nth().prop_map(Op::StrangerDeletes),
        1 => (0..ALBUMS).prop_map(Op::StrangerRenames),
        3 => nth().prop_map(Op::UserBins),
        1 => nth().prop_map(Op::UserRestores),
        1 => Just(Op::UserEmptiesBin),
        2 => (0..ALBUMS).prop_map(Op::Refresh),
    ]
}

/// Sequences of operations, and the latency of calls.
pub(super) fn sequences() -> impl Strategy<Value = (u64, Vec<Op>)> {
    let calm = prop::collection::vec(user(), 1..40);
    let rough = prop::collection::vec(prop_oneof![6 => user(), 1 => service()], 1..40);
    let all =
        prop::collection::vec(prop_oneof![10 => user(), 1 => service(), 1 => stranger()], 1..40);
    let all = (any::<bool>(), any::<bool>(), all).prop_map(|(resolves, makes_new, mut ops)| {
        ops.insert(0, Op::Bin(Reading { resolves, makes_new }));
        ops
    });
    (prop_oneof![Just(0), Just(3), Just(20)], prop_oneof![calm, rough, all])
}
