use proptest::prelude::*;

use super::*;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// The size of the kernel's reads.
const READ: u64 = 128 * KIB;

/// A plan whose requests are answered at once, by a server with or without ranges.
struct World {
    plan: Plan,
    total: u64,
    ranged: bool,
    requests: u64,
}

impl World {
    fn new(total: u64, ranged: bool) -> Self {
        Self { plan: Plan::new(Some(total)), total, ranged, requests: 0 }
    }

    fn begin(&mut self, stream: Number) {
        self.requests += 1;
        let starts_at = if self.ranged { self.plan.at(stream).unwrap() } else { 0 };
        assert!(self.plan.answered(stream, starts_at, self.ranged, Some(self.total)));
    }

    fn deliver(&mut self, stream: Number, len: u64) {
        let at = self.plan.at(stream).unwrap();
        self.plan.received(stream, len.min(self.total - at));
        if self.plan.flow(stream) == Flow::Stop {
            self.plan.stream_ended(stream);
        }
    }

    /// Reads as a program does, and receives no more than the streams would.
    fn read(&mut self, range: Range<u64>) {
        let waiter = self.plan.add_waiter(range.clone());
        loop {
            match self.plan.step(waiter) {
                Step::There => break,
                Step::Begin(stream) => self.begin(stream),
                Step::Wait { .. } => {}
            }
            self.flow();
        }
        self.plan.cancel(waiter);
        self.plan.read_on(&range);
        // The network is faster than the reader.
        while self.flow() {}
    }

    /// Delivers to every stream that may go on. Returns whether there was one.
    fn flow(&mut self) -> bool {
        let streams: Vec<Number> = self.plan.streams.iter().map(|it| it.number).collect();
        let mut any = false;
        for stream in streams {
            if self.plan.flow(stream) == Flow::Go {
                self.deliver(stream, 64 * KIB);
                any = true;
            }
        }
        any
    }

    fn read_all(&mut self, range: Range<u64>) {
        for start in range.clone().step_by(READ as usize) {
            self.read(start..(start + READ).min(range.end));
        }
    }
}

#[test]
fn reading_from_front_to_back_is_one_request() {
    for (total, ranged) in [(3 * MIB, true), (3 * MIB, false), (300 * MIB, true)] {
        let mut world = World::new(total, ranged);
        world.read_all(0..total);
        assert!(world.plan.is_whole());
        assert_eq!(world.requests, 1, "{total} {ranged}");
    }
}

#[test]
fn a_small_file_is_fetched_by_one_request_wherever_reading_begins() {
    let mut world = World::new(10 * MIB, true);
    world.read(10 * MIB - READ..10 * MIB);
    assert_eq!((world.requests, world.plan.bytes()), (1, 10 * MIB));
}

#[test]
fn a_far_read_of_a_large_file_costs_one_request_and_little_more_than_it_reads() {
    let mut world = World::new(GIB, true);
    // As players do: head, tail, then somewhere in the middle, and on from there.
    world.read(0..READ);
    world.read(GIB - READ..GIB);
    world.read(GIB / 2..GIB / 2 + READ);
    assert_eq!(world.requests, 3);
    assert!(world.plan.bytes() <= 3 * (READ + READ_AHEAD_MIN + 64 * KIB), "{}", world.plan.bytes());
    world.read_all(GIB / 2 + READ..GIB / 2 + 50 * MIB);
    assert_eq!(world.requests, 3);
    let beyond = world.plan.bytes() - 50 * MIB;
    assert!((READ_AHEAD_MAX / 2..2 * READ_AHEAD_MAX).contains(&beyond), "{beyond}");
}

#[test]
fn without_ranges_a_far_read_waits_for_all_bytes_before_it() {
    let mut world = World::new(100 * MIB, false);
    world.read(90 * MIB..90 * MIB + READ);
    world.read(0..READ);
    assert_eq!(world.requests, 1);
    assert!(world.plan.is_here(&(0..90 * MIB)));
}

#[test]
fn before_the_first_answer_there_is_one_request() {
    let mut plan = Plan::new(Some(GIB));
    let first = plan.add_waiter(0..READ);
    let Step::Begin(stream) = plan.step(first) else { panic!("not begun") };
    let second = plan.add_waiter(GIB / 2..GIB / 2 + READ);
    assert_eq!(plan.step(second), Step::Wait { resumes: false });
    assert!(plan.answered(stream, 0, true, Some(GIB)));
    assert!(matches!(plan.step(second), Step::Begin(_)));
}

#[test]
fn readers_beyond_the_limit_wait_and_an_unneeded_stream_makes_room() {
    let mut world = World::new(GIB, true);
    let waiters: Vec<Number> =
        (0..5).map(|at| world.plan.add_waiter(at * 100 * MIB..at * 100 * MIB + READ)).collect();
    for waiter in &waiters[..4] {
        let Step::Begin(stream) = world.plan.step(*waiter) else { panic!("not begun") };
        world.begin(stream);
    }
    assert_eq!(world.plan.step(waiters[4]), Step::Wait { resumes: false });
    world.plan.cancel(waiters[2]);
    assert!(matches!(world.plan.step(waiters[4]), Step::Begin(_)));
    assert_eq!(world.plan.streams.len(), STREAMS_MAX);
}

