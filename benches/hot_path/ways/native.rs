//! A native function that does the same, called through a pointer: reads all into memory of its
//! own, appends that to a buffer from a pool, emits the buffer. No sandbox: what isolation costs is
//! what the others cost beyond this.

use std::hint::black_box;

use super::{Key, Result, Way};
use crate::work::{CONTENT_TYPE, DROPPED, FALSE, READY, TRUE, Task, Work, seen, sum};

const SOURCE_TEXT: &[u8; 64] = b"The source gives this text, of sixty-four bytes, each time. 0123";

#[derive(Clone, Copy)]
struct Element<'a> {
    sequence: u64,
    #[allow(dead_code)] // passed on, as in the other ways
    content_type: &'a str,
    payload: &'a [u8],
}

struct Stage {
    memory: Vec<u8>,
    pool: Vec<Vec<u8>>,
}

impl Stage {
    fn read_all(&mut self, payload: &[u8]) -> usize {
        self.memory[..payload.len()].copy_from_slice(payload);
        payload.len()
    }

    fn emit(&mut self, len: usize) -> Vec<u8> {
        let mut buffer = self.pool.pop().unwrap_or_default();
        buffer.extend_from_slice(&self.memory[..len]);
        buffer
    }
}

/// What a stage answers.
enum Outcome {
    Emitted(Vec<u8>),
    Mark(u64),
}

type Function = fn(&mut Stage, Element<'_>) -> Outcome;

fn function(work: Work) -> Function {
    match work {
        Work::Metadata => |_, element| {
            assert!(element.sequence >= 1 << 63);
            Outcome::Mark(DROPPED)
        },
        Work::Transform => |stage, element| {
            let len = stage.read_all(element.payload);
            Outcome::Emitted(stage.emit(len))
        },
        Work::UpperCase => |stage, element| {
            let len = stage.read_all(element.payload);
            stage.memory[..len].make_ascii_uppercase();
            Outcome::Emitted(stage.emit(len))
        },
        Work::Pull => |stage, _| {
            stage.read_all(SOURCE_TEXT);
            Outcome::Emitted(stage.emit(64))
        },
        Work::Push => |stage, element| {
            stage.read_all(element.payload);
            Outcome::Mark(READY)
        },
        Work::Evaluate => |stage, element| {
            stage.read_all(&element.payload[..8]);
            Outcome::Mark(if stage.memory[0] & 1 == 1 { TRUE } else { FALSE })
        },
    }
}

struct Native {
    task: Task,
    stage: Stage,
}

pub fn make(task: &Task) -> Result<Vec<Box<dyn Way>>> {
    let memory = vec![0; task.payload.len().max(64)];
    Ok(vec![Box::new(Native { task: task.clone(), stage: Stage { memory, pool: Vec::new() } })])
}

impl Way for Native {
    fn key(&self) -> Key {
        Key::Native
    }

    fn run(&mut self, n: u64) -> u64 {
        let (work, stage) = (self.task.work, &mut self.stage);
        let function = black_box(function(work));
        sum(n, |i| {
            let element =
                Element { sequence: work.sequence(i), content_type: CONTENT_TYPE, payload: &self.task.payload };
            match function(stage, element) {
                Outcome::Emitted(mut buffer) => {
                    let mark = seen(&buffer);
                    buffer.clear();
                    stage.pool.push(buffer);
                    mark
                }
                Outcome::Mark(mark) => {
                    // What was read was not read in vain.
                    black_box(&stage.memory);
                    mark
                }
            }
        })
    }
}