#[test]
fn another_length_is_another_file() {
    let mut world = World::new(GIB, true);
    world.read(0..READ);
    let waiter = world.plan.add_waiter(GIB / 2..GIB / 2 + 1);
    let Step::Begin(stream) = world.plan.step(waiter) else { panic!("not begun") };
    assert!(!world.plan.answered(stream, GIB / 2, true, Some(GIB - 1)));
}

#[test]
fn shrinking_drops_pieces_that_no_reader_is_near() {
    let mut world = World::new(GIB, true);
    world.read_all(0..100 * MIB);
    let dropped: u64 = world.plan.shrink().iter().map(|it| it.end - it.start).sum();
    assert!(dropped >= 90 * MIB, "{dropped}");
    assert!(world.plan.bytes() <= BEHIND + READ_AHEAD_MAX + READ);
    world.read_all(100 * MIB..110 * MIB);
    assert_eq!(world.requests, 1);
    // Going back is another request.
    world.read(0..READ);
    assert_eq!(world.requests, 2);
}

#[derive(Clone, Debug)]
enum Op {
    Wait(u64, u64),
    Cancel(usize),
    Deliver(usize, u64),
    Fail(usize),
    Shrink,
}

const BLOCK: u64 = 256 * KIB;

fn op(blocks: u64) -> impl Strategy<Value = Op> {
    prop_oneof![
        4 => (0..blocks, 1..9u64).prop_map(|(at, len)| Op::Wait(at, len)),
        1 => any::<usize>().prop_map(Op::Cancel),
        8 => (any::<usize>(), 1..9u64).prop_map(|(stream, len)| Op::Deliver(stream, len)),
        1 => any::<usize>().prop_map(Op::Fail),
        1 => Just(Op::Shrink),
    ]
}

proptest! {
    #[test]
    fn the_plan_knows_its_pieces_and_serves_every_waiter(
        blocks in 1..400u64,
        ranged: bool,
        ops in prop::collection::vec((0..400u64).prop_flat_map(op_within), 1..80),
    ) {
        let total = blocks * BLOCK;
        let mut world = World::new(total, ranged);
        let mut here = vec![false; blocks as usize];
        let mut waiters: Vec<Number> = Vec::new();
        for op in ops {
            let pick = |index: usize, len: usize| (len > 0).then(|| index % len);
            match op {
                Op::Wait(at, len) => {
                    let start = at % blocks * BLOCK;
                    waiters.push(world.plan.add_waiter(start..start + len * BLOCK));
                }
                Op::Cancel(index) => if let Some(index) = pick(index, waiters.len()) {
                    world.plan.cancel(waiters.swap_remove(index));
                },
                Op::Deliver(index, len) => if let Some(index) = pick(index, world.plan.streams.len()) {
                    let stream = world.plan.streams[index].number;
                    if world.plan.flow(stream) == Flow::Go {
                        let at = world.plan.at(stream).unwrap() / BLOCK;
                        let end = (at + len).min(blocks);
                        here[at as usize..end as usize].fill(true);
                        world.deliver(stream, len * BLOCK);
                    }
                },
                Op::Fail(index) => if let Some(index) = pick(index, world.plan.streams.len()) {
                    let stream = world.plan.streams[index].number;
                    let served = world.plan.stream_ended(stream);
                    waiters.retain(|waiter| !served.contains(waiter));
                    served.into_iter().for_each(|waiter| world.plan.cancel(waiter));
                },
                Op::Shrink => for dropped in world.plan.shrink() {
                    here[(dropped.start / BLOCK) as usize..(dropped.end / BLOCK) as usize].fill(false);
                },
            }
            for waiter in &waiters {
                if let Step::Begin(stream) = world.plan.step(*waiter) {
                    world.begin(stream);
                }
            }
            prop_assert!(world.plan.streams.len() <= STREAMS_MAX);
            for (block, here) in here.iter().enumerate() {
                let start = block as u64 * BLOCK;
                prop_assert_eq!(world.plan.is_here(&(start..start + BLOCK)), *here, "{}", block);
            }
            let bytes = here.iter().filter(|here| **here).count() as u64 * BLOCK;
            prop_assert_eq!(world.plan.bytes(), bytes);
        }
        // Every waiter is served in time.
        let mut rounds = 0;
        while !waiters.is_empty() {
            rounds += 1;
            prop_assert!(rounds < 10_000, "{:?}", world.plan);
            waiters.retain(|waiter| match world.plan.step(*waiter) {
                Step::There => {
                    world.plan.cancel(*waiter);
                    false
                }
                Step::Begin(stream) => {
                    world.begin(stream);
                    true
                }
                Step::Wait { .. } => true,
            });
            world.flow();
        }
    }
}

fn op_within(blocks: u64) -> impl Strategy<Value = Op> {
    op(blocks + 1)
}
